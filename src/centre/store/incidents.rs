//! Incidents, their timing, kiosks and the journal.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use serde::Serialize;

use crate::centre::desk::IncidentRecord;
use crate::centre::page::{IncidentView, KioskView};
use crate::wire::up::Mark;
use crate::wire::{IncidentId, KioskId};

use super::{StoreError, from_json, from_word, recordings, to_json, word};

/// One entry of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JournalEntry {
    /// Centre's wall clock, microseconds.
    pub at_us: i64,
    /// An officer's login name, `kiosk:ID` or `centre`.
    pub who: String,
    /// What was done.
    pub what: String,
}

const COLUMNS: &str = "id, kiosk, place, origin, standing, owner, pressed_wall_us, closed_wall_us, presses, \
                       verdict, note, clock_offset_us, kiosk_closed";

/// Keeps a new incident. What is there under its id already is left as it is and given back.
///
/// # Errors
/// [`StoreError`].
pub fn save_new(db: &Connection, record: &IncidentRecord) -> Result<Option<IncidentRecord>, StoreError> {
    let already = load(db, record.view.id)?;
    // Fragments may have come before the alarm; they too say whose incident it is.
    let owner = recordings::owner(db, record.view.id)?.filter(|owner| *owner != record.view.kiosk);
    match (already, owner) {
        (Some(already), _) => Ok(Some(already)),
        (None, Some(owner)) => {
            let mut foreign = record.clone();
            foreign.view.kiosk = owner;
            Ok(Some(foreign))
        }
        (None, None) => {
            save(db, record)?;
            Ok(None)
        }
    }
}

/// Keeps an incident as it is now.
///
/// # Errors
/// [`StoreError`].
pub fn save(db: &Connection, record: &IncidentRecord) -> Result<(), StoreError> {
    let view = &record.view;
    let sql = format!(
        "INSERT INTO incidents ({COLUMNS}) VALUES (:id, :kiosk, :place, :origin, :standing, :owner, :pressed, \
         :closed, :presses, :verdict, :note, :offset, :kiosk_closed) \
         ON CONFLICT (id) DO UPDATE SET place = excluded.place, standing = excluded.standing, \
         owner = excluded.owner, closed_wall_us = excluded.closed_wall_us, presses = excluded.presses, \
         verdict = excluded.verdict, note = excluded.note, clock_offset_us = excluded.clock_offset_us, \
         kiosk_closed = excluded.kiosk_closed \
         WHERE standing <> 'closed' OR excluded.standing = 'closed'"
    );
    db.prepare_cached(&sql)?.execute(named_params! {
        ":id": view.id.to_string(),
        ":kiosk": view.kiosk.as_str(),
        ":place": to_json(&view.place),
        ":origin": word(&view.origin),
        ":standing": word(&view.standing),
        ":owner": view.owner,
        ":pressed": view.pressed_wall_us,
        ":closed": view.closed_wall_us,
        ":presses": view.presses,
        ":verdict": view.verdict.as_ref().map(word),
        ":note": view.note,
        ":offset": record.clock_offset_us,
        ":kiosk_closed": view.kiosk_closed,
    })?;
    let mut note = db.prepare_cached("INSERT OR IGNORE INTO timing (incident, mark, at_us) VALUES (?1, ?2, ?3)")?;
    for (mark, at_us) in &view.timing {
        note.execute(params![view.id.to_string(), word(mark), at_us])?;
    }
    Ok(())
}

/// One incident, the recording's start on the kiosk's clock.
///
/// # Errors
/// [`StoreError`].
pub fn load(db: &Connection, id: IncidentId) -> Result<Option<IncidentRecord>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM incidents WHERE id = ?1");
    let raw = db.prepare_cached(&sql)?.query_row([id.to_string()], raw).optional()?;
    raw.map(|raw| whole(db, raw)).transpose()
}

/// What the desk takes up after a restart: every open incident, every closed one whose kiosk has not
/// carried out the close (the newest `closed_kept`), and the newest `closed_shown` closed ones.
///
/// # Errors
/// [`StoreError`].
pub fn load_for_desk(
    db: &Connection,
    closed_shown: usize,
    closed_kept: usize,
) -> Result<Vec<IncidentRecord>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM incidents WHERE standing <> 'closed' \
         OR id IN (SELECT id FROM incidents WHERE standing = 'closed' ORDER BY pressed_wall_us DESC, id DESC LIMIT ?1) \
         OR id IN (SELECT id FROM incidents WHERE standing = 'closed' AND kiosk_closed = 0 \
                   ORDER BY pressed_wall_us DESC, id DESC LIMIT ?2)"
    );
    collect(db, &sql, params![closed_shown, closed_kept])
}

/// Incidents, newest press first, pressed before `before_us` if that is given.
///
/// # Errors
/// [`StoreError`].
pub fn list(db: &Connection, limit: u32, before_us: Option<i64>) -> Result<Vec<IncidentView>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM incidents WHERE pressed_wall_us < ?2 \
         ORDER BY pressed_wall_us DESC, id DESC LIMIT ?1"
    );
    let records = collect(db, &sql, params![limit, before_us.unwrap_or(i64::MAX)])?;
    Ok(records.iter().map(IncidentRecord::shown).collect())
}

