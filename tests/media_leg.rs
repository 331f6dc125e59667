//! The kiosk's leg against the centre's gateway, over real sockets on loopback.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use sos::adapter::leg::{LegAdapter, LegSettings};
use sos::centre::gateway::{self, GatewayCommand, GatewayEvent, GatewayHandle, GatewaySettings, LegCounters};
use sos::kiosk::ports::{Leg, Link, LivePacket, Media, MediaHealth, Medium, Saying};
use sos::kiosk::{INBOX_SIZE, Stamped};
use sos::machine::Event;
use sos::machine::words::Prompt;
use sos::wire::up::SignalUp;
use sos::wire::{IncidentId, KioskId};
use tokio::sync::mpsc;
use tokio::time::timeout;

const BOUND: Duration = Duration::from_secs(15);

/// A link that leads straight into the gateway.
struct StraightLink(Mutex<mpsc::Sender<GatewayCommand>>);

impl Link for StraightLink {
    fn say(&self, saying: Saying) {
        let Saying::Signal(signal) = saying else { return };
        let command = match *signal {
            SignalUp::Offer(offer) => {
                GatewayCommand::KioskOffer { kiosk: kiosk(), session: offer.session, sdp: offer.sdp }
            }
            SignalUp::Bye { session } => GatewayCommand::KioskBye { kiosk: kiosk(), session },
        };
        let _ = self.0.lock().unwrap().try_send(command);
    }
    fn echo_age(&self) -> Option<Duration> {
        None
    }
    fn clock_offset_us(&self) -> Option<i64> {
        None
    }
}

/// Media without a pipeline: this test is about the leg.
struct NoMedia;

impl Media for NoMedia {
    fn open_gate(&self, _: mpsc::Sender<LivePacket>) {}
    fn close_gate(&self) {}
    fn force_key_frame(&self) {}
    fn voice(&self, _: Bytes) {}
    fn open_voice(&self, _: bool) {}
    fn prompt(&self, _: Prompt) {}
    fn hush(&self, _: Prompt) {}
    fn start_recording(&self, _: IncidentId, _: Duration) {}
    fn stop_recording(&self, _: IncidentId) {}
    fn health(&self) -> MediaHealth {
        MediaHealth::default()
    }
}

fn kiosk() -> KioskId {
    "k1".parse().unwrap()
}

struct World {
    gateway: GatewayHandle,
    events: mpsc::Receiver<GatewayEvent>,
    inbox: mpsc::Receiver<Stamped>,
    leg: LegAdapter,
    link: Arc<StraightLink>,
}

async fn start_gateway() -> (GatewayHandle, mpsc::Receiver<GatewayEvent>) {
    let (to, events) = mpsc::channel(256);
    let settings = GatewaySettings {
        addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        port: 0,
        advertise: vec![],
        udp: true,
        tcp: true,
    };
    (gateway::start(settings, to).await.unwrap(), events)
}

async fn world(udp: bool, tcp: bool) -> World {
    let (gateway, events) = start_gateway().await;
    let (inbox_to, inbox) = mpsc::channel(INBOX_SIZE);
    let link = Arc::new(StraightLink(Mutex::new(gateway.commands.clone())));
    let settings = LegSettings { standby: true, udp, tcp, addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)] };
    let leg = LegAdapter::start(settings, inbox_to, link.clone(), Arc::new(NoMedia));
    leg.stand_by();
    World { gateway, events, inbox, leg, link }
}

impl World {
    /// Passes the gateway's answers on until the kiosk's shell is told `wanted`.
    async fn until(&mut self, wanted: Event) {
        let reached = async {
            loop {
                tokio::select! {
                    Some(event) = self.events.recv() => match event {
                        GatewayEvent::KioskAnswer { session, sdp, .. } => self.leg.answer(session, sdp),
                        GatewayEvent::KioskReoffer { .. } => self.leg.reoffer(),
                        _ => {}
                    },
                    Some(stamped) = self.inbox.recv() => if stamped.event == wanted { return },
                }
            }
        };
        timeout(BOUND, reached).await.unwrap_or_else(|_| panic!("{wanted:?} did not come"));
    }

    async fn counters(&self, until: impl Fn(&LegCounters) -> bool) -> LegCounters {
        let reached = async {
            let mut look = tokio::time::interval(Duration::from_millis(20));
            loop {
                look.tick().await;
                if let Some(counters) = self.gateway.counters().into_iter().find(|c| until(c)) {
                    return counters;
                }
            }
        };
        timeout(BOUND, reached).await.unwrap_or_else(|_| panic!("never; now {:?}", self.gateway.counters()))
    }

