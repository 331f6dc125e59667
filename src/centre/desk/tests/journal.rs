//! What is in the journal, and what is kept of a chain.

use crate::centre::desk::script::Stage;

#[test]
fn who_saw_what_and_who_was_on_duty_is_in_the_journal() {
    let mut stage = Stage::new();
    let script = "0 page 1 opens ana
        0 page 1 on duty
        1 north alarm A
        1 store has A
        2 south alarm B
        2 store has B
        3 page 1 watches B
        3.5 page 1 watches A
        4 page 1 shuts A
        5 page 1 closes";
    let found = stage.play(script, &["kiosk:"]);
    let journal: Vec<_> = found.lines().filter(|line| line.contains("audit ana")).collect();
    let expected = [
        "0 audit ana: on duty",
        "1 audit ana: watches (A)",
        "3 audit ana: watches (B)",
        "3.5 audit ana: watches (A)",
        "4 audit ana: watches (B)",
        "4 audit ana: closed: Real (A)",
        "5 audit ana: off duty: the page is gone",
    ];
    assert_eq!(journal, expected, "{found}");
}

#[test]
fn only_the_kiosk_of_an_incident_is_believed_about_its_chain() {
    let mut stage = Stage::new();
    let script = "0 north alarm A
        1 store has A
        2 north signs A 3
        3 south signs A 3
        4 north signs B 0";
    let found = stage.play(script, &["page", "ack", "order", "gateway", "audit", "save"]);
    assert!(found.contains("2 keep head A 3"), "{found}");
    assert!(!found.contains("3 keep head") && !found.contains("4 keep head"), "{found}");
    assert!(found.contains("3 rejected south Foreign") && found.contains("4 rejected north Unknown"), "{found}");
}
