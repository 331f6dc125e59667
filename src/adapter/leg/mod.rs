//! The media leg to the centre's gateway (port [`Leg`]): dialled before the press, dialled again when lost.
//!
//! One task owns the sockets and the session:
//!
//! ```text
//! Down --stand_by--> Offering --answer--> Connecting --ICE, DTLS--> Up
//!   ^                    |   no answer 3 s     |   not up 6 s        |  gone / reoffer
//!   +----- back-off -----+---------------------+---------------------+
//! ```
//!
//! Over UDP first; when that is not up 400 ms after the answer, the gateway's TCP candidates are dialled
//! too (RFC 6544). Without a standby leg (`standby = false`, a metered path) it dials from when it is asked to make
//! an offer until it is told to hang up. Between the two every offer goes to the machine, whose alarm carries it: an
//! alarm with an offer that this side has given up would displace the one that lives.

mod addresses;
mod rtp;
mod state;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use self::addresses::own_addresses;
use self::rtp::rtp;
use self::state::{Standing, State, next};
use crate::kiosk::ports::{Leg, Link, LivePacket, Media, Saying};
use crate::kiosk::{Inbox, Stamped};
use crate::machine::Event;
use crate::machine::alarm::OFFER_LASTS;
use crate::mqtt::back_off;
use crate::rtc::{
    Datagram, Happening, Incoming, Medium, Opening, Packet, Session, Sockets, dialled_candidate, tcp_candidates,
    udp_candidates, warm_up,
};
use crate::wire::SessionId;
use crate::wire::up::{SessionOffer, SignalUp};

/// Live packets that may wait for the leg: a key frame and the sound beside it, with room.
const LIVE_QUEUE: usize = 512;
const COMMANDS: usize = 32;
/// A session that is not up this long after its answer is given up.
const CONNECT_WITHIN: Duration = Duration::from_secs(6);
/// TCP joins in when UDP has not connected by then.
const TCP_AFTER: Duration = Duration::from_millis(400);

/// How the leg dials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegSettings {
    /// Keep a leg up before any press.
    pub standby: bool,
    /// Use UDP.
    pub udp: bool,
    /// Use TCP where UDP does not connect.
    pub tcp: bool,
    /// Use these addresses; empty: every one of the machine.
    pub addresses: Vec<IpAddr>,
}

#[derive(Debug)]
enum Command {
    StandBy,
    MakeOffer,
    Answer(SessionId, String),
    Reoffer,
    HangUp,
}

/// The leg's handle.
pub struct LegAdapter {
    commands: mpsc::Sender<Command>,
    packets: mpsc::Sender<LivePacket>,
}

impl Leg for LegAdapter {
    fn stand_by(&self) {
        self.tell(Command::StandBy);
    }
    fn make_offer(&self) {
        self.tell(Command::MakeOffer);
    }
    fn answer(&self, session: SessionId, sdp: String) {
        self.tell(Command::Answer(session, sdp));
    }
    fn reoffer(&self) {
        self.tell(Command::Reoffer);
    }
    fn hang_up(&self) {
        self.tell(Command::HangUp);
    }
    fn packets(&self) -> mpsc::Sender<LivePacket> {
        self.packets.clone()
    }
}

impl LegAdapter {
    /// Starts the leg's task; it does nothing until [`Leg::stand_by`] or [`Leg::make_offer`].
    #[must_use]
    pub fn start(settings: LegSettings, inbox: Inbox, link: Arc<dyn Link>, media: Arc<dyn Media>) -> Self {
        let (commands, orders) = mpsc::channel(COMMANDS);
        let (packets, live) = mpsc::channel(LIVE_QUEUE);
        let task = Task {
            settings,
            inbox,
            link,
            media,
            state: State::Down,
            wanted: false,
            alarm: false,
            failures: 0,
            retry_at: None,
            sequence: [0, 0],
        };
        tokio::spawn(task.run(orders, live));
        Self { commands, packets }
    }

    fn tell(&self, command: Command) {
        if let Err(error) = self.commands.try_send(command) {
            warn!(%error, "leg: its task does not keep up");
        }
    }
}

struct Task {
    settings: LegSettings,
    inbox: Inbox,
    link: Arc<dyn Link>,
    media: Arc<dyn Media>,
    state: State,
    wanted: bool,
    /// Offers travel inside the alarm (or the test call), else by themselves.
    alarm: bool,
    failures: u32,
    retry_at: Option<Instant>,
    /// Next sequence number of picture and sound.
    sequence: [u64; 2],
}