fn collect(db: &Connection, sql: &str, params: &[&dyn rusqlite::ToSql]) -> Result<Vec<IncidentRecord>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let raws = statement.query_map(params, raw)?.collect::<Result<Vec<_>, _>>()?;
    raws.into_iter().map(|raw| whole(db, raw)).collect()
}

struct Raw {
    id: String,
    kiosk: String,
    place: String,
    origin: String,
    standing: String,
    owner: Option<String>,
    pressed_wall_us: i64,
    closed_wall_us: Option<i64>,
    presses: u32,
    verdict: Option<String>,
    note: String,
    clock_offset_us: Option<i64>,
    kiosk_closed: bool,
}

fn raw(row: &Row<'_>) -> rusqlite::Result<Raw> {
    Ok(Raw {
        id: row.get(0)?,
        kiosk: row.get(1)?,
        place: row.get(2)?,
        origin: row.get(3)?,
        standing: row.get(4)?,
        owner: row.get(5)?,
        pressed_wall_us: row.get(6)?,
        closed_wall_us: row.get(7)?,
        presses: row.get(8)?,
        verdict: row.get(9)?,
        note: row.get(10)?,
        clock_offset_us: row.get(11)?,
        kiosk_closed: row.get(12)?,
    })
}

fn whole(db: &Connection, raw: Raw) -> Result<IncidentRecord, StoreError> {
    let id = raw.id.parse().map_err(|_| StoreError::Odd { what: "incidents.id", found: raw.id.clone() })?;
    let view = IncidentView {
        id,
        kiosk: kiosk_id("incidents.kiosk", raw.kiosk)?,
        place: from_json("incidents.place", raw.place)?,
        origin: from_word("incidents.origin", raw.origin)?,
        standing: from_word("incidents.standing", raw.standing)?,
        owner: raw.owner,
        pressed_wall_us: raw.pressed_wall_us,
        closed_wall_us: raw.closed_wall_us,
        presses: raw.presses,
        verdict: raw.verdict.map(|verdict| from_word("incidents.verdict", verdict)).transpose()?,
        note: raw.note,
        kiosk_closed: raw.kiosk_closed,
        timing: timing(db, id)?,
        recording: recordings::view(db, id)?,
    };
    Ok(IncidentRecord { view, clock_offset_us: raw.clock_offset_us })
}

fn timing(db: &Connection, id: IncidentId) -> Result<BTreeMap<Mark, i64>, StoreError> {
    let mut statement = db.prepare_cached("SELECT mark, at_us FROM timing WHERE incident = ?1")?;
    let rows = statement.query_map([id.to_string()], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    rows.map(|row| row.map_err(StoreError::from).and_then(|(mark, at)| Ok((from_word("timing.mark", mark)?, at))))
        .collect()
}

pub(super) fn kiosk_id(what: &'static str, found: String) -> Result<KioskId, StoreError> {
    found.parse().map_err(|_| StoreError::Odd { what, found })
}

/// Keeps what is known of a kiosk.
///
/// # Errors
/// [`StoreError`].
pub fn save_kiosk(db: &Connection, kiosk: &KioskView) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO kiosks (id, place, version, seen_wall_us) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (id) DO UPDATE SET place = excluded.place, version = excluded.version, \
         seen_wall_us = coalesce(excluded.seen_wall_us, seen_wall_us)",
    )?
    .execute(params![kiosk.id.as_str(), to_json(&kiosk.place), kiosk.version, kiosk.seen_wall_us])?;
    Ok(())
}

/// Every kiosk ever seen; nothing is known of its life now.
///
/// # Errors
/// [`StoreError`].
pub fn kiosks(db: &Connection) -> Result<Vec<KioskView>, StoreError> {
    let mut statement = db.prepare_cached("SELECT id, place, version, seen_wall_us FROM kiosks ORDER BY id")?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?)))?;
    rows.map(|row| {
        let (id, place, version, seen_wall_us) = row?;
        Ok(KioskView {
            id: kiosk_id("kiosks.id", id)?,
            place: from_json("kiosks.place", place)?,
            alive: false,
            leg_up: false,
            faults: Vec::new(),
            outputs: Vec::new(),
            testing: false,
            last_test: None,
            proved: false,
            board: crate::wire::up::Vitals::default(),
            seen_wall_us,
            version,
        })
    })
    .collect()
}

/// Enters something in the journal.
///
/// # Errors
/// [`StoreError`].
pub fn audit(
    db: &Connection,
    at_us: i64,
    who: &str,
    what: &str,
    incident: Option<IncidentId>,
) -> Result<(), StoreError> {
    db.prepare_cached("INSERT INTO journal (at_us, who, what, incident) VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        at_us,
        who,
        what,
        incident.map(|id| id.to_string())
    ])?;
    Ok(())
}

/// What was done in an incident, in order.
///
/// # Errors
/// [`StoreError`].
pub fn journal(db: &Connection, incident: Option<IncidentId>) -> Result<Vec<JournalEntry>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT at_us, who, what FROM journal WHERE ?1 IS NULL OR incident = ?1 ORDER BY entry LIMIT 10000",
    )?;
    let rows = statement.query_map([incident.map(|id| id.to_string())], |row| {
        Ok(JournalEntry { at_us: row.get(0)?, who: row.get(1)?, what: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
