//! Lamps and sentences: the words the machine speaks in.

/// Lamps a person sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lamp {
    /// Yellow: the alarm is on its way or open, until the centre closes it.
    Sent,
    /// Green: an officer has answered.
    Answered,
    /// The kiosk has a fault.
    Fault,
}

impl Lamp {
    /// Every lamp.
    pub const ALL: [Self; 3] = [Self::Sent, Self::Answered, Self::Fault];
}

/// How a lamp shines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Light {
    /// Dark.
    Off,
    /// Steady.
    On,
    /// Blinking: under way, not yet confirmed.
    Blinking,
}

/// Sentences the kiosk can speak, each in every configured language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prompt {
    /// "Help is being called."
    Calling,
    /// "The officer is with you."
    Answered,
    /// "Please wait, the officer will be back."
    OnHold,
    /// "The call has ended."
    Closed,
    /// "No connection; you are being recorded."
    NoConnection,
}
