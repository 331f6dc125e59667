//! The chain's head over MQTT, as witness outside the kiosk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::IncidentId;

/// The newest statement of a recording's chain. Said after each fragment, not kept while the line is down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainHead {
    /// Which incident.
    pub incident: IncidentId,
    /// Which fragment it is about; with `sealed`, how many media fragments there are.
    pub fragment: u64,
    /// Whether it is the end of the recording.
    #[serde(default, skip_serializing_if = "is_not")]
    pub sealed: bool,
    /// Hex SHA-256 of the statement.
    pub digest: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_not(sealed: &bool) -> bool {
    !sealed
}
