//! Much at once: more alarms than a kiosk may have open, and a fleet that comes back.

use uuid::Uuid;

use crate::centre::desk::script::{Stage, alarm, at, incident, kiosk};
use crate::centre::desk::{Effect, Event, OPEN_PER_KIOSK};
use crate::centre::page::{FromPage, RecordingView};
use crate::wire::IncidentId;
use crate::wire::down::{OrderKind, Standing, Verdict};
use crate::wire::up::{IncidentEvent, IncidentReport};

fn flooded() -> Stage {
    let mut stage = Stage::new();
    for n in 0..OPEN_PER_KIOSK {
        let id = IncidentId(Uuid::from_u128(n as u128 + 1000));
        for event in [
            Event::Alarm {
                kiosk: kiosk("north"),
                alarm: Box::new(alarm(id, at(n as f64 / 1000.0).wall_us)),
                age_us: None,
                synced: true,
            },
            Event::Stored { incident: id, already: None, recording: RecordingView::default() },
        ] {
            drop(stage.desk.handle(event, at(0.0)));
        }
    }
    stage
}

#[test]
fn an_alarm_beyond_what_one_kiosk_may_have_open_joins_the_newest() {
    let mut stage = flooded();
    let newest = IncidentId(Uuid::from_u128(999 + OPEN_PER_KIOSK as u128));
    let said = |stage: &mut Stage, n: f64| {
        let event = Event::Alarm {
            kiosk: kiosk("north"),
            alarm: Box::new(alarm(incident("A"), at(n).wall_us)),
            age_us: None,
            synced: true,
        };
        stage.desk.handle(event, at(n))
    };
    let ack = Effect::Ack { kiosk: kiosk("north"), incident: incident("A"), standing: Standing::Waiting };
    let presses = |stage: &Stage| stage.desk.incidents[&newest].record.view.presses;
    let effects = said(&mut stage, 1.0);
    assert!(effects.contains(&ack), "the kiosk knows that it is heard: {effects:?}");
    assert!(effects.iter().any(|e| matches!(e, Effect::ToAllPages(_))), "and officers see it");
    assert_eq!(presses(&stage), 2);
    assert!(said(&mut stage, 2.0).contains(&ack), "a resend is answered the same");
    assert_eq!(presses(&stage), 2);
    // What becomes of the one becomes of the other.
    stage.play("3 page 1 opens ana\n3 page 1 on duty", &[]);
    let close = FromPage::Close { incident: newest, verdict: Verdict::Real, note: String::new() };
    let effects = stage.desk.handle(Event::PageSaid { page: 1, said: close }, at(4.0));
    let told: Vec<_> = effects
        .iter()
        .filter_map(|e| match e {
            Effect::Order { what: OrderKind::Stands { incident, standing, .. }, .. } => Some((*incident, *standing)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(newest, Standing::Closed), (incident("A"), Standing::Closed)]);
    let report = Box::new(IncidentEvent { incident: incident("A"), what: IncidentReport::Closed });
    drop(stage.desk.handle(Event::Report { kiosk: kiosk("north"), report }, at(5.0)));
    assert!(stage.desk.incidents[&newest].record.view.kiosk_closed);
}

#[test]
fn what_the_kiosk_has_ended_takes_no_room_from_a_new_alarm() {
    let mut stage = flooded();
    let oldest = IncidentId(Uuid::from_u128(1000));
    let report = Box::new(IncidentEvent { incident: oldest, what: IncidentReport::Closed });
    drop(stage.desk.handle(Event::Report { kiosk: kiosk("north"), report }, at(1.0)));
    let found = stage.play("2 north alarm A", &["< kiosk"]);
    assert!(found.contains("2 save new A"), "{found}");
}

#[test]
fn a_kiosk_s_state_that_comes_again_is_shown_to_nobody() {
    let mut stage = Stage::new();
    let silent = ["save", "audit", "echo"];
    let found = stage.play("0 north online\n1 north beats\n2 north online\n3 north offline\n4 north offline", &silent);
    let expected = ["0 pages < kiosk north dead", "1 pages < kiosk north alive", "3 pages < kiosk north dead"];
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}
