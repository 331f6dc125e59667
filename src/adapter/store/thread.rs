//! The thread that owns the database, and its bounded queue.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::mpsc::error::TrySendError as InboxError;

use super::StoreError;
use super::chains::Chains;
use super::index::{Index, State, is_damage};
use super::recovery::{self, Occasion, Recovered};
use super::reindex::{Backlog, Outcome, Reindex};
use crate::adapter::join_within;
use crate::kiosk::{Inbox, Stamped};
use crate::machine::Event;
use crate::wire::IncidentId;
use crate::wire::up::{Fault, FaultKind};

/// Jobs that may wait; each takes a few milliseconds.
const QUEUE: usize = 64;
/// How long the recorder's thread, or a reader, waits for the database before it is told that it does not answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an outcome waits for room in the inbox, whose owner needs microseconds an event.
const INBOX_PATIENCE: Duration = Duration::from_secs(1);
/// A store that nothing asks proves this often that it keeps: one page written and synced, some 200 kB an hour.
const PROVE_EVERY: Duration = Duration::from_secs(5 * 60);

type Run = Box<dyn FnMut(&mut Index) -> rusqlite::Result<()> + Send>;
type Failed = Box<dyn FnOnce(String) + Send>;

/// Something to do with the database. Run again when the database had to be replaced.
struct Job {
    run: Run,
    failed: Failed,
}

impl Job {
    fn prove() -> Self {
        Self { run: Box::new(|index| index.prove()), failed: Box::new(drop) }
    }
}

/// Owns the thread. Dropped, it lets the thread finish what waits, within a bound.
pub struct Worker {
    queue: Option<Arc<Queue>>,
    thread: Option<JoinHandle<()>>,
    shared: Shared,
}

/// What the thread shares with others.
#[derive(Clone, Default)]
pub struct Shared {
    undelivered: Arc<AtomicU64>,
    /// Wakes whoever delivers.
    pub changed: Arc<Notify>,
    /// What the second half of recovery found.
    pub outcome: Arc<Outcome>,
    /// Since when the thread works on the same job.
    busy: Arc<Mutex<Option<Instant>>>,
    /// Whether the last job failed; said as a fault.
    failing: Arc<AtomicBool>,
    /// Counts the databases: whoever rebuilds the index of an earlier one may stop.
    database: Arc<AtomicU64>,
    /// Incidents that are recorded by this run, held by the writer and by whoever clears up behind an earlier one.
    recorded: Arc<Mutex<BTreeSet<IncidentId>>>,
}

impl Shared {
    /// This run records the incident: nothing of it is cleared up any more.
    pub fn records(&self, incident: IncidentId) {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).insert(incident);
    }
}

/// The way to the thread for one that does not keep it alive.
pub struct Way {
    queue: Weak<Queue>,
    shared: Shared,
    database: u64,
}

impl Way {
    /// Does `clear` unless this run records the incident, which waits meanwhile.
    pub fn unless_recorded<T>(&self, incident: IncidentId, clear: impl FnOnce() -> T) -> Option<T> {
        let recorded = self.shared.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        (!recorded.contains(&incident)).then(clear)
    }

    /// Asks and waits.
    ///
    /// # Errors
    /// [`StoreError`]; also when the store has ended.
    pub fn ask<T: Send + 'static>(
        &self,
        question: impl FnMut(&mut Index) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let queue = self.queue.upgrade().filter(|_| !self.is_over());
        queue.ok_or_else(|| StoreError::Database("closed".to_owned()))?.ask(question)
    }

    /// Whether the store has ended, or has another database by now.
    pub fn is_over(&self) -> bool {
        self.queue.strong_count() == 0 || self.shared.database.load(Ordering::Relaxed) != self.database
    }

    /// There may be something new to deliver.
    pub fn changed(&self) {
        self.shared.changed.notify_one();
    }
}

