//! Who answers a call, holds it, takes it over and closes it.

use super::{after_talking, told};
use crate::centre::desk::script::{Stage, play};

#[test]
fn a_whole_call() {
    told(
        "0 page 1 opens ana
         0 page 1 on duty
         1 north alarm A
         1 store has A
         2 page 1 answers A
         3 page 1 holds A
         3.5 page 1 answers A
         4 page 1 shuts A
         4.5 north has closed A",
        "1 pages < A waiting
         1 gateway < alarm of north open
         1 page 1 < watching A
         1 gateway < page 1 gets north
         1 save new A
         1 ack north A waiting
         2 gateway < page 1 gets north with sound
         2 pages < A answered ana
         2 order north A answered
         2 save A answered
         3 gateway < page 1 gets north
         3 pages < A on_hold ana
         3 order north A on_hold
         3 save A on_hold
         3.5 gateway < page 1 gets north with sound
         3.5 pages < A answered ana
         3.5 order north A answered
         3.5 save A answered
         4 page 1 < watching nothing
         4 gateway < page 1 gets nothing
         4 gateway < alarm of north over
         4 pages < A closed ana
         4 order north A closed real
         4 save A closed
         4.5 pages < A closed ana
         4.5 save A closed",
    );
}

#[test]
fn the_first_answer_wins() {
    told(
        "0 page 1 opens ana
         0 page 1 on duty
         0 page 2 opens bek
         0 page 2 on duty
         1 north alarm A
         1 store has A
         2 page 1 answers A
         2 page 2 answers A
         2 page 2 holds A
         2 page 2 shuts A",
        "1 pages < A waiting
         1 gateway < alarm of north open
         1 page 1 < watching A
         1 gateway < page 1 gets north
         1 page 2 < watching A
         1 gateway < page 2 gets north
         1 save new A
         1 ack north A waiting
         2 gateway < page 1 gets north with sound
         2 pages < A answered ana
         2 order north A answered
         2 save A answered
         2 page 2 < refused answer: already answered by ana
         2 page 2 < refused hold: it is ana's
         2 page 2 < refused close: it is ana's",
    );
}

#[test]
fn another_officer_takes_a_call_over_from_hold() {
    let script = "0 page 1 opens ana
         0 page 1 on duty
         0 page 2 opens bek
         0 page 2 on duty
         1 north alarm A
         1 store has A
         2 page 1 answers A
         2.5 page 1 holds A
         3 page 2 answers A
         3.5 page 1 answers A";
    let mut stage = Stage::new();
    let found = stage.play(script, &["kiosk", "on duty", "save", "pages", "order"]);
    let after: Vec<_> = found.lines().filter(|l| l.starts_with('3')).collect();
    let expected = [
        "3 gateway < page 2 gets north with sound",
        "3 audit bek: took over from ana (A)",
        "3.5 page 1 < refused answer: already answered by bek",
    ];
    assert_eq!(after, expected, "{found}");
}

#[test]
fn answering_a_second_call_puts_the_first_on_hold() {
    told(
        "0 page 1 opens ana
         0 page 1 on duty
         1 north alarm A
         1 store has A
         1 south alarm B
         1 store has B
         2 page 1 answers A
         3 page 1 answers B",
        "1 pages < A waiting
         1 gateway < alarm of north open
         1 page 1 < watching A
         1 gateway < page 1 gets north
         1 save new A
         1 ack north A waiting
         1 pages < B waiting
         1 gateway < alarm of south open
         1 save new B
         1 ack south B waiting
         2 gateway < page 1 gets north with sound
         2 pages < A answered ana
         2 order north A answered
         2 save A answered
         3 gateway < page 1 gets north
         3 pages < A on_hold ana
         3 order north A on_hold
         3 save A on_hold
         3 page 1 < watching B
         3 gateway < page 1 gets south with sound
         3 pages < B answered ana
         3 order south B answered
         3 save B answered",
    );
}

