//! Stories of the desk, told as scripts.

use super::script::{START_US, Stage, alarm, at, heartbeat, incident, kiosk, play};
use super::{CLOSED_SHOWN, Effect, Event};
use crate::centre::page::RecordingView;
use crate::wire::down::Standing;
use crate::wire::up::{Alarm, IncidentEvent, IncidentReport, Mark};

fn told(script: &str, expected: &str) {
    let expected: Vec<_> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let found = play(script);
    assert_eq!(found.lines().collect::<Vec<_>>(), expected, "\nthe desk did:\n{found}");
}

#[test]
fn an_alarm_is_shown_at_once_and_acknowledged_when_it_is_kept() {
    told(
        "0 page 1 opens ana
         0 page 1 on duty
         1 north alarm A
         1.1 store has A",
        "1 pages < A waiting
         1 gateway < alarm of north open
         1 page 1 < watching A
         1 gateway < page 1 gets north
         1 save new A
         1.1 ack north A waiting",
    );
}

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

const TALKING: &str = "0 page 1 opens ana
         0 page 1 on duty
         0 north alarm A
         0 store has A
         1 page 1 answers A";

fn after_talking(script: &str) -> String {
    let mut stage = Stage::new();
    stage.play(TALKING, &[]);
    stage.play(script, &["< hello", "save", "< on duty", "audit", "pong"])
}

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
                    3 page 2 < watching A\n\
                    3 gateway < page 2 gets north with sound\n\
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
fn a_page_that_comes_back_before_the_broken_one_is_missed_keeps_its_call() {
    // The network broke at 2.1 s; the old connection is still thought to stand when the new one comes.
    let late = "2 page 1 pings\n4.6 page 2 opens ana\n6.1 page 2 pings\n7 nothing";
    let found = after_talking(late);
    assert!(found.contains("4.6 gateway < page 2 gets north with sound"), "{found}");
    assert!(found.contains("6 gateway < page 1 gone"), "{found}");
    assert!(!found.contains("waiting"), "{found}");
    let early = "2 page 1 pings\n2.5 page 2 opens ana\n5 page 2 pings\n7 nothing";
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
    let expected = "2 gateway < page 1 gets north\n\
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
fn a_resent_alarm_is_acknowledged_and_never_doubled() {
    told(
        "0 north alarm A
         0.5 north alarm A
         1 store has A
         1.5 north alarm A
         2 north alarm A presses 2
         2.5 north presses A 2
         3 north presses A 3",
        "0 pages < A waiting
         0 gateway < alarm of north open
         0 save new A
         1 ack north A waiting
         1.5 ack north A waiting
         2 pages < A waiting
         2 save A waiting
         2 ack north A waiting
         3 pages < A waiting
         3 save A waiting",
    );
}

#[test]
fn an_alarm_that_cannot_be_kept_is_shown_all_the_same_and_tried_again() {
    told(
        "0 page 1 opens ana
         0 page 1 on duty
         0 north alarm A
         0.1 store fails A
         0.2 page 1 answers A
         0.5 north alarm A
         0.6 store fails A
         2 page 1 pings
         2.1 store has A",
        "0 pages < A waiting
         0 gateway < alarm of north open
         0 page 1 < watching A
         0 gateway < page 1 gets north
         0 save new A
         0.2 gateway < page 1 gets north with sound
         0.2 pages < A answered ana
         0.2 order north A answered
         0.5 save new A
         1.6 save new A
         2 page 1 < pong
         2.1 save A answered
         2.1 ack north A answered",
    );
}

#[test]
fn a_change_that_cannot_be_kept_is_tried_again() {
    let mut stage = Stage::new();
    stage.play(TALKING, &[]);
    let script = "1.1 store fails A\n2 page 1 pings\n3 page 1 pings";
    let found = stage.play(script, &["pong"]);
    let expected = "1.1 audit centre: could not be made durable: disk full (A)\n2.1 save A answered";
    assert_eq!(found, expected);
}

#[test]
fn an_alarm_the_desk_had_forgotten_is_closed_again() {
    let mut stage = Stage::new();
    stage.play(TALKING, &[]);
    let effects = stage.desk.handle(
        Event::Alarm {
            kiosk: kiosk("south"),
            alarm: Box::new(alarm(incident("B"), START_US)),
            age_us: None,
            synced: true,
        },
        at(2.0),
    );
    let Some(mut known) = effects.into_iter().find_map(|e| if let Effect::SaveNew(r) = e { Some(r) } else { None })
    else {
        panic!("it is to be kept");
    };
    known.view.standing = Standing::Closed;
    known.view.owner = Some("bek".to_owned());
    let event = Event::Stored { incident: incident("B"), already: Some(known), recording: RecordingView::default() };
    let effects = stage.desk.handle(event, at(2.1));
    assert!(effects.contains(&Effect::Ack {
        kiosk: kiosk("south"),
        incident: incident("B"),
        standing: Standing::Closed
    }));
    let view = stage.desk.incident_views().into_iter().find(|v| v.id == incident("B")).expect("it is shown as closed");
    assert_eq!((view.standing, view.owner.as_deref()), (Standing::Closed, Some("bek")));
}

#[test]
fn a_kiosk_speaks_only_of_its_own_incidents() {
    told(
        "0 north alarm A
         0 store has A
         1 south alarm A
         1 south presses A 9
         1 south timing A kept 1000
         1 north presses Z 9
         1 north timing A answered 1000",
        "0 pages < A waiting
         0 gateway < alarm of north open
         0 save new A
         0 ack north A waiting
         1 rejected south Foreign
         1 rejected south Foreign
         1 rejected south Foreign
         1 rejected north Unknown
         1 rejected north Implausible",
    );
}

#[test]
fn a_flood_of_alarms_of_one_kiosk_is_bounded() {
    let mut stage = Stage::new();
    let mut opened = 0;
    for n in 0..200u128 {
        let id = crate::wire::IncidentId(uuid::Uuid::from_u128(n));
        let event = Event::Alarm { kiosk: kiosk("north"), alarm: Box::new(alarm(id, 0)), age_us: None, synced: true };
        let effects = stage.desk.handle(event, at(0.0));
        opened += effects.iter().filter(|e| matches!(e, Effect::SaveNew(_))).count();
    }
    assert_eq!(opened, super::OPEN_PER_KIOSK);
}

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
    assert_eq!(found, "");
}

