//! The gateway's one task: sockets, sessions, and what crosses between them.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use str0m::Candidate;
use str0m::net::Protocol;
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::kiosks::Kiosk;
use super::pages::Page;
use super::sockets::{self, FOLLOW_EVERY, Following};
use super::{GatewayCommand, GatewayEvent, GatewaySettings, LegCounters, PageId};
use crate::rtc::{self, Datagram, Happening, Incoming, Medium, Packet, Session, Sockets, SocketsError};
use crate::wire::KioskId;

/// Counters, early media and silent legs are looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A session that is not connected by then is given up.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// A TCP connection that no session has claimed by then is hung up.
const CLAIM_WITHIN: Duration = Duration::from_secs(5);
/// Incoming handled before the sessions are driven.
const BATCH: usize = 64;

type Route = (Protocol, SocketAddr, SocketAddr);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    Kiosk(KioskId),
    Page(PageId),
}

pub(super) struct Peer {
    pub(super) session: Session,
    pub(super) whose: Whose,
    pub(super) next_drive: Instant,
    pub(super) give_up: Option<Instant>,
}

pub(super) struct Task {
    pub(super) sockets: Sockets,
    /// None: the settings name the addresses.
    pub(super) following: Option<Following>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) advertise: Vec<std::net::IpAddr>,
    pub(super) events: mpsc::Sender<GatewayEvent>,
    pub(super) shown: Arc<Mutex<Vec<LegCounters>>>,
    pub(super) peers: BTreeMap<u64, Peer>,
    pub(super) last_peer: u64,
    pub(super) routes: HashMap<Route, u64>,
    pub(super) kiosks: BTreeMap<KioskId, Kiosk>,
    pub(super) pages: BTreeMap<PageId, Page>,
}

pub(super) async fn start(
    settings: GatewaySettings,
    orders: mpsc::Receiver<GatewayCommand>,
    events: mpsc::Sender<GatewayEvent>,
    shown: Arc<Mutex<Vec<LegCounters>>>,
) -> Result<(), SocketsError> {
    let (sockets, incoming, following) = sockets::open(&settings).await?;
    let candidates = sockets.candidates();
    info!(candidates = candidates.len(), "gateway: listening");
    rtc::warm_up();
    let task = Task {
        sockets,
        following,
        candidates,
        advertise: settings.advertise,
        events,
        shown,
        peers: BTreeMap::new(),
        last_peer: 0,
        routes: HashMap::new(),
        kiosks: BTreeMap::new(),
        pages: BTreeMap::new(),
    };
    tokio::spawn(task.run(orders, incoming));
    Ok(())
}

