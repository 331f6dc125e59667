//! The technician's commands. Data goes to stdout, messages to stderr; one exit code per cause.

pub mod ask;
pub mod config;
pub mod panel;
#[cfg(feature = "kiosk")]
pub mod recordings;
pub mod status;

use std::path::PathBuf;

/// The exit codes of `sos-ctl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// The command line was not understood.
    Usage = 2,
    /// The daemon cannot be reached.
    Unreachable = 3,
    /// The configuration is wrong.
    BadConfig = 4,
    /// The daemon refused.
    Refused = 5,
    /// `status`: the daemon answers, and a press would not bring an officer now.
    NotWorking = 6,
    /// `recordings`: cannot be listed or exported.
    Recordings = 7,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A command that failed: what is said on stderr, and the exit code.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What went wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a hint.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    /// With a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Where the daemon listens: as told, else as configured, else the default.
#[must_use]
pub fn socket(told: Option<PathBuf>) -> PathBuf {
    use crate::config::kiosk::KEYS;
    use crate::config::{KioskConfig, Reader};
    told.unwrap_or_else(|| {
        // A configuration with an error elsewhere still tells where the socket is.
        Reader::open(KEYS, &KioskConfig::layers(None)).path("control.socket")
    })
}
