//! The ports: what the kiosk's shell asks of the world. Each has a real adapter and a simulated
//! twin in the same binary, chosen by configuration.
//!
//! No call here blocks, waits or fails loudly: an adapter takes the request, does it on a task or
//! thread of its own, and what comes of it arrives as an event in the shell's inbox. So no effect
//! can hold up another (invariant 2).

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::selftest::sound::Trend;
pub use crate::control::{ConfigState, Vitals};
use crate::machine::words::{Lamp, Light, Prompt};
use crate::wire::evidence::ChainHead;
use crate::wire::selftest::{LastTest, TestCall};
use crate::wire::up::{Alarm, Heartbeat, IncidentEvent, Place, PressOrigin, SignalUp, TestReport};
use crate::wire::{IncidentId, Output};

/// Lamps and outputs. Buttons and the tamper contact come as events.
pub trait Panel: Send {
    /// Sets a lamp. `pressed`: the press that this answers, for the measure of press to lamp.
    fn lamp(&mut self, lamp: Lamp, light: Light, pressed: Option<Instant>);
    /// Switches an output; `OutputIs` arrives in the inbox when it is done.
    fn output(&mut self, output: Output, on: bool);
    /// The lines as they are.
    fn look(&self) -> PanelView;
    /// How long ago the slowest of its threads last turned: the watchdog is fed by it. A part that was told to be lost
    /// does not count. `None`: not measured.
    fn turn_age(&self) -> Option<Duration> {
        None
    }
}

/// An input of the panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    /// The SOS button.
    Button,
    /// The second button.
    SecondButton,
    /// The contact that opens with the case.
    Tamper,
}

impl Input {
    /// As the configuration calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Button => "button",
            Self::SecondButton => "second_button",
            Self::Tamper => "tamper",
        }
    }
}

/// The hand that moves a simulated panel's inputs.
pub trait Hand: Send + Sync {
    /// Presses or opens it, or lets it go.
    fn set(&self, input: Input, active: bool);
}

pub use crate::control::{LineView, PanelView};
pub use crate::wire::Medium;

/// One RTP packet's worth of live media.
#[derive(Debug, Clone)]
pub struct LivePacket {
    /// Picture or sound.
    pub medium: Medium,
    /// RTP payload (not the header).
    pub payload: Bytes,
    /// RTP timestamp in the medium's clock: 90 kHz picture, 48 kHz sound.
    pub timestamp: u32,
    /// RTP marker: the last packet of a frame.
    pub marker: bool,
}

/// What the media pipeline can prove about itself.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MediaHealth {
    /// Age of the newest frame; `None` before the first.
    pub frame_age: Option<Duration>,
    /// Age of the newest microphone period.
    pub sound_age: Option<Duration>,
    /// Level of the last second, dB below full scale.
    pub mic_dbfs: Option<f32>,
}

/// What the media pipeline consists of on this board, for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MediaInventory {
    /// What the camera gives by itself, and whether that has to be adapted.
    pub camera: Option<String>,
    /// The encoder, and which was wanted and failed.
    pub encoder: Option<String>,
    /// The spoken sentences that are missing, by language; `None` if all are there.
    pub prompts_missing: Option<String>,
}

/// The way of sound from the loudspeaker to the microphone, as a chirp found it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoundPath {
    /// What the microphone heard over what the loudspeaker was given, dB.
    pub level_db: f32,
    /// From the one to the other, ms.
    pub delay_ms: f32,
}

/// What became of a chirp.
#[derive(Debug, Clone, PartialEq)]
pub enum Chirped {
    /// The microphone heard it.
    Heard(SoundPath),
    /// It did not; or the loudspeaker did not play it. What was expected and found.
    Lost(String),
    /// Nothing can be said, and why.
    NotTested(String),
}

