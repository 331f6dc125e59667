//! Delivery of recordings by kiosks, as `wire::delivery` says.
//!
//! A fragment's way, each step after the one before: its hash is checked; the object is durable in the
//! archive; its row is committed; the receipt leaves. Killed in between, the kiosk sends it again.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::{Extension, Json};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::error::Failure;
use super::evidence::Came;
use super::incidents::incident_id;
use super::uploads::Turn;
use super::{Web, evidence, room};
use crate::centre::archive::Archive;
use crate::centre::clock::wall_us;
use crate::centre::counters::Refused;
use crate::centre::store::recordings::{self, Entered, FragmentRow};
use crate::evidence::Subject;
use crate::wire::delivery::{DURATION_HEADER, Inventory, Receipt, SHA256_HEADER, START_HEADER, Sealed};
use crate::wire::limits::{MAX_FRAGMENT, MAX_INDEX};
use crate::wire::{IncidentId, KioskId};

/// How long a body may take to arrive, and a turn to come.
const BODY_TIME: Duration = Duration::from_secs(60);
/// Longest fragment, microseconds.
const MAX_DURATION_US: u64 = 3_600_000_000;
/// Largest other body, bytes.
const SMALL_BODY: usize = 4096;

/// The kiosk whose certificate the connection carries; none if its CN is no kiosk's.
#[derive(Debug, Clone)]
pub struct Peer(pub Option<KioskId>);

impl Peer {
    pub(super) fn kiosk(self, web: &Web) -> Result<KioskId, Failure> {
        let kiosk = self.0.ok_or_else(|| Failure::new(StatusCode::FORBIDDEN, "the certificate is no kiosk's"))?;
        if web.refused.contains(&kiosk) {
            web.counters.refuse(Refused::Kiosk, kiosk.as_str(), "delivery");
            return Err(Failure::new(StatusCode::FORBIDDEN, "the centre takes nothing of this kiosk"));
        }
        Ok(kiosk)
    }
}

/// `PUT /kiosk/v1/recordings/{incident}/fragments/{n}`.
pub async fn fragment(
    State(web): State<Arc<Web>>,
    Extension(peer): Extension<Peer>,
    Path((incident, index)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Receipt>, Failure> {
    let kiosk = peer.kiosk(&web)?;
    let incident = incident_id(&incident)?;
    let index = index.parse().ok().filter(|index| *index <= MAX_INDEX);
    let index: u64 = index.ok_or_else(|| Failure::bad(format!("an index is a number up to {MAX_INDEX}")))?;
    let claimed = Claimed::read(&headers)?;
    room::demand(&web, &kiosk, incident).await?;
    // Held until the receipt: what is read lies in memory until it lies in the archive.
    let (_turn, bytes) = read_fragment(&web, &kiosk, &headers, body).await?;
    let sha256 = hex::encode(Sha256::digest(&bytes));
    if sha256 != claimed.sha256 {
        let why = format!("{SHA256_HEADER} says {}, the body has {sha256}", claimed.sha256);
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, why));
    }
    let row = FragmentRow {
        index,
        start_wall_us: claimed.start_wall_us,
        duration_us: claimed.duration_us,
        size: bytes.len() as u64,
        object: Archive::name(&kiosk, incident, index, &sha256),
        sha256,
    };
    let receipt = Receipt { incident, index, sha256: row.sha256.clone() };
    let (subject, came) = (Subject { kiosk, incident }, Came::with(&headers));
    if is_known(&web, incident, &subject.kiosk, &row).await? {
        // Its link may have been lost on the way, or was made later.
        web.store.write(move |db| came.enter(db, &subject, &row)).await?;
    } else {
        keep(&web, subject, row, bytes, came).await?;
    }
    Ok(Json(receipt))
}

/// What the headers say of the body.
struct Claimed {
    sha256: String,
    start_wall_us: i64,
    duration_us: u64,
}

impl Claimed {
    fn read(headers: &HeaderMap) -> Result<Self, Failure> {
        let text = |name: &str| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.ok_or_else(|| Failure::bad(format!("the header {name} is missing")))
        };
        let sha256 = text(SHA256_HEADER)?.to_ascii_lowercase();
        if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Failure::bad(format!("{SHA256_HEADER} is 64 hexadecimal digits")));
        }
        let start_wall_us = text(START_HEADER)?.parse();
        let start_wall_us = start_wall_us.map_err(|_| Failure::bad(format!("{START_HEADER} is a number")))?;
        let duration_us = text(DURATION_HEADER)?.parse().ok().filter(|us| *us <= MAX_DURATION_US);
        let duration_us = duration_us
            .ok_or_else(|| Failure::bad(format!("{DURATION_HEADER} is a number up to {MAX_DURATION_US}")))?;
        Ok(Self { sha256, start_wall_us, duration_us })
    }
}