impl Shared {
    /// For how long the thread has been working on the same job: a disk that hangs never ends it.
    pub fn busy(&self) -> Option<Duration> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).map(|since| since.elapsed())
    }

    /// Whether the last job failed, which was said then.
    pub fn failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    fn work(&self, since: Option<Instant>) {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

impl Worker {
    /// Starts the thread, and the second half of recovery.
    ///
    /// # Errors
    /// [`StoreError::Io`] where no thread can be had.
    pub fn start(
        dir: PathBuf,
        index: Index,
        backlog: Backlog,
        inbox: Inbox,
        chains: Arc<Chains>,
    ) -> Result<Self, StoreError> {
        let (to, jobs) = sync_channel(QUEUE);
        let (queue, shared) = (Arc::new(Queue(to)), Shared::default());
        let at = dir.clone();
        let queue_of_owner = Arc::downgrade(&queue);
        let owner = Owner { dir, index: Some(index), inbox, shared: shared.clone(), queue: queue_of_owner, chains };
        owner.count();
        owner.reindex(backlog).map_err(|e| StoreError::io(&at, e))?;
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || owner.serve(&jobs))
            .map_err(|e| StoreError::io(&at, e))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), shared })
    }

    /// Fragments without a receipt.
    pub fn undelivered(&self) -> u64 {
        self.shared.undelivered.load(Ordering::Relaxed)
    }

    /// What it shares.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The queue.
    pub fn queue(&self) -> &Queue {
        self.queue.as_deref().expect("it is taken by drop alone")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            join_within(thread, "store");
        }
    }
}

/// Jobs for the thread.
pub struct Queue(SyncSender<Job>);

impl Queue {
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
        self.0.try_send(job).map_err(|e| match e {
            TrySendError::Full(job) | TrySendError::Disconnected(job) => job,
        })
    }
}

/// What the thread holds.
struct Owner {
    dir: PathBuf,
    /// `None` when the last one broke and no fresh one can be had; tried again with every job.
    index: Option<Index>,
    inbox: Inbox,
    shared: Shared,
    /// For the second half of recovery.
    queue: Weak<Queue>,
    chains: Arc<Chains>,
}

impl Owner {
    fn serve(mut self, jobs: &Receiver<Job>) {
        loop {
            let (mut job, proof) = match jobs.recv_timeout(PROVE_EVERY) {
                Ok(job) => (job, false),
                Err(RecvTimeoutError::Timeout) => (Job::prove(), true),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            self.shared.work(Some(Instant::now()));
            let before = self.written();
            match self.perform(&mut job.run) {
                // A question is answered from memory by a disk that takes nothing.
                Ok(()) if !proof && self.written() == before => {}
                Ok(()) => self.healed(),
                Err(why) => {
                    self.failed(&why);
                    (job.failed)(why);
                }
            }
            self.count();
            self.shared.work(None);
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
        let recovered = recovery::recover(&self.dir, Occasion::Running, &mut report, &mut |_| {});
        for line in report {
            tracing::error!("{line}");
        }
        let Recovered { index, backlog, replaced, .. } = recovered.map_err(|e| e.to_string())?;
        tell_replaced(&self.inbox, replaced);
        self.shared.database.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.reindex(backlog) {
            tracing::error!(%error, "the recordings are indexed at the next start");
        }
        Ok(self.index.insert(index))
    }

    /// Rows written since the database was opened.
    fn written(&self) -> Option<u64> {
        self.index.as_ref().map(|index| index.db.total_changes())
    }

    /// The second half of recovery, beside this thread.
    fn reindex(&self, backlog: Backlog) -> std::io::Result<()> {
        let database = self.shared.database.load(Ordering::Relaxed);
        let way = Way { queue: self.queue.clone(), shared: self.shared.clone(), database };
        let (outcome, chains) = (Arc::clone(&self.shared.outcome), Arc::clone(&self.chains));
        Reindex { dir: self.dir.clone(), way, outcome, chains }.start(backlog)
    }

    fn count(&self) {
        let Some(index) = &self.index else { return };
        let count = index.count(State::Waiting).and_then(|waiting| Ok(waiting + index.count(State::Refused)?));
        if let Ok(count) = count {
            self.shared.undelivered.store(count, Ordering::Relaxed);
        }
    }

    fn failed(&mut self, why: &str) {
        tracing::error!(why, "the store does not keep");
        if !self.shared.failing.swap(true, Ordering::Relaxed) {
            let detail = format!("{}: {why}", self.dir.display());
            tell(&self.inbox, Event::FaultRaised(Fault { kind: FaultKind::StoreFailed, detail }));
        }
    }

    fn healed(&mut self) {
        if self.shared.failing.swap(false, Ordering::Relaxed) {
            tell(&self.inbox, Event::FaultCleared(FaultKind::StoreFailed));
        }
    }
}

/// A database was set aside: stands until the next start, for whoever looks after the card.
pub fn tell_replaced(inbox: &Inbox, why: Option<String>) {
    if let Some(detail) = why {
        tell(inbox, Event::FaultRaised(Fault { kind: FaultKind::StoreReplaced, detail }));
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
