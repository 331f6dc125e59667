//! Delivery of recordings to the centre: fragment by fragment, now or when the link is back.
//!
//! Newest incident first, in order of index, two requests in flight. What comes back is kept in the
//! store's index, so a restart resumes; then the centre is first asked what it has. A failure backs
//! off to five seconds with jitter. What the centre refuses is a fault and is tried again after
//! [`UploadConfig::retry_refused`], never in a tight loop.

mod client;
mod evidence;
mod ready;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

pub use client::{Client, DeliveryError};

use self::ready::{client, tell};
use crate::adapter::store::{Entry, State, StoreAdapter, StoreError};
use crate::kiosk::Inbox;
use crate::machine::Event;
use crate::tls::Identity;
use crate::wire::IncidentId;
use crate::wire::delivery::Inventory;
use crate::wire::up::{Fault, FaultKind};

/// Requests under way at once: one on the wire, one for the answer to the last.
const IN_FLIGHT: usize = 2;
/// First back-off; doubles with each failure.
const FIRST_BACK_OFF: Duration = Duration::from_millis(100);
/// Longest back-off.
const MAX_BACK_OFF: Duration = Duration::from_secs(5);

/// Where to deliver to.
#[derive(Debug, Clone)]
pub struct UploadConfig {
    /// `https://HOST:PORT` of the centre.
    pub url: String,
    /// Certificate authority of the centre, PEM.
    pub ca: PathBuf,
    /// The kiosk's certificate.
    pub identity: Identity,
    /// After how long what the centre refused is offered again ([`RETRY_REFUSED`]).
    pub retry_refused: Duration,
}

/// The usual [`UploadConfig::retry_refused`].
pub const RETRY_REFUSED: Duration = Duration::from_secs(600);

/// The running delivery. Dropped, it stops at once: what was under way is sent again at the next start.
pub struct Uploader {
    nudge: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Uploader {
    /// Starts delivering, on the current tokio runtime, once there is a store and the files of the certificate can
    /// be read; until then the files are tried again and again, which is a fault.
    pub fn start(
        config: UploadConfig,
        store: impl Future<Output = Arc<StoreAdapter>> + Send + 'static,
        inbox: Inbox,
    ) -> Self {
        let nudge = Arc::new(Notify::new());
        let nudged = Arc::clone(&nudge);
        let task = tokio::spawn(async move {
            let store = store.await;
            let key = store.chains().public();
            let client = client(&config, &inbox).await.signed_by(key);
            let telling = evidence::tell(client.clone(), key);
            let delivery = Delivery {
                store,
                client,
                inbox,
                nudge: nudged,
                flight: JoinSet::new(),
                under_way: Vec::new(),
                to_ask: BTreeSet::new(),
                failures: 0,
                not_before: Instant::now(),
                retry_refused: config.retry_refused,
                retry_at: None,
                fault: false,
            };
            tokio::join!(telling, delivery.run());
        });
        Self { nudge, task }
    }

    /// To be called when the link is back: any back-off ends then.
    pub fn nudge(&self) -> impl Fn() + Send + 'static + use<> {
        let nudge = Arc::clone(&self.nudge);
        move || nudge.notify_one()
    }

