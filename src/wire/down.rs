//! What the centre says to a kiosk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Output;
use super::ids::{IncidentId, SessionId};
use super::selftest::CallSeen;

/// Retained presence of the centre. The broker publishes `online: false` as its last will.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CentreState {
    /// Whether a desk is connected.
    pub online: bool,
    /// Which instance.
    pub instance: String,
    /// Version of the centre.
    pub version: String,
}

/// The centre has opened (or already had) the incident, durably.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlarmAck {
    /// Which incident.
    pub incident: IncidentId,
    /// How it stands at the centre now.
    pub standing: Standing,
}

/// How an incident stands at the desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// No officer yet.
    Waiting,
    /// An officer talks.
    Answered,
    /// An officer has it but does not talk now.
    OnHold,
    /// Over.
    Closed,
}

/// The answer to a heartbeat; the four times give the clock offset as in NTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Echo {
    /// The heartbeat's nonce.
    pub nonce: u64,
    /// The heartbeat's own `wall_us`.
    pub kiosk_wall_us: i64,
    /// Centre's wall clock when the heartbeat came, microseconds since 1970 UTC.
    pub received_wall_us: i64,
}

/// Media sessions, from the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SignalDown {
    /// The gateway takes the session.
    Answer {
        /// Which.
        session: SessionId,
        /// The answer (SDP), with the gateway's candidates, UDP and TCP.
        sdp: String,
    },
    /// The gateway does not (any longer) know the session: offer anew.
    Reoffer {
        /// Why, for the log.
        reason: String,
    },
}

/// What the desk decided. Refused when it comes after its expiry; the desk says the present
/// standing again until the kiosk's heartbeat or event shows that it knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    /// Centre's wall clock after which the order is void, microseconds since 1970 UTC.
    pub expires_wall_us: i64,
    /// What.
    #[serde(flatten)]
    pub what: OrderKind,
}

/// Kinds of order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OrderKind {
    /// The incident stands like this now.
    Stands {
        /// Which incident.
        incident: IncidentId,
        /// How.
        standing: Standing,
        /// What it was, once closed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<Verdict>,
    },
    /// Send a key frame: a page has joined or lost its picture.
    KeyFrame,
    /// The test call is over.
    TestOver {
        /// Which.
        test: IncidentId,
        /// What the centre got of it.
        #[serde(flatten)]
        seen: CallSeen,
    },
    /// The officer of an open incident switches an output. Refused without that incident. How the output is then is
    /// in the heartbeat that follows at once; with the close it goes off by itself.
    Switch {
        /// In which incident.
        incident: IncidentId,
        /// Which output.
        output: Output,
        /// On or off.
        on: bool,
    },
}

/// What an incident was, in the officer's judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Somebody needed help.
    Real,
    /// Nobody did, on purpose.
    Prank,
    /// A test.
    Test,
    /// Nobody answered the officer.
    NoContact,
    /// A technical fault made it.
    Technical,
}
