//! What the centre keeps: SQLite, one writing thread with a bounded queue, one reading connection.
//!
//! The writer takes whatever waits, does it in one transaction, commits (WAL, `synchronous = FULL`: a
//! commit survives a power cut) and only then tells anyone. Reading never holds up the writer.

pub mod accounts;
pub mod evidence;
pub mod incidents;
pub mod recordings;
mod schema;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

/// Writes that may wait.
const QUEUE: usize = 1024;
/// Writes in one transaction.
const BATCH: usize = 128;
/// How long another process (the command line) may hold the database.
const BUSY: Duration = Duration::from_secs(5);

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file cannot be used.
    #[error("{}: database cannot be opened: {source}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// It was written by a newer centre.
    #[error("database of version {found}, this centre knows up to {known}: install the newer centre")]
    Newer {
        /// Its version.
        found: usize,
        /// The newest known.
        known: usize,
    },
    /// SQLite says no.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A row does not hold what it should.
    #[error("database: {what} holds {found:?}")]
    Odd {
        /// Which column.
        what: &'static str,
        /// What is there.
        found: String,
    },
    /// The commit failed, or the writer has ended.
    #[error("database: not committed: {0}")]
    NotCommitted(String),
    /// Too much waits already.
    #[error("database: {QUEUE} writes wait already")]
    Full,
}

/// Told after the commit whether it happened.
type Then = Box<dyn FnOnce(Result<(), &StoreError>) + Send>;
/// One write: does it, tells whether it is to stay, and what to do after the commit.
type Work = Box<dyn FnOnce(&Connection) -> (bool, Then) + Send>;

/// The store. Cheap to clone; the writer ends when the last clone is dropped.
#[derive(Clone)]
pub struct Store {
    writer: mpsc::Sender<Work>,
    reader: Arc<Mutex<Connection>>,
}

impl Store {
    /// Opens the database at `path`, making or migrating it as needed, and starts the writer's thread.
    ///
    /// # Errors
    /// [`StoreError`] names the file.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let named = |source| StoreError::Open { path: path.to_owned(), source };
        let mut db = connect(path).map_err(named)?;
        schema::migrate(&mut db)?;
        let reader = connect(path).map_err(named)?;
        reader.pragma_update(None, "query_only", true)?;
        let (writer, queue) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || write_all(&db, queue))
            .map_err(|e| StoreError::NotCommitted(format!("no thread for the writer: {e}")))?;
        Ok(Self { writer, reader: Arc::new(Mutex::new(reader)) })
    }

    /// Writes and waits for the commit.
    ///
    /// # Errors
    /// [`StoreError`] when nothing of it was kept.
    pub async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let work = work(job, move |outcome| {
            // The asker may have gone.
            let _ = reply.send(outcome);
        });
        self.writer.send(work).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// Writes without waiting; `then` is called after the commit, on the writer's thread.
    ///
    /// # Errors
    /// [`StoreError::Full`]; `then` is not called.
    pub fn post<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.writer.try_send(work(job, then)).map_err(|_| StoreError::Full)
    }

    /// Reads on a thread that may block.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reader = Arc::clone(&self.reader);
        tokio::task::spawn_blocking(move || job(&reader.lock().unwrap_or_else(PoisonError::into_inner)))
            .await
            .map_err(|e| StoreError::NotCommitted(e.to_string()))?
    }

    /// Waits until everything asked for before is committed.
    pub async fn settle(&self) {
        let _ = self.write(|_| Ok(())).await;
    }
}

fn ended() -> StoreError {
    StoreError::NotCommitted("the writer has ended".to_owned())
}

fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    Ok(db)
}

fn work<T: Send + 'static>(
    job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    then: impl FnOnce(Result<T, StoreError>) + Send + 'static,
) -> Work {
    Box::new(move |db| {
        let outcome = job(db);
        let keep = outcome.is_ok();
        let then: Then = Box::new(move |committed| {
            then(match committed {
                Ok(()) => outcome,
                Err(why) => outcome.and(Err(StoreError::NotCommitted(why.to_string()))),
            });
        });
        (keep, then)
    })
}

fn write_all(db: &Connection, mut queue: mpsc::Receiver<Work>) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(first) = queue.blocking_recv() {
        batch.push(first);
        while batch.len() < BATCH
            && let Ok(more) = queue.try_recv()
        {
            batch.push(more);
        }
        write_batch(db, batch.drain(..));
    }
}

/// One transaction; a write that fails is undone alone.
fn write_batch(db: &Connection, batch: impl Iterator<Item = Work>) {
    let begun = db.execute_batch("BEGIN IMMEDIATE");
    let mut thens = Vec::new();
    for work in batch {
        let marked = db.execute_batch("SAVEPOINT one");
        let (keep, then) = work(db);
        let undone = if keep { Ok(()) } else { db.execute_batch("ROLLBACK TO one") };
        let released = db.execute_batch("RELEASE one");
        thens.push((marked.and(undone).and(released), then));
    }
    let committed = begun.and_then(|()| db.execute_batch("COMMIT"));
    if committed.is_err() && !db.is_autocommit() {
        let _ = db.execute_batch("ROLLBACK");
    }
    let committed = committed.map_err(StoreError::from);
    for (own, then) in thens {
        match (own, &committed) {
            (Err(why), _) => then(Err(&why.into())),
            (Ok(()), Err(why)) => then(Err(why)),
            (Ok(()), Ok(())) => then(Ok(())),
        }
    }
}

/// A unit value of the wire (a standing, a mark, ...) as it is written there, without quotes.
fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// A unit value of the wire from its word.
fn from_word<T: DeserializeOwned>(what: &'static str, found: String) -> Result<T, StoreError> {
    serde_json::from_value(serde_json::Value::String(found.clone())).map_err(|_| StoreError::Odd { what, found })
}

fn from_json<T: DeserializeOwned>(what: &'static str, found: String) -> Result<T, StoreError> {
    serde_json::from_str(&found).map_err(|_| StoreError::Odd { what, found })
}

fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
