//! The state of the leg's task.

use std::net::SocketAddr;
use std::time::Instant;

use tokio::sync::mpsc;

use crate::rtc::{Incoming, Session, Sockets};
use crate::wire::SessionId;

/// Whether there is a session.
pub(super) enum State {
    Down,
    Standing(Box<Standing>),
}

impl State {
    /// Whether the other side has answered.
    pub(super) fn answered(&self) -> bool {
        match self {
            Self::Down => false,
            Self::Standing(standing) => standing.answered,
        }
    }
}

/// A session, offered or up, and its sockets.
pub(super) struct Standing {
    pub(super) id: SessionId,
    pub(super) session: Session,
    pub(super) sockets: Sockets,
    pub(super) incoming: mpsc::Receiver<Incoming>,
    pub(super) next_drive: Instant,
    /// When this phase has failed.
    pub(super) give_up: Option<Instant>,
    /// When TCP joins in, and where it dials.
    pub(super) tcp: Option<(Instant, Vec<SocketAddr>)>,
    /// The gateway has taken the offer.
    pub(super) answered: bool,
    pub(super) up: bool,
}

/// The next datagram of the session; never, where there is none.
pub(super) async fn next(state: &mut State) -> Option<Incoming> {
    match state {
        State::Down => std::future::pending().await,
        State::Standing(standing) => standing.incoming.recv().await,
    }
}