/// The always-on pipeline: gates, the officer's voice, prompts, recording.
pub trait Media: Send + Sync {
    /// Lets live packets out into `to` and forces a key frame at once. A full channel drops packets
    /// (and counts them), it never holds the pipeline.
    fn open_gate(&self, to: mpsc::Sender<LivePacket>);
    /// No live packet leaves the pipeline any more.
    fn close_gate(&self);
    /// A key frame at once.
    fn force_key_frame(&self);
    /// One RTP packet (whole, header included, Opus) of the officer's voice.
    fn voice(&self, rtp: Bytes);
    /// Opens or closes the way of the officer's voice to the loudspeaker; closed, packets are dropped.
    fn open_voice(&self, open: bool);
    /// For a test call: chirps go out in the place of the microphone, and what comes back is searched for them
    /// (`TestEvent::Heard`) instead of being played.
    fn probe(&self, on: bool) {
        let _ = on;
    }
    /// Plays a short, quiet chirp and listens for it with the microphone; an alarm or a call ends it. Nothing comes
    /// where loudspeaker or microphone stand still: whoever waits needs a bound.
    fn chirp(&self) -> oneshot::Receiver<Chirped> {
        let (to, chirped) = oneshot::channel();
        _ = to.send(Chirped::NotTested("no loudspeaker and no microphone".to_owned()));
        chirped
    }
    /// What a chirp took from the loudspeaker to the microphone, ms: the echo canceller goes by it from now on.
    fn seed_echo(&self, delay_ms: u32) {
        let _ = delay_ms;
    }
    /// Speaks a prompt, mixed with the call.
    fn prompt(&self, prompt: Prompt);

    /// Breaks a prompt off, if it is under way or waits.
    fn hush(&self, prompt: Prompt);
    /// Records `incident`, from `before` ago. Fragments go to the store; the outcome comes as events.
    fn start_recording(&self, incident: IncidentId, before: Duration);
    /// Ends the recording after the fragment under way.
    fn stop_recording(&self, incident: IncidentId);
    /// What can be proved now.
    fn health(&self) -> MediaHealth;
    /// How long ago whoever watches and rebuilds its parts last turned. `None`: not measured, or not there yet.
    fn turn_age(&self) -> Option<Duration> {
        None
    }
    /// What it consists of.
    fn inventory(&self) -> MediaInventory {
        MediaInventory::default()
    }
}

/// The media leg to the centre's gateway. Its state comes as events.
pub trait Leg: Send + Sync {
    /// There is a way to the centre (again). One that stands by dials, and keeps dialling with back-off; an offer
    /// that was made while there was no way is made anew.
    fn stand_by(&self);
    /// Makes an offer at once, to travel inside an alarm; arrives as an event.
    fn make_offer(&self);
    /// An answer has come.
    fn answer(&self, session: crate::wire::SessionId, sdp: String);
    /// The gateway does not know the session: dial anew.
    fn reoffer(&self);
    /// The incident is over: a leg that does not stand by hangs up; one that does stays.
    fn hang_up(&self);
    /// Where the gate's live packets go.
    fn packets(&self) -> mpsc::Sender<LivePacket>;
}

/// Something to say to the centre.
#[derive(Debug, Clone)]
pub enum Saying {
    /// The alarm. When a connection has taken it, `AlarmSent` arrives in the inbox.
    Alarm(Box<Alarm>),
    /// A report; kept and resent until the broker has it.
    Report(Box<IncidentEvent>),
    /// A media session.
    Signal(Box<SignalUp>),
    /// Proof of life; dropped when the link is down.
    Heartbeat(Box<Heartbeat>),
    /// A test, logged; kept and resent until the broker has it.
    Test(Box<TestReport>),
    /// A test call, said like an alarm: the machine says it again until it is acknowledged.
    TestCall(Box<TestCall>),
    /// Where the kiosk stands, from now on.
    Place(Place),
    /// The newest statement about a recording; dropped when the link is down, the last one of a recording kept.
    Head(Box<ChainHead>),
}

/// The paths to the centre. Their state, and what the centre says, come as events.
pub trait Link: Send + Sync {
    /// Says it, or keeps it for later, or drops it, as its kind demands. Never blocks.
    fn say(&self, saying: Saying);
    /// Age of the centre's last echo.
    fn echo_age(&self) -> Option<Duration>;
    /// Centre's wall clock minus ours, microseconds.
    fn clock_offset_us(&self) -> Option<i64>;
    /// Why there is no connection to the broker, as the last attempt found it; none while there is one.
    fn trouble(&self) -> Option<String> {
        None
    }
    /// How long ago the link's own loop last turned, whether or not the broker is reachable: the watchdog is fed
    /// by it. `None`: not measured.
    fn loop_age(&self) -> Option<Duration> {
        None
    }
}

/// The board and what is on it.
pub trait Board: Send + Sync {
    /// As last looked at, a few seconds ago at most.
    fn vitals(&self) -> Vitals;
}

/// The configuration's keeper.
pub trait Configured: Send + Sync {
    /// How it stands.
    fn state(&self) -> ConfigState;
    /// Its file was changed: look now.
    fn look(&self);
}

