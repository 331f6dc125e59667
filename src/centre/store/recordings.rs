//! The index of recordings: a row says that a fragment is durable in the archive.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use crate::centre::page::{EvidenceView, RecordingView};
use crate::wire::delivery::Inventory;
use crate::wire::{IncidentId, KioskId};

use super::incidents::kiosk_id;
use super::{StoreError, evidence};

/// One fragment as indexed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FragmentRow {
    /// 0 is the header.
    pub index: u64,
    /// Wall clock of its first sample, microseconds.
    pub start_wall_us: i64,
    /// Length, microseconds.
    pub duration_us: u64,
    /// Bytes.
    pub size: u64,
    /// Hex SHA-256.
    pub sha256: String,
    /// Its name in the archive.
    #[serde(skip)]
    pub object: String,
}

/// What came of entering a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entered {
    /// It is new.
    New,
    /// The same bytes were there.
    Same,
    /// Other bytes were there; they stay.
    Other {
        /// Their hash.
        sha256: String,
    },
    /// The incident is another kiosk's.
    Foreign,
}

/// Whose recording or incident it is, if it is known at all.
///
/// # Errors
/// [`StoreError`].
pub fn owner(db: &Connection, id: IncidentId) -> Result<Option<KioskId>, StoreError> {
    let found: Option<String> = db
        .prepare_cached(
            "SELECT kiosk FROM incidents WHERE id = ?1 UNION ALL SELECT kiosk FROM recordings WHERE incident = ?1",
        )?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?;
    found.map(|kiosk| kiosk_id("recordings.kiosk", kiosk)).transpose()
}

/// Bytes here of this kiosk's incidents that no alarm has opened, if `id` is one of them; else 0.
///
/// # Errors
/// [`StoreError`].
pub fn without_alarm(db: &Connection, id: IncidentId, kiosk: &KioskId) -> Result<u64, StoreError> {
    let sql = "SELECT coalesce(sum(size), 0) FROM recordings JOIN fragments USING (incident) \
               WHERE kiosk = ?2 AND NOT EXISTS (SELECT 1 FROM incidents WHERE id = ?1) \
               AND incident NOT IN (SELECT id FROM incidents)";
    Ok(db.prepare_cached(sql)?.query_row(params![id.to_string(), kiosk.as_str()], |row| row.get(0))?)
}

/// The fragment under this index, if there is one.
///
/// # Errors
/// [`StoreError`].
pub fn fragment(db: &Connection, id: IncidentId, index: u64) -> Result<Option<FragmentRow>, StoreError> {
    let sql = "SELECT n, start_wall_us, duration_us, size, sha256, object FROM fragments \
               WHERE incident = ?1 AND n = ?2";
    Ok(db.prepare_cached(sql)?.query_row(params![id.to_string(), index], row).optional()?)
}

/// Every fragment, ascending.
///
/// # Errors
/// [`StoreError`].
pub fn fragments(db: &Connection, id: IncidentId) -> Result<Vec<FragmentRow>, StoreError> {
    let sql = "SELECT n, start_wall_us, duration_us, size, sha256, object FROM fragments \
               WHERE incident = ?1 ORDER BY n";
    Ok(db.prepare_cached(sql)?.query_map([id.to_string()], row)?.collect::<Result<_, _>>()?)
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<FragmentRow> {
    Ok(FragmentRow {
        index: row.get(0)?,
        start_wall_us: row.get(1)?,
        duration_us: row.get(2)?,
        size: row.get(3)?,
        sha256: row.get(4)?,
        object: row.get(5)?,
    })
}

/// Enters a fragment that is durable in the archive.
///
/// # Errors
/// [`StoreError`].
pub fn enter(
    db: &Connection,
    id: IncidentId,
    kiosk: &KioskId,
    new: &FragmentRow,
    received_us: i64,
) -> Result<Entered, StoreError> {
    if !claim(db, id, kiosk)? {
        return Ok(Entered::Foreign);
    }
    if let Some(known) = fragment(db, id, new.index)? {
        return Ok(if known.sha256 == new.sha256 { Entered::Same } else { Entered::Other { sha256: known.sha256 } });
    }
    db.prepare_cached(
        "INSERT INTO fragments (incident, n, start_wall_us, duration_us, size, sha256, object, received_us) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        id.to_string(),
        new.index,
        new.start_wall_us,
        new.duration_us,
        new.size,
        new.sha256,
        new.object,
        received_us
    ])?;
    Ok(Entered::New)
}

