//! What `sos-ctl` and the daemon say to each other over the control socket: one JSON line each way.
//!
//! A request is `{"do":"status"}`; an answer is `{"ok":true,...}` or `{"ok":false,"error":"..."}`. The socket is
//! local (a Unix socket, mode 0660): who may open it is decided by the file's owner and group.

mod state;

use serde::{Deserialize, Serialize};

use crate::wire::down::Standing;
use crate::wire::ids::KioskId;
use crate::wire::selftest::LastTest;
use crate::wire::up::{ButtonLine, Fault, FaultKind};
pub use crate::wire::up::{TestOutcome, TestPart, Vitals};
use crate::wire::{IncidentId, OutputState};
pub use state::{Changed, ConfigStage, ConfigState, TestStep};

/// Longest line either side reads, bytes.
pub const MAX_LINE: usize = 4 * 1024;
/// Longest answer, bytes: the ring of events is the largest.
pub const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// What can be asked of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Presses as the button would and, unless `hold`, lets go.
    Press {
        /// Leave it down.
        #[serde(default)]
        hold: bool,
        /// The second button of the simulated panel instead.
        #[serde(default)]
        second: bool,
    },
    /// Lets it go.
    Release {
        /// The second button of the simulated panel instead.
        #[serde(default)]
        second: bool,
    },
    /// Opens or closes the case of the simulated panel.
    Tamper {
        /// Open.
        open: bool,
    },
    /// How the kiosk is.
    Status,
    /// The last events, oldest first.
    Ring,
    /// How the configuration stands.
    Config,
    /// The configuration's file was changed: look now. Answered like [`Request::Config`].
    ConfigChanged,
    /// Tests parts of the kiosk, one after the other. Answered by a line for each step ([`Answer::more`]).
    Selftest {
        /// Which; none: the full self-test.
        #[serde(default)]
        parts: Vec<TestPart>,
        /// What is found is right, and expected from now on.
        #[serde(default)]
        learn: bool,
    },
}

/// The daemon's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether the request was carried out.
    pub ok: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The incident that a press opened or joined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentId>,
    /// To [`Request::Status`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Box<Status>>,
    /// To [`Request::Ring`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ring: Vec<String>,
    /// To [`Request::Config`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Box<ConfigState>>,
    /// A step of a self-test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestStep>,
    /// Further lines follow.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

impl Answer {
    /// Done.
    #[must_use]
    pub fn done() -> Self {
        Self {
            ok: true,
            error: None,
            incident: None,
            status: None,
            ring: Vec::new(),
            config: None,
            test: None,
            more: false,
        }
    }

    /// Not done.
    #[must_use]
    pub fn refused(why: impl Into<String>) -> Self {
        Self { ok: false, error: Some(why.into()), ..Self::done() }
    }
}

/// How the kiosk is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its name.
    pub id: KioskId,
    /// The daemon's version.
    pub version: String,
    /// Seconds since the daemon's start.
    pub uptime_s: u64,
    /// What it is doing.
    pub phase: PhaseName,
    /// The open incident.
    pub incident: Option<OpenIncident>,
    /// Whether a path to the broker is up.
    pub link_up: bool,
    /// Whether a desk is connected to the broker.
    pub centre_present: bool,
    /// Whether the media leg is connected.
    pub leg_up: bool,
    /// Whether a leg is expected between calls.
    pub standby: bool,
    /// The button's line.
    pub button: ButtonLine,
    /// The second button's line; absent where there is none.
    pub second_button: Option<ButtonLine>,
    /// The outputs that are fitted, as they are.
    pub outputs: Vec<OutputState>,
    /// The panel's lines as they are.
    pub panel: PanelView,
    /// Lamps that are not dark, for the simulated panel and for people at a distance.
    pub lamps: Vec<LampState>,
    /// Age of the newest camera frame, ms; absent before the first.
    pub frame_age_ms: Option<u64>,
    /// Age of the newest microphone period, ms.
    pub sound_age_ms: Option<u64>,
    /// Microphone level of the last second, dB below full scale.
    pub mic_dbfs: Option<f32>,
    /// Age of the centre's last echo, ms.
    pub echo_age_ms: Option<u64>,
    /// Centre's wall clock minus the kiosk's, microseconds.
    pub clock_offset_us: Option<i64>,
    /// Faults that stand.
    pub faults: Vec<Fault>,
    /// Fragments the centre has no receipt for.
    pub undelivered: u64,
    /// Why there is no connection to the broker, as the last attempt found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_trouble: Option<String>,
    /// What the last full self-test found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_test: Option<LastTest>,
    /// The part under test in a full self-test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub testing: Option<TestPart>,
    /// The board and what is on it.
    #[serde(default)]
    pub board: Vitals,
    /// How the configuration stands.
    #[serde(default)]
    pub config: ConfigState,
    /// What the camera gives by itself, and whether that has to be adapted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub camera: Option<String>,
    /// The H.264 encoder, and which was wanted and failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoder: Option<String>,
    /// The spoken sentences that are missing, by language: a chime sounds where no language has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompts_missing: Option<String>,
}

/// What the kiosk is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseName {
    /// Nothing is open.
    Idle,
    /// The centre has not acknowledged yet.
    Sending,
    /// No officer yet.
    Waiting,
    /// An officer talks.
    Talking,
    /// An officer has it, but does not talk now.
    OnHold,
    /// An officer has answered, and the media leg is missing.
    Reconnecting,
}

/// The open incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenIncident {
    /// Which.
    pub id: IncidentId,
    /// Presses so far.
    pub presses: u32,
    /// Whether the centre has acknowledged it.
    pub acknowledged: bool,
    /// How it stands at the desk.
    pub standing: Standing,
}