/// The result of the last full self-test, kept over restarts.
pub trait Proof: Send + Sync {
    /// What was kept.
    fn last(&self) -> Option<LastTest>;
    /// Keeps it; never blocks.
    fn keep(&self, last: &LastTest);
}

/// What a port does on a thread of its own.
pub type Doing<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What full self-tests measured of loudspeaker and microphone, kept over restarts.
pub trait Trends: Send + Sync {
    /// What was kept; nothing where it cannot be read.
    fn read(&self) -> Doing<Trend>;
    /// Keeps it.
    fn keep(&self, trend: Trend) -> Doing<Result<(), String>>;
}

/// What the camera sees against its reference still.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum View {
    /// There is no reference still.
    NoReference,
    /// The reference still shows nothing to compare with.
    Plain,
    /// There is nothing to be seen, and no light either.
    Dark,
    /// There is nothing to be seen, in the light.
    Nothing {
        /// Mean brightness, 0 to 255.
        level: u8,
    },
    /// A scene.
    Seen {
        /// 1: the same things in the same places, 0: nothing in common.
        alike: f32,
        /// Fine detail over the reference's; none: too faint to say.
        focus: Option<f32>,
    },
}

/// The camera's reference still, kept over restarts.
pub trait Scenes: Send + Sync {
    /// The picture of now against it.
    fn compare(&self) -> Doing<Result<View, String>>;
    /// The picture of now is the reference still from now on.
    fn learn(&self) -> Doing<Result<(), String>>;
}

/// A press that must survive a power cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptPress {
    /// The incident it opened.
    pub incident: IncidentId,
    /// Which button.
    pub origin: PressOrigin,
    /// Wall clock at the edge, microseconds since 1970 UTC.
    pub pressed_wall_us: i64,
    /// Presses so far.
    pub presses: u32,
    /// Whether the centre has acknowledged it.
    pub acknowledged: bool,
}

/// What survives. Every call returns at once and is carried out in order on the store's own thread;
/// `Kept`, `KeepFailed` and `CloseNotKept` arrive in the inbox.
pub trait Store: Send + Sync {
    /// Makes the press durable.
    fn keep(&self, press: KeptPress);
    /// Makes durable that the centre has it.
    fn keep_acknowledged(&self, incident: IncidentId);
    /// Nothing of it is resumed after a restart.
    fn keep_closed(&self, incident: IncidentId);
    /// Fragments on this kiosk for which there is no receipt.
    fn undelivered(&self) -> u64;
}

/// A fragment to be written.
#[derive(Debug, Clone)]
pub struct NewFragment {
    /// Which incident.
    pub incident: IncidentId,
    /// 0 is the header (`ftyp` + `moov`), 1 and on are media (`moof` + `mdat`).
    pub index: u64,
    /// Wall clock of the first sample, microseconds since 1970 UTC.
    pub start_wall_us: i64,
    /// Length, microseconds.
    pub duration_us: u64,
    /// The bytes.
    pub bytes: Bytes,
}

/// Why a fragment was not written.
#[derive(Debug, thiserror::Error)]
#[error("fragment {index} of {incident}: {step}: {why}")]
pub struct FragmentError {
    /// Which incident.
    pub incident: IncidentId,
    /// Which fragment.
    pub index: u64,
    /// The step of the procedure that failed.
    pub step: &'static str,
    /// Why.
    pub why: String,
}

/// The one writer of fragments. Called from the recorder's own writing thread, never from a capture thread.
pub trait Fragments: Send + Sync {
    /// Writes it durably by the numbered procedure; delivery begins at once.
    ///
    /// # Errors
    /// [`FragmentError`] names the step.
    fn write(&self, fragment: NewFragment) -> Result<(), FragmentError>;
    /// The index after the last one of `incident` on disk; 0 if there is none.
    fn next_index(&self, incident: IncidentId) -> u64;
    /// Wall clock, microseconds since 1970 UTC, at which the media of `incident` on disk begin
    /// ([`NewFragment::start_wall_us`] of index 1) and end (that of the last index and its length). An
    /// incident that a restarted daemon goes on recording continues that time line. `None` if it is not known.
    fn recorded_wall_us(&self, incident: IncidentId) -> Option<(i64, i64)> {
        let _ = incident;
        None
    }
    /// The recording has ended with this many media fragments.
    ///
    /// # Errors
    /// [`FragmentError`] names the step.
    fn seal(&self, incident: IncidentId, fragments: u64) -> Result<(), FragmentError>;
}