impl Task {
    async fn run(mut self, mut orders: mpsc::Receiver<Command>, mut live: mpsc::Receiver<LivePacket>) {
        // Key generation and the first SDP of a process are slow: pay for them now.
        if tokio::task::spawn_blocking(warm_up).await.is_err() {
            warn!("leg: the warm-up failed");
        }
        loop {
            let wake = self.wake_at();
            tokio::select! {
                order = orders.recv() => match order {
                    None => return self.hang_up().await,
                    Some(order) => self.obey(order).await,
                },
                Some(packet) = live.recv() => self.send_live(packet, &mut live),
                Some(incoming) = next(&mut self.state) => self.take(incoming),
                () = tokio::time::sleep_until(wake.into()) => {}
            }
            self.go_on().await;
        }
    }

    fn wake_at(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(1);
        let state = match &self.state {
            State::Down => self.retry_at,
            State::Standing(standing) => {
                [Some(standing.next_drive), standing.give_up, standing.tcp.as_ref().map(|(at, _)| *at)]
                    .into_iter()
                    .flatten()
                    .min()
            }
        };
        state.unwrap_or(far).min(far)
    }

    async fn obey(&mut self, order: Command) {
        match order {
            Command::StandBy => {
                self.wanted |= self.settings.standby;
                // An offer without an answer may have been said before there was a link.
                if self.wanted && !self.state.answered() {
                    self.offer().await;
                }
            }
            Command::MakeOffer => {
                self.alarm = true;
                if !matches!(&self.state, State::Standing(standing) if standing.up) {
                    self.offer().await;
                }
            }
            Command::Answer(id, sdp) => self.answered(id, &sdp).await,
            Command::Reoffer => {
                self.lost("the gateway asked for a new offer");
                self.failures = 0;
                self.retry_at = self.wanted.then(Instant::now);
            }
            Command::HangUp => {
                self.alarm = false;
                if !self.settings.standby {
                    self.wanted = false;
                    self.hang_up().await;
                }
            }
        }
    }

    /// Opens sockets and offers, in the place of an offer that is not up.
    async fn offer(&mut self) {
        self.wanted = true;
        self.retry_at = None;
        match self.open().await {
            Err(why) => self.lost(&why),
            Ok((standing, sdp)) => {
                let session = standing.id;
                self.state = State::Standing(Box::new(standing));
                self.sequence = [0, 0];
                if self.alarm {
                    self.report(Event::OfferMade { session, sdp });
                } else {
                    self.link.say(Saying::Signal(Box::new(SignalUp::Offer(SessionOffer { session, sdp }))));
                }
            }
        }
    }

    async fn open(&self) -> Result<(Standing, String), String> {
        let addresses =
            if self.settings.addresses.is_empty() { own_addresses() } else { self.settings.addresses.clone() };
        let udp = self.settings.udp;
        let opening = Opening { addresses: &addresses, port: 0, udp, tcp_listen: false, lenient: true };
        let (sockets, incoming) = Sockets::open(&opening).await.map_err(|e| e.to_string())?;
        let now = Instant::now();
        let (session, sdp) = Session::offer(now, &sockets.candidates()).map_err(|e| e.to_string())?;
        let standing = Standing {
            id: SessionId::fresh(),
            session,
            sockets,
            incoming,
            next_drive: now,
            give_up: Some(now + OFFER_LASTS),
            tcp: None,
            answered: false,
            up: false,
        };
        Ok((standing, sdp))
    }

    async fn answered(&mut self, id: SessionId, sdp: &str) {
        let State::Standing(standing) = &mut self.state else { return };
        if standing.id != id || standing.up {
            debug!(%id, "leg: an answer to another offer");
            return;
        }
        if let Err(error) = standing.session.take_answer(sdp) {
            // The second of two copies of one answer is no harm; a wrong one runs into `give_up`.
            debug!(%id, %error, "leg: answer not taken");
            return;
        }
        // One address at the other side leaves ICE nothing to choose. Several are all kept open to it.
        if let [remote] = udp_candidates(sdp)[..] {
            standing.sockets.keep_to(remote).await;
        }
        let now = Instant::now();
        standing.answered = true;
        standing.give_up = Some(now + CONNECT_WITHIN);
        if self.settings.tcp {
            let wait = if self.settings.udp { TCP_AFTER } else { Duration::ZERO };
            standing.tcp = Some((now + wait, tcp_candidates(sdp)));
        }
        standing.next_drive = now;
    }

