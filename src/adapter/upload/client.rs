//! The centre's delivery routes (`crate::wire::delivery`) as functions. One request each, no retries.

use std::path::Path;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;

use crate::adapter::store::{Entry, Signed};
use crate::evidence::{Offered, PublicKey};
use crate::tls::{self, Identity, TlsError};
use crate::wire::IncidentId;
use crate::wire::delivery::{
    DURATION_HEADER, EVIDENCE_KEY_PATH, EvidenceKey, Inventory, KeyReceipt, LINK_HEADER, Receipt, SHA256_HEADER,
    START_HEADER, SealProof, Sealed, fragment_path, recording_path, sealed_path,
};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take, beside the time the bytes need.
const ANSWER: Duration = Duration::from_secs(10);
/// The slowest link that counts as one, bytes a second.
const SLOWEST: u64 = 8 * 1024;
/// Largest answer that is read, bytes: an inventory with hashes of some hours.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// Why something was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// No answer, or none that says anything about this fragment. Try again.
    #[error("{0}")]
    Unreachable(String),
    /// The centre will not take it, however often it is asked.
    #[error("{status}: {why}")]
    Refused {
        /// 400, 403, 409, 413 or 422.
        status: u16,
        /// The centre's words.
        why: String,
    },
    /// A 200 that is no receipt for what was sent.
    #[error("wrong receipt: {0}")]
    WrongReceipt(String),
    /// Our own file cannot be read now; others must not wait for it.
    #[error("{0}")]
    Unreadable(String),
    /// Our own file is gone or is not what was written.
    #[error("{0}")]
    Damaged(String),
}

/// The way to the centre's delivery routes.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<PublicKey>,
}

impl Client {
    /// `base` is `https://HOST:PORT`.
    ///
    /// # Errors
    /// [`TlsError`] names the file.
    pub fn new(base: &str, ca: &Path, identity: &Identity) -> Result<Self, TlsError> {
        let config = std::sync::Arc::unwrap_or_clone(tls::client(ca, Some(identity))?);
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .tcp_user_timeout(ANSWER)
            .build()
            .map_err(|e| TlsError::Setup(chain(&e)))?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), key: None })
    }

    /// The links that are delivered are signed by this key.
    #[must_use]
    pub fn signed_by(self, key: PublicKey) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Delivers a fragment; done is when the receipt fits.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub async fn fragment(&self, entry: &Entry, bytes: Vec<u8>) -> Result<(), DeliveryError> {
        let sha256 = hex::encode(entry.sha256);
        let patience = ANSWER + Duration::from_secs(bytes.len() as u64 / SLOWEST);
        let mut request = self
            .request(Method::PUT, &fragment_path(entry.incident, entry.index))
            .timeout(patience)
            .header("content-type", "application/octet-stream")
            .header(SHA256_HEADER, &sha256)
            .header(START_HEADER, entry.start_wall_us)
            .header(DURATION_HEADER, entry.duration_us)
            .body(bytes);
        if let (Some(Signed { start_us, proof }), Some(key)) = (entry.signed, self.key) {
            request = request.header(LINK_HEADER, Offered { start_us, proof, key }.to_string());
        }
        let receipt: Receipt = answer(request).await?;
        let expected = Receipt { incident: entry.incident, index: entry.index, sha256 };
        let same = receipt.incident == expected.incident
            && receipt.index == expected.index
            && receipt.sha256.eq_ignore_ascii_case(&expected.sha256);
        if same {
            Ok(())
        } else {
            Err(DeliveryError::WrongReceipt(format!("expected {expected:?}, found {receipt:?}")))
        }
    }

    /// What the centre has of a recording.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub async fn inventory(&self, incident: IncidentId) -> Result<Inventory, DeliveryError> {
        about(incident, answer(self.request(Method::GET, &recording_path(incident))).await?)
    }

    /// Says that the recording has ended.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub async fn seal(
        &self,
        incident: IncidentId,
        fragments: u64,
        seal: Option<SealProof>,
    ) -> Result<Inventory, DeliveryError> {
        let request = self.request(Method::PUT, &sealed_path(incident)).json(&Sealed { fragments, seal });
        let inventory = about(incident, answer(request).await?)?;
        if inventory.sealed {
            Ok(inventory)
        } else {
            Err(DeliveryError::WrongReceipt("the recording is not sealed after it was".to_owned()))
        }
    }

    /// Says which key signs the links; tells whether it counts at the centre. A centre that does not know of keys is
    /// content with any.
    ///
    /// # Errors
    /// [`DeliveryError`].
    pub async fn key(&self, key: PublicKey) -> Result<bool, DeliveryError> {
        let request = self.request(Method::PUT, EVIDENCE_KEY_PATH).json(&EvidenceKey { key: key.to_string() });
        let response = sent(request).await?;
        if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
            return Ok(true);
        }
        read::<KeyReceipt>(response).await.map(|receipt| receipt.accepted)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).timeout(ANSWER)
    }
}

fn about(incident: IncidentId, found: Inventory) -> Result<Inventory, DeliveryError> {
    if found.incident == incident {
        Ok(found)
    } else {
        Err(DeliveryError::WrongReceipt(format!("asked about {incident}, told about {}", found.incident)))
    }
}

async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, DeliveryError> {
    read(sent(request).await?).await
}

async fn sent(request: RequestBuilder) -> Result<Response, DeliveryError> {
    request.send().await.map_err(|e| DeliveryError::Unreachable(chain(&e)))
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, DeliveryError> {
    let status = response.status();
    let body = body(response).await?;
    if status == StatusCode::OK {
        return serde_json::from_slice(&body).map_err(|e| DeliveryError::WrongReceipt(e.to_string()));
    }
    let why: String = String::from_utf8_lossy(&body).trim().chars().take(200).collect();
    match status.as_u16() {
        status @ (400 | 403 | 409 | 413 | 422) => Err(DeliveryError::Refused { status, why }),
        status => Err(DeliveryError::Unreachable(format!("{status}: {why}"))),
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, DeliveryError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| DeliveryError::Unreachable(chain(&e)))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(DeliveryError::WrongReceipt(format!("an answer of more than {MAX_ANSWER} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// reqwest says "error sending request" and keeps the reason underneath.
fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut source = e.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