/// A lamp that shines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LampState {
    /// `sent`, `answered` or `fault`.
    pub lamp: String,
    /// `on` or `blinking`.
    pub light: String,
}

/// The panel as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PanelView {
    /// The driver, as the configuration calls it.
    pub driver: String,
    /// Why lines cannot be read or set now.
    pub lost: Option<String>,
    /// Lines that are fitted.
    pub lines: Vec<LineView>,
    /// Milliseconds from the button's edge to the lit lamp, the newest presses; absent before the first.
    pub press_to_lamp_ms: Option<LatencyView>,
}

/// A line of the panel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineView {
    /// As the configuration calls it: `button`, `lamp_sent` ...
    pub name: String,
    /// Offset or name of the line.
    pub line: String,
    /// `pressed`, `released`, `open`, `closed`, `on`, `off`, `blinking`, `unknown`.
    pub state: String,
}

/// How long something took, milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatencyView {
    /// How many times since the daemon's start.
    pub count: u64,
    /// The newest, newest first.
    pub newest: Vec<f64>,
    /// Median of the newest hundred.
    pub median: f64,
    /// 95th percentile of the newest hundred.
    pub p95: f64,
}

/// A newest frame or sound older than this proves nothing, ms.
const STALE_MS: u64 = 3_000;

impl Status {
    /// Why a press would not bring an officer with picture and sound now; empty if it would. Worst first.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        let mut say = |yes: bool, why: String| {
            if yes {
                reasons.push(why);
            }
        };
        let trouble = self.link_trouble.as_ref().map_or_else(String::new, |why| format!(" ({why})"));
        say(!self.link_up, format!("no connection to the broker{trouble}"));
        say(self.link_up && !self.centre_present, "nobody is at the centre's end".to_owned());
        say(self.button == ButtonLine::Stuck, "the button is stuck".to_owned());
        say(self.second_button == Some(ButtonLine::Stuck), "the second button is stuck".to_owned());
        say(self.standby && !self.leg_up, "the media leg to the centre is down".to_owned());
        for (what, age) in [("camera frame", self.frame_age_ms), ("microphone sound", self.sound_age_ms)] {
            match age {
                None => say(true, format!("no {what} yet")),
                Some(age) => say(age > STALE_MS, format!("the newest {what} is {:.1} s old", seconds(age))),
            }
        }
        for fault in self.faults.iter().filter(|fault| prevents(fault.kind)) {
            let said = matches!(fault.kind, FaultKind::ButtonStuck | FaultKind::LegDown);
            say(!said, format!("{}: {}", fault_name(fault.kind), fault.detail));
        }
        reasons
    }

    /// What somebody must see to before it becomes a reason.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let standing = self.faults.iter().filter(|fault| !prevents(fault.kind));
        let faults = standing.map(|fault| format!("{}: {}", fault_name(fault.kind), fault.detail));
        let mute =
            self.prompts_missing.iter().map(|missing| format!("sentences are missing (media.prompts): {missing}"));
        faults.chain(mute).collect()
    }
}

/// Whether a press would not bring an officer with picture, sound and a recording while this stands.
fn prevents(kind: FaultKind) -> bool {
    match kind {
        FaultKind::DeliveryFailed
        | FaultKind::CaseOpen
        | FaultKind::Temperature
        | FaultKind::ClockWrong
        | FaultKind::CertificateExpiring
        | FaultKind::ConfigBroken
        | FaultKind::NotProved
        | FaultKind::StoreReplaced => false,
        FaultKind::ButtonStuck
        | FaultKind::CameraLost
        | FaultKind::MicrophoneLost
        | FaultKind::SpeakerLost
        | FaultKind::StoreFailed
        | FaultKind::RecordingFailed
        | FaultKind::RecordingSilent
        | FaultKind::LegDown
        | FaultKind::CameraFrozen
        | FaultKind::CameraCovered
        | FaultKind::CameraBlurred
        | FaultKind::MicrophoneDeaf
        | FaultKind::SoundPathBroken
        | FaultKind::PanelLost
        | FaultKind::DiskFull
        | FaultKind::Unknown => true,
    }
}

fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}

/// A fault in words.
#[must_use]
pub fn fault_name(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::ButtonStuck => "button stuck",
        FaultKind::CameraLost => "camera lost",
        FaultKind::MicrophoneLost => "microphone lost",
        FaultKind::SpeakerLost => "loudspeaker lost",
        FaultKind::StoreFailed => "the store does not keep",
        FaultKind::RecordingFailed => "recording failed",
        FaultKind::RecordingSilent => "recordings without sound",
        FaultKind::DeliveryFailed => "delivery to the centre failed",
        FaultKind::LegDown => "media leg down",
        FaultKind::CameraFrozen => "camera frozen",
        FaultKind::CameraCovered => "camera covered",
        FaultKind::CameraBlurred => "camera out of focus",
        FaultKind::MicrophoneDeaf => "microphone deaf",
        FaultKind::SoundPathBroken => "loudspeaker not heard",
        FaultKind::PanelLost => "button and lamps lost",
        FaultKind::CaseOpen => "case open",
        FaultKind::DiskFull => "disk full",
        FaultKind::Temperature => "temperature",
        FaultKind::ClockWrong => "clock wrong",
        FaultKind::CertificateExpiring => "certificate",
        FaultKind::ConfigBroken => "configuration broken",
        FaultKind::NotProved => "not proved by a self-test",
        FaultKind::StoreReplaced => "database set aside",
        FaultKind::Unknown => "unknown fault",
    }
}
