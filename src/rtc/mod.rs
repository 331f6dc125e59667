//! One small module over str0m, for both ends of the kiosk's leg and for the officer's.
//!
//! [`Session`] is one peer connection without IO; [`Sockets`] carries its datagrams over UDP and, where
//! UDP is blocked, over TCP (RFC 4571 framing, RFC 6544 candidates); [`Rebase`] lets one outgoing
//! stream go on without a seam while its source changes. Payloads are RTP: GStreamer and the browser
//! packetise and depacketise, nothing is taken apart on the way.

mod candidates;
mod h264;
mod rebase;
mod session;
mod sites;
mod sockets;

use std::sync::Arc;

pub use crate::wire::Medium;
pub use candidates::{dialled_candidate, own_addresses, tcp_candidates, udp_candidates};
pub use h264::starts_key_frame;
pub use rebase::Rebase;
pub use session::{Happening, Session, SessionError};
pub use sites::site;
pub use sockets::{Datagram, Incoming, Opening, Sockets, SocketsError};

/// One RTP packet without what belongs to a single hop (SSRC, payload type, extensions).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Picture or sound.
    pub medium: Medium,
    /// Sequence number, extended beyond 16 bits.
    pub sequence: u64,
    /// RTP timestamp in the medium's clock.
    pub timestamp: u32,
    /// The last packet of a frame.
    pub marker: bool,
    /// RTP payload.
    pub payload: Arc<[u8]>,
}

/// Warms up what the first session would otherwise wait for. Call once at start.
pub fn warm_up() {
    session::install_crypto();
    // The first key generation and the first SDP cost tens of milliseconds, later ones none.
    let _ = Session::offer(std::time::Instant::now(), &[]);
}
