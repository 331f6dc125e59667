//! The durable store: kept presses, fragments of recordings, and which of them the centre has.
//!
//! The files are the truth and the database is their index: it can be rebuilt from them.
//! One writer (`writer`), one start-up procedure (`recovery`), one thread with the database (`thread`).

pub mod check;
mod index;
pub mod layout;
mod none;
mod recovery;
mod thread;
mod writer;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Notify;

pub use index::{Entry, Hash, Index, State};
pub use none::NoStore;
pub use writer::{Step, StopAfter};

use self::recovery::Occasion;
use self::thread::Worker;
use crate::kiosk::ports::{FragmentError, Fragments, KeptPress, NewFragment, Store};
use crate::kiosk::{Inbox, Stamped};
use crate::machine::Event;
use crate::wire::IncidentId;

/// Why there is no store. The daemon goes on with [`NoStore`]: an alarm does not wait for the disk.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or directory.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another daemon runs on it.
    #[error("{}: in use by another daemon", dir.display())]
    InUse {
        /// Which directory.
        dir: PathBuf,
    },
    /// The database, though the file itself is not known to be broken (disk full, read-only, ...).
    #[error("{0}")]
    Database(String),
    /// The disk or the thread hangs.
    #[error("the store has not answered for {after:?}")]
    Silent {
        /// How long was waited.
        after: Duration,
    },
}

impl StoreError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    fn database(dir: &Path, source: impl std::fmt::Display) -> Self {
        Self::Database(format!("{}: {source}", layout::database(dir).display()))
    }
}

/// The store of a running daemon.
pub struct StoreAdapter {
    dir: PathBuf,
    inbox: Inbox,
    worker: Worker,
    changed: Notify,
    stop_after: Mutex<Option<StopAfter>>,
    /// Held as long as the store lives; dropped after the worker, which is above it.
    _lock: File,
}

/// What [`StoreAdapter::open`] gives: the store, the presses that are open, and what was set aside,
/// is missing or was left alone, in words for the log.
pub type Opened = (Arc<StoreAdapter>, Vec<KeptPress>, Vec<String>);

impl StoreAdapter {
    /// Opens `dir`, which is made when it is not there, by the start-up procedure (`recovery`).
    ///
    /// # Errors
    /// [`StoreError`] where nothing can be kept at all: no directory, no room, read-only, or in use.
    pub fn open(dir: &Path, inbox: Inbox) -> Result<Opened, StoreError> {
        let lock = recovery::lock(dir)?;
        let mut report = Vec::new();
        let index = recovery::recover(dir, Occasion::Start, &mut report)?;
        // What was refused in the last run may be wanted now: the centre may have been put right.
        index.retry_refused().map_err(|e| StoreError::database(dir, e))?;
        let presses = index.open_presses().map_err(|e| StoreError::database(dir, e))?;
        let worker = Worker::start(dir.to_owned(), index, inbox.clone())?;
        let store = Self {
            dir: dir.to_owned(),
            inbox,
            worker,
            changed: Notify::new(),
            stop_after: Mutex::new(None),
            _lock: lock,
        };
        Ok((Arc::new(store), presses, report))
    }

    /// For tests of recovery: from now on the writer of fragments stops dead after this step.
    pub fn stop_after(&self, step: Option<StopAfter>) {
        *self.stop_after.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }

    /// Wakes when there may be something new to deliver.
    pub fn changed(&self) -> &Notify {
        &self.changed
    }

    /// Where a fragment's file is.
    #[must_use]
    pub fn fragment_path(&self, incident: IncidentId, index: u64) -> PathBuf {
        layout::fragment(&self.dir, incident, index)
    }

