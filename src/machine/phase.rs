//! What the machine says of itself, for status.

use crate::wire::IncidentId;
use crate::wire::down::Standing;
use crate::wire::up::PressOrigin;

/// What the machine is doing, for status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing is open.
    Idle,
    /// The centre has not acknowledged yet.
    Sending,
    /// The centre has it, no officer yet.
    Waiting,
    /// An officer talks.
    Talking,
    /// An officer has it, but does not talk now.
    OnHold,
    /// An officer has answered, and the media leg is missing.
    Reconnecting,
}

/// The open incident, for status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// Which.
    pub incident: IncidentId,
    /// Which button.
    pub origin: PressOrigin,
    /// Presses so far.
    pub presses: u32,
    /// Whether the centre has acknowledged it.
    pub acknowledged: bool,
    /// How it stands at the desk, as far as is known.
    pub standing: Standing,
}
