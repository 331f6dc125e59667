//! The database: kept presses, and the index of fragments. Statements only; who calls when is decided elsewhere.
//!
//! Write-ahead log with `synchronous=FULL`: a committed transaction survives a power cut.

mod presses;
mod rows;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use self::rows::{ADD_RECORDING, ENTRY, add, entry, incident, state};
use super::chains::Signed;
use crate::wire::IncidentId;

/// SHA-256 of a fragment.
pub type Hash = [u8; 32];

/// Each brings the database from the version of its place to the next. Never change one that was released.
const MIGRATIONS: [&str; 2] = [
    "
    CREATE TABLE press (
        incident        TEXT PRIMARY KEY,
        origin          TEXT NOT NULL,
        pressed_wall_us INTEGER NOT NULL,
        presses         INTEGER NOT NULL,
        acknowledged    INTEGER NOT NULL DEFAULT 0,
        closed          INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE recording (
        seq       INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of creation, whatever the clock says
        incident  TEXT NOT NULL UNIQUE,
        sealed    INTEGER,                            -- media fragments; NULL while it runs
        seal_told INTEGER NOT NULL DEFAULT 0          -- 1: the centre knows; 2: it refuses
    ) STRICT;
    CREATE TABLE fragment (
        recording     INTEGER NOT NULL REFERENCES recording(seq),
        idx           INTEGER NOT NULL,
        start_wall_us INTEGER NOT NULL,
        duration_us   INTEGER NOT NULL,
        size          INTEGER NOT NULL,
        sha256        BLOB NOT NULL,
        state         INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (recording, idx)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX fragment_waiting ON fragment(recording DESC, idx) WHERE state = 0;
    CREATE INDEX fragment_refused ON fragment(recording) WHERE state = 2;
",
    "
    -- What was signed: the start that was stated, the predecessor, the signature; NULL: nothing was.
    ALTER TABLE fragment ADD COLUMN signed_us INTEGER;
    ALTER TABLE fragment ADD COLUMN previous BLOB;
    ALTER TABLE fragment ADD COLUMN signature BLOB;
",
];

/// How a fragment stands. The numbers are kept on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum State {
    /// No receipt yet.
    Waiting = 0,
    /// The centre has it.
    Delivered = 1,
    /// The centre does not want it; tried again at times.
    Refused = 2,
    /// Its file is gone or is not what was written.
    Lost = 3,
}

/// Why a database could not be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// SQLite's own.
    #[error("{0}")]
    Sql(#[from] rusqlite::Error),
    /// Its structure is broken.
    #[error("damaged: {0}")]
    Damaged(String),
    /// Another program's or a newer one's.
    #[error("version {found}, at most {known} is known")]
    Version {
        /// In the file.
        found: i64,
        /// Here.
        known: usize,
    },
}

impl IndexError {
    /// Whether the file itself is at fault, so that a fresh one may do better.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            IndexError::Damaged(_) | IndexError::Version { .. } => true,
            // Unreadable blocks, and tables that are not as expected: a file of this name that does not serve.
            IndexError::Sql(rusqlite::Error::SqliteFailure(f, _)) => {
                is_corrupt(f.code) || matches!(f.code, ErrorCode::SystemIoFailure | ErrorCode::Unknown)
            }
            IndexError::Sql(e) => is_damage(e),
        }
    }
}

/// Whether, while it is in use, the database proves to be broken (not merely the disk full).
#[must_use]
pub fn is_damage(e: &rusqlite::Error) -> bool {
    match e {
        rusqlite::Error::SqliteFailure(f, _) => is_corrupt(f.code),
        // A value of the wrong type or shape: not written by this schema.
        rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => true,
        _ => false,
    }
}

fn is_corrupt(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
}

/// A fragment's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which incident.
    pub incident: IncidentId,
    /// 0 is the header.
    pub index: u64,
    /// Wall clock of the first sample, microseconds since 1970 UTC.
    pub start_wall_us: i64,
    /// Length, microseconds.
    pub duration_us: u64,
    /// Bytes.
    pub size: u64,
    /// Of its bytes.
    pub sha256: Hash,
    /// What was signed of it; nothing of a recording without links.
    pub signed: Option<Signed>,
}

/// The open database.
pub struct Index {
    pub(super) db: Connection,
}