    async fn send(&self, count: u32) {
        for n in 0..count {
            let packet = LivePacket {
                medium: Medium::Picture,
                payload: Bytes::from_static(&[0x65, 1, 2, 3]),
                timestamp: n * 3_000,
                marker: true,
            };
            self.leg.packets().send(packet).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_leg_stands_before_any_press_and_carries_only_in_an_alarm() {
    let mut world = world(true, true).await;
    world.until(Event::LegUp).await;
    let idle = world.counters(|c| c.up).await;
    assert_eq!((idle.transport, idle.media_packets_in_alarm, idle.media_packets_standby), ("udp", 0, 0));

    world.gateway.commands.send(GatewayCommand::Alarm { kiosk: kiosk(), open: true }).await.unwrap();
    world.send(5).await;
    let busy = world.counters(|c| c.media_packets_in_alarm == 5).await;
    assert_eq!((busy.media_bytes_in_alarm, busy.media_packets_standby), (20, 0));
}

#[tokio::test]
async fn media_outside_an_alarm_is_counted_as_a_breach() {
    let mut world = world(true, true).await;
    world.until(Event::LegUp).await;
    world.send(3).await;
    let breach = world.counters(|c| c.media_packets_standby > 0).await;
    assert_eq!((breach.media_packets_standby, breach.media_packets_in_alarm), (3, 0));
}

#[tokio::test]
async fn where_udp_is_blocked_the_leg_stands_over_tcp() {
    let mut world = world(false, true).await;
    world.until(Event::LegUp).await;
    world.gateway.commands.send(GatewayCommand::Alarm { kiosk: kiosk(), open: true }).await.unwrap();
    world.send(4).await;
    let busy = world.counters(|c| c.media_packets_in_alarm == 4).await;
    assert_eq!(busy.transport, "tcp");
}

#[tokio::test]
async fn a_gateway_that_restarts_has_the_leg_again() {
    let mut world = world(true, true).await;
    world.until(Event::LegUp).await;
    let (gateway, events) = start_gateway().await;
    *world.link.0.lock().unwrap() = gateway.commands.clone();
    // The old one goes, with its goodbye.
    world.gateway = gateway;
    world.events = events;
    world.until(Event::LegDown).await;
    world.until(Event::LegUp).await;
}

#[tokio::test]
async fn an_offer_that_was_said_without_a_link_is_said_again_once_there_is_one() {
    let (gateway, events) = start_gateway().await;
    let (nowhere, mut lost) = mpsc::channel(16);
    let (inbox_to, inbox) = mpsc::channel(INBOX_SIZE);
    let link = Arc::new(StraightLink(Mutex::new(nowhere)));
    let settings =
        LegSettings { standby: true, udp: true, tcp: true, addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)] };
    let leg = LegAdapter::start(settings, inbox_to, link.clone(), Arc::new(NoMedia));
    leg.stand_by();
    assert!(matches!(timeout(BOUND, lost.recv()).await, Ok(Some(GatewayCommand::KioskOffer { .. }))));
    *link.0.lock().unwrap() = gateway.commands.clone();
    leg.stand_by();
    let mut world = World { gateway, events, inbox, leg, link };
    // Without it the leg would wait for an answer for three seconds.
    timeout(Duration::from_millis(2500), world.until(Event::LegUp)).await.expect("at once");
}

#[tokio::test]
async fn rubbish_is_refused_and_harms_nobody() {
    let mut world = world(true, true).await;
    world.until(Event::LegUp).await;
    let session = sos::wire::SessionId::fresh();
    for sdp in [String::new(), "v=0".to_owned(), "x".repeat(100_000)] {
        let offer = GatewayCommand::KioskOffer { kiosk: "k2".parse().unwrap(), session, sdp: sdp.clone() };
        world.gateway.commands.send(offer).await.unwrap();
        world.gateway.commands.send(GatewayCommand::PageOffer { page: 9, sdp }).await.unwrap();
    }
    world.gateway.commands.send(GatewayCommand::Alarm { kiosk: kiosk(), open: true }).await.unwrap();
    world.send(1).await;
    world.counters(|c| c.media_packets_in_alarm == 1).await;
}
