//! The link to the centre over a real mosquitto: whoever waits for the centre's return is told of it.
#![cfg(feature = "kiosk")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use sos::adapter::link::{Envelopes, LinkAdapter, LinkSettings};
use sos::kiosk::INBOX_SIZE;
use sos::kiosk::ports::{Leg, LivePacket};
use sos::mqtt;
use sos::wire::down::CentreState;
use sos::wire::topic::CENTRE_STATE;
use sos::wire::up::Place;
use sos::wire::{BootId, SessionId, encode};
use support::process::{free_port, open_broker};
use tokio::sync::mpsc;
use tokio::time::timeout;

const BOUND: Duration = Duration::from_secs(15);

/// A leg that is never asked for anything here.
struct NoLeg;

impl Leg for NoLeg {
    fn stand_by(&self) {}
    fn make_offer(&self) {}
    fn answer(&self, _session: SessionId, _sdp: String) {}
    fn reoffer(&self) {}
    fn hang_up(&self) {}
    fn packets(&self) -> mpsc::Sender<LivePacket> {
        mpsc::channel(1).0
    }
}

#[tokio::test]
async fn delivery_is_told_when_the_broker_or_the_centre_is_there_again() {
    let (dir, port) = (tempfile::tempdir().unwrap(), free_port().unwrap());
    let mut broker = open_broker(dir.path(), port).unwrap();
    let settings = LinkSettings {
        kiosk: "park".parse().unwrap(),
        boot: BootId::fresh(),
        place: Place { name: "Park".to_owned(), position_e6: None },
        host: "127.0.0.1".to_owned(),
        port,
        tls: None,
    };
    let (inbox, mut events) = mpsc::channel(INBOX_SIZE);
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    let (_link, reader) = LinkAdapter::start(settings, inbox).unwrap();
    let (told, mut reached) = mpsc::unbounded_channel();
    reader.run(Arc::new(NoLeg), move || _ = told.send(()));
    let mut next =
        async |what: &str| timeout(BOUND, reached.recv()).await.unwrap_or_else(|_| panic!("{what}")).unwrap();
    next("the link is up").await;
    broker.kill().await.unwrap();
    let _broker = open_broker(dir.path(), port).unwrap();
    next("the link is up again").await;

    // The broker stays, the centre comes.
    let (happenings, mut heard) = mpsc::channel(64);
    tokio::spawn(async move { while heard.recv().await.is_some() {} });
    let state = CentreState { online: true, instance: "astana-1".to_owned(), version: "0".to_owned() };
    let state = encode(&Envelopes::new(BootId::fresh()).wrap(state)).unwrap();
    let centre = mqtt::Settings {
        host: "127.0.0.1".to_owned(),
        port,
        client_id: "centre".to_owned(),
        tls: None,
        subscriptions: vec!["none".to_owned()],
        will: None,
        birth: Some((CENTRE_STATE.to_owned(), state)),
    };
    let _centre = mqtt::start(centre, happenings);
    next("the centre is there").await;
}
