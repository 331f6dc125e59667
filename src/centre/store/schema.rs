//! The database's tables, by version. A released step is never changed, only followed by another.

use rusqlite::Connection;

use super::StoreError;

/// Each step takes the database from the version that is its index to the next.
const STEPS: [&str; 2] = [
    "
    CREATE TABLE kiosks (
        id TEXT PRIMARY KEY, place TEXT NOT NULL, version TEXT NOT NULL, seen_wall_us INTEGER
    ) STRICT;
    CREATE TABLE incidents (
        id TEXT PRIMARY KEY, kiosk TEXT NOT NULL, place TEXT NOT NULL, origin TEXT NOT NULL,
        standing TEXT NOT NULL, owner TEXT, pressed_wall_us INTEGER NOT NULL, closed_wall_us INTEGER,
        presses INTEGER NOT NULL, verdict TEXT, note TEXT NOT NULL, clock_offset_us INTEGER,
        kiosk_closed INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX incidents_by_press ON incidents (pressed_wall_us, id);
    CREATE INDEX incidents_open ON incidents (standing) WHERE standing <> 'closed';
    CREATE TABLE timing (
        incident TEXT NOT NULL, mark TEXT NOT NULL, at_us INTEGER NOT NULL, PRIMARY KEY (incident, mark)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE journal (
        entry INTEGER PRIMARY KEY, at_us INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, incident TEXT
    ) STRICT;
    CREATE INDEX journal_by_incident ON journal (incident, entry) WHERE incident IS NOT NULL;
    CREATE TABLE recordings (
        incident TEXT PRIMARY KEY, kiosk TEXT NOT NULL, sealed INTEGER
    ) STRICT;
    CREATE TABLE fragments (
        incident TEXT NOT NULL, n INTEGER NOT NULL, start_wall_us INTEGER NOT NULL,
        duration_us INTEGER NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL, object TEXT NOT NULL,
        received_us INTEGER NOT NULL, PRIMARY KEY (incident, n)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE officers (
        name TEXT PRIMARY KEY, role TEXT NOT NULL, password TEXT NOT NULL, created_us INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE sessions (
        token TEXT PRIMARY KEY, officer TEXT NOT NULL REFERENCES officers (name) ON DELETE CASCADE,
        created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL
    ) STRICT;
",
    "
    CREATE TABLE evidence_keys (
        kiosk TEXT NOT NULL, key TEXT NOT NULL, first_us INTEGER NOT NULL, accepted_us INTEGER,
        PRIMARY KEY (kiosk, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE links (
        incident TEXT NOT NULL, n INTEGER NOT NULL, start_us INTEGER NOT NULL, size INTEGER NOT NULL,
        sha256 TEXT NOT NULL, previous TEXT NOT NULL, signature TEXT NOT NULL, digest TEXT NOT NULL,
        key TEXT NOT NULL, holds INTEGER NOT NULL, PRIMARY KEY (incident, n)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE seals (
        incident TEXT PRIMARY KEY, fragments INTEGER NOT NULL, previous TEXT NOT NULL, signature TEXT NOT NULL,
        digest TEXT NOT NULL, key TEXT NOT NULL, holds INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE heads (
        incident TEXT NOT NULL, sealed INTEGER NOT NULL, n INTEGER NOT NULL, digest TEXT NOT NULL,
        received_us INTEGER NOT NULL, PRIMARY KEY (incident, sealed, n, digest)
    ) STRICT, WITHOUT ROWID;
",
];

/// Brings the database to this version of the centre, each step whole or not at all.
pub(super) fn migrate(db: &mut Connection) -> Result<(), StoreError> {
    let found: usize = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > STEPS.len() {
        return Err(StoreError::Newer { found, known: STEPS.len() });
    }
    for (version, step) in STEPS.iter().enumerate().skip(found) {
        let whole = db.transaction()?;
        whole.execute_batch(step)?;
        whole.pragma_update(None, "user_version", version + 1)?;
        whole.commit()?;
    }
    Ok(())
}
