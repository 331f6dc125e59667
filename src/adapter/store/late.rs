//! The store before there is one: the disk may come late, hang, be read-only or dead, and the button does not wait.
//!
//! What is ordered meanwhile is kept as the state it leads to (which presses are open, acknowledged, over) and carried
//! out when the store opens; until then nothing is said to be kept. It is tried again for as long as the daemon runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::thread::tell;
use super::{StoreAdapter, StoreError, layout};
use crate::kiosk::ports::{FragmentError, Fragments, KeptPress, NewFragment, Store};
use crate::kiosk::{Inbox, Stamped};
use crate::machine::Event;
use crate::wire::up::{Fault, FaultKind};
use crate::wire::{IncidentId, KioskId};

/// From one try to the next.
const RETRY: Duration = Duration::from_secs(5);
/// A store that has not opened, or has worked on one job, for this long is a fault. A recorder that has something to
/// write waits as long for it to open.
const OPEN_WITHIN: Duration = Duration::from_secs(5);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Incidents whose orders may wait: each becomes a few jobs, all at once.
const MAX_ORDERS: usize = 16;

/// Where the open presses come from: at the first try's end at the latest a first time, which may be empty.
pub type Presses = mpsc::Receiver<Vec<KeptPress>>;

/// The store, now or later.
pub struct LateStore {
    dir: PathBuf,
    kiosk: KioskId,
    inbox: Inbox,
    state: Mutex<State>,
    changed: Condvar,
    here: watch::Sender<Option<Arc<StoreAdapter>>>,
}

#[derive(Default)]
struct State {
    store: Option<Arc<StoreAdapter>>,
    orders: BTreeMap<IncidentId, Order>,
    /// Why there is none, once that is known; said as a fault.
    why: Option<String>,
    over: bool,
}

/// What is to be kept of an incident.
#[derive(Default)]
struct Order {
    press: Option<KeptPress>,
    acknowledged: bool,
    closed: bool,
}

impl LateStore {
    /// Opens the store in `dir` on a thread of its own, and keeps trying. On the current tokio runtime.
    ///
    /// # Errors
    /// [`StoreError::Io`] where no thread can be had.
    pub fn start(dir: &Path, kiosk: &KioskId, inbox: Inbox) -> Result<(Arc<Self>, Presses), StoreError> {
        let (here, _) = watch::channel(None);
        let (dir, kiosk) = (dir.to_owned(), kiosk.clone());
        let at = dir.clone();
        let late = Arc::new(Self { dir, kiosk, inbox, state: Mutex::default(), changed: Condvar::new(), here });
        // One for the first word, one for presses found at a later try.
        let (presses, found) = mpsc::channel(2);
        let awaited = Arc::clone(&late);
        std::thread::Builder::new()
            .name("store-start".to_owned())
            .spawn(move || awaited.bring(&presses))
            .map_err(|e| StoreError::io(&at, e))?;
        tokio::spawn(Self::watch(Arc::downgrade(&late)));
        Ok((late, found))
    }