    fn take(&mut self, incoming: Incoming) {
        let State::Standing(standing) = &mut self.state else { return };
        standing.sockets.note(&incoming);
        match incoming {
            Incoming::Datagram(datagram) => return self.drive(Some(&datagram), Instant::now()),
            Incoming::Open { local, dialled: true, .. } => {
                if let Some(candidate) = dialled_candidate(local) {
                    standing.session.add_local_candidate(candidate);
                }
            }
            Incoming::Open { .. } | Incoming::Closed { .. } => {}
        }
        standing.next_drive = Instant::now();
    }

    fn send_live(&mut self, first: LivePacket, live: &mut mpsc::Receiver<LivePacket>) {
        let now = Instant::now();
        let mut next = Some(first);
        while let Some(packet) = next {
            if let State::Standing(standing) = &mut self.state
                && standing.up
            {
                let sequence = &mut self.sequence[usize::from(packet.medium == Medium::Sound)];
                let packet = Packet {
                    medium: packet.medium,
                    sequence: *sequence,
                    timestamp: packet.timestamp,
                    marker: packet.marker,
                    payload: Arc::from(&packet.payload[..]),
                };
                *sequence += 1;
                standing.session.send(now, &packet);
                standing.next_drive = now;
            }
            // Whatever else is ready leaves in the same go: a frame is many packets.
            next = live.try_recv().ok();
        }
    }

    /// Drives what is due: the session, the dialling of TCP, giving up, dialling again.
    async fn go_on(&mut self) {
        let now = Instant::now();
        match &mut self.state {
            State::Down => {
                if self.wanted && self.retry_at.is_some_and(|at| at <= now) {
                    self.offer().await;
                }
            }
            State::Standing(standing) => {
                if let Some((at, _)) = &standing.tcp
                    && *at <= now
                    && let Some((_, remotes)) = standing.tcp.take()
                    && !standing.up
                {
                    remotes.into_iter().for_each(|remote| standing.sockets.dial(remote));
                }
                if standing.give_up.is_some_and(|at| at <= now) {
                    self.lost("no connection in time");
                } else if standing.next_drive <= now {
                    self.drive(None, now);
                }
            }
        }
    }

    fn drive(&mut self, datagram: Option<&Datagram>, now: Instant) {
        let State::Standing(standing) = &mut self.state else { return };
        let mut happened = vec![];
        let Standing { session, sockets, .. } = &mut **standing;
        match session.drive(datagram, now, |transmit| sockets.send(transmit), &mut happened) {
            Ok(next) => standing.next_drive = next,
            Err(error) => return self.lost(&error.to_string()),
        }
        for happening in happened {
            match happening {
                Happening::Connected => self.connected(),
                Happening::Gone(why) => return self.lost(why),
                Happening::KeyFrameWanted => self.media.force_key_frame(),
                Happening::Packet(packet) if packet.medium == Medium::Sound => self.media.voice(rtp(&packet)),
                Happening::Packet(_) => {}
            }
        }
    }

    fn connected(&mut self) {
        if let State::Standing(standing) = &mut self.state
            && !standing.up
        {
            standing.up = true;
            standing.give_up = None;
            self.failures = 0;
            info!(session = %standing.id, "leg: up");
            self.report(Event::LegUp);
        }
    }

    /// The session is of no use: tell the shell, dial again after a while.
    fn lost(&mut self, why: &str) {
        if let State::Standing(standing) = std::mem::replace(&mut self.state, State::Down) {
            info!(session = %standing.id, %why, up = standing.up, "leg: down");
            if standing.up {
                self.report(Event::LegDown);
            }
        }
        self.failures = (self.failures + 1).min(16);
        self.retry_at = self.wanted.then(|| Instant::now() + back_off(self.failures));
    }

    /// Ends the session on purpose and says so.
    async fn hang_up(&mut self) {
        if let State::Standing(standing) = &mut self.state {
            standing.session.close();
            let id = standing.id;
            self.drive(None, Instant::now());
            self.link.say(Saying::Signal(Box::new(SignalUp::Bye { session: id })));
            self.lost("hung up");
        }
        self.retry_at = None;
    }

    fn report(&self, event: Event) {
        if self.inbox.try_send(Stamped::now(event)).is_err() {
            warn!("leg: the shell does not keep up");
        }
    }
}
