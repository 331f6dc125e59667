//! The durable store: kept presses, fragments of recordings, and which of them the centre has.
//!
//! The files are the truth and the database is their index: it can be rebuilt from them.
//! One writer (`writer`), one start-up procedure (`recovery`, then `reindex` in the background), one thread with the
//! database (`thread`). The daemon has it through [`LateStore`], which waits for a disk so that nobody else has to.

mod chains;
pub mod check;
mod heads;
mod index;
mod late;
pub mod layout;
mod recovery;
mod reindex;
mod thread;
mod writer;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Notify;

pub use chains::{Chains, Signed};
pub use heads::Heads;
pub use index::{Entry, Hash, Index, State};
pub use late::{LateStore, Presses};
pub use writer::{Step, StopAfter};

use self::recovery::{Occasion, Recovered};
use self::thread::Worker;
use crate::kiosk::ports::{FragmentError, Fragments, KeptPress, NewFragment, Store};
use crate::kiosk::{Inbox, Stamped};
use crate::machine::Event;
use crate::wire::{IncidentId, KioskId};

/// Why there is no store. The daemon goes on, and tries again ([`LateStore`]): an alarm does not wait for the disk.
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
    chains: Arc<Chains>,
    stop_after: Mutex<Option<StopAfter>>,
    /// Held as long as the store lives; dropped after the worker, which is above it.
    _lock: File,
}

/// What [`StoreAdapter::open`] gives: the store, the presses that are open, and what was set aside,
/// is missing or was left alone, in words for the log.
pub type Opened = (Arc<StoreAdapter>, Vec<KeptPress>, Vec<String>);

impl StoreAdapter {
    /// Opens `dir`, which is made when it is not there, by the start-up procedure (`recovery`). What the files of
    /// the recordings say is indexed afterwards, in the background.
    ///
    /// # Errors
    /// [`StoreError`] where nothing can be kept at all: no directory, no room, read-only, or in use.
    pub fn open(dir: &Path, kiosk: &KioskId, inbox: Inbox) -> Result<Opened, StoreError> {
        Self::open_telling(dir, kiosk, inbox, &mut |_| {})
    }

    /// As [`StoreAdapter::open`]; `early` is called with the open presses, once at most, as soon as they are read,
    /// which is before all of the database was checked.
    ///
    /// # Errors
    /// As [`StoreAdapter::open`].
    pub fn open_telling(
        dir: &Path,
        kiosk: &KioskId,
        inbox: Inbox,
        early: &mut dyn FnMut(&[KeptPress]),
    ) -> Result<Opened, StoreError> {
        let lock = recovery::lock(dir)?;
        let mut report = Vec::new();
        let recovered = recovery::recover(dir, Occasion::Start, &mut report, early)?;
        let Recovered { index, presses, backlog, replaced } = recovered;
        thread::tell_replaced(&inbox, replaced);
        // What was refused in the last run may be wanted now: the centre may have been put right.
        index.retry_refused().map_err(|e| StoreError::database(dir, e))?;
        let key = recovery::evidence_key(dir, &mut report)?;
        let chains = Arc::new(Chains::new(dir.to_owned(), kiosk.clone(), key));
        let worker = Worker::start(dir.to_owned(), index, backlog, inbox.clone(), Arc::clone(&chains))?;
        let store = Self { dir: dir.to_owned(), inbox, worker, chains, stop_after: Mutex::new(None), _lock: lock };
        Ok((Arc::new(store), presses, report))
    }

    /// Waits until the files of all recordings were looked at: what is missing or was left alone, in words. `None`
    /// if it takes longer than `within`.
    #[must_use]
    pub fn recovered(&self, within: Duration) -> Option<Vec<String>> {
        self.worker.shared().outcome.wait(within)
    }

    /// For how long the database has been working on the same job; none when it is idle.
    #[must_use]
    pub fn busy(&self) -> Option<Duration> {
        self.worker.shared().busy()
    }

    /// Whether the last job failed; its fault stands until one does not.
    #[must_use]
    pub fn failing(&self) -> bool {
        self.worker.shared().failing()
    }

    /// Incidents whose fragments were found on the disk, not in the index, since the last call.
    #[must_use]
    pub fn take_found(&self) -> BTreeSet<IncidentId> {
        self.worker.shared().outcome.take_found()
    }

