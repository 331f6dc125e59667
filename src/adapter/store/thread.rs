//! The thread that owns the database, and its bounded queue.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TrySendError as InboxError;

use super::StoreError;
use super::index::{Index, State, is_damage};
use super::recovery::{self, Occasion};
use crate::kiosk::{Inbox, Stamped};
use crate::machine::Event;
use crate::wire::up::{Fault, FaultKind};

/// Jobs that may wait; each takes a few milliseconds.
const QUEUE: usize = 64;
/// How long the recorder's thread, or a reader, waits for the database before it is told that it does not answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an outcome waits for room in the inbox, whose owner needs microseconds an event.
const INBOX_PATIENCE: Duration = Duration::from_secs(1);

type Run = Box<dyn FnMut(&mut Index) -> rusqlite::Result<()> + Send>;
type Failed = Box<dyn FnOnce(String) + Send>;

/// Something to do with the database. Run again when the database had to be replaced.
struct Job {
    run: Run,
    failed: Failed,
}

/// The way to the thread. Dropped, it lets the thread finish what waits and joins it.
pub struct Worker {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    undelivered: Arc<AtomicU64>,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`StoreError::Io`] where no thread can be had.
    pub fn start(dir: PathBuf, index: Index, inbox: Inbox) -> Result<Self, StoreError> {
        let (queue, jobs) = sync_channel(QUEUE);
        let undelivered = Arc::new(AtomicU64::new(0));
        let owner = Owner { dir, index: Some(index), inbox, fault: false, undelivered: Arc::clone(&undelivered) };
        owner.count();
        let at = owner.dir.clone();
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || owner.serve(&jobs))
            .map_err(|e| StoreError::io(&at, e))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), undelivered })
    }

    /// Fragments without a receipt.
    pub fn undelivered(&self) -> u64 {
        self.undelivered.load(Ordering::Relaxed)
    }

    /// Leaves a job and does not wait. `failed` is called with the reason if it is not done.
    pub fn post(
        &self,
        run: impl FnMut(&mut Index) -> rusqlite::Result<()> + Send + 'static,
        failed: impl FnOnce(String) + Send + 'static,
    ) {
        if let Err(job) = self.push(Job { run: Box::new(run), failed: Box::new(failed) }) {
            (job.failed)(format!("the store does not keep up: {QUEUE} jobs wait"));
        }
    }

    /// Asks and waits, on a thread that may.
    ///
    /// # Errors
    /// [`StoreError::Database`] with the reason.
    pub fn ask<T: Send + 'static>(
        &self,
        mut question: impl FnMut(&mut Index) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = sync_channel(1);
        let also = reply.clone();
        let mut job = Job {
            run: Box::new(move |index| {
                let found = question(index)?;
                // The asker may have lost patience.
                let _ = reply.try_send(Ok(found));
                Ok(())
            }),
            failed: Box::new(move |why| drop(also.try_send(Err(StoreError::Database(why))))),
        };
        let deadline = Instant::now() + PATIENCE;
        while let Err(back) = self.push(job) {
            if Instant::now() > deadline {
                return Err(StoreError::Silent { after: PATIENCE });
            }
            job = back;
            thread::sleep(Duration::from_millis(5));
        }
        answer.recv_timeout(PATIENCE).unwrap_or(Err(StoreError::Silent { after: PATIENCE }))
    }

    /// Asks and waits, on a task.
    ///
    /// # Errors
    /// [`StoreError::Database`] with the reason.
    pub async fn ask_async<T: Send + 'static>(
        &self,
        mut question: impl FnMut(&mut Index) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, mut answer) = tokio::sync::mpsc::channel(1);
        let also = reply.clone();
        self.post(
            move |index| {
                let found = question(index)?;
                let _ = reply.try_send(Ok(found));
                Ok(())
            },
            move |why| drop(also.try_send(Err(StoreError::Database(why)))),
        );
        let silent = StoreError::Silent { after: PATIENCE };
        match tokio::time::timeout(PATIENCE, answer.recv()).await {
            Ok(Some(found)) => found,
            Ok(None) | Err(_) => Err(silent),
        }
    }

    fn push(&self, job: Job) -> Result<(), Job> {
        let Some(queue) = &self.queue else { return Err(job) };
        queue.try_send(job).map_err(|e| match e {
            TrySendError::Full(job) | TrySendError::Disconnected(job) => job,
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was already printed.
            let _ = thread.join();
        }
    }
}

