//! The shell around the desk: its one owner, what reaches it, what it does.

mod desk_handle;
mod outlet;
mod perform;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use desk_handle::Input;
pub use desk_handle::{DeskGone, DeskHandle, PageLine};
use outlet::Outlet;
pub use perform::Envelopes;

use crate::mqtt;
use crate::wire::IncidentId;

use super::clock::Clock;
use super::counters::Counters;
use super::desk::{Desk, Event, Now};
use super::gateway::{GatewayCommand, GatewayEvent, PageId};
use super::store::Store;

/// What may wait for the desk, which handles one in microseconds.
const INBOX: usize = 1024;
/// Commands that may wait for the gateway besides its own queue.
const GATEWAY_BACKLOG: usize = 4096;
/// Entries of the journal that may wait for the store besides its own queue.
const JOURNAL_BACKLOG: usize = 4096;
/// How soon what waits for the store is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// How soon a page that is behind with kiosks is looked at again.
const CATCH_UP: Duration = Duration::from_millis(20);

/// Something to publish.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// How much it matters.
    pub kind: mqtt::Kind,
}

/// The way to the kiosks. Never blocks; what it cannot take is said again by those who need it.
pub type Publish = Box<dyn Fn(Publication) -> Result<(), mqtt::NotTaken> + Send>;

/// What the shell works with.
pub struct Parts {
    /// The desk, restored.
    pub desk: Desk,
    /// What its restoring asked for.
    pub first: Vec<super::desk::Effect>,
    /// Where everything is kept.
    pub store: Store,
    /// Commands to the gateway.
    pub gateway: mpsc::Sender<GatewayCommand>,
    /// What the gateway reports.
    pub gateway_events: mpsc::Receiver<GatewayEvent>,
    /// The way to the kiosks.
    pub publish: Publish,
    /// What was refused.
    pub counters: Arc<Counters>,
    /// The centre's clocks.
    pub clock: Clock,
}

/// The owner of the desk.
pub struct Shell {
    desk: Desk,
    store: Store,
    gateway: mpsc::Sender<GatewayCommand>,
    gateway_events: mpsc::Receiver<GatewayEvent>,
    publish: Publish,
    counters: Arc<Counters>,
    clock: Clock,
    inputs: mpsc::Receiver<Input>,
    /// For what the store reports.
    back: mpsc::Sender<Input>,
    envelopes: perform::Envelopes,
    pages: BTreeMap<PageId, Outlet>,
    gateway_backlog: VecDeque<GatewayCommand>,
    journal_backlog: VecDeque<Entry>,
}

struct Entry {
    at_us: i64,
    who: String,
    what: String,
    incident: Option<IncidentId>,
}

/// Returns when the centre is told to stop, or nobody is left to tell it.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

impl Shell {
    /// A shell that is ready to run, and the handle on its desk.
    #[must_use]
    pub fn new(parts: Parts) -> (Self, DeskHandle) {
        let (inbox, inputs) = mpsc::channel(INBOX);
        let handle = DeskHandle::new(inbox.clone(), parts.clock);
        let mut shell = Self {
            desk: parts.desk,
            store: parts.store,
            gateway: parts.gateway,
            gateway_events: parts.gateway_events,
            publish: parts.publish,
            counters: parts.counters,
            clock: parts.clock,
            inputs,
            back: inbox,
            envelopes: perform::Envelopes::new(parts.clock),
            pages: BTreeMap::new(),
            gateway_backlog: VecDeque::new(),
            journal_backlog: VecDeque::new(),
        };
        let now = shell.clock.now();
        shell.perform(parts.first, now);
        (shell, handle)
    }

    /// Runs until told to stop.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut gateway_lives = true;
        let gateway = self.gateway.clone();
        loop {
            let wake = self.next_wake();
            tokio::select! {
                Some(input) = self.inputs.recv() => self.take(input),
                event = self.gateway_events.recv(), if gateway_lives => match event {
                    Some(event) => self.happen(Event::Gateway(event), self.clock.now()),
                    None => {
                        tracing::error!("the media gateway has ended");
                        gateway_lives = false;
                    }
                },
                room = gateway.reserve(), if gateway_lives && !self.gateway_backlog.is_empty() => {
                    if let (Ok(room), Some(command)) = (room, self.gateway_backlog.pop_front()) {
                        room.send(command);
                    }
                },
                () = tokio::time::sleep_until(wake.into()) => self.happen(Event::Tick, self.clock.now()),
                () = stopped(&mut stop) => break,
            }
            self.empty_journal_backlog();
            self.let_pages_catch_up();
        }
        // The store must not wait for a desk that reads no more.
        self.inputs.close();
        self.store.settle().await;
    }

    fn next_wake(&self) -> Instant {
        let deadline = self.desk.deadline().map(|at| self.clock.instant(at));
        let retry = (!self.journal_backlog.is_empty()).then(|| Instant::now() + RETRY);
        let behind = self.pages.values().any(Outlet::is_behind).then(|| Instant::now() + CATCH_UP);
        let idle = Instant::now() + Duration::from_secs(3600);
        deadline.into_iter().chain(retry).chain(behind).min().unwrap_or(idle)
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Event { now, event } => self.happen(*event, now),
            Input::Open { now, page, officer, session, line } => {
                self.pages.insert(page, Outlet::new(session, line));
                self.happen(Event::PageOpened { page, officer }, now);
            }
            // The asker may have gone.
            Input::Kiosks { reply } => drop(reply.send(self.desk.kiosk_views())),
            Input::SessionEnded { session } => {
                let ended: Vec<_> =
                    self.pages.iter().filter(|(_, p)| p.session == session).map(|(page, _)| *page).collect();
                for page in ended {
                    self.pages.remove(&page);
                    self.happen(Event::PageClosed { page }, self.clock.now());
                }
            }
        }
    }

    fn happen(&mut self, event: Event, now: Now) {
        if let Event::PageClosed { page } = &event {
            self.pages.remove(page);
        }
        let effects = self.desk.handle(event, now);
        self.perform(effects, now);
    }
}
