//! Playing and downloading recordings: single fragments, or the whole as one MP4 with ranges.

use std::ops::Range;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use sha2::{Digest, Sha256};

use super::error::Failure;
use super::incidents::incident_id;
use super::range::{Asked, asked};
use super::session::Officer;
use super::{AUDIT_EVERY, Web};
use crate::centre::archive::{Archive, ArchiveError};
use crate::centre::store::recordings::{self, FragmentRow};
use crate::wire::IncidentId;
use crate::wire::delivery::SHA256_HEADER;

/// Officers and incidents whose access was entered in the journal of late.
const ACCESSES: usize = 10_000;

/// `GET /api/incidents/{id}/fragments/{n}`.
pub async fn fragment(
    officer: Officer,
    State(web): State<Arc<Web>>,
    Path((id, index)): Path<(String, String)>,
) -> Result<Response, Failure> {
    let id = incident_id(&id)?;
    let index: u64 = index.parse().map_err(|_| Failure::bad("a fragment's index is a number"))?;
    let row = web.store.read(move |db| recordings::fragment(db, id, index)).await?;
    let row = row.ok_or_else(|| Failure::missing("fragment"))?;
    enter_access(&web, &officer, id);
    let bytes = web.archive.get(&row.object).await?;
    if hex::encode(Sha256::digest(&bytes)) != row.sha256 {
        tracing::error!(object = row.object, "archive: an object has changed");
        return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "the fragment has changed since it was received"));
    }
    let headers = [(header::CONTENT_TYPE.as_str(), "video/mp4".to_owned()), (SHA256_HEADER, row.sha256)];
    Ok((headers, bytes).into_response())
}

/// `GET /api/incidents/{id}/recording.mp4`: the header and every media fragment that is here, in order.
pub async fn whole(
    officer: Officer,
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let id = incident_id(&id)?;
    let rows = web.store.read(move |db| recordings::fragments(db, id)).await?;
    if rows.first().is_none_or(|first| first.index != 0) {
        return Err(Failure::missing("recording yet"));
    }
    enter_access(&web, &officer, id);
    let size: u64 = rows.iter().map(|row| row.size).sum();
    // What is here grows while the call runs: a part of an older answer must not be joined to a newer one.
    let tag = tag(&rows);
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let same = text(header::IF_RANGE).is_none_or(|known| known == tag);
    let common = [
        (header::CONTENT_TYPE, "video/mp4".to_owned()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, tag),
        (header::CONTENT_DISPOSITION, format!("inline; filename=\"incident-{id}.mp4\"")),
    ];
    let (status, part) = match asked(text(header::RANGE).filter(|_| same), size) {
        Asked::Whole => (StatusCode::OK, 0..size),
        Asked::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Asked::Beyond => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, range).into_response());
        }
    };
    let length = [(header::CONTENT_LENGTH, (part.end - part.start).to_string())];
    let range = (status == StatusCode::PARTIAL_CONTENT)
        .then(|| [(header::CONTENT_RANGE, format!("bytes {}-{}/{size}", part.start, part.end - 1))]);
    let body = body(web.archive.clone(), pieces(rows, &part));
    let response = (status, common, length, body);
    Ok(match range {
        Some(range) => (range, response.into_response()).into_response(),
        None => response.into_response(),
    })
}

/// Which bytes of which objects make up `part` of the whole.
fn pieces(rows: Vec<FragmentRow>, part: &Range<u64>) -> Vec<(FragmentRow, Range<usize>)> {
    let mut start = 0;
    let mut pieces = Vec::new();
    for row in rows {
        let end = start + row.size;
        let (from, to) = (part.start.clamp(start, end) - start, part.end.clamp(start, end) - start);
        // A fragment has at most some megabytes.
        let piece = usize::try_from(from).unwrap_or(usize::MAX)..usize::try_from(to).unwrap_or(usize::MAX);
        if !piece.is_empty() {
            pieces.push((row, piece));
        }
        start = end;
    }
    pieces
}

/// One object at a time is in memory, read when the client has taken the one before.
fn body(archive: Archive, pieces: Vec<(FragmentRow, Range<usize>)>) -> Body {
    let read = |(archive, mut left): (Archive, std::vec::IntoIter<(FragmentRow, Range<usize>)>)| async move {
        let Some((row, piece)) = left.next() else { return Ok(None) };
        let bytes = archive.get(&row.object).await.inspect_err(|why| log(&row, why))?;
        if bytes.len() as u64 != row.size {
            tracing::error!(object = row.object, expected = row.size, found = bytes.len(), "archive: wrong size");
            return Err(std::io::Error::other("an object of the archive has changed"));
        }
        Ok::<_, std::io::Error>(Some((bytes.slice(piece), (archive, left))))
    };
    Body::from_stream(stream::try_unfold((archive, pieces.into_iter()), read))
}

fn log(row: &FragmentRow, why: &ArchiveError) {
    tracing::error!(object = row.object, %why, "an object of the archive cannot be read");
}

impl From<ArchiveError> for std::io::Error {
    fn from(why: ArchiveError) -> Self {
        std::io::Error::other(why)
    }
}

fn tag(rows: &[FragmentRow]) -> String {
    let mut hash = Sha256::new();
    for row in rows {
        hash.update(row.index.to_be_bytes());
        hash.update(Bytes::copy_from_slice(row.sha256.as_bytes()));
    }
    format!("\"{}\"", &hex::encode(hash.finalize())[..32])
}

/// Enters in the journal that the officer has looked into a recording, not once for every part of it.
fn enter_access(web: &Web, officer: &Officer, id: IncidentId) {
    let now = Instant::now();
    let mut accesses = web.accesses.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (officer.name.clone(), id);
    let fresh = accesses.get(&key).is_none_or(|last| now.saturating_duration_since(*last) >= AUDIT_EVERY);
    if !fresh {
        return;
    }
    if accesses.len() >= ACCESSES {
        accesses.retain(|_, last| now.saturating_duration_since(*last) < AUDIT_EVERY);
        if accesses.len() >= ACCESSES {
            accesses.clear();
        }
    }
    accesses.insert(key, now);
    drop(accesses);
    web.audit(officer.name.clone(), "opened the recording".to_owned(), Some(id));
}
