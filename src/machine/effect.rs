//! Everything the machine can ask for. Comparable values; the shell performs them.

use super::selftest::TestEffect;
use super::words::{Lamp, Light, Prompt};
use crate::wire::down::Verdict;
use crate::wire::up::{Fault, FaultKind, IncidentReport, Mark, PressOrigin};
use crate::wire::{IncidentId, Output, SessionId};

/// One thing to do. Effects of one event are independent: none waits for another (invariant 2).
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Effect {
    /// Make the press durable.
    Keep {
        /// Which incident.
        incident: IncidentId,
        /// Which button.
        origin: PressOrigin,
    },
    /// Make durable that the centre has it.
    KeepAcknowledged {
        /// Which incident.
        incident: IncidentId,
    },
    /// The incident is over: nothing of it is resumed after a restart.
    KeepClosed {
        /// Which incident.
        incident: IncidentId,
        /// What it was, if the centre said.
        verdict: Option<Verdict>,
    },
    /// Send the alarm now.
    SendAlarm {
        /// Which incident.
        incident: IncidentId,
        /// Which attempt.
        attempt: u32,
        /// Presses so far.
        presses: u32,
        /// An offer to carry.
        offer: Option<(SessionId, String)>,
    },
    /// Report something of the incident to the centre.
    Report {
        /// Which incident.
        incident: IncidentId,
        /// What.
        what: IncidentReport,
    },
    /// Note an instant of the call, with the time of the event under way.
    Note {
        /// Which incident.
        incident: IncidentId,
        /// Which instant.
        mark: Mark,
    },
    /// Set a lamp.
    Lamp(Lamp, Light),
    /// Switch an output; [`super::Event::OutputIs`] tells when it is done.
    Output {
        /// Which.
        output: Output,
        /// On or off.
        on: bool,
    },
    /// Tell the centre now how the kiosk is, not only with the next heartbeat.
    Beat,
    /// Speak.
    Speak(Prompt),
    /// Break off a sentence, and what waits of it.
    Hush(Prompt),
    /// Open the gate for live picture and sound to the centre, and force a key frame.
    OpenGate,
    /// Close it. The leg stays: a gate that closes because a leg was lost must not end the dialling of the next.
    CloseGate,
    /// Nobody needs the leg any more: one that does not stand by hangs up.
    HangUp,
    /// Force a key frame.
    ForceKeyFrame,
    /// Open or close the way of the officer's voice to the loudspeaker.
    Voice {
        /// Open.
        open: bool,
    },
    /// Make an offer to travel inside the alarm.
    MakeOffer,
    /// Record from half a minute before now.
    StartRecording {
        /// Which incident.
        incident: IncidentId,
    },
    /// End the recording.
    StopRecording {
        /// Which incident.
        incident: IncidentId,
    },
    /// The test of the button is over.
    ButtonTested {
        /// Whether it was pressed; else the time is up, or an alarm came between.
        pressed: bool,
    },
    /// The full self-test asks for something.
    Test(TestEffect),
    /// A fault stands.
    RaiseFault(Fault),
    /// A fault is gone.
    ClearFault(FaultKind),
}
