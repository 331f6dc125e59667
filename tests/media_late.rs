//! Orders that come before the media are there: the button is armed first.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod media_support;

use std::sync::Arc;
use std::time::Duration;

use media_support::{Store, settings, until};
use sos::adapter::media::late::LateMedia;
use sos::kiosk::ports::{Fragments, LivePacket, Media, MediaHealth};
use sos::kiosk::{INBOX_SIZE, Stamped};
use sos::wire::IncidentId;
use tokio::sync::mpsc;

/// Media that are not there yet, and are to record and to let everything out.
struct Ordered {
    media: Arc<LateMedia>,
    store: Arc<Store>,
    incident: IncidentId,
    live: mpsc::Receiver<LivePacket>,
    _inbox: mpsc::Receiver<Stamped>,
}

impl Ordered {
    fn before_they_come() -> Self {
        let (to, inbox) = mpsc::channel(INBOX_SIZE);
        let store = Store::new();
        let media = LateMedia::start(settings(), to, Arc::clone(&store) as Arc<dyn Fragments>).unwrap();
        let incident = IncidentId::fresh();
        let (packets, live) = mpsc::channel(1024);
        media.start_recording(incident, Duration::from_secs(3));
        media.open_gate(packets);
        Self { media, store, incident, live, _inbox: inbox }
    }
}

#[test]
fn what_is_ordered_before_the_media_are_there_happens_when_they_come() {
    let Ordered { media, store, incident, mut live, _inbox } = Ordered::before_they_come();
    assert_eq!(media.health(), MediaHealth::default(), "an encoder is not warm within microseconds");
    let mut passed = 0;
    until("live packets and a recording", || {
        passed += std::iter::from_fn(|| live.try_recv().ok()).count();
        passed > 20 && store.count(incident) > 2
    });
    assert!(media.health().frame_age.is_some());
    assert!(media.inventory().encoder.is_some(), "which encoder runs is told through it");
    media.shut_down();
}

#[test]
fn an_order_taken_back_before_they_come_is_none() {
    let Ordered { media, store, incident, mut live, _inbox } = Ordered::before_they_come();
    media.close_gate();
    media.stop_recording(incident);
    until("frames", || media.health().frame_age.is_some());
    // Whatever was begun before it would have been written by then.
    let other = IncidentId::fresh();
    media.start_recording(other, Duration::from_secs(1));
    until("fragments of another", || store.count(other) > 3);
    assert!(live.try_recv().is_err());
    assert_eq!(store.count(incident), 0);
    media.shut_down();
}

#[test]
fn stopped_before_they_come_they_do_not_start() {
    let (to, mut inbox) = mpsc::channel(INBOX_SIZE);
    let media = LateMedia::start(settings(), to, Store::new()).unwrap();
    media.shut_down();
    // The thread that brings them holds the inbox's last sender: it is gone when it has ended.
    until("the end of the thread that brings them", || match inbox.try_recv() {
        Err(mpsc::error::TryRecvError::Disconnected) => true,
        Ok(_) | Err(mpsc::error::TryRecvError::Empty) => false,
    });
    assert_eq!(media.health(), MediaHealth::default());
}
