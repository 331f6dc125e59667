//! Delivery of recordings: HTTPS with the kiosk's certificate, one fragment a request.
//!
//! - `PUT  /kiosk/v1/recordings/{incident}/fragments/{n}`: the fragment's bytes; answers [`Receipt`].
//!   Index 0 is the header (`ftyp` + `moov`), 1 and on are media (`moof` + `mdat`).
//!   The same bytes again are answered with the same receipt; other bytes under a taken index are
//!   refused (409). Headers: [`SHA256_HEADER`], [`START_HEADER`], [`DURATION_HEADER`], and [`LINK_HEADER`] where the
//!   recording is signed. A link that does not hold is no reason to refuse a fragment.
//! - `GET  /kiosk/v1/recordings/{incident}`: what the centre has, [`Inventory`].
//! - `PUT  /kiosk/v1/recordings/{incident}/sealed`: [`Sealed`]; answers [`Inventory`].
//! - `PUT  /kiosk/v1/evidence-key`: [`EvidenceKey`], at the start of a run; answers [`KeyReceipt`].
//!
//! Answers: 200; 400 malformed; 403 the certificate is no kiosk's or another kiosk's incident;
//! 409 conflict; 413 larger than [`super::limits::MAX_FRAGMENT`]; 422 the hash does not fit the bytes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ids::IncidentId;

/// Hex SHA-256 of the body.
pub const SHA256_HEADER: &str = "x-sos-sha256";
/// Wall clock of the fragment's first sample, microseconds since 1970 UTC.
pub const START_HEADER: &str = "x-sos-start-us";
/// Length of the fragment, microseconds.
pub const DURATION_HEADER: &str = "x-sos-duration-us";

/// The fragment's signed link: start that is stated (microseconds), hex digest of the statement before, hex signature,
/// hex public key, with a space between (`docs/decisions/0014-evidence.md`).
pub const LINK_HEADER: &str = "x-sos-link";
/// Where a kiosk says which key signs its links.
pub const EVIDENCE_KEY_PATH: &str = "/kiosk/v1/evidence-key";

/// The path of a fragment.
#[must_use]
pub fn fragment_path(incident: IncidentId, index: u64) -> String {
    format!("/kiosk/v1/recordings/{incident}/fragments/{index}")
}

/// The path of a recording.
#[must_use]
pub fn recording_path(incident: IncidentId) -> String {
    format!("/kiosk/v1/recordings/{incident}")
}

/// The path that seals a recording.
#[must_use]
pub fn sealed_path(incident: IncidentId) -> String {
    format!("/kiosk/v1/recordings/{incident}/sealed")
}

/// The centre has this fragment, durably. Only after it may the kiosk delete its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Receipt {
    /// Which incident.
    pub incident: IncidentId,
    /// Which fragment.
    pub index: u64,
    /// Hex SHA-256 of what the centre has.
    pub sha256: String,
}

/// What the centre has of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Inventory {
    /// Which incident.
    pub incident: IncidentId,
    /// Indices, ascending.
    pub have: Vec<u64>,
    /// Hex SHA-256 of each, so that a kiosk whose index was lost need not send them again. One that is
    /// not said is sent again, and answered with its receipt.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sha256: BTreeMap<u64, String>,
    /// Whether it was sealed.
    pub sealed: bool,
}

/// The recording has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sealed {
    /// Media fragments, the header not counted.
    pub fragments: u64,
    /// What is signed of it; absent where the recording is not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<SealProof>,
}

/// The end of a recording, signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SealProof {
    /// Hex digest of the last fragment's statement.
    pub previous: String,
    /// Hex signature of the seal's.
    pub signature: String,
    /// Hex public key.
    pub key: String,
}

/// Which key signs a kiosk's links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EvidenceKey {
    /// Hex Ed25519 public key.
    pub key: String,
}

/// The centre has the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyReceipt {
    /// Whether it counts: the first of this kiosk, or accepted by the owner since.
    pub accepted: bool,
}
