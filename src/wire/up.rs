//! What a kiosk says to the centre.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::OutputState;
use super::ids::{IncidentId, SessionId};
use super::selftest::LastTest;

/// Retained presence of a kiosk. The broker publishes `online: false` as its last will.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KioskState {
    /// Whether the daemon is connected.
    pub online: bool,
    /// Version of the daemon.
    pub version: String,
    /// Where it stands, for people, from its configuration.
    pub place: Place,
}

/// Where a kiosk stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// For people: "Central Park, north gate".
    pub name: String,
    /// Latitude and longitude in millionths of a degree, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_e6: Option<(i32, i32)>,
}

/// Proof of life: what a kiosk can show that it would work now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Heartbeat {
    /// Comes back in the centre's echo.
    pub nonce: u64,
    /// Age of the newest camera frame, ms; absent if there never was one.
    pub frame_age_ms: Option<u64>,
    /// Age of the newest microphone period, ms.
    pub sound_age_ms: Option<u64>,
    /// Microphone level of the last second, dB below full scale (0 is full scale).
    pub mic_dbfs: Option<f32>,
    /// The button's line.
    pub button: ButtonLine,
    /// The second button's line; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_button: Option<ButtonLine>,
    /// The outputs that are fitted, as they are: what an officer may switch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<OutputState>,
    /// Whether the standby media leg is connected.
    pub leg_up: bool,
    /// Age of the last echo of the centre, ms.
    pub echo_age_ms: Option<u64>,
    /// Centre's wall clock minus the kiosk's, microseconds, from the last echoes.
    pub clock_offset_us: Option<i64>,
    /// Faults that stand now.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// Seconds since the daemon's start.
    pub uptime_s: u64,
    /// Fragments on the kiosk that the centre has no receipt for.
    #[serde(default)]
    pub undelivered: u64,
    /// What the last full self-test found; absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_test: Option<LastTest>,
    /// The board and what is on it; absent from a kiosk that does not say.
    #[serde(default, skip_serializing_if = "Vitals::are_unknown")]
    pub board: Vitals,
}

/// What can be read of the board; each absent where it cannot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Vitals {
    /// Whole days until the kiosk's certificate expires; negative: since it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_days: Option<i64>,
    /// Room for recordings, MB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_free_mb: Option<u64>,
    /// Size of the disk they are on, MB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_total_mb: Option<u64>,
    /// Whether the store's directory can be written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_writable: Option<bool>,
    /// The warmest sensor, degrees Celsius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<f64>,
    /// Whether the service that sets the clock says that it is set; absent where there is none that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_synced: Option<bool>,
}

impl Vitals {
    /// Whether nothing is known.
    #[must_use]
    pub fn are_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// State of a button's line, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ButtonLine {
    /// Not pressed.
    Released,
    /// Pressed.
    Pressed,
    /// Pressed for so long, or so often without end, that it is a fault.
    Stuck,
}

/// A part that does not work.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// Which.
    pub kind: FaultKind,
    /// For the technician: what was expected and what was found.
    pub detail: String,
}

/// Kinds of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A button has been down for too long, or its line chatters.
    ButtonStuck,
    /// No frames from the camera.
    CameraLost,
    /// No sound from the microphone.
    MicrophoneLost,
    /// No sound can be played.
    SpeakerLost,
    /// The store does not keep.
    StoreFailed,
    /// A recording could not be written.
    RecordingFailed,
    /// Recordings have no sound: its encoder does not run.
    RecordingSilent,
    /// The media leg does not connect.
    LegDown,
    /// A fragment cannot be delivered: the centre refuses it, or it is damaged on the kiosk.
    DeliveryFailed,
    /// The camera gives the same picture again and again.
    CameraFrozen,
    /// The picture is black or without structure: covered, painted over, or in the dark.
    CameraCovered,
    /// The picture is out of focus, or shows something else than its reference still.
    CameraBlurred,
    /// The microphone gives periods, and nothing is in them.
    MicrophoneDeaf,
    /// What the loudspeaker plays does not come back through the microphone.
    SoundPathBroken,
    /// Button and lamps cannot be read or set.
    PanelLost,
    /// The case is open.
    CaseOpen,
    /// No room is left for recordings.
    DiskFull,
    /// The board is too hot or too cold.
    Temperature,
    /// The clock is not synchronised, or far from the centre's.
    ClockWrong,
    /// The kiosk's certificate has expired or will soon.
    CertificateExpiring,
    /// The configuration is broken: the last good one is used.
    ConfigBroken,
    /// The last full self-test failed, or is older than a day.
    NotProved,
    /// The store's database was broken: it was set aside and is made anew from the files. Stands until the next start.
    StoreReplaced,
    /// A kind this version does not know.
    #[serde(other)]
    Unknown,
}