/// What the thread holds.
struct Owner {
    dir: PathBuf,
    /// `None` when the last one broke and no fresh one can be had; tried again with every job.
    index: Option<Index>,
    inbox: Inbox,
    fault: bool,
    undelivered: Arc<AtomicU64>,
}

impl Owner {
    fn serve(mut self, jobs: &Receiver<Job>) {
        while let Ok(mut job) = jobs.recv() {
            let before = self.written();
            match self.perform(&mut job.run) {
                // A question is answered from memory by a disk that takes nothing.
                Ok(()) if self.written() == before => {}
                Ok(()) => self.healed(),
                Err(why) => {
                    self.failed(&why);
                    (job.failed)(why);
                }
            }
            self.count();
        }
    }

    fn perform(&mut self, run: &mut Run) -> Result<(), String> {
        let why = match &mut self.index {
            None => "there was none".to_owned(),
            Some(index) => match run(index) {
                Ok(()) => return Ok(()),
                Err(e) if is_damage(&e) => e.to_string(),
                Err(e) => return Err(e.to_string()),
            },
        };
        run(self.replace(&why)?).map_err(|e| e.to_string())
    }

    /// The database broke while in use: recovery puts a fresh one in its place.
    fn replace(&mut self, why: &str) -> Result<&mut Index, String> {
        tracing::error!(why, "the database broke; a fresh one takes its place");
        // Closed first: closing it later would take the log of the fresh one away.
        self.index = None;
        let mut report = Vec::new();
        let index = recovery::recover(&self.dir, Occasion::Running, &mut report).map_err(|e| e.to_string())?;
        for line in report {
            tracing::error!("{line}");
        }
        Ok(self.index.insert(index))
    }

    /// Rows written since the database was opened.
    fn written(&self) -> Option<u64> {
        self.index.as_ref().map(|index| index.db.total_changes())
    }

    fn count(&self) {
        let Some(index) = &self.index else { return };
        let count = index.count(State::Waiting).and_then(|waiting| Ok(waiting + index.count(State::Refused)?));
        if let Ok(count) = count {
            self.undelivered.store(count, Ordering::Relaxed);
        }
    }

    fn failed(&mut self, why: &str) {
        tracing::error!(why, "the store does not keep");
        if !self.fault {
            self.fault = true;
            let detail = format!("{}: {why}", self.dir.display());
            tell(&self.inbox, Event::FaultRaised(Fault { kind: FaultKind::StoreFailed, detail }));
        }
    }

    fn healed(&mut self) {
        if self.fault {
            self.fault = false;
            tell(&self.inbox, Event::FaultCleared(FaultKind::StoreFailed));
        }
    }
}

/// Puts an event into the inbox from the store's own thread. Bounded: an owner that has stopped
/// handling events for a second cannot be told anything.
pub fn tell(inbox: &Inbox, event: Event) {
    let mut stamped = Stamped::now(event);
    let deadline = Instant::now() + INBOX_PATIENCE;
    loop {
        match inbox.try_send(stamped) {
            Ok(()) | Err(InboxError::Closed(_)) => return,
            Err(InboxError::Full(back)) if Instant::now() < deadline => {
                stamped = back;
                thread::sleep(Duration::from_millis(1));
            }
            Err(InboxError::Full(back)) => {
                tracing::error!(event = ?back.event, "the inbox is full: lost");
                return;
            }
        }
    }
}
