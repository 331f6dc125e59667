//! What the kiosk ends by itself.

use super::{after_talking, told};

#[test]
fn what_the_kiosk_has_ended_is_told_carried_no_more_and_stays_until_it_is_closed() {
    told(
        "0 page 1 opens ana
         0 page 1 on duty
         1 north alarm A
         1 store has A
         2 page 1 answers A
         3 north has closed A
         3.1 north has closed A
         4 north tests T
         5 page 1 shuts A",
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
         3 pages < A answered ana ended
         3 save A answered
         3 gateway < page 1 gets nothing
         3 gateway < alarm of north over
         4 keep test north T
         4 gateway < test of north open
         5 page 1 < watching nothing
         5 gateway < alarm of north over
         5 pages < A closed ana
         5 order north A closed real
         5 save A closed",
    );
}

#[test]
fn a_press_after_the_kiosk_has_ended_a_call_opens_the_gate_for_itself_alone() {
    let found = after_talking(
        "1 page 2 opens bek
         1 page 2 on duty
         1.5 north has closed A
         2 north alarm B
         2.5 page 2 answers B",
    );
    let after: Vec<_> = found.lines().filter(|line| line.starts_with('2') && line.contains("gateway")).collect();
    let expected = [
        "2 gateway < alarm of north open",
        "2 gateway < page 2 gets north",
        "2.5 gateway < page 2 gets north with sound",
    ];
    assert_eq!(after, expected, "{found}");
}