impl Task {
    async fn run(mut self, mut orders: mpsc::Receiver<GatewayCommand>, mut incoming: mpsc::Receiver<Incoming>) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        let mut follow = tokio::time::interval(FOLLOW_EVERY);
        loop {
            let wake = self.peers.values().map(|peer| peer.next_drive).min();
            let wake = wake.unwrap_or_else(|| Instant::now() + LOOK_EVERY);
            tokio::select! {
                order = orders.recv() => match order {
                    None => return self.close_all(),
                    Some(order) => self.obey(order),
                },
                Some(first) = incoming.recv() => {
                    self.take(first);
                    for _ in 1..BATCH {
                        let Ok(more) = incoming.try_recv() else { break };
                        self.take(more);
                    }
                }
                () = tokio::time::sleep_until(wake.into()) => {}
                _ = look.tick() => self.look(),
                _ = follow.tick(), if self.following.is_some() => self.follow().await,
            }
            self.drive_due();
        }
    }

    fn obey(&mut self, order: GatewayCommand) {
        match order {
            GatewayCommand::KioskOffer { kiosk, session, sdp } => self.kiosk_offer(kiosk, session, &sdp),
            GatewayCommand::KioskBye { kiosk, session } => {
                let peer = self.kiosks.get(&kiosk).filter(|k| k.session == Some(session)).and_then(|k| k.peer);
                if let Some(peer) = peer {
                    self.end(peer, "the kiosk said goodbye");
                }
            }
            GatewayCommand::PageOffer { page, sdp } => self.page_offer(page, &sdp),
            GatewayCommand::PageGone { page } => {
                let gone = self.pages.remove(&page);
                if let Some(peer) = gone.and_then(|gone| gone.peer) {
                    self.remove(peer);
                }
            }
            GatewayCommand::Carry { page, kiosk, sound } => self.carry(page, kiosk, sound),
            GatewayCommand::Alarm { kiosk, open } => {
                let now = Instant::now();
                self.kiosk(&kiosk).set_alarm(open, now);
                if open {
                    self.join_waiting(&kiosk);
                }
            }
            GatewayCommand::Test { kiosk, open } => self.set_test(kiosk, open),
            GatewayCommand::KeyFrame { page } => {
                if let Some(kiosk) = self.pages.get(&page).and_then(|page| page.kiosk.clone()) {
                    self.ask_key_frame(&kiosk);
                }
            }
        }
    }

    pub(super) fn kiosk(&mut self, kiosk: &KioskId) -> &mut Kiosk {
        self.kiosks.entry(kiosk.clone()).or_insert_with(|| Kiosk::new(kiosk.clone()))
    }

    fn carry(&mut self, page: PageId, kiosk: Option<KioskId>, sound: bool) {
        let slot = self.pages.entry(page).or_insert_with(Page::new);
        let voice_before = slot.kiosk.clone().filter(|_| slot.sound_on);
        let changed = slot.carry(kiosk.clone(), sound);
        let voice_now = kiosk.clone().filter(|_| sound);
        if voice_now != voice_before
            && let Some(kiosk) = &voice_now
        {
            self.kiosk(kiosk).voice.cut();
        }
        if changed && let Some(kiosk) = kiosk {
            self.join(page, &kiosk);
        }
    }

    /// A page begins to see a kiosk: from what is there, else from a new key frame.
    fn join(&mut self, page: PageId, kiosk: &KioskId) {
        let now = Instant::now();
        let (Some(slot), Some(source)) = (self.pages.get_mut(&page), self.kiosks.get(kiosk)) else { return };
        let Some(peer) = slot.peer.and_then(|peer| self.peers.get_mut(&peer)) else { return };
        let served = slot.join(source, now, |packet| {
            peer.session.send(now, &packet);
        });
        peer.next_drive = now;
        if !served {
            self.ask_key_frame(kiosk);
        }
    }

    /// The alarm's word has come after the pages were told to watch, or after the first pictures.
    fn join_waiting(&mut self, kiosk: &KioskId) {
        let waiting: Vec<PageId> = self
            .pages
            .iter()
            .filter(|(_, page)| page.kiosk.as_ref() == Some(kiosk) && page.wants_key)
            .map(|(&id, _)| id)
            .collect();
        for page in waiting {
            self.join(page, kiosk);
        }
    }

    fn ask_key_frame(&mut self, kiosk: &KioskId) {
        let peer = self.kiosks.get(kiosk).filter(|k| k.counters.up).and_then(|k| k.peer);
        if let Some(peer) = peer.and_then(|peer| self.peers.get_mut(&peer)) {
            peer.session.ask_key_frame();
            peer.next_drive = Instant::now();
        }
        self.report(GatewayEvent::KeyFrameWanted { kiosk: kiosk.clone() });
    }

    fn take(&mut self, incoming: Incoming) {
        self.sockets.note(&incoming);
        match incoming {
            Incoming::Datagram(datagram) => self.datagram(&datagram),
            Incoming::Closed { local, remote } => {
                self.routes.remove(&(Protocol::Tcp, remote, local));
            }
            Incoming::Open { .. } => {}
        }
    }

    fn datagram(&mut self, datagram: &Datagram) {
        let route = (datagram.protocol, datagram.source, datagram.destination);
        let known = self.routes.get(&route).copied().filter(|id| {
            // The same address can come back with another session.
            self.peers.get(id).is_some_and(|peer| peer.session.accepts(datagram))
        });
        let found = known
            .or_else(|| self.peers.iter().rev().find(|(_, peer)| peer.session.accepts(datagram)).map(|(&id, _)| id));
        let Some(id) = found else { return };
        self.routes.insert(route, id);
        if let Some(Whose::Kiosk(kiosk)) = self.peers.get(&id).map(|peer| &peer.whose) {
            let transport = if datagram.protocol == Protocol::Udp { "udp" } else { "tcp" };
            if let Some(slot) = self.kiosks.get_mut(kiosk) {
                slot.counters.transport = transport;
            }
        }
        self.drive(id, Some(datagram), Instant::now());
    }

    fn drive_due(&mut self) {
        // Driving one can make another due (media crosses); the second round finds those.
        for _ in 0..4 {
            let now = Instant::now();
            let due: Vec<u64> =
                self.peers.iter().filter(|(_, peer)| peer.next_drive <= now).map(|(&id, _)| id).collect();
            if due.is_empty() {
                return;
            }
            due.into_iter().for_each(|id| self.drive(id, None, now));
        }
    }

    fn drive(&mut self, id: u64, datagram: Option<&Datagram>, now: Instant) {
        let mut happened = vec![];
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.give_up.is_some_and(|at| at <= now) {
            return self.end(id, "not connected in time");
        }
        let sockets = &self.sockets;
        match peer.session.drive(datagram, now, |transmit| sockets.send(transmit), &mut happened) {
            Ok(next) => peer.next_drive = next,
            Err(error) => return self.end(id, &error.to_string()),
        }
        for happening in happened {
            match happening {
                Happening::Connected => self.connected(id),
                Happening::Gone(why) => return self.end(id, why),
                Happening::Packet(packet) => self.packet(id, &packet, now),
                Happening::KeyFrameWanted => self.page_wants_key(id),
            }
        }
    }

    fn connected(&mut self, id: u64) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.give_up = None;
        match peer.whose.clone() {
            Whose::Kiosk(kiosk) => {
                self.kiosk(&kiosk).connected(Instant::now());
                info!(%kiosk, "gateway: leg up");
                self.report(GatewayEvent::KioskLeg { kiosk, up: true });
            }
            Whose::Page(page) => {
                if let Some(kiosk) = self.pages.get(&page).and_then(|page| page.kiosk.clone()) {
                    self.join(page, &kiosk);
                }
            }
        }
    }

    fn packet(&mut self, id: u64, packet: &Packet, now: Instant) {
        match self.peers.get(&id).map(|peer| peer.whose.clone()) {
            None => {}
            Some(Whose::Kiosk(kiosk)) => {
                if !self.kiosk(&kiosk).take(packet, now) {
                    return self.test_packet(id, kiosk, packet, now);
                }
                for page in self.pages.values_mut().filter(|page| page.kiosk.as_ref() == Some(&kiosk)) {
                    let Some(peer) = page.peer.and_then(|peer| self.peers.get_mut(&peer)) else { continue };
                    if let Some(placed) = page.place(packet, now) {
                        peer.session.send(now, &placed);
                        peer.next_drive = now;
                    }
                }
            }
            Some(Whose::Page(page)) if packet.medium == Medium::Sound => self.voice(page, packet, now),
            Some(Whose::Page(_)) => {}
        }
    }

    /// The officer's voice, to the kiosk this officer talks with.
    fn voice(&mut self, page: PageId, packet: &Packet, now: Instant) {
        let Some(kiosk) = self.pages.get(&page).filter(|page| page.sound_on).and_then(|page| page.kiosk.clone()) else {
            return;
        };
        let Some(slot) = self.kiosks.get_mut(&kiosk) else { return };
        let Some(peer) = slot.peer.and_then(|peer| self.peers.get_mut(&peer)) else { return };
        if let Some((sequence, timestamp)) = slot.voice.place(packet.sequence, packet.timestamp, now) {
            peer.session.send(now, &Packet { sequence, timestamp, ..packet.clone() });
            peer.next_drive = now;
        }
    }

    fn page_wants_key(&mut self, id: u64) {
        if let Some(Whose::Page(page)) = self.peers.get(&id).map(|peer| peer.whose.clone())
            && let Some(kiosk) = self.pages.get(&page).and_then(|page| page.kiosk.clone())
        {
            self.ask_key_frame(&kiosk);
        }
    }

    fn look(&mut self) {
        let now = Instant::now();
        let mut silent = vec![];
        for (id, kiosk) in &mut self.kiosks {
            kiosk.settle_early(now);
            if kiosk.silent(now) {
                silent.push((id.clone(), kiosk.peer));
            }
        }
        for (kiosk, peer) in silent {
            warn!(%kiosk, "gateway: the leg stands but no media comes in an alarm");
            if let Some(peer) = peer {
                self.end(peer, "no media in an alarm");
            }
        }
        let routes = &self.routes;
        self.sockets
            .hang_up_strangers(CLAIM_WITHIN, |local, remote| routes.contains_key(&(Protocol::Tcp, remote, local)));
        let counters = self.kiosks.values().map(|kiosk| kiosk.counters.clone()).collect();
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = counters;
    }

    /// A session has failed or ended: its owner is told to offer anew.
    fn end(&mut self, id: u64, why: &str) {
        let Some(whose) = self.remove(id) else { return };
        match whose {
            Whose::Kiosk(kiosk) => {
                let Some(slot) = self.kiosks.get_mut(&kiosk).filter(|slot| slot.peer == Some(id)) else { return };
                slot.peer = None;
                slot.session = None;
                slot.counters.up = false;
                slot.forget_media();
                info!(%kiosk, %why, "gateway: leg down");
                self.report(GatewayEvent::KioskLeg { kiosk: kiosk.clone(), up: false });
                self.report(GatewayEvent::KioskReoffer { kiosk, reason: why.to_owned() });
            }
            Whose::Page(page) => {
                let Some(slot) = self.pages.get_mut(&page).filter(|slot| slot.peer == Some(id)) else { return };
                slot.peer = None;
                debug!(page, %why, "gateway: a page's connection is gone");
                self.report(GatewayEvent::PageReoffer { page });
            }
        }
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Whose> {
        let gone: Vec<Route> = self.routes.extract_if(|_, peer| *peer == id).map(|(route, _)| route).collect();
        let mut peer = self.peers.remove(&id)?;
        peer.session.close();
        let sockets = &self.sockets;
        // The goodbye is a courtesy; a session that has failed cannot say it.
        let _ = peer.session.drive(None, Instant::now(), |transmit| sockets.send(transmit), &mut vec![]);
        for (protocol, remote, local) in gone {
            if protocol == Protocol::Tcp {
                self.sockets.hang_up_one(local, remote);
            }
        }
        Some(peer.whose)
    }

    fn close_all(mut self) {
        let all: Vec<u64> = self.peers.keys().copied().collect();
        for id in all {
            self.remove(id);
        }
    }

    pub(super) fn report(&self, event: GatewayEvent) {
        if let Err(error) = self.events.try_send(event) {
            warn!(%error, "gateway: the desk does not keep up");
        }
    }
}