impl Index {
    /// Opens or makes it and brings it to this version. Whether it is sound, [`Index::check`] tells.
    ///
    /// # Errors
    /// [`IndexError`]; see [`IndexError::is_damage`].
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let db = Connection::open(path)?;
        db.busy_timeout(Duration::from_secs(2))?;
        db.pragma_update(None, "journal_mode", "wal")?;
        db.pragma_update(None, "synchronous", "full")?;
        db.pragma_update(None, "foreign_keys", "on")?;
        // KiB. The index is small and read by key: the usual 2 MB would only be memory taken from the board.
        db.pragma_update(None, "cache_size", -256)?;
        let mut index = Self { db };
        index.migrate()?;
        Ok(index)
    }

    /// Reads all of it, which takes the longer the more was recorded.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] with what was found.
    pub fn check(&self) -> Result<(), IndexError> {
        let verdict: String = self.db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict == "ok" { Ok(()) } else { Err(IndexError::Damaged(verdict)) }
    }

    /// Opens it to look only: nothing is checked, made or changed.
    ///
    /// # Errors
    /// As SQLite gives them.
    pub fn open_to_read(path: &Path) -> rusqlite::Result<Self> {
        let db = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.busy_timeout(Duration::from_secs(2))?;
        Ok(Self { db })
    }

    /// Writes what is there already, and makes it durable.
    pub fn prove(&self) -> rusqlite::Result<()> {
        self.db.pragma_update(None, "user_version", MIGRATIONS.len())
    }

    fn migrate(&mut self) -> Result<(), IndexError> {
        let found: i64 = self.db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let known = MIGRATIONS.len();
        let from = usize::try_from(found).ok().filter(|v| *v <= known).ok_or(IndexError::Version { found, known })?;
        for (version, statements) in MIGRATIONS.iter().enumerate().skip(from) {
            let change = self.db.transaction()?;
            change.execute_batch(statements)?;
            change.pragma_update(None, "user_version", version + 1)?;
            change.commit()?;
        }
        Ok(())
    }

    /// Recordings there are, oldest first: their order is kept, whichever is indexed first.
    pub fn begin(&mut self, incidents: &[IncidentId]) -> rusqlite::Result<()> {
        let change = self.db.transaction()?;
        for incident in incidents {
            change.prepare_cached(ADD_RECORDING)?.execute([incident.to_string()])?;
        }
        change.commit()
    }

    /// Adds fragments found on the disk, all or none. One that is there already stays as it is.
    pub fn add(&mut self, entries: &[Entry]) -> rusqlite::Result<()> {
        let change = self.db.transaction()?;
        for entry in entries {
            add(&change, entry, "DO NOTHING")?;
        }
        change.commit()
    }

    /// Adds a fragment that was written just now: its writer knows better than who found its file meanwhile.
    pub fn written(&mut self, entry: &Entry) -> rusqlite::Result<()> {
        let change = self.db.transaction()?;
        let better = "(recording, idx) DO UPDATE SET start_wall_us = excluded.start_wall_us, \
                      duration_us = excluded.duration_us, signed_us = coalesce(excluded.signed_us, signed_us), \
                      previous = coalesce(excluded.previous, previous), \
                      signature = coalesce(excluded.signature, signature)";
        add(&change, entry, better)?;
        change.commit()
    }

    /// What was signed of fragments, where that is not known yet, all or none.
    pub fn sign(&mut self, incident: IncidentId, signed: &BTreeMap<u64, Signed>) -> rusqlite::Result<()> {
        let change = self.db.transaction()?;
        for (index, Signed { start_us, proof }) in signed {
            change
                .prepare_cached(
                    "UPDATE fragment SET signed_us = ?3, previous = ?4, signature = ?5 WHERE signature IS NULL
                     AND idx = ?2 AND recording = (SELECT seq FROM recording WHERE incident = ?1)",
                )?
                .execute(params![incident.to_string(), index, start_us, proof.previous.0, proof.signature.0])?;
        }
        change.commit()
    }

    /// The fragments of a recording, by index.
    pub fn fragments(&self, incident: IncidentId) -> rusqlite::Result<Vec<(Entry, State)>> {
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT {ENTRY}, state FROM fragment JOIN recording ON seq = recording WHERE incident = ?1 ORDER BY idx"
        ))?;
        let rows = statement.query_map([incident.to_string()], |row| Ok((entry(row)?, state(row.get(9)?))))?;
        rows.collect()
    }

    /// Every incident with a recording in the index, oldest first, and whether the centre has all of it.
    pub fn recordings(&self) -> rusqlite::Result<Vec<(IncidentId, bool)>> {
        let mut statement = self.db.prepare("SELECT incident, seal_told = 1 FROM recording ORDER BY seq")?;
        statement.query_map([], |row| Ok((incident(row, 0)?, row.get(1)?)))?.collect()
    }

    /// The index after the last one known; 0 if there is none.
    pub fn next_index(&self, incident: IncidentId) -> rusqlite::Result<u64> {
        self.db.query_row(
            "SELECT coalesce(max(idx) + 1, 0) FROM fragment JOIN recording ON seq = recording WHERE incident = ?1",
            [incident.to_string()],
            |row| row.get(0),
        )
    }

    /// Wall clock at which the media of an incident begin and end, microseconds; `None` if there are none.
    pub fn span(&self, incident: IncidentId) -> rusqlite::Result<Option<(i64, i64)>> {
        let (begin, end) = self.db.query_row(
            "SELECT min(start_wall_us), max(start_wall_us + duration_us)
             FROM fragment JOIN recording ON seq = recording WHERE incident = ?1 AND idx > 0",
            [incident.to_string()],
            |row| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?)),
        )?;
        Ok(begin.zip(end))
    }

    /// Up to `limit` fragments without a receipt: newest incident first, then in order of index.
    pub fn waiting(&self, limit: usize) -> rusqlite::Result<Vec<Entry>> {
        let mut statement = self.db.prepare_cached(&format!(
            "SELECT {ENTRY} FROM fragment JOIN recording ON seq = recording WHERE state = 0
                      ORDER BY recording DESC, idx LIMIT ?1"
        ))?;
        statement.query_map([limit], entry)?.collect()
    }

    /// How many fragments stand like this.
    pub fn count(&self, state: State) -> rusqlite::Result<u64> {
        let sql = match state {
            // Written out, so that the partial indices serve.
            State::Waiting => "SELECT count(*) FROM fragment WHERE state = 0",
            State::Refused => "SELECT count(*) FROM fragment WHERE state = 2",
            State::Delivered => "SELECT count(*) FROM fragment WHERE state = 1",
            State::Lost => "SELECT count(*) FROM fragment WHERE state = 3",
        };
        self.db.prepare_cached(sql)?.query_row([], |row| row.get(0))
    }

    /// A fragment stands differently now.
    pub fn set_state(&self, incident: IncidentId, index: u64, state: State) -> rusqlite::Result<()> {
        let mut statement = self.db.prepare_cached(
            "UPDATE fragment SET state = ?3
             WHERE recording = (SELECT seq FROM recording WHERE incident = ?1) AND idx = ?2",
        )?;
        statement.execute(params![incident.to_string(), index, state as i64]).map(drop)
    }

    /// Every fragment of an incident that waits is refused.
    pub fn refuse_all(&self, incident: IncidentId) -> rusqlite::Result<()> {
        self.db
            .execute(
                "UPDATE fragment SET state = 2
                 WHERE state = 0 AND recording = (SELECT seq FROM recording WHERE incident = ?1)",
                [incident.to_string()],
            )
            .map(drop)
    }

    /// What was refused waits again.
    pub fn retry_refused(&self) -> rusqlite::Result<()> {
        self.db.execute_batch(
            "UPDATE fragment SET state = 0 WHERE state = 2; UPDATE recording SET seal_told = 0 WHERE seal_told = 2;",
        )
    }

    /// Whether the centre refuses anything.
    pub fn any_refused(&self) -> rusqlite::Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM fragment WHERE state = 2)
                       OR EXISTS (SELECT 1 FROM recording WHERE seal_told = 2)";
        self.db.query_row(sql, [], |row| row.get(0))
    }

    /// The recording has ended with this many media fragments. The first word stands.
    pub fn seal(&self, incident: IncidentId, fragments: u64) -> rusqlite::Result<()> {
        self.db
            .execute(
                "INSERT INTO recording (incident, sealed) VALUES (?1, ?2)
                 ON CONFLICT (incident) DO UPDATE SET sealed = coalesce(sealed, excluded.sealed)",
                params![incident.to_string(), fragments],
            )
            .map(drop)
    }

    /// Media fragments of a recording that has ended.
    pub fn sealed(&self, incident: IncidentId) -> rusqlite::Result<Option<u64>> {
        let sql = "SELECT sealed FROM recording WHERE incident = ?1";
        Ok(self.db.query_row(sql, [incident.to_string()], |row| row.get(0)).optional()?.flatten())
    }

    /// The newest recording that has ended, of which nothing waits, and whose end the centre does not know.
    pub fn next_seal(&self) -> rusqlite::Result<Option<(IncidentId, u64)>> {
        let mut statement = self.db.prepare_cached(
            "SELECT incident, sealed FROM recording WHERE sealed IS NOT NULL AND seal_told = 0 AND NOT EXISTS
                 (SELECT 1 FROM fragment WHERE recording = seq AND state IN (0, 2)) ORDER BY seq DESC LIMIT 1",
        )?;
        statement.query_row([], |row| Ok((incident(row, 0)?, row.get(1)?))).optional()
    }

    /// The centre knows that it has ended; or it refuses to.
    pub fn seal_told(&self, incident: IncidentId, refused: bool) -> rusqlite::Result<()> {
        let told = if refused { 2 } else { 1 };
        let sql = "UPDATE recording SET seal_told = ?2 WHERE incident = ?1";
        self.db.execute(sql, params![incident.to_string(), told]).map(drop)
    }

    /// Incidents of which something waits.
    pub fn incidents_waiting(&self) -> rusqlite::Result<Vec<IncidentId>> {
        let sql = "SELECT incident FROM recording WHERE EXISTS
                       (SELECT 1 FROM fragment WHERE recording = seq AND state = 0)";
        self.db.prepare(sql)?.query_map([], |row| incident(row, 0))?.collect()
    }
}