    /// Asks the index from a task.
    ///
    /// # Errors
    /// [`StoreError::Database`] or [`StoreError::Silent`].
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnMut(&mut Index) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.worker.ask_async(question).await
    }

    /// Tells the shell that something was not kept. May run on the shell's own task when the queue is full, so it does
    /// not wait.
    fn unless_kept(&self, what: impl FnOnce(String) -> Event + Send + 'static) -> impl FnOnce(String) + Send + 'static {
        let inbox = self.inbox.clone();
        move |why| {
            if let Err(error) = inbox.try_send(Stamped::now(what(why))) {
                tracing::error!(%error, "something was not kept, and the shell does not hear it");
            }
        }
    }

    fn write_file(&self, fragment: &NewFragment) -> Result<(), FragmentError> {
        let stop = *self.stop_after.lock().unwrap_or_else(PoisonError::into_inner);
        let fail = |step: Step, why: String| FragmentError {
            incident: fragment.incident,
            index: fragment.index,
            step: step.name(),
            why,
        };
        let path = self.fragment_path(fragment.incident, fragment.index);
        writer::write(&path, &fragment.bytes, fragment.start_wall_us, stop)
            .map_err(|e| fail(e.step, e.source.to_string()))?;
        let entry = Entry {
            incident: fragment.incident,
            index: fragment.index,
            start_wall_us: fragment.start_wall_us,
            duration_us: fragment.duration_us,
            size: fragment.bytes.len() as u64,
            sha256: Sha256::digest(&fragment.bytes).into(),
        };
        self.worker
            .ask(move |index| index.add(std::slice::from_ref(&entry)))
            .map_err(|e| fail(Step::Index, e.to_string()))?;
        if stop == Some(Step::Index) {
            return Err(fail(Step::Index, writer::stopped(Step::Index).source.to_string()));
        }
        Ok(())
    }
}

impl Store for StoreAdapter {
    fn keep(&self, press: KeptPress) {
        let incident = press.incident;
        let kept = self.inbox.clone();
        self.worker.post(
            move |index| {
                index.keep(&press)?;
                thread::tell(&kept, Event::Kept { incident });
                Ok(())
            },
            self.unless_kept(move |why| Event::KeepFailed { incident, why }),
        );
    }

    fn keep_acknowledged(&self, incident: IncidentId) {
        // What is lost here costs a resend after a restart, which the centre takes for what it is.
        self.worker.post(
            move |index| index.keep_acknowledged(incident),
            move |why| tracing::error!(%incident, why, "the acknowledgement was not kept"),
        );
    }

    fn keep_closed(&self, incident: IncidentId) {
        self.worker.post(
            move |index| index.keep_closed(incident),
            self.unless_kept(move |why| Event::CloseNotKept { incident, why }),
        );
    }

    fn undelivered(&self) -> u64 {
        self.worker.undelivered()
    }
}

impl Fragments for StoreAdapter {
    fn write(&self, fragment: NewFragment) -> Result<(), FragmentError> {
        let outcome = self.write_file(&fragment);
        if outcome.is_ok() {
            self.changed.notify_one();
        }
        outcome
    }

    fn next_index(&self, incident: IncidentId) -> u64 {
        // The index knows of files that were lost since and whose place must not be taken again; the
        // directory knows of files that did not reach the index.
        let indexed = self.worker.ask(move |index| index.next_index(incident)).unwrap_or(0);
        let on_disk = layout::files(&self.dir, incident)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(kind, _)| if let layout::Kind::Fragment(number) = kind { Some(number + 1) } else { None });
        on_disk.fold(indexed, u64::max)
    }

    fn recorded_wall_us(&self, incident: IncidentId) -> Option<(i64, i64)> {
        self.worker.ask(move |index| index.span(incident)).ok().flatten()
    }

    fn seal(&self, incident: IncidentId, fragments: u64) -> Result<(), FragmentError> {
        let fail = |step: Step, why: String| FragmentError { incident, index: fragments, step: step.name(), why };
        match recovery::write_seal(&self.dir, incident, fragments) {
            // Sealed before: the first word stands.
            Err(e) if e.source.kind() == io::ErrorKind::AlreadyExists => {}
            outcome => outcome.map_err(|e| fail(e.step, e.source.to_string()))?,
        }
        self.worker.ask(move |index| index.seal(incident, fragments)).map_err(|e| fail(Step::Index, e.to_string()))?;
        self.changed.notify_one();
        Ok(())
    }
}
