//! Three clocks: the centre's, the kiosk's, the page's.

use super::TALKING;
use crate::centre::desk::script::{Stage, alarm, at, heartbeat, incident, kiosk};
use crate::centre::desk::{Effect, Event};
use crate::wire::up::{Alarm, IncidentEvent, IncidentReport, Mark};

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
