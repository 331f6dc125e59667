//! Pages that vanish, come back, are two, or off duty.

use super::super::script::{Stage, at};
use super::super::{Effect, Event};
use super::{after_talking, told};
use crate::centre::page::ToPage;

#[test]
fn a_page_that_vanishes_gives_its_call_back_within_five_seconds() {
    let expected = "2 gateway < page 1 gone\n\
                    4 pages < A waiting\n\
                    4 order north A waiting";
    assert_eq!(after_talking("2 page 1 closes\n10 nothing"), expected);
}

#[test]
fn a_page_that_falls_silent_gives_its_call_back_within_five_seconds() {
    let expected = "5 drop page 1: silent for too long\n\
                    5 gateway < page 1 gone\n\
                    5.5 pages < A waiting\n\
                    5.5 order north A waiting";
    assert_eq!(after_talking("10 nothing"), expected);
}

#[test]
fn a_call_given_back_is_shown_to_the_officers_that_are_free() {
    let script = "1 page 2 opens bek
        1 page 2 on duty
        2 page 1 closes
        3 page 2 pings
        5 page 2 pings";
    let found = after_talking(script);
    assert!(found.ends_with("4 page 2 < watching A\n4 gateway < page 2 gets north"), "{found}");
}

#[test]
fn a_page_that_comes_back_keeps_its_call() {
    let expected = "2 gateway < page 1 gone\n\
                    3.1 page 2 < watching A\n\
                    3.1 gateway < page 2 gets north with sound\n\
                    3.1 gateway < offer of page 2\n\
                    3.1 gateway < page 2 gets north with sound";
    let script = "2 page 1 closes
        3 page 2 opens ana
        3.1 page 2 on duty
        3.1 page 2 offers
        6 page 2 pings
        9 page 2 pings";
    assert_eq!(after_talking(script), expected);
}

#[test]
fn a_page_that_is_only_reloaded_does_not_hold_the_call_without_an_officer() {
    // Off duty it has neither sound nor microphone: the person would be shown an officer who hears nothing.
    let expected = "2 gateway < page 1 gone\n\
                    4 pages < A waiting\n\
                    4 order north A waiting";
    assert_eq!(after_talking("2 page 1 closes\n2.5 page 2 opens ana\n4.2 page 2 pings"), expected);
}

#[test]
fn a_page_that_comes_back_before_the_broken_one_is_missed_keeps_its_call() {
    // The network broke at 2.1 s; the old connection is still thought to stand when the new one comes.
    let late = "2 page 1 pings\n4.6 page 2 opens ana\n4.6 page 2 on duty\n6.1 page 2 pings\n7 nothing";
    let found = after_talking(late);
    assert!(found.contains("4.6 gateway < page 2 gets north with sound"), "{found}");
    assert!(found.contains("6 gateway < page 1 gone"), "{found}");
    assert!(!found.contains("waiting"), "{found}");
    let early = "2 page 1 pings\n2.5 page 2 opens ana\n2.5 page 2 on duty\n5 page 2 pings\n7 nothing";
    let found = after_talking(early);
    assert!(found.contains("6 gateway < page 2 gets north with sound"), "{found}");
    assert!(!found.contains("waiting"), "{found}");
}

#[test]
fn a_second_tab_of_the_officer_does_not_take_the_call_of_the_first() {
    let found = after_talking("1.5 page 2 opens ana\n3 page 1 pings\n3 page 2 pings\n4 nothing");
    assert_eq!(found, "");
}

#[test]
fn the_officers_other_tab_takes_the_call_when_asked_to() {
    let found = after_talking("1.5 page 2 opens ana\n1.5 page 2 on duty\n2 page 2 answers A");
    let expected = "2 page 1 < watching nothing\n\
                    2 gateway < page 1 gets nothing\n\
                    2 page 2 < watching A\n\
                    2 gateway < page 2 gets north with sound";
    assert_eq!(found, expected);
}

#[test]
fn nobody_goes_off_duty_with_an_open_call() {
    let found = after_talking("2 page 1 off duty");
    assert!(found.starts_with("2 page 1 < refused duty: you have an open call"), "{found}");
}

#[test]
fn off_duty_nothing_is_carried_and_nothing_answered() {
    told(
        "0 north alarm A
         0 store has A
         1 page 1 opens ana
         1 page 1 answers A
         1 page 1 watches A
         2 page 1 on duty
         3 page 1 off duty",
        "0 pages < A waiting
         0 gateway < alarm of north open
         0 save new A
         0 ack north A waiting
         1 page 1 < refused answer: go on duty first
         1 page 1 < refused watch: go on duty first
         2 page 1 < watching A
         2 gateway < page 1 gets north
         3 page 1 < watching nothing
         3 gateway < page 1 gets nothing",
    );
}

#[test]
fn a_full_archive_is_said_once_to_every_page_and_to_those_that_open_later() {
    let mut stage = Stage::new();
    let script = "0 page 1 opens ana
        1 archive full
        1.5 archive full
        2 archive has-room
        3 archive full";
    let said = stage.play(script, &["hello", "audit"]);
    assert_eq!(said, "1 pages < archive full\n2 pages < archive has room\n3 pages < archive full");
    let hello = stage.desk.handle(Event::PageOpened { page: 2, officer: "bek".to_owned() }, at(3.5));
    let greets = |effect: &Effect| matches!(effect, Effect::ToPage { message, .. } if matches!(message, ToPage::Hello { archive_full: true, .. }));
    assert!(hello.iter().any(greets), "{hello:?}");
}
