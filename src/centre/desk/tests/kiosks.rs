//! What is known of a kiosk: alive, told how its call stands; and its test calls.

use super::{TALKING, told};
use crate::centre::desk::script::Stage;

#[test]
fn the_standing_is_said_again_when_the_kiosk_appears_or_beats() {
    let mut stage = Stage::new();
    stage.play(TALKING, &[]);
    let silent = ["pong", "save", "echo", "< kiosk", "audit"];
    let found = stage.play("2 north online\n2.5 page 1 pings\n3 north beats\n5 page 1 pings\n7 page 1 pings", &silent);
    assert_eq!(found, "2 order north A answered");
    let found = stage.play("8 page 1 shuts A\n8.5 north beats\n10 north beats\n10 page 1 pings", &silent);
    assert!(found.ends_with("8 order north A closed real\n10 order north A closed real"), "{found}");
    let found = stage.play("11 north has closed A\n13 north beats\n13 page 1 pings\n14 north online", &silent);
    assert_eq!(found, "11 pages < A closed ana", "the officers see that the kiosk has ended it too");
}

#[test]
fn a_kiosk_is_alive_while_it_beats() {
    let mut stage = Stage::new();
    let silent = ["save", "audit", "echo"];
    let script = "0 north online
        1 north beats
        3 north beats
        4 leg north up
        11 nothing
        12 north beats
        13 north offline
        20 north beats late 9
        21 north beats";
    let expected = "0 pages < kiosk north dead\n\
                    1 pages < kiosk north alive\n\
                    4 pages < kiosk north alive leg\n\
                    10 pages < kiosk north dead leg\n\
                    12 pages < kiosk north alive leg\n\
                    13 pages < kiosk north dead leg\n\
                    20 rejected north Stale\n\
                    21 pages < kiosk north alive leg";
    assert_eq!(stage.play(script, &silent), expected);
}

#[test]
fn a_test_call_is_kept_then_acknowledged_and_rings_nowhere() {
    told(
        "0 page 1 opens ana
         0 page 1 on duty
         1 north tests T
         1.1 north tests T
         1.2 north test kept T
         1.3 north tests T
         3 north tested
         3.5 north tests T",
        "1 keep test north T
         1 gateway < test of north open
         1.1 keep test north T
         1.2 ack north T waiting
         1.3 ack north T waiting
         3 order north T test over
         3.5 rejected north Stale",
    );
}

#[test]
fn a_test_call_whose_media_does_not_come_is_ended() {
    told(
        "1 north tests T
         1 north test kept T
         30 page 1 pings",
        "1 keep test north T
         1 gateway < test of north open
         1 ack north T waiting
         16 gateway < test of north over
         21 gateway < test of north over
         21 order north T test over",
    );
}

#[test]
fn an_alarm_ends_the_test_call_at_the_centre_by_itself() {
    told(
        "0 page 1 opens ana
         0 page 1 on duty
         1 north tests T
         1 north test kept T
         2 north alarm A
         2 store has A
         2.1 north tested
         2.2 north tests T",
        "1 keep test north T
         1 gateway < test of north open
         1 ack north T waiting
         2 pages < A waiting
         2 gateway < alarm of north open
         2 page 1 < watching A
         2 gateway < page 1 gets north
         2 save new A
         2 ack north A waiting
         2.2 rejected north Stale",
    );
}

#[test]
fn a_proof_is_over_after_a_day_without_another_word() {
    let told = Stage::new().play(
        "0 north beats proved 23
         3599 nothing
         3600 nothing
         3601 north beats proved 24.001
         3602 north beats proved 0
         90002 nothing",
        &["save kiosk", "first seen", "audit", "echo"],
    );
    let expected = [
        "0 pages < kiosk north alive proved",
        "7 pages < kiosk north dead proved",
        "3600 pages < kiosk north dead",
        "3601 pages < kiosk north alive",
        "3602 pages < kiosk north alive proved",
        "3609 pages < kiosk north dead proved",
        "90002 pages < kiosk north dead",
    ];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
}
