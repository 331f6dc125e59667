//! Outputs of a kiosk that an officer may switch in a call.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// The strobe light, to be found by.
    Strobe,
    /// The relay: a gate, a light, whatever the owner has wired to it.
    Relay,
    /// The heater.
    Heater,
    /// One this version does not know.
    #[serde(other)]
    Unknown,
}

impl Output {
    /// Every output a kiosk can have.
    pub const ALL: [Self; 3] = [Self::Strobe, Self::Relay, Self::Heater];

    /// As the wire and the configuration call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Strobe => "strobe",
            Self::Relay => "relay",
            Self::Heater => "heater",
            Self::Unknown => "unknown",
        }
    }
}

/// An output that is fitted, as it is (not as it was asked to be).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutputState {
    /// Which.
    pub output: Output,
    /// Whether it is on.
    pub on: bool,
}