#[test]
fn one_watches_another_while_nothing_is_answered_and_only_that() {
    told(
        "0 page 1 opens ana
         0 page 1 on duty
         1 north alarm A
         1 south alarm B
         2 page 1 watches B
         2.1 page 1 wants key frame
         2.5 page 1 answers B
         3 page 1 watches A
         3.1 page 1 watches nothing
         3.2 page 1 watches B
         3.3 page 1 watches C",
        "1 pages < A waiting
         1 gateway < alarm of north open
         1 page 1 < watching A
         1 gateway < page 1 gets north
         1 save new A
         1 pages < B waiting
         1 gateway < alarm of south open
         1 save new B
         2 page 1 < watching B
         2 gateway < page 1 gets south
         2.1 gateway < key frame for page 1
         2.5 gateway < page 1 gets south with sound
         2.5 pages < B answered ana
         2.5 order south B answered
         3 page 1 < refused watch: you are talking in 00000000-0000-0000-0000-000000000042: hold or close it first
         3.1 page 1 < refused watch: you are talking in 00000000-0000-0000-0000-000000000042: hold or close it first
         3.3 page 1 < refused watch: you are talking in 00000000-0000-0000-0000-000000000042: hold or close it first",
    );
}

#[test]
fn closing_shows_what_has_waited_longest() {
    let found = after_talking("2 south alarm B\n2 store has B\n3 east alarm C\n3 store has C\n4 page 1 shuts A");
    let after: Vec<_> = found.lines().filter(|line| line.starts_with('4')).collect();
    let expected = [
        "4 page 1 < watching nothing",
        "4 gateway < page 1 gets nothing",
        "4 page 1 < watching B",
        "4 gateway < page 1 gets south",
        "4 gateway < alarm of north over",
        "4 pages < A closed ana",
        "4 order north A closed real",
    ];
    assert_eq!(after, expected, "{found}");
}

#[test]
fn closed_stays_closed_however_often_the_alarm_comes_again() {
    let found =
        after_talking("2 page 1 shuts A\n3 north alarm A\n4 page 1 answers A\n4 page 1 shuts A\n4 north presses A 9");
    let after: Vec<_> = found.lines().filter(|line| !line.starts_with('2')).collect();
    let expected = [
        "3 ack north A closed",
        "3 order north A closed real",
        "4 page 1 < refused answer: already closed by ana",
        "4 page 1 < refused close: already closed by ana",
    ];
    assert_eq!(after, expected, "{found}");
}

#[test]
fn an_officer_switches_what_the_kiosk_has_in_a_call_of_their_own() {
    let told = play(
        "0 page 1 opens ana
         0 page 1 on duty
         0 page 2 opens bek
         0 page 2 on duty
         1 north beats strobe off
         1 north alarm A
         1 store has A
         2 page 1 switches A strobe on
         3 page 1 answers A
         3 page 2 switches A strobe on
         4 page 1 switches A strobe on
         5 page 1 switches A relay on
         7 page 1 switches B strobe on
         8 page 1 shuts A
         9 page 1 switches A strobe on",
    );
    let about: Vec<&str> = told.lines().filter(|l| l.contains("strobe") || l.contains("refused")).collect();
    assert_eq!(
        about,
        [
            "2 page 1 < refused switch: it is not answered",
            "3 page 2 < refused switch: it is ana's",
            "4 order north A strobe on",
            "5 page 1 < refused switch: north has no relay",
            "7 page 1 < refused switch: there is no such open incident",
            "9 page 1 < refused switch: it is not answered",
        ]
    );
}

#[test]
fn what_the_kiosk_says_of_its_outputs_is_shown_and_entered_and_what_was_asked_is_not() {
    let mut stage = Stage::new();
    stage.play("0 page 1 opens ana\n0 page 1 on duty\n0 north beats strobe off\n1 north alarm A\n1 store has A", &[]);
    stage.play("2 page 1 answers A\n3 page 1 switches A strobe on", &[]);
    let is_on = |stage: &Stage| stage.desk.kiosk_views()[0].outputs.first().is_some_and(|is| is.on);
    assert!(!is_on(&stage), "asked for is not done");
    let told = stage.play("4 north beats strobe on", &["echo", "order"]);
    assert!(is_on(&stage));
    assert!(told.contains("4 pages < kiosk north alive"), "{told}");
    assert!(told.contains("4 audit kiosk:north: strobe is on (A)"), "{told}");
    let told = stage.play("5 north beats strobe on", &["echo", "order"]);
    assert!(!told.contains("strobe"), "no news: {told}");
}
