//! The shell around the machine: its one owner, the ports it performs effects through, the start and the end.

pub mod checkup;
pub mod control;
pub mod latency;
mod names;
pub mod ports;
pub mod progress;
pub mod ring;
pub mod selftest;
pub mod shell;
pub mod stop;
pub mod timing;

pub use shell::{Ask, Parts, Setup, Shell};

use tokio::sync::mpsc;

use crate::machine::Event;

/// Where every adapter reports what happened. Bounded: see [`INBOX_SIZE`].
pub type Inbox = mpsc::Sender<Stamped>;

/// An event with the instant it happened at, which is earlier than the instant it is handled at.
#[derive(Debug, Clone)]
pub struct Stamped {
    /// When it happened.
    pub at: std::time::Instant,
    /// What.
    pub event: Event,
}

impl Stamped {
    /// An event that happens now.
    #[must_use]
    pub fn now(event: Event) -> Self {
        Self { at: std::time::Instant::now(), event }
    }
}

/// Events that may wait in the inbox; the owner handles one in microseconds.
pub const INBOX_SIZE: usize = 256;
