//! Delivery against a real HTTPS server with client certificates: order, interruption, restart, refusal.
#![cfg(all(feature = "kiosk", feature = "centre"))]
#![allow(clippy::unwrap_used, reason = "tests")]

mod centre;

use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use centre::{Held, Server, Trouble};
use sos::adapter::store::{State, StoreAdapter, layout};
use sos::adapter::upload::{RETRY_REFUSED, UploadConfig, Uploader};
use sos::kiosk::ports::{Fragments, NewFragment, Store};
use sos::kiosk::{INBOX_SIZE, Stamped};
use sos::machine::Event;
use sos::wire::IncidentId;
use sos::wire::up::FaultKind;
use tempfile::TempDir;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(20);

/// A kiosk's store and a centre, and what both report.
struct World {
    dir: TempDir,
    keys: TempDir,
    store: Option<Arc<StoreAdapter>>,
    uploader: Option<Uploader>,
    events: mpsc::Receiver<Stamped>,
    held: Arc<Mutex<Held>>,
    seen: mpsc::UnboundedReceiver<(IncidentId, String)>,
    server: Option<Server>,
    address: SocketAddr,
    retry_refused: Duration,
}

impl World {
    async fn new() -> Self {
        let (dir, keys) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        centre::make_keys(keys.path());
        let (held, seen) = centre::held();
        let server = centre::serve(keys.path(), ([127, 0, 0, 1], 0).into(), Arc::clone(&held)).await;
        let address = server.address;
        let (_, events) = mpsc::channel(1);
        let mut world = Self {
            dir,
            keys,
            store: None,
            uploader: None,
            events,
            held,
            seen,
            server: Some(server),
            address,
            retry_refused: RETRY_REFUSED,
        };
        world.restart_store().await;
        world
    }

    /// The daemon's end and next start, delivery excepted.
    async fn restart_store(&mut self) {
        if let Some(uploader) = self.uploader.take() {
            uploader.stop().await;
        }
        self.store = None;
        let (inbox, events) = mpsc::channel(INBOX_SIZE);
        self.events = events;
        self.store = Some(StoreAdapter::open(self.dir.path(), &"kiosk-1".parse().unwrap(), inbox).expect("free").0);
    }

    async fn stop_server(&mut self) {
        self.server.take().expect("it runs").stop().await;
    }

    fn deliver(&mut self) {
        let config = UploadConfig {
            url: format!("https://localhost:{}", self.address.port()),
            ca: self.keys.path().join("ca.pem"),
            identity: centre::identity(self.keys.path(), "kiosk-1"),
            retry_refused: self.retry_refused,
        };
        // The inbox of faults is a new one: the store's stays with the store.
        let (inbox, events) = mpsc::channel(INBOX_SIZE);
        self.events = events;
        self.uploader = Some(Uploader::start(config, std::future::ready(Arc::clone(self.store())), inbox));
    }

    async fn serve(&mut self) {
        self.server = Some(centre::serve(self.keys.path(), self.address, Arc::clone(&self.held)).await);
    }

    fn store(&self) -> &Arc<StoreAdapter> {
        self.store.as_ref().expect("open")
    }

    fn script(&self, script: impl FnMut(&str, usize) -> Option<Trouble> + Send + 'static) {
        self.held.lock().unwrap().script = Box::new(script);
    }

    fn write(&self, incident: IncidentId, indices: impl IntoIterator<Item = u64>) {
        for index in indices {
            self.store().write(fragment(incident, index)).unwrap();
        }
    }

    async fn next(&mut self) -> (IncidentId, String) {
        tokio::time::timeout(PATIENCE, self.seen.recv()).await.expect("a request in time").expect("a centre")
    }