#[test]
fn an_offer_inside_an_alarm_reaches_the_gateway_once() {
    told(
        "0 north alarm A offer 1
         1 north alarm A offer 1
         2 north alarm A offer 2
         3 north offers 3",
        "0 pages < A waiting
         0 gateway < alarm of north open
         0 save new A
         0 gateway < offer of north 1
         2 gateway < offer of north 2
         3 gateway < offer of north 3",
    );
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
fn a_growing_recording_is_shown_twice_a_second_at_most() {
    told(
        "0 north alarm A
         0 store has A
         1 store grows A 1
         1.1 store grows A 2
         1.2 store grows A 3
         1.3 store grows A 2
         2 nothing",
        "0 pages < A waiting
         0 gateway < alarm of north open
         0 save new A
         0 ack north A waiting
         1 pages < A waiting 1 fragments
         1.5 pages < A waiting 3 fragments",
    );
}

#[test]
fn after_a_restart_open_calls_are_shown_and_wait_for_their_officers_a_moment() {
    let mut before = Stage::new();
    before.play(TALKING, &[]);
    let records: Vec<_> = before.desk.incidents.values().map(|i| i.record.clone()).collect();
    let restarted = |script: &str| {
        let mut stage = Stage::new();
        let first = stage.desk.restore(records.clone(), vec![], at(0.0));
        let open = crate::centre::gateway::GatewayCommand::Alarm { kiosk: kiosk("north"), open: true };
        assert_eq!(first, [Effect::Gateway(open)]);
        stage.play(script, &["save", "audit", "pong"])
    };
    let back = "1 page 1 < hello A answered\n1 page 1 < watching A\n1 gateway < page 1 gets north with sound";
    assert_eq!(restarted("1 page 1 opens ana\n4 page 1 pings\n6 page 1 pings"), back);
    let gone = "1 page 1 < hello A answered\n4 pages < A waiting\n4 order north A waiting";
    assert_eq!(restarted("1 page 1 opens bek\n4 page 1 pings\n6 page 1 pings"), gone);
}

#[test]
fn what_is_shown_of_the_past_is_bounded() {
    let mut stage = Stage::new();
    stage.play("0 page 1 opens ana\n0 page 1 on duty", &[]);
    for n in 0..2000u128 {
        let now = at(n as f64 / 1000.0);
        let id = crate::wire::IncidentId(uuid::Uuid::from_u128(n));
        let said = crate::centre::page::FromPage::Close {
            incident: id,
            verdict: crate::wire::down::Verdict::Test,
            note: String::new(),
        };
        let report = Box::new(IncidentEvent { incident: id, what: IncidentReport::Closed });
        for event in [
            Event::Alarm { kiosk: kiosk("north"), alarm: Box::new(alarm(id, now.wall_us)), age_us: None, synced: true },
            Event::Stored { incident: id, already: None, recording: RecordingView::default() },
            Event::PageSaid { page: 1, said },
            Event::Report { kiosk: kiosk("north"), report },
        ] {
            drop(stage.desk.handle(event, now));
        }
    }
    assert_eq!(stage.desk.incident_views().len(), CLOSED_SHOWN);
    assert!(stage.desk.incidents.len() <= CLOSED_SHOWN, "{}", stage.desk.incidents.len());
}

#[test]
fn instants_of_the_kiosk_are_put_on_the_centres_clock() {
    let mut stage = Stage::new();
    // The kiosk is an hour behind.
    let hour = 3_600_000_000;
    let now = at(1.0);
    let pressed = Alarm { clock_offset_us: Some(hour), ..alarm(incident("A"), now.wall_us - hour - 5_000) };
    let event = Event::Alarm { kiosk: kiosk("north"), alarm: Box::new(pressed), age_us: None, synced: false };
    drop(stage.desk.handle(event, now));
    let marks = [(Mark::Kept, now.wall_us - hour - 4_000), (Mark::Sent, now.wall_us - hour - 3_000)];
    for (mark, at_us) in marks {
        let what = IncidentReport::Timing { marks: [(mark, at_us), (Mark::Edge, 0)].into() };
        let report = Box::new(IncidentEvent { incident: incident("A"), what });
        drop(stage.desk.handle(Event::Report { kiosk: kiosk("north"), report }, now));
    }
    let view = &stage.desk.incident_views()[0];
    assert_eq!(view.pressed_wall_us, now.wall_us - 5_000);
    let expected = [
        (Mark::Edge, now.wall_us - 5_000),
        (Mark::Kept, now.wall_us - 4_000),
        (Mark::Sent, now.wall_us - 3_000),
        (Mark::Received, now.wall_us),
    ];
    assert_eq!(view.timing, expected.into(), "the first value of a mark stands");
}

#[test]
fn a_kiosk_that_thinks_it_is_1970_is_believed_only_how_long_ago_it_was_pressed() {
    let mut stage = Stage::new();
    let event = Event::Alarm {
        kiosk: kiosk("north"),
        alarm: Box::new(Alarm { clock_offset_us: None, ..alarm(incident("A"), 12_000_000) }),
        age_us: Some(7_000),
        synced: false,
    };
    drop(stage.desk.handle(event, at(1.0)));
    assert_eq!(stage.desk.incident_views()[0].pressed_wall_us, at(1.0).wall_us - 7_000);
}

#[test]
fn instants_of_a_page_are_put_on_the_centres_clock() {
    let mut stage = Stage::new();
    let script = "0 page 1 opens ana\n0 north alarm A\n0 page 1 pings\n1 page 1 marks A alarm_painted\n\
                  2 page 1 marks A alarm_painted\n2 page 1 marks A answered";
    let found = stage.play(script, &["save", "audit", "pong", "hello", "gateway"]);
    let view = &stage.desk.incident_views()[0];
    assert_eq!(view.timing.get(&Mark::AlarmPainted), Some(&at(1.0).wall_us));
    assert!(found.ends_with("2 page 1 < refused mark: Answered is not an instant a page can see"), "{found}");
    // A page whose clock is far off and has not been compared yet: the arrival is the nearest guess.
    drop(stage.desk.handle(Event::PageOpened { page: 2, officer: "bek".to_owned() }, at(3.0)));
    let said = crate::centre::page::FromPage::Mark { incident: incident("A"), mark: Mark::FirstFrame, at_us: 5 };
    drop(stage.desk.handle(Event::PageSaid { page: 2, said }, at(3.0)));
    assert_eq!(stage.desk.incident_views()[0].timing.get(&Mark::FirstFrame), Some(&at(3.0).wall_us));
}

#[test]
fn the_wall_clock_may_jump_without_anybody_vanishing() {
    let mut stage = Stage::new();
    stage.play(TALKING, &[]);
    let mut now = at(2.0);
    now.wall_us += 86_400_000_000;
    let effects = stage.desk.handle(Event::Tick, now);
    assert_eq!(effects, []);
    let beat = Event::Heartbeat { kiosk: kiosk("north"), beat: Box::new(heartbeat(None)), sent_wall_us: 0 };
    assert!(stage.desk.handle(beat, now).iter().any(|e| matches!(e, Effect::Echo { .. })));
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
