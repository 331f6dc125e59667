//! Rows of the index, written and read.

use rusqlite::{Row, Transaction, params};

use super::{Entry, State};
use crate::adapter::store::Signed;
use crate::evidence::{Digest, Proof, Signature};
use crate::wire::IncidentId;

/// Adds a recording that is not there.
pub(super) const ADD_RECORDING: &str = "INSERT INTO recording (incident) VALUES (?1) ON CONFLICT DO NOTHING";
/// What [`entry`] reads.
pub(super) const ENTRY: &str =
    "incident, idx, start_wall_us, duration_us, size, sha256, signed_us, previous, signature";

pub(super) fn add(change: &Transaction<'_>, entry: &Entry, conflict: &str) -> rusqlite::Result<()> {
    let id = entry.incident.to_string();
    change.prepare_cached(ADD_RECORDING)?.execute([&id])?;
    let sql = format!(
        "INSERT INTO fragment
             (recording, idx, start_wall_us, duration_us, size, sha256, signed_us, previous, signature)
         VALUES ((SELECT seq FROM recording WHERE incident = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT {conflict}"
    );
    let signed_us = entry.signed.map(|signed| signed.start_us);
    let (previous, signature) = entry.signed.map(|s| (s.proof.previous.0, s.proof.signature.0)).unzip();
    let Entry { index, start_wall_us, duration_us, size, sha256, .. } = entry;
    let values = params![id, index, start_wall_us, duration_us, size, sha256, signed_us, previous, signature];
    change.prepare_cached(&sql)?.execute(values).map(drop)
}

pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        incident: incident(row, 0)?,
        index: row.get(1)?,
        start_wall_us: row.get(2)?,
        duration_us: row.get(3)?,
        size: row.get(4)?,
        sha256: row.get(5)?,
        signed: match row.get(6)? {
            None => None,
            Some(start_us) => {
                let (previous, signature) = (Digest(row.get(7)?), Signature(row.get(8)?));
                Some(Signed { start_us, proof: Proof { previous, signature } })
            }
        },
    })
}

pub(super) fn incident(row: &Row<'_>, column: usize) -> rusqlite::Result<IncidentId> {
    row.get::<_, String>(column)?.parse().map_err(|e: uuid::Error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(e))
    })
}

pub(super) fn state(number: i64) -> State {
    match number {
        1 => State::Delivered,
        2 => State::Refused,
        3 => State::Lost,
        _ => State::Waiting,
    }
}