    /// Requests up to and including `last`.
    async fn until(&mut self, last: &str) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let (_, what) = self.next().await;
            let done = what == last;
            all.push(what);
            if done {
                return all;
            }
        }
    }

    async fn event(&mut self) -> Event {
        tokio::time::timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("open").event
    }

    /// Waits until `holds`; each look is a question to the store's thread.
    async fn until_state(&self, what: &str, holds: impl Fn(u64, u64) -> bool) {
        let look = async {
            loop {
                let both = |index: &mut sos::adapter::store::Index| {
                    Ok((index.count(State::Waiting)?, index.count(State::Delivered)?))
                };
                let (waiting, delivered) = self.store().ask(both).await.unwrap();
                if holds(waiting, delivered) {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| panic!("never: {what}"));
    }

    fn assert_whole(&self, incident: IncidentId, indices: impl IntoIterator<Item = u64>) {
        let held = self.held.lock().unwrap();
        for index in indices {
            let wanted = fragment(incident, index);
            assert_eq!(held.fragments.get(&(incident, index)).unwrap(), &wanted.bytes, "{index}");
            assert_eq!(held.times[&(incident, index)], (wanted.start_wall_us, wanted.duration_us));
        }
    }
}

fn fragment(incident: IncidentId, index: u64) -> NewFragment {
    NewFragment {
        incident,
        index,
        start_wall_us: 1_700_000_000_000_000 + i64::try_from(index).unwrap() * 1_000_000,
        duration_us: if index == 0 { 0 } else { 1_000_000 },
        bytes: Bytes::from(format!("fragment {index} of {incident} ").repeat(3000)),
    }
}

#[tokio::test]
async fn newest_incident_first_in_order_then_live_then_sealed() {
    let mut world = World::new().await;
    let (old, new) = (IncidentId::fresh(), IncidentId::fresh());
    world.write(old, 0..3);
    world.write(new, 0..3);
    world.store().seal(old, 2).unwrap();
    world.deliver();
    let mut order = Vec::new();
    while order.last().is_none_or(|(_, what)| what != "sealed") {
        order.push(world.next().await);
    }
    // Left over from an earlier run: the centre is asked first. Two in flight may overtake each other by one.
    assert_eq!(order[0], (new, "inventory".to_owned()));
    let at = |id: IncidentId, what: &str| order.iter().position(|o| *o == (id, what.to_owned())).unwrap();
    assert!(at(new, "fragment 2") < at(old, "fragment 1"), "{order:?}");
    assert!(at(new, "fragment 0") < at(new, "fragment 2"), "{order:?}");
    assert_eq!(order.last().unwrap().0, old);
    world.until_state("all delivered", |waiting, delivered| (waiting, delivered) == (0, 6)).await;
    assert_eq!(world.store().undelivered(), 0);

    // Live: each as it is written.
    world.write(new, [3]);
    assert_eq!(world.next().await, (new, "fragment 3".to_owned()));
    world.store().seal(new, 3).unwrap();
    assert_eq!(world.next().await, (new, "sealed".to_owned()));
    world.assert_whole(old, 0..3);
    world.assert_whole(new, 0..4);
    assert_eq!(world.held.lock().unwrap().sealed[&new], 3);
}

#[tokio::test]
async fn a_centre_that_goes_away_gets_the_rest_when_it_is_back() {
    let mut world = World::new().await;
    let incident = IncidentId::fresh();
    world.script(|what, attempt| (what == "fragment 2" && attempt == 1).then_some(Trouble::Stall));
    world.deliver();
    world.write(incident, 0..3);
    world.until("fragment 2").await;
    world.stop_server().await;
    world.write(incident, 3..6);
    world.store().seal(incident, 5).unwrap();
    world.serve().await;
    world.uploader.as_ref().unwrap().nudge()();
    let seen = world.until("sealed").await;
    assert_eq!(seen.iter().filter(|what| *what == "fragment 2").count(), 1, "{seen:?}");
    world.assert_whole(incident, 0..6);
    world.until_state("all delivered", |waiting, delivered| (waiting, delivered) == (0, 6)).await;
}

#[tokio::test]
async fn a_restart_resumes_and_sends_nothing_that_the_centre_has() {
    let mut world = World::new().await;
    let incident = IncidentId::fresh();
    world.write(incident, 0..4);
    {
        // The centre has 0 to 2, of which our index knows nothing.
        let mut held = world.held.lock().unwrap();
        for index in 0..3 {
            held.fragments.insert((incident, index), fragment(incident, index).bytes.to_vec());
        }
    }
    world.deliver();
    assert_eq!(world.until("fragment 3").await, ["inventory", "fragment 3"]);
    world.until_state("all delivered", |waiting, delivered| (waiting, delivered) == (0, 4)).await;
    world.restart_store().await;
    world.write(incident, [4]);
    world.deliver();
    assert_eq!(world.until("fragment 4").await, ["inventory", "fragment 4"]);
}

#[tokio::test]
async fn without_hashes_in_the_inventory_the_receipt_decides() {
    let mut world = World::new().await;
    let incident = IncidentId::fresh();
    world.write(incident, 0..2);
    {
        let mut held = world.held.lock().unwrap();
        held.hashes = false;
        held.fragments.insert((incident, 0), fragment(incident, 0).bytes.to_vec());
        held.fragments.insert((incident, 1), b"other bytes".to_vec());
    }
    world.deliver();
    world.until("fragment 1").await;
    // The same bytes again get their receipt; other bytes under a taken place are a fault.
    world.until_state("0 delivered, 1 refused", |waiting, delivered| (waiting, delivered) == (0, 1)).await;
    let fault = world.event().await;
    assert!(
        matches!(&fault, Event::FaultRaised(f) if f.kind == FaultKind::DeliveryFailed && f.detail.contains("409")),
        "{fault:?}"
    );
    assert_eq!(world.store().undelivered(), 1);
}

#[tokio::test]
async fn a_wrong_receipt_is_no_receipt() {
    let mut world = World::new().await;
    world.retry_refused = Duration::from_millis(50);
    let incident = IncidentId::fresh();
    world.script(|what, attempt| (what == "fragment 1" && attempt == 1).then_some(Trouble::WrongReceipt));
    world.deliver();
    world.write(incident, 0..3);
    let fault = world.event().await;
    assert!(matches!(&fault, Event::FaultRaised(f) if f.detail.contains("wrong receipt")), "{fault:?}");
    // Offered again after a while, and the fault heals.
    world.until_state("all delivered", |waiting, delivered| (waiting, delivered) == (0, 3)).await;
    assert_eq!(world.event().await, Event::FaultCleared(FaultKind::DeliveryFailed));
}

#[tokio::test]
async fn what_is_refused_is_a_fault_once_and_is_not_asked_again_at_once() {
    for status in [400, 403, 409, 413, 422] {
        let mut world = World::new().await;
        let incident = IncidentId::fresh();
        world.script(move |what, _| (what == "fragment 0").then_some(Trouble::Status(status)));
        world.write(incident, [0]);
        world.deliver();
        let fault = world.event().await;
        let named = |f: &sos::wire::up::Fault| {
            f.detail.contains(&status.to_string()) && f.detail.contains(&incident.to_string())
        };
        assert!(matches!(&fault, Event::FaultRaised(f) if named(f)), "{fault:?}");
        world.until_state("0 is set aside", |waiting, _| waiting == 0).await;
        // The others go on, and 0 is not among what the centre sees.
        world.script(|_, _| None);
        world.write(incident, 1..3);
        let seen = world.until("fragment 2").await;
        assert_eq!(seen.iter().filter(|what| *what == "fragment 0").count(), 1, "{status}: {seen:?}");
        world.until_state("the others delivered", |waiting, delivered| (waiting, delivered) == (0, 2)).await;
        assert_eq!(world.store().undelivered(), 1);
    }
}

#[tokio::test]
async fn an_error_of_the_centre_is_tried_again() {
    let mut world = World::new().await;
    let incident = IncidentId::fresh();
    world.script(|_, attempt| (attempt <= 2).then_some(Trouble::Status(503)));
    world.write(incident, 0..2);
    world.store().seal(incident, 1).unwrap();
    world.deliver();
    for _ in 0..3 {
        world.until("sealed").await;
    }
    world.assert_whole(incident, 0..2);
    assert!(world.events.try_recv().is_err(), "no fault");
}

#[tokio::test]
async fn a_fragment_damaged_on_the_kiosk_is_reported_and_never_sent() {
    let mut world = World::new().await;
    let incident = IncidentId::fresh();
    world.write(incident, 0..3);
    let path = layout::fragment(world.dir.path(), incident, 1);
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, bytes).unwrap();
    world.store().seal(incident, 2).unwrap();
    world.deliver();
    // The end is told all the same: the centre sees that one is missing.
    let seen = world.until("sealed").await;
    assert!(!seen.contains(&"fragment 1".to_owned()), "{seen:?}");
    let fault = world.event().await;
    assert!(matches!(&fault, Event::FaultRaised(f) if f.detail.contains("000001.m4s")), "{fault:?}");
}