/// Notes that the recording has ended with this many media fragments. `Other` holds the number noted before.
///
/// # Errors
/// [`StoreError`].
pub fn seal(db: &Connection, id: IncidentId, kiosk: &KioskId, fragments: u64) -> Result<Entered, StoreError> {
    if !claim(db, id, kiosk)? {
        return Ok(Entered::Foreign);
    }
    let key = id.to_string();
    let known: Option<u64> =
        db.query_row("SELECT sealed FROM recordings WHERE incident = ?1", [&key], |row| row.get(0))?;
    match known {
        Some(known) if known == fragments => Ok(Entered::Same),
        Some(known) => Ok(Entered::Other { sha256: known.to_string() }),
        None => {
            db.execute("UPDATE recordings SET sealed = ?2 WHERE incident = ?1", params![key, fragments])?;
            Ok(Entered::New)
        }
    }
}

/// Makes the recording this kiosk's unless it is another's; tells whether it is this kiosk's.
fn claim(db: &Connection, id: IncidentId, kiosk: &KioskId) -> Result<bool, StoreError> {
    match owner(db, id)? {
        Some(other) if other != *kiosk => return Ok(false),
        Some(_) | None => {}
    }
    db.prepare_cached("INSERT OR IGNORE INTO recordings (incident, kiosk) VALUES (?1, ?2)")?
        .execute(params![id.to_string(), kiosk.as_str()])?;
    Ok(true)
}

/// What the centre has of a recording.
///
/// # Errors
/// [`StoreError`].
pub fn inventory(db: &Connection, id: IncidentId) -> Result<Inventory, StoreError> {
    let sha256: BTreeMap<u64, String> = db
        .prepare_cached("SELECT n, sha256 FROM fragments WHERE incident = ?1 ORDER BY n")?
        .query_map([id.to_string()], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let have = sha256.keys().copied().collect();
    Ok(Inventory { incident: id, have, sha256, sealed: sealed(db, id)?.is_some() })
}

fn sealed(db: &Connection, id: IncidentId) -> Result<Option<u64>, StoreError> {
    let found = db
        .prepare_cached("SELECT sealed FROM recordings WHERE incident = ?1")?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?;
    Ok(found.flatten())
}

/// What officers are shown of it, its start on the kiosk's clock.
///
/// # Errors
/// [`StoreError`].
pub fn view(db: &Connection, id: IncidentId) -> Result<RecordingView, StoreError> {
    let sql = "SELECT coalesce(max(n = 0), 0), coalesce(sum(n > 0), 0), \
               min(CASE WHEN n > 0 THEN start_wall_us END), \
               coalesce(sum(CASE WHEN n > 0 THEN duration_us END), 0), coalesce(max(n), 0) \
               FROM fragments WHERE incident = ?1";
    let (header, fragments, start_wall_us, duration_us, last): (bool, u64, _, u64, u64) = db
        .prepare_cached(sql)?
        .query_row([id.to_string()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
    let complete = header && last == fragments && sealed(db, id)? == Some(fragments);
    let evidence = match owner(db, id)? {
        Some(kiosk) => evidence::view(db, id, &kiosk, complete)?,
        None => EvidenceView::default(),
    };
    Ok(RecordingView { header, fragments, start_wall_us, duration_ms: duration_us / 1000, complete, evidence })
}