    /// Tells of a disk that hangs, which says nothing itself: while it is opened, and whenever something is kept.
    async fn watch(late: Weak<Self>) {
        let (began, mut look, mut hung) = (Instant::now(), interval(LOOK_EVERY), false);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            let Some(late) = late.upgrade() else { return };
            let (store, known) = {
                let state = late.state();
                (state.store.clone(), state.why.is_some() || state.over)
            };
            let Some(store) = store else {
                if !known && began.elapsed() > OPEN_WITHIN {
                    late.missing(&StoreError::Silent { after: OPEN_WITHIN });
                }
                continue;
            };
            let hangs = store.busy().is_some_and(|busy| busy > OPEN_WITHIN);
            if std::mem::replace(&mut hung, hangs) == hangs {
                continue;
            }
            let event = if hangs {
                let detail = format!("{}: {}", late.dir.display(), StoreError::Silent { after: OPEN_WITHIN });
                error!(detail, "the disk hangs");
                Event::FaultRaised(Fault { kind: FaultKind::StoreFailed, detail })
            } else if store.failing() {
                // It ended with another reason why nothing is kept.
                continue;
            } else {
                Event::FaultCleared(FaultKind::StoreFailed)
            };
            if late.inbox.send(Stamped::now(event)).await.is_err() {
                return;
            }
        }
    }

    /// The store, once it is there.
    pub async fn here(self: Arc<Self>) -> Arc<StoreAdapter> {
        let mut here = self.here.subscribe();
        // The sender lives in `self`.
        let there = here.wait_for(Option::is_some).await.ok().and_then(|store| store.clone());
        match there {
            Some(store) => store,
            None => std::future::pending().await,
        }
    }

    /// Opens it no more; returns when what was ordered is done.
    pub async fn shut_down(&self) {
        let store = {
            let mut state = self.state();
            state.over = true;
            state.store.clone()
        };
        self.changed.notify_all();
        // Jobs are done in order, so the answer to this one comes after all of them.
        if let Some(store) = store
            && let Err(error) = store.ask(|_| Ok(())).await
        {
            warn!(%error, "what was ordered last may not be kept");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bring(&self, presses: &mpsc::Sender<Vec<KeptPress>>) {
        // Never full: one for the first word, one for the presses.
        let say = |found: &[KeptPress]| drop(presses.try_send(found.to_vec()));
        let (mut silent, mut told) = (true, false);
        while !self.state().over {
            let mut early = |found: &[KeptPress]| {
                (silent, told) = (false, true);
                say(found);
            };
            match StoreAdapter::open_telling(&self.dir, &self.kiosk, self.inbox.clone(), &mut early) {
                Ok((store, found, notes)) => {
                    notes.iter().for_each(|note| warn!(note, "store: recovery"));
                    if !told {
                        say(&found);
                    }
                    return self.arrived(&store);
                }
                Err(why) => {
                    self.missing(&why);
                    if std::mem::take(&mut silent) {
                        say(&[]);
                    }
                }
            }
            let waits = |state: &mut State| !state.over;
            // Whichever way it ends, the loop looks again.
            drop(self.changed.wait_timeout_while(self.state(), RETRY, waits));
        }
    }

    fn missing(&self, why: &StoreError) {
        let why = why.to_string();
        let before = self.state().why.replace(why.clone());
        self.changed.notify_all();
        if before.as_ref() != Some(&why) {
            error!(why, "nothing is kept or recorded on this kiosk; alarms and calls go on");
            tell(&self.inbox, Event::FaultRaised(Fault { kind: FaultKind::StoreFailed, detail: why }));
        }
    }

    fn arrived(&self, store: &Arc<StoreAdapter>) {
        let mut state = self.state();
        if state.over {
            return;
        }
        state.store = Some(Arc::clone(store));
        // Under the lock: what is ordered from now on comes after what was ordered before.
        for (incident, order) in std::mem::take(&mut state.orders) {
            order.give(incident, store);
        }
        let failed = state.why.take().is_some();
        drop(state);
        self.changed.notify_all();
        self.here.send_replace(Some(Arc::clone(store)));
        info!(dir = %self.dir.display(), "the store is there");
        if failed {
            tell(&self.inbox, Event::FaultCleared(FaultKind::StoreFailed));
        }
    }

    /// Has it done now, or keeps it as the state it leads to. Returns why it waits, once there is a reason.
    fn order(
        &self,
        incident: IncidentId,
        now: impl FnOnce(&StoreAdapter),
        later: impl FnOnce(&mut Order),
    ) -> Option<String> {
        let mut state = self.state();
        if let Some(store) = &state.store {
            now(store);
            return None;
        }
        if state.orders.len() >= MAX_ORDERS && !state.orders.contains_key(&incident) {
            let over = state.orders.iter().find(|(_, order)| order.closed).map(|(incident, _)| *incident);
            let Some(over) = over else { return Some(format!("{MAX_ORDERS} incidents wait for the store")) };
            state.orders.remove(&over);
        }
        later(state.orders.entry(incident).or_default());
        state.why.clone()
    }

    /// For the recorder's thread, which may wait while there is hope.
    fn wait(&self) -> Result<Arc<StoreAdapter>, String> {
        let hopes = |state: &mut State| state.store.is_none() && state.why.is_none() && !state.over;
        let waited = self.changed.wait_timeout_while(self.state(), OPEN_WITHIN, hopes);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.store.clone().ok_or_else(|| state.why.clone().unwrap_or_else(|| "not open yet".to_owned()))
    }

    fn refuse(incident: IncidentId, index: u64) -> impl Fn(String) -> FragmentError {
        move |why| FragmentError { incident, index, step: "0 open the store", why }
    }
}

impl Order {
    fn give(self, incident: IncidentId, store: &StoreAdapter) {
        match self.press {
            Some(press) if !self.closed => store.keep(press),
            _ => {}
        }
        if self.acknowledged {
            store.keep_acknowledged(incident);
        }
        if self.closed {
            // It may be one of an earlier run.
            store.keep_closed(incident);
        }
    }
}

impl Store for LateStore {
    fn keep(&self, press: KeptPress) {
        let incident = press.incident;
        let kept = press.clone();
        let why = self.order(incident, |store| store.keep(kept), |order| order.press = Some(press));
        if let Some(why) = why
            && self.inbox.try_send(Stamped::now(Event::KeepFailed { incident, why })).is_err()
        {
            error!(%incident, "a press is not kept, and the inbox is full");
        }
    }

    fn keep_acknowledged(&self, incident: IncidentId) {
        let _ = self.order(incident, |store| store.keep_acknowledged(incident), |order| order.acknowledged = true);
    }

    fn keep_closed(&self, incident: IncidentId) {
        let _ = self.order(incident, |store| store.keep_closed(incident), |order| order.closed = true);
    }

    fn undelivered(&self) -> u64 {
        self.state().store.as_ref().map_or(0, |store| store.undelivered())
    }
}

impl Fragments for LateStore {
    fn write(&self, fragment: NewFragment) -> Result<(), FragmentError> {
        self.wait().map_err(Self::refuse(fragment.incident, fragment.index))?.write(fragment)
    }

    fn next_index(&self, incident: IncidentId) -> u64 {
        match self.wait() {
            Ok(store) => store.next_index(incident),
            Err(_) => layout::next_index(&self.dir, incident),
        }
    }

    fn recorded_wall_us(&self, incident: IncidentId) -> Option<(i64, i64)> {
        self.wait().ok()?.recorded_wall_us(incident)
    }

    fn seal(&self, incident: IncidentId, fragments: u64) -> Result<(), FragmentError> {
        self.wait().map_err(Self::refuse(incident, fragments))?.seal(incident, fragments)
    }
}
