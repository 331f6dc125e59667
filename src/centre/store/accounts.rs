//! Officers and their sessions. Of a password only its Argon2 hash is kept, of a session's token its SHA-256.

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::{StoreError, from_word, word};

/// What an officer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Answers calls.
    Officer,
    /// Leads the shift.
    Supervisor,
}

/// An officer's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Argon2id, PHC string.
    pub password: String,
}

/// Adds an account, or sets the password and role of one; its sessions end.
///
/// # Errors
/// [`StoreError`].
pub fn put(db: &Connection, account: &Account, at_us: i64) -> Result<(), StoreError> {
    db.execute(
        "INSERT INTO officers (name, role, password, created_us) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (name) DO UPDATE SET role = excluded.role, password = excluded.password",
        params![account.name, word(&account.role), account.password, at_us],
    )?;
    db.execute("DELETE FROM sessions WHERE officer = ?1", [&account.name])?;
    Ok(())
}

/// Removes an account and its sessions. Tells whether there was one.
///
/// # Errors
/// [`StoreError`].
pub fn remove(db: &Connection, name: &str) -> Result<bool, StoreError> {
    Ok(db.execute("DELETE FROM officers WHERE name = ?1", [name])? > 0)
}

/// One account.
///
/// # Errors
/// [`StoreError`].
pub fn account(db: &Connection, name: &str) -> Result<Option<Account>, StoreError> {
    let found: Option<(String, String)> = db
        .query_row("SELECT role, password FROM officers WHERE name = ?1", [name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    found
        .map(|(role, password)| {
            Ok(Account { name: name.to_owned(), role: from_word("officers.role", role)?, password })
        })
        .transpose()
}

/// Names and roles of every account.
///
/// # Errors
/// [`StoreError`].
pub fn list(db: &Connection) -> Result<Vec<(String, Role)>, StoreError> {
    let mut statement = db.prepare("SELECT name, role FROM officers ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| row.map_err(StoreError::from).and_then(|(name, role)| Ok((name, from_word("officers.role", role)?))))
        .collect()
}

/// Begins a session; those that have expired are forgotten.
///
/// # Errors
/// [`StoreError`].
pub fn begin_session(
    db: &Connection,
    token_hash: &str,
    officer: &str,
    now_us: i64,
    expires_us: i64,
) -> Result<(), StoreError> {
    db.execute("DELETE FROM sessions WHERE expires_us <= ?1", [now_us])?;
    db.execute(
        "INSERT INTO sessions (token, officer, created_us, expires_us) VALUES (?1, ?2, ?3, ?4)",
        params![token_hash, officer, now_us, expires_us],
    )?;
    Ok(())
}

/// Whose session it is, if it stands at `now_us`.
///
/// # Errors
/// [`StoreError`].
pub fn session(db: &Connection, token_hash: &str, now_us: i64) -> Result<Option<(String, Role)>, StoreError> {
    let found: Option<(String, String)> = db
        .prepare_cached(
            "SELECT name, role FROM sessions JOIN officers ON name = officer WHERE token = ?1 AND expires_us > ?2",
        )?
        .query_row(params![token_hash, now_us], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    found.map(|(name, role)| Ok((name, from_word("officers.role", role)?))).transpose()
}

/// Lets a session last longer.
///
/// # Errors
/// [`StoreError`].
pub fn prolong_session(db: &Connection, token_hash: &str, expires_us: i64) -> Result<(), StoreError> {
    db.execute(
        "UPDATE sessions SET expires_us = max(expires_us, ?2) WHERE token = ?1",
        params![token_hash, expires_us],
    )?;
    Ok(())
}

/// Ends a session.
///
/// # Errors
/// [`StoreError`].
pub fn end_session(db: &Connection, token_hash: &str) -> Result<(), StoreError> {
    db.execute("DELETE FROM sessions WHERE token = ?1", [token_hash])?;
    Ok(())
}