    /// For tests of recovery: from now on the writer of fragments stops dead after this step.
    pub fn stop_after(&self, step: Option<StopAfter>) {
        *self.stop_after.lock().unwrap_or_else(PoisonError::into_inner) = step;
    }

    /// Wakes when there may be something new to deliver.
    pub fn changed(&self) -> &Notify {
        &self.worker.shared().changed
    }

    /// The chains of signed links.
    pub fn chains(&self) -> &Arc<Chains> {
        &self.chains
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
        self.worker.queue().ask_async(question).await
    }

    /// The fragments of an incident as the index has them; none where it does not answer.
    fn indexed(&self, incident: IncidentId) -> Vec<Entry> {
        let found = self.worker.queue().ask(move |index| index.fragments(incident)).unwrap_or_default();
        found.into_iter().map(|(entry, _)| entry).collect()
    }

    fn indexed_next(&self, incident: IncidentId) -> u64 {
        self.worker.queue().ask(move |index| index.next_index(incident)).unwrap_or(0)
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
        self.worker.shared().records(fragment.incident);
        self.chains.begin(fragment.incident, fragment.index).map_err(|e| fail(Step::Create, e.to_string()))?;
        writer::write(&path, &fragment.bytes, fragment.start_wall_us, stop)
            .map_err(|e| fail(e.step, e.source.to_string()))?;
        let mut entry = Entry {
            incident: fragment.incident,
            index: fragment.index,
            start_wall_us: fragment.start_wall_us,
            duration_us: fragment.duration_us,
            size: fragment.bytes.len() as u64,
            sha256: Sha256::digest(&fragment.bytes).into(),
            signed: None,
        };
        let signed = self.chains.link(&entry, || self.indexed(fragment.incident));
        entry.signed = signed.map_err(|e| fail(Step::Chain, e.to_string()))?;
        if stop == Some(Step::Chain) {
            return Err(fail(Step::Chain, writer::stopped(Step::Chain).source.to_string()));
        }
        let index = move |index: &mut Index| index.written(&entry);
        self.worker.queue().ask(index).map_err(|e| fail(Step::Index, e.to_string()))?;
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
        self.worker.queue().post(
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
        self.worker.queue().post(
            move |index| index.keep_acknowledged(incident),
            move |why| tracing::error!(%incident, why, "the acknowledgement was not kept"),
        );
    }

    fn keep_closed(&self, incident: IncidentId) {
        self.worker.queue().post(
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
            self.changed().notify_one();
        }
        outcome
    }

    fn next_index(&self, incident: IncidentId) -> u64 {
        // The index knows of files that were lost since and whose place must not be taken again; the
        // directory knows of files that did not reach the index.
        self.indexed_next(incident).max(layout::next_index(&self.dir, incident))
    }

    fn recorded_wall_us(&self, incident: IncidentId) -> Option<(i64, i64)> {
        // The files say it less exactly, and are asked as long as the index does not know all of them.
        if self.indexed_next(incident) < layout::next_index(&self.dir, incident) {
            return reindex::span(&self.dir, incident).ok().flatten();
        }
        self.worker.queue().ask(move |index| index.span(incident)).ok().flatten()
    }

    fn seal(&self, incident: IncidentId, fragments: u64) -> Result<(), FragmentError> {
        let fail = |step: Step, why: String| FragmentError { incident, index: fragments, step: step.name(), why };
        let sealed = self.chains.seal(incident, fragments, || self.indexed(incident));
        if let Err(error) = sealed {
            // The recording has ended all the same.
            tracing::error!(%incident, %error, "the chain has no seal");
        }
        match recovery::write_seal(&self.dir, incident, fragments) {
            // Sealed before: the first word stands.
            Err(e) if e.source.kind() == io::ErrorKind::AlreadyExists => {}
            outcome => outcome.map_err(|e| fail(e.step, e.source.to_string()))?,
        }
        let index = move |index: &mut Index| index.seal(incident, fragments);
        self.worker.queue().ask(index).map_err(|e| fail(Step::Index, e.to_string()))?;
        self.changed().notify_one();
        Ok(())
    }
}