async fn read_fragment(
    web: &Web,
    kiosk: &KioskId,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Option<Turn>, Bytes), Failure> {
    let too_large = || Failure::new(StatusCode::PAYLOAD_TOO_LARGE, format!("at most {MAX_FRAGMENT} bytes are taken"));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    let announced = announced.unwrap_or(MAX_FRAGMENT);
    if announced > MAX_FRAGMENT {
        return Err(too_large());
    }
    let read = async {
        let turn = web.uploads.turn(kiosk, announced).await;
        (turn, axum::body::to_bytes(body, MAX_FRAGMENT).await)
    };
    let (turn, bytes) = tokio::time::timeout(BODY_TIME, read)
        .await
        .map_err(|_| Failure::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"))?;
    match bytes {
        Ok(bytes) if bytes.is_empty() => Err(Failure::bad("a fragment is not empty")),
        Ok(bytes) => Ok((turn, bytes)),
        // Either it was too large, or the connection broke and nobody reads the answer.
        Err(_) => Err(too_large()),
    }
}

/// Whether the very bytes are here already.
async fn is_known(web: &Web, incident: IncidentId, kiosk: &KioskId, row: &FragmentRow) -> Result<bool, Failure> {
    let index = row.index;
    let (owner, known) = web
        .store
        .read(move |db| Ok((recordings::owner(db, incident)?, recordings::fragment(db, incident, index)?)))
        .await?;
    if owner.is_some_and(|owner| owner != *kiosk) {
        return Err(foreign(web, kiosk));
    }
    match known {
        None => Ok(false),
        Some(known) if known.sha256 == row.sha256 => Ok(true),
        Some(known) => Err(taken(&known.sha256)),
    }
}

async fn keep(web: &Web, subject: Subject, row: FragmentRow, bytes: Bytes, came: Came) -> Result<(), Failure> {
    let (object, index, of) = (row.object.clone(), row.index, subject.clone());
    web.archive.put(&object, bytes).await?;
    let entered = web.store.write(move |db| {
        let entered = recordings::enter(db, of.incident, &of.kiosk, &row, wall_us())?;
        let link = if entered == Entered::New { came.enter(db, &of, &row)? } else { None };
        Ok((entered, link))
    });
    match entered.await? {
        (Entered::New, link) => {
            came.tell(web, &subject, index, link);
            web.recording_grew(subject.incident).await
        }
        (Entered::Same, _) => Ok(()),
        (refused, _) => {
            // Lost a race against another request: no row points to these bytes.
            if let Err(why) = web.archive.remove(&object).await {
                tracing::warn!(object, %why, "archive: an object without a row stays");
            }
            match refused {
                Entered::Other { sha256 } => Err(taken(&sha256)),
                Entered::Foreign | Entered::New | Entered::Same => Err(foreign(web, &subject.kiosk)),
            }
        }
    }
}

/// `GET /kiosk/v1/recordings/{incident}`.
pub async fn inventory(
    State(web): State<Arc<Web>>,
    Extension(peer): Extension<Peer>,
    Path(incident): Path<String>,
) -> Result<Json<Inventory>, Failure> {
    let kiosk = peer.kiosk(&web)?;
    let incident = incident_id(&incident)?;
    let (owner, inventory) =
        web.store.read(move |db| Ok((recordings::owner(db, incident)?, recordings::inventory(db, incident)?))).await?;
    if owner.is_some_and(|owner| owner != kiosk) {
        return Err(foreign(&web, &kiosk));
    }
    Ok(Json(inventory))
}

/// `PUT /kiosk/v1/recordings/{incident}/sealed`.
pub async fn sealed(
    State(web): State<Arc<Web>>,
    Extension(peer): Extension<Peer>,
    Path(incident): Path<String>,
    body: Body,
) -> Result<Json<Inventory>, Failure> {
    let kiosk = peer.kiosk(&web)?;
    let incident = incident_id(&incident)?;
    let bytes = tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, SMALL_BODY))
        .await
        .map_err(|_| Failure::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"))?
        .map_err(|_| Failure::new(StatusCode::PAYLOAD_TOO_LARGE, format!("at most {SMALL_BODY} bytes are read")))?;
    let Sealed { fragments, seal } =
        serde_json::from_slice(&bytes).map_err(|e| Failure::bad(format!("not what seals a recording: {e}")))?;
    if fragments > MAX_INDEX {
        return Err(Failure::bad(format!("a recording has at most {MAX_INDEX} fragments")));
    }
    let subject = Subject { kiosk: kiosk.clone(), incident };
    let (entered, inventory) = web
        .store
        .write(move |db| {
            let entered = recordings::seal(db, incident, &subject.kiosk, fragments)?;
            if let (Entered::New | Entered::Same, Some(seal)) = (&entered, &seal) {
                evidence::seal(db, &subject, fragments, seal)?;
            }
            Ok((entered, recordings::inventory(db, incident)?))
        })
        .await?;
    match entered {
        Entered::New => {
            web.audit(format!("kiosk:{kiosk}"), format!("recording ended, {fragments} fragments"), Some(incident));
            web.recording_grew(incident).await?;
        }
        Entered::Same => {}
        Entered::Other { sha256: before } => {
            let why = format!("it was sealed with {before} fragments, not {fragments}");
            return Err(Failure::new(StatusCode::CONFLICT, why));
        }
        Entered::Foreign => return Err(foreign(&web, &kiosk)),
    }
    Ok(Json(inventory))
}

fn foreign(web: &Web, kiosk: &KioskId) -> Failure {
    web.refuse_foreign(kiosk.as_str());
    Failure::new(StatusCode::FORBIDDEN, "the incident is another kiosk's")
}

fn taken(sha256: &str) -> Failure {
    Failure::new(StatusCode::CONFLICT, format!("other bytes are here under this index, SHA-256 {sha256}"))
}
