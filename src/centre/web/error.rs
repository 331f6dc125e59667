//! Errors of the web side: a status, and a reason for people as JSON.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::centre::archive::ArchiveError;
use crate::centre::shell::DeskGone;
use crate::centre::store::StoreError;

/// An answer that is not the one asked for: `{"error": "..."}`.
#[derive(Debug)]
pub struct Failure {
    status: StatusCode,
    why: String,
}

impl Failure {
    /// With this status and reason.
    pub fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self { status, why: why.into() }
    }

    /// The request cannot be understood.
    pub fn bad(why: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, why)
    }

    /// There is no such thing.
    pub fn missing(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("no such {what}"))
    }

    fn ours(why: &dyn std::fmt::Display) -> Self {
        // The reason is for the log: it may name files of this machine.
        tracing::error!(%why, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the centre could not do it; see its log")
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(serde_json::json!({ "error": self.why }))).into_response()
    }
}

impl From<StoreError> for Failure {
    fn from(why: StoreError) -> Self {
        Self::ours(&why)
    }
}

impl From<ArchiveError> for Failure {
    fn from(why: ArchiveError) -> Self {
        Self::ours(&why)
    }
}

impl From<DeskGone> for Failure {
    fn from(why: DeskGone) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, why.to_string())
    }
}
