//! Alarms that come, come again, cannot be kept, are too many, or are another kiosk's.

use super::{TALKING, told};
use crate::centre::desk::script::{START_US, Stage, alarm, at, incident, kiosk};
use crate::centre::desk::{Effect, Event, OPEN_PER_KIOSK};
use crate::centre::page::RecordingView;
use crate::wire::down::Standing;

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
    assert_eq!(opened, OPEN_PER_KIOSK);
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
