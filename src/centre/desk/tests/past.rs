//! Recordings that grow, restarts, and what is shown of the past.

use super::{TALKING, told};
use crate::centre::desk::script::{Stage, alarm, at, kiosk};
use crate::centre::desk::{CLOSED_SHOWN, Effect, Event};
use crate::centre::page::RecordingView;
use crate::wire::up::{IncidentEvent, IncidentReport};

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
        stage.play(script, &["save", "audit", "pong", "< on duty"])
    };
    let back = "1 page 1 < hello A answered\n1 page 1 < watching A\n1 gateway < page 1 gets north with sound";
    assert_eq!(restarted("1 page 1 opens ana\n1 page 1 on duty\n4 page 1 pings\n6 page 1 pings"), back);
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