    /// Stops, and returns when nothing of it runs any more.
    pub async fn stop(mut self) {
        self.task.abort();
        // Cancelled, which is what was asked for.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Uploader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
enum Work {
    /// What does the centre have?
    Ask(IncidentId),
    /// Here is a fragment.
    Send(Entry),
    /// The recording has ended.
    Seal(IncidentId, u64),
}

/// What came of it.
type Done = (Work, Result<Option<Inventory>, DeliveryError>);

struct Delivery {
    store: Arc<StoreAdapter>,
    client: Client,
    inbox: Inbox,
    nudge: Arc<Notify>,
    flight: JoinSet<Done>,
    under_way: Vec<Work>,
    /// Incidents left over from an earlier run, or found on the disk only now: the centre may have more than the
    /// index knows.
    to_ask: BTreeSet<IncidentId>,
    failures: u32,
    not_before: Instant,
    retry_refused: Duration,
    retry_at: Option<Instant>,
    fault: bool,
}

impl Delivery {
    async fn run(mut self) {
        match self.store.ask(|index| index.incidents_waiting()).await {
            Ok(left_over) => self.to_ask = left_over.into_iter().collect(),
            // Nothing is lost: fragments are sent again and answered with their receipts.
            Err(e) => tracing::warn!("delivery cannot tell what is left over: {e}"),
        }
        loop {
            if Instant::now() >= self.not_before
                && let Err(e) = self.fill().await
            {
                self.back_off(&e.to_string());
            }
            self.wait().await;
        }
    }

    async fn wait(&mut self) {
        let backing_off = Instant::now() < self.not_before;
        let retry_at = self.retry_at;
        tokio::select! {
            Some(done) = self.flight.join_next() => match done {
                Ok((work, outcome)) => {
                    self.under_way.retain(|other| *other != work);
                    if let Err(e) = self.done(work, outcome).await {
                        self.back_off(&e.to_string());
                    }
                }
                // A request panicked, and which one is not known: drop all and go on.
                Err(e) => {
                    self.under_way.clear();
                    self.flight = JoinSet::new();
                    self.back_off(&e.to_string());
                }
            },
            () = self.store.changed().notified() => {}
            () = self.nudge.notified() => self.not_before = Instant::now(),
            () = tokio::time::sleep_until(self.not_before), if backing_off => {}
            () = sleep_until(retry_at) => {
                self.retry_at = None;
                if let Err(e) = self.store.ask(|index| index.retry_refused()).await {
                    self.back_off(&e.to_string());
                }
            }
        }
    }

    /// Starts what there is to do until two requests are in flight.
    async fn fill(&mut self) -> Result<(), StoreError> {
        self.to_ask.append(&mut self.store.take_found());
        while self.under_way.len() < IN_FLIGHT {
            let Some(work) = self.next().await? else { return Ok(()) };
            self.under_way.push(work.clone());
            let (client, path) = (
                self.client.clone(),
                match &work {
                    Work::Send(entry) => self.store.fragment_path(entry.incident, entry.index),
                    Work::Ask(_) | Work::Seal(..) => PathBuf::new(),
                },
            );
            let chains = Arc::clone(self.store.chains());
            self.flight.spawn(async move {
                let outcome = match &work {
                    Work::Ask(incident) => client.inventory(*incident).await.map(Some),
                    Work::Send(entry) => send(&client, entry, path).await.map(|()| None),
                    Work::Seal(incident, fragments) => {
                        let seal = evidence::seal(chains, *incident).await;
                        client.seal(*incident, *fragments, seal).await.map(Some)
                    }
                };
                (work, outcome)
            });
        }
        Ok(())
    }

    async fn next(&self) -> Result<Option<Work>, StoreError> {
        let waiting = self.store.ask(|index| index.waiting(IN_FLIGHT + 1)).await?;
        for entry in waiting {
            let incident = entry.incident;
            if self.under_way.contains(&Work::Ask(incident)) {
                // Its answer decides what is to be sent.
                return Ok(None);
            }
            if self.to_ask.contains(&incident) {
                return Ok(Some(Work::Ask(incident)));
            }
            let work = Work::Send(entry);
            if !self.under_way.contains(&work) {
                return Ok(Some(work));
            }
        }
        let seal = self.store.ask(|index| index.next_seal()).await?;
        let work = seal.map(|(incident, fragments)| Work::Seal(incident, fragments));
        Ok(work.filter(|work| !self.under_way.contains(work)))
    }

    async fn done(&mut self, work: Work, outcome: Result<Option<Inventory>, DeliveryError>) -> Result<(), StoreError> {
        match outcome {
            Ok(inventory) => {
                self.failures = 0;
                self.not_before = Instant::now();
                self.accepted(work, inventory).await
            }
            Err(DeliveryError::Unreachable(why)) => {
                self.back_off(&why);
                Ok(())
            }
            Err(e) => self.refused(work, e).await,
        }
    }

    async fn accepted(&mut self, work: Work, inventory: Option<Inventory>) -> Result<(), StoreError> {
        match (work, inventory) {
            (Work::Send(entry), _) => {
                let (incident, number) = (entry.incident, entry.index);
                self.store.ask(move |index| index.set_state(incident, number, State::Delivered)).await?;
            }
            (Work::Ask(incident), inventory) => {
                self.to_ask.remove(&incident);
                let has = inventory.map(|inventory| inventory.sha256).unwrap_or_default();
                self.store
                    .ask(move |index| {
                        for (entry, state) in index.fragments(incident)? {
                            let same = has.get(&entry.index).is_some_and(|hash| *hash == hex::encode(entry.sha256));
                            if same && state == State::Waiting {
                                index.set_state(incident, entry.index, State::Delivered)?;
                            }
                        }
                        Ok(())
                    })
                    .await?;
            }
            (Work::Seal(incident, _), inventory) => {
                let has: BTreeSet<u64> = inventory.map(|i| i.have.into_iter().collect()).unwrap_or_default();
                self.settle(incident, has).await?;
            }
        }
        if self.fault && !self.store.ask(|index| index.any_refused()).await? {
            self.fault = false;
            tell(&self.inbox, Event::FaultCleared(FaultKind::DeliveryFailed));
        }
        Ok(())
    }

    /// The recording is sealed at the centre. A fragment it has given a receipt for and does not have
    /// (it was restored from an older copy, say) is delivered again.
    async fn settle(&mut self, incident: IncidentId, has: BTreeSet<u64>) -> Result<(), StoreError> {
        let fragments = self.store.ask(move |index| index.fragments(incident)).await?;
        let gone: Vec<u64> = fragments
            .iter()
            .filter(|(entry, state)| *state == State::Delivered && !has.contains(&entry.index))
            .map(|(entry, _)| entry.index)
            .collect();
        if gone.is_empty() {
            return self.store.ask(move |index| index.seal_told(incident, false)).await;
        }
        self.raise(format!("{incident}: the centre gave receipts for {gone:?} and does not have them"));
        self.store
            .ask(move |index| gone.iter().try_for_each(|number| index.set_state(incident, *number, State::Refused)))
            .await
    }

    async fn refused(&mut self, work: Work, why: DeliveryError) -> Result<(), StoreError> {
        match work {
            // The answer to the fragment itself decides.
            Work::Ask(incident) => {
                self.to_ask.remove(&incident);
                Ok(())
            }
            Work::Seal(incident, _) => {
                self.raise(format!("end of {incident}: {why}"));
                self.store.ask(move |index| index.seal_told(incident, true)).await
            }
            Work::Send(entry) => {
                let (incident, number) = (entry.incident, entry.index);
                self.raise(format!("fragment {number} of {incident}: {why}"));
                self.store
                    .ask(move |index| match &why {
                        DeliveryError::Damaged(_) => index.set_state(incident, number, State::Lost),
                        // Not this fragment but the whole incident is unwelcome.
                        DeliveryError::Refused { status: 403, .. } => index.refuse_all(incident),
                        _ => index.set_state(incident, number, State::Refused),
                    })
                    .await
            }
        }
    }

    fn raise(&mut self, detail: String) {
        tracing::error!("not delivered: {detail}");
        self.retry_at.get_or_insert(Instant::now() + self.retry_refused);
        if !self.fault {
            self.fault = true;
            tell(&self.inbox, Event::FaultRaised(Fault { kind: FaultKind::DeliveryFailed, detail }));
        }
    }

    fn back_off(&mut self, why: &str) {
        if self.failures == 0 {
            tracing::warn!("delivery waits: {why}");
        } else {
            tracing::debug!("delivery waits: {why}");
        }
        let full = FIRST_BACK_OFF.saturating_mul(1 << self.failures.min(10)).min(MAX_BACK_OFF);
        self.failures = self.failures.saturating_add(1);
        // Kiosks that lost the centre together must not come back together.
        self.not_before = Instant::now() + full.mul_f64(rand::random_range(0.5..=1.0));
    }
}

async fn send(client: &Client, entry: &Entry, path: PathBuf) -> Result<(), DeliveryError> {
    let bytes = match tokio::fs::read(&path).await {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(DeliveryError::Damaged(format!("{}: {e}", path.display())));
        }
        Err(e) => return Err(DeliveryError::Unreadable(format!("{}: {e}", path.display()))),
    };
    if Sha256::digest(&bytes).as_slice() != entry.sha256 {
        return Err(DeliveryError::Damaged(format!("{}: not the bytes that were written", path.display())));
    }
    client.fragment(entry, bytes).await
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
