//! A leg that is dialled inside the alarm, and one that lost its way: real shell, machine, leg and gateway.
#![cfg(feature = "kiosk")]

mod kiosk_here;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kiosk_here::{BOUND, Kiosk, Ports, Told};
use sos::adapter::leg::{LegAdapter, LegSettings};
use sos::centre::gateway::{self, GatewayCommand, GatewayEvent, GatewayHandle, GatewaySettings};
use sos::kiosk::Inbox;
use sos::kiosk::ports::{Leg, Saying};
use sos::machine::{Event, Settings};
use sos::wire::down::Standing;
use sos::wire::up::{PressOrigin, SessionOffer, SignalUp};
use sos::wire::{IncidentId, KioskId};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// An offer is made anew at once, not when the one before it has died (3 s).
const AT_ONCE: Duration = Duration::from_secs(2);
/// How often the gateway is looked at.
const LOOK: Duration = Duration::from_millis(20);

fn id() -> KioskId {
    "park-north".parse().expect("an id")
}

async fn gateway() -> (GatewayHandle, mpsc::Receiver<GatewayEvent>) {
    let (to, events) = mpsc::channel(256);
    let addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let settings = GatewaySettings { addresses, port: 0, advertise: vec![], udp: true, tcp: true };
    (gateway::start(settings, to).await.expect("a gateway"), events)
}

/// The kiosk, the gateway, and the link between them.
struct World {
    kiosk: Kiosk,
    leg: Arc<LegAdapter>,
    gateway: GatewayHandle,
    events: mpsc::Receiver<GatewayEvent>,
    link: bool,
}

impl World {
    /// Without a link.
    async fn start(standby: bool) -> Self {
        let (gateway, events) = gateway().await;
        let mut own = None;
        let leg = |inbox: &Inbox, ports: &Ports| {
            let addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
            let settings = LegSettings { standby, udp: true, tcp: true, addresses };
            let leg = LegAdapter::start(settings, inbox.clone(), Arc::new(ports.clone()), Arc::new(ports.clone()));
            let leg = Arc::new(leg);
            own = Some(Arc::clone(&leg));
            Some(leg as Arc<dyn Leg>)
        };
        let machine = Settings { standby, ..Settings::default() };
        let kiosk = Kiosk::start_all(vec![], machine, |_| None, leg);
        Self { kiosk, leg: own.expect("a leg"), gateway, events, link: false }
    }

    /// As the link's reader says it.
    async fn link_up(&mut self) {
        self.link = true;
        self.kiosk.happens(Event::LinkUp).await;
        self.leg.stand_by();
        self.kiosk.happens(Event::CentrePresent(true)).await;
    }

    async fn press(&self) -> IncidentId {
        let incident = IncidentId::fresh();
        self.kiosk.happens(Event::Pressed { origin: PressOrigin::Button, incident }).await;
        incident
    }

    /// Carries what one side says next, while there is a link, or waits for a moment. What a port was told.
    async fn turn(&mut self) -> Option<Told> {
        let next = async {
            tokio::select! {
                told = self.kiosk.told() => Ok(told),
                Some(event) = self.events.recv() => Err(event),
            }
        };
        match tokio::time::timeout(LOOK, next).await {
            Ok(Ok(told)) => {
                if self.link {
                    carry(&self.gateway, &told).await;
                }
                return Some(told);
            }
            Ok(Err(GatewayEvent::KioskAnswer { session, sdp, .. })) => self.leg.answer(session, sdp),
            Ok(Err(GatewayEvent::KioskReoffer { .. })) => self.leg.reoffer(),
            Ok(Err(_)) | Err(_) => {}
        }
        None
    }

    /// Until a port of the kiosk is told what `pick` wants.
    async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(&Told) -> Option<T>) -> T {
        let reached = async {
            loop {
                if let Some(found) = self.turn().await.and_then(|told| pick(&told)) {
                    return found;
                }
            }
        };
        timeout(BOUND, reached).await.unwrap_or_else(|_| panic!("{what} has not come"))
    }

    /// Until the gateway has the leg.
    async fn leg_up(&mut self) {
        let reached = async {
            while !self.gateway.counters().iter().any(|counters| counters.up) {
                self.turn().await;
            }
        };
        timeout(BOUND, reached).await.expect("a leg");
    }

    async fn gate(&mut self, open: bool) {
        self.until(if open { "an open gate" } else { "a shut gate" }, |told| is_gate(told, open)).await;
    }
}

fn is_gate(told: &Told, wanted: bool) -> Option<()> {
    matches!(told, Told::Gate(open) if *open == wanted).then_some(())
}

fn offer(told: &Told) -> Option<SessionOffer> {
    match told {
        Told::Said(Saying::Alarm(alarm)) => alarm.offer.clone(),
        Told::Said(Saying::Signal(signal)) => match &**signal {
            SignalUp::Offer(offer) => Some(offer.clone()),
            SignalUp::Bye { .. } => None,
        },
        _ => None,
    }
}

async fn carry(gateway: &GatewayHandle, told: &Told) {
    let kiosk = id();
    let command = match (offer(told), told) {
        (Some(SessionOffer { session, sdp }), _) => GatewayCommand::KioskOffer { kiosk, session, sdp },
        (None, Told::Said(Saying::Signal(signal))) => match **signal {
            SignalUp::Bye { session } => GatewayCommand::KioskBye { kiosk, session },
            SignalUp::Offer(_) => return,
        },
        _ => return,
    };
    // A gateway that was just replaced hears nothing.
    let _ = gateway.commands.send(command).await;
}

#[tokio::test]
async fn a_leg_lost_in_a_call_comes_back_and_ends_with_the_call() {
    let mut world = World::start(false).await;
    world.link_up().await;
    let incident = world.press().await;
    world.gate(true).await;
    world.kiosk.happens(Event::Stands { incident, standing: Standing::Answered, verdict: None }).await;

    // The old one goes, with its goodbye.
    (world.gateway, world.events) = gateway().await;
    world.gate(false).await;
    world.gate(true).await;

    world.kiosk.happens(Event::Stands { incident, standing: Standing::Closed, verdict: None }).await;
    let bye = |told: &Told| {
        matches!(told, Told::Said(Saying::Signal(signal)) if matches!(**signal, SignalUp::Bye { .. })).then_some(())
    };
    world.until("a goodbye", bye).await;
}

#[tokio::test]
async fn a_press_without_a_link_has_its_leg_as_soon_as_there_is_one() {
    let mut world = World::start(false).await;
    world.press().await;
    let first = world.until("an offer", offer).await.session;
    let dead = |told: &Told| offer(told).filter(|offer| offer.session != first).map(drop);
    world.until("another, because the first has died", dead).await;

    world.link_up().await;
    let since = Instant::now();
    world.gate(true).await;
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
}

#[tokio::test]
async fn an_offer_that_nobody_heard_does_not_keep_the_standby_leg_waiting() {
    let mut world = World::start(true).await;
    world.until("an offer into the void", offer).await;

    world.link_up().await;
    let since = Instant::now();
    world.leg_up().await;
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
}