#[tokio::test]
async fn what_the_centre_lost_after_its_receipt_is_delivered_again() {
    let mut world = World::new().await;
    world.retry_refused = Duration::from_millis(50);
    let incident = IncidentId::fresh();
    world.deliver();
    world.write(incident, 0..3);
    world.until_state("all delivered", |waiting, delivered| (waiting, delivered) == (0, 3)).await;
    world.held.lock().unwrap().fragments.remove(&(incident, 1));
    world.store().seal(incident, 2).unwrap();
    world.until("sealed").await;
    assert_eq!(world.until("sealed").await, ["fragment 1", "sealed"]);
    world.assert_whole(incident, 0..3);
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_believed() {
    let mut world = World::new().await;
    let others = TempDir::new().unwrap();
    centre::make_keys(others.path());
    world.stop_server().await;
    world.server = Some(centre::serve(others.path(), world.address, Arc::clone(&world.held)).await);
    let incident = IncidentId::fresh();
    world.write(incident, [0]);
    world.deliver();
    // Nothing reaches it, however often the kiosk tries; then the true one comes back.
    let refused = tokio::time::timeout(Duration::from_millis(500), world.seen.recv()).await;
    assert!(refused.is_err(), "{refused:?}");
    world.stop_server().await;
    world.serve().await;
    world.until("fragment 0").await;
}

#[tokio::test]
async fn what_is_found_on_the_disk_again_is_asked_for_before_it_is_sent() {
    let mut world = World::new().await;
    let incident = IncidentId::fresh();
    world.write(incident, 0..3);
    world.store().seal(incident, 2).unwrap();
    world.deliver();
    world.until("sealed").await;
    world.uploader.take().expect("it runs").stop().await;
    world.store = None;
    // The card loses the database; the newest recording is one that it does not give yet.
    fs::remove_file(layout::database(world.dir.path())).unwrap();
    let hangs = layout::fragment(world.dir.path(), IncidentId::fresh(), 0);
    fs::create_dir(hangs.parent().unwrap()).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &hangs, 0o600.into()).unwrap();
    world.restart_store().await;
    world.deliver();
    world.until_state("nothing is known yet", |waiting, delivered| (waiting, delivered) == (0, 0)).await;
    let lets_go = fs::File::options().write(true).open(&hangs).unwrap();
    // Nobody else is to hang on it.
    fs::remove_file(&hangs).unwrap();
    drop(lets_go);
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let (about, what) = world.next().await;
        seen.extend((about == incident).then_some(what));
    }
    assert_eq!(seen, ["inventory", "sealed"]);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_is_a_fault_until_it_can() {
    let mut world = World::new().await;
    let (ca, away) = (world.keys.path().join("ca.pem"), world.keys.path().join("away.pem"));
    fs::rename(&ca, &away).unwrap();
    let incident = IncidentId::fresh();
    world.write(incident, [0]);
    world.deliver();
    let fault = world.event().await;
    let names = |detail: &str| detail.contains("ca.pem");
    let kind = FaultKind::DeliveryFailed;
    assert!(matches!(&fault, Event::FaultRaised(f) if f.kind == kind && names(&f.detail)), "{fault:?}");
    fs::rename(&away, &ca).unwrap();
    assert_eq!(world.event().await, Event::FaultCleared(kind));
    world.until("fragment 0").await;
}
