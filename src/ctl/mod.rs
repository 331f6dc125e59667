//! The technician's commands. Data goes to stdout, messages to stderr; one exit code per cause.

pub mod absent;
pub mod advice;
pub mod ask;
pub mod change;
pub mod cli;
pub mod config;
pub mod enrol;
pub mod generate;
pub mod logs;
pub mod panel;
#[cfg(feature = "kiosk")]
pub mod recordings;
pub mod redact;
pub mod selftest;
pub mod status;
pub mod support;
pub mod update;
pub mod verify;
pub mod watch;

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::config::kiosk::KEYS;
use crate::config::{KioskConfig, Layers, Reader};
use crate::control::Request;

/// The exit codes of `sos-ctl`; [`cli::EXIT_CODES`] tells people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// A fault of the program.
    Broken = 1,
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
    /// `config`: the change was undone.
    Undone = 8,
    /// `selftest`: a part failed.
    TestFailed = 9,
    /// `enrol`: not done.
    Enrol = 10,
    /// A file or a program is not to be had.
    Files = 11,
    /// `status`: the kiosk is not enrolled yet.
    NotEnrolled = 12,
    /// `verify`: something is not as it was signed.
    Altered = 13,
    /// `verify`: nothing is broken, and nothing shows that this is all.
    NotProven = 14,
    /// `update`: this board has no slots, or no RAUC to write them.
    NoSlots = 15,
    /// `update`: the bundle is not the owner's, or for another board.
    BundleRefused = 16,
    /// `update`: the slot could not be written.
    UpdateFailed = 17,
    /// `update`: the running slot has not proved itself.
    NotProved = 18,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A fault of the program itself ends it with a message and [`Exit::Broken`], whatever it was built like.
pub fn end_on_own_fault() {
    std::panic::set_hook(Box::new(|fault| {
        let told =
            format!("error: a fault of this program: {fault}\nhint: report it with the command and this message");
        // Where nobody hears it, the code tells.
        _ = writeln!(std::io::stderr(), "{told}");
        std::process::exit(Exit::Broken as i32);
    }));
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
    told.unwrap_or_else(|| {
        // A configuration with an error elsewhere still tells where the socket is.
        Reader::open(KEYS, &KioskConfig::layers(None)).path("control.socket")
    })
}

/// The files of the configuration: the one that is named, else those the daemon says it uses, else the usual ones.
#[must_use]
pub fn layers(file: Option<PathBuf>, socket: &Path) -> Layers {
    if file.is_some() {
        return KioskConfig::layers(file);
    }
    let told = ask::ask(socket, &Request::Config).ok().and_then(|answer| answer.config);
    match told {
        Some(state) if !state.layers.is_empty() => Layers { files: state.layers, must_exist: state.must_exist },
        Some(_) | None => KioskConfig::layers(None),
    }
}

/// Plain records as one line of JSON.
///
/// # Panics
/// Never: what is printed has text keys and plain values.
#[must_use]
pub fn json<T: serde::Serialize>(record: &T) -> String {
    serde_json::to_string(record).expect("records of text and numbers are JSON")
}
