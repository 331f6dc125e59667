//! The media gateway: every kiosk's leg on one side, every officer's on the other, RTP carried between
//! them as the desk says.
//!
//! Both legs stand before any press. A gate decides what crosses: a kiosk's media reaches pages only
//! while its alarm is open, its sound and the officer's voice only between the two that talk. Media a
//! kiosk sends outside an alarm is dropped and counted ([`LegCounters`]): the count must stay zero.
//!
//! One task owns everything (`task`): sockets, sessions, gates. `kiosks` and `pages` are the two sides'
//! state without IO.

mod kiosks;
mod loopback;
mod offers;
mod pages;
mod sockets;
mod task;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::mpsc;

use crate::rtc::SocketsError;
use crate::wire::selftest::CallSeen;
use crate::wire::{KioskId, SessionId};

/// One connection of an officer's page.
pub type PageId = u64;

/// Commands that may wait for the gateway.
const COMMANDS: usize = 1024;

/// What the desk tells the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayCommand {
    /// A kiosk offers a leg; it replaces any older one of this kiosk.
    KioskOffer {
        /// Which kiosk.
        kiosk: KioskId,
        /// The session.
        session: SessionId,
        /// SDP.
        sdp: String,
    },
    /// A kiosk has given a session up.
    KioskBye {
        /// Which kiosk.
        kiosk: KioskId,
        /// The session.
        session: SessionId,
    },
    /// A page offers its shift's connection; it replaces the page's older one.
    PageOffer {
        /// Which page.
        page: PageId,
        /// SDP.
        sdp: String,
    },
    /// A page is gone.
    PageGone {
        /// Which page.
        page: PageId,
    },
    /// Which kiosk's picture the page gets, and whether sound flows (person to page, officer to kiosk).
    Carry {
        /// Which page.
        page: PageId,
        /// Which kiosk; none: nothing is carried.
        kiosk: Option<KioskId>,
        /// Whether sound flows both ways.
        sound: bool,
    },
    /// Whether the kiosk is in an open incident: media outside is counted as a breach and dropped.
    Alarm {
        /// Which kiosk.
        kiosk: KioskId,
        /// Open.
        open: bool,
    },
    /// Whether the kiosk is in a test call: its sound goes back to it, its pictures are counted, no page gets
    /// anything. [`GatewayEvent::KioskTested`] tells when it has come to an end, or was told to.
    Test {
        /// Which kiosk.
        kiosk: KioskId,
        /// Open.
        open: bool,
    },
    /// The page has lost its picture.
    KeyFrame {
        /// Which page.
        page: PageId,
    },
}

/// What the gateway reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayEvent {
    /// The answer to a kiosk's offer.
    KioskAnswer {
        /// Which kiosk.
        kiosk: KioskId,
        /// The session.
        session: SessionId,
        /// SDP.
        sdp: String,
    },
    /// The kiosk's leg is of no use: it must offer anew.
    KioskReoffer {
        /// Which kiosk.
        kiosk: KioskId,
        /// Why, for the log.
        reason: String,
    },
    /// A kiosk's leg is up or down.
    KioskLeg {
        /// Which kiosk.
        kiosk: KioskId,
        /// Up.
        up: bool,
    },
    /// A test call is over.
    KioskTested {
        /// Which kiosk.
        kiosk: KioskId,
        /// What came.
        seen: CallSeen,
    },
    /// The answer to a page's offer.
    PageAnswer {
        /// Which page.
        page: PageId,
        /// SDP.
        sdp: String,
    },
    /// The page's connection is of no use: it must offer anew.
    PageReoffer {
        /// Which page.
        page: PageId,
    },
    /// A page needs a key frame of this kiosk (an RTCP PLI has gone out as well).
    KeyFrameWanted {
        /// Which kiosk.
        kiosk: KioskId,
    },
}

/// What a kiosk's leg has carried, in RTP packets and payload bytes, since the centre's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LegCounters {
    /// Which kiosk.
    pub kiosk: KioskId,
    /// Whether the leg is up.
    pub up: bool,
    /// "udp", "tcp", or "" before the first datagram.
    pub transport: &'static str,
    /// From the kiosk, in an alarm.
    pub media_packets_in_alarm: u64,
    /// From the kiosk, in an alarm.
    pub media_bytes_in_alarm: u64,
    /// From the kiosk, in test calls.
    pub media_packets_in_test: u64,
    /// From the kiosk, outside any alarm: must stay zero.
    pub media_packets_standby: u64,
    /// From the kiosk, outside any alarm: must stay zero.
    pub media_bytes_standby: u64,
}

/// Where the gateway listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaySettings {
    /// Addresses of this machine, each concrete; none: every one it has, as they come and go.
    pub addresses: Vec<IpAddr>,
    /// Port for UDP and TCP; 0 lets the system choose.
    pub port: u16,
    /// Addresses the world knows this machine by, where a NAT stands before it.
    pub advertise: Vec<IpAddr>,
    /// Listen on UDP.
    pub udp: bool,
    /// Listen on TCP, for those whose UDP is blocked.
    pub tcp: bool,
}

/// A handle on the gateway.
#[derive(Clone)]
pub struct GatewayHandle {
    /// Commands, in order.
    pub commands: mpsc::Sender<GatewayCommand>,
    counters: Arc<Mutex<Vec<LegCounters>>>,
}

impl GatewayHandle {
    /// What every kiosk's leg has carried, at most a second old.
    #[must_use]
    pub fn counters(&self) -> Vec<LegCounters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Starts the gateway on a task of its own.
///
/// # Errors
/// [`SocketsError`] names the address that could not be had.
pub async fn start(
    settings: GatewaySettings,
    events: mpsc::Sender<GatewayEvent>,
) -> Result<GatewayHandle, SocketsError> {
    let (commands, orders) = mpsc::channel(COMMANDS);
    let counters = Arc::new(Mutex::new(vec![]));
    task::start(settings, orders, events, Arc::clone(&counters)).await?;
    Ok(GatewayHandle { commands, counters })
}
