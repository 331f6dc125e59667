//! Everything that can happen to the machine. A closed set.

use super::selftest::TestEvent;
use super::settings::Live;
use crate::wire::down::{Standing, Verdict};
use crate::wire::up::{Fault, FaultKind, PressOrigin};
use crate::wire::{IncidentId, Output, SessionId};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A button's line went down (debounced). `incident` is the id a new incident would get; it is
    /// supplied from outside, since the machine has no randomness.
    Pressed {
        /// Which button.
        origin: PressOrigin,
        /// Id for the incident, should this press open one.
        incident: IncidentId,
    },
    /// A button's line is down at the daemon's start: no edge was seen. `incident` as in [`Event::Pressed`].
    HeldAtStart {
        /// Which button.
        origin: PressOrigin,
        /// Id for the incident, should it turn out to be a press.
        incident: IncidentId,
    },
    /// A button's line went up.
    Released {
        /// Which button.
        origin: PressOrigin,
    },
    /// The tamper contact.
    Case {
        /// Whether the case is open.
        open: bool,
    },
    /// An officer of this incident wants an output on or off.
    Switch {
        /// In which incident.
        incident: IncidentId,
        /// Which.
        output: Output,
        /// On or off.
        on: bool,
    },
    /// The panel has set an output.
    OutputIs {
        /// Which.
        output: Output,
        /// On or off.
        on: bool,
    },
    /// The press is durable.
    Kept {
        /// Which incident.
        incident: IncidentId,
    },
    /// The press could not be made durable.
    KeepFailed {
        /// Which incident.
        incident: IncidentId,
        /// Why.
        why: String,
    },
    /// A close could not be made durable: it is tried again.
    CloseNotKept {
        /// Which incident.
        incident: IncidentId,
        /// Why.
        why: String,
    },
    /// Recovery at start-up found this incident open.
    Restored {
        /// Which.
        incident: IncidentId,
        /// Which button.
        origin: PressOrigin,
        /// Presses so far.
        presses: u32,
        /// Whether the centre had acknowledged it.
        acknowledged: bool,
    },
    /// A path to the broker is up and subscribed.
    LinkUp,
    /// No path to the broker.
    LinkDown,
    /// The centre's retained state or last will.
    CentrePresent(bool),
    /// The alarm was handed to the socket.
    AlarmSent {
        /// Which incident.
        incident: IncidentId,
        /// Which attempt.
        attempt: u32,
    },
    /// The centre has the alarm.
    Acknowledged {
        /// Which incident.
        incident: IncidentId,
        /// How it stands there.
        standing: Standing,
    },
    /// The desk says how an incident stands.
    Stands {
        /// Which incident.
        incident: IncidentId,
        /// How.
        standing: Standing,
        /// What it was, once closed.
        verdict: Option<Verdict>,
    },
    /// The centre wants a key frame.
    KeyFrameWanted,
    /// The media leg is connected.
    LegUp,
    /// The media leg is gone; the adapter dials again by itself.
    LegDown,
    /// The offer asked for with [`super::Effect::MakeOffer`] is ready.
    OfferMade {
        /// Its session.
        session: SessionId,
        /// SDP.
        sdp: String,
    },
    /// The first fragment of a recording is on disk.
    RecordingStarted {
        /// Which incident.
        incident: IncidentId,
    },
    /// The recording cannot be written (now); the recorder tries on by itself.
    RecordingFailed {
        /// Which incident.
        incident: IncidentId,
        /// Why.
        why: String,
    },
    /// The recording is ended and whole on disk.
    RecordingSealed {
        /// Which incident.
        incident: IncidentId,
        /// Media fragments.
        fragments: u64,
    },
    /// Somebody tests the button: its next press within [`super::Settings::button_test_for`] is no alarm.
    ButtonTest,
    /// Nobody tests it any more.
    ButtonTestOver,
    /// The officer's first sound left the loudspeaker.
    VoiceHeard,
    /// A part has failed. Raised once until it heals.
    FaultRaised(Fault),
    /// A part has healed.
    FaultCleared(FaultKind),
    /// The configuration is another now, in what may change while the machine runs.
    Changed(Live),
    /// Something happened to the full self-test.
    Test(TestEvent),
    /// Time has passed: the deadline was reached. Harmless at any other time.
    Tick,
}