/// What a test of a part of the kiosk found, or that it begins: a logged test, said until the broker has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestReport {
    /// Which part.
    pub part: TestPart,
    /// How it ended; absent: it begins now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<TestOutcome>,
    /// For people: what was expected and what was found.
    pub detail: String,
}

/// Parts that can be tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestPart {
    /// The lamps.
    Lamp,
    /// Loudspeaker to microphone.
    Sound,
    /// The camera.
    Camera,
    /// The way to the centre and back.
    Link,
    /// The button, pressed by a person.
    Button,
    /// What must survive a power cut is written and read back.
    Store,
    /// The test call to the centre: media both ways.
    Call,
    /// A part this version does not know.
    #[serde(other)]
    Unknown,
}

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestOutcome {
    /// The part does what it should.
    Passed,
    /// It does not.
    Failed,
    /// Nothing can be said: no such part is fitted, or the test was broken off.
    NotTested,
}

/// A press, said until the centre acknowledges it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Alarm {
    /// The incident it opens; every resend carries the same.
    pub incident: IncidentId,
    /// Which button.
    pub origin: PressOrigin,
    /// Wall clock at the button's edge, microseconds since 1970 UTC.
    pub pressed_wall_us: i64,
    /// Monotonic clock at the edge, microseconds since the daemon's start; absent when the press was in an earlier run.
    pub pressed_mono_us: Option<u64>,
    /// 1 for the first sending.
    pub attempt: u32,
    /// Presses so far; a second press joins the open incident.
    pub presses: u32,
    /// The clock offset known at the press (centre minus kiosk), microseconds.
    pub clock_offset_us: Option<i64>,
    /// Where, for people, so that the alarm needs nothing else to be understood.
    pub place: Place,
    /// An offer, where no standby leg was up at the press.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<SessionOffer>,
}

/// Where a press came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PressOrigin {
    /// The SOS button.
    Button,
    /// The second button: lower on the post, or on its other side.
    SecondButton,
    /// `sos-ctl press`, logged as such.
    Control,
    /// One this version does not know. An alarm is an alarm, whatever pressed it.
    #[serde(other)]
    Unknown,
}

/// What the kiosk reports of an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentEvent {
    /// Which incident.
    pub incident: IncidentId,
    /// What.
    #[serde(flatten)]
    pub what: IncidentReport,
}

/// Kinds of report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum IncidentReport {
    /// Wall clock (kiosk's) of each instant of the call the kiosk has seen, microseconds since 1970 UTC.
    Timing {
        /// Instant to time; a key comes once, its first value stands.
        marks: BTreeMap<Mark, i64>,
    },
    /// The button was pressed again.
    PressedAgain {
        /// Presses so far.
        presses: u32,
    },
    /// The kiosk has carried out the close: lamps off, gate closed.
    Closed,
    /// The centre did not close it within the kiosk's safety limit, so the kiosk ends it. [`Self::Closed`] follows.
    TimedOut {
        /// Seconds without a press or a change of standing.
        after_s: u64,
    },
    /// The recording is sealed.
    RecordingSealed {
        /// Media fragments, the header not counted.
        fragments: u64,
    },
}

/// Instants of a call, in the order they are expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// The button's edge (kiosk).
    Edge,
    /// The press was durable on the kiosk (kiosk).
    Kept,
    /// The alarm was handed to the link (kiosk).
    Sent,
    /// The alarm reached the centre (centre).
    Received,
    /// The centre's acknowledgement reached the kiosk (kiosk).
    Acknowledged,
    /// The alarm was painted in an officer's page (page).
    AlarmPainted,
    /// First live frame painted in an officer's page (page).
    FirstFrame,
    /// An officer answered (centre).
    Answered,
    /// Sound flows both ways: the gate for the officer's voice is open at the kiosk (kiosk).
    Connected,
    /// The person's first sound reached the officer's page after Answer (page).
    FirstSoundUp,
    /// The officer's first sound left the kiosk's sound sink (kiosk).
    FirstSoundDown,
    /// An officer closed the incident (centre).
    Closed,
}

/// Media sessions, from the kiosk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SignalUp {
    /// The kiosk wants a leg. A newer offer replaces every older session of this kiosk.
    Offer(SessionOffer),
    /// The kiosk has given this session up.
    Bye {
        /// Which.
        session: SessionId,
    },
}

/// An offer for a media session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionOffer {
    /// The session it would open.
    pub session: SessionId,
    /// The offer (SDP, RFC 8866), with host candidates.
    pub sdp: String,
}
