//! The desk as a pure machine: (event, now) -> effects. No clock, no IO, no randomness.
//!
//! ```text
//!               Answer                    Hold
//!   alarm -> WAITING ----------> ANSWERED ----> ON HOLD
//!               ^ |                | | ^           | |
//!               | |  page vanished | | +-- Answer -+ |   (its owner, or another officer)
//!               +-|----------------+ |               |
//!               | |  page vanished   |               |
//!               +-|------------------|---------------+
//!                 +------ Close -----+------ Close --+----> CLOSED (for ever)
//! ```
//!
//! What is shown, what the gateway carries, what the kiosk is told and what is kept follow from the
//! same step, and none of them waits for another. Only the acknowledgement waits: for the store.

mod effect;
mod event;
mod incident;
mod kiosk_side;
mod kiosks;
#[cfg(test)]
mod model;
mod page_side;
mod pages;
mod reports;
#[cfg(test)]
mod script;
mod selftest;
mod switch;
#[cfg(test)]
mod tests;
mod time;

use std::collections::BTreeMap;

pub use effect::{Effect, Rejection};
pub use event::{Event, Now};
pub use incident::{IncidentRecord, on_centre_clock};

use crate::centre::gateway::{GatewayCommand, GatewayEvent, PageId};
use crate::centre::page::{IncidentView, KioskView, ToPage};
use crate::wire::down::{OrderKind, SignalDown, Standing};
use crate::wire::{IncidentId, KioskId};

use effect::Turn;
use incident::{Incident, Kept};
use kiosks::Kiosk;
use pages::Page;
use selftest::Testing;

/// Closed incidents shown to a page that connects.
pub const CLOSED_SHOWN: usize = 30;
/// Closed incidents kept in memory until their kiosk has carried out the close.
pub const CLOSED_KEPT: usize = 500;
/// Incidents of one kiosk that may be open at once: a press joins the open one, so more are a fault.
const OPEN_PER_KIOSK: usize = 32;
/// Kiosks one centre carries.
const MAX_KIOSKS: usize = 10_000;
/// A page whose connection ended may come back for this long and keeps its call.
const RECONNECT_GRACE_US: u64 = 2_000_000;
/// No call stays with a page unheard for longer than this: back to waiting within 5 s of vanishing.
const VANISHED_US: u64 = 4_500_000;
/// After a restart the officers' pages need a moment to find the centre again.
const RESTART_GRACE_US: u64 = 4_000_000;
/// What could not be made durable is tried again after this.
const RETRY_US: u64 = 1_000_000;

/// The desk: incidents, pages, kiosks.
#[derive(Debug)]
pub struct Desk {
    instance: String,
    incidents: BTreeMap<IncidentId, Incident>,
    kiosks: BTreeMap<KioskId, Kiosk>,
    pages: BTreeMap<PageId, Page>,
    /// Test calls under way.
    tests: BTreeMap<KioskId, Testing>,
    /// Officers on duty as last told.
    duty: Vec<String>,
    /// Whether recordings are refused for want of room.
    archive_full: bool,
}

impl Desk {
    /// A desk with nothing on it. `instance` changes when the centre restarts.
    #[must_use]
    pub fn new(instance: String) -> Self {
        Self {
            instance,
            incidents: BTreeMap::new(),
            kiosks: BTreeMap::new(),
            pages: BTreeMap::new(),
            tests: BTreeMap::new(),
            duty: Vec::new(),
            archive_full: false,
        }
    }

    /// Takes up what the store kept over a restart.
    pub fn restore(&mut self, incidents: Vec<IncidentRecord>, kiosks: Vec<KioskView>, now: Now) -> Vec<Effect> {
        let mut turn = Turn { now, out: Vec::new() };
        for view in kiosks {
            self.kiosks.insert(view.id.clone(), Kiosk::restored(view));
        }
        for record in incidents {
            let mut incident = Incident::new(record, Kept::Yes);
            let view = &incident.record.view;
            if incident.is_on() {
                turn.gateway(GatewayCommand::Alarm { kiosk: view.kiosk.clone(), open: true });
            }
            if matches!(view.standing, Standing::Answered | Standing::OnHold) {
                incident.return_at = Some(now.mono_us + RESTART_GRACE_US);
            }
            self.incidents.insert(view.id, incident);
        }
        turn.out
    }

    /// Handles one event that happened at `now`.
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Effect> {
        let mut turn = Turn { now, out: Vec::new() };
        let t = &mut turn;
        match event {
            Event::Alarm { kiosk, alarm, age_us, synced } => self.alarm(kiosk, *alarm, age_us, synced, t),
            Event::Report { kiosk, report } => self.report(&kiosk, *report, t),
            Event::State { kiosk, state } => self.state(kiosk, state, t),
            Event::Heartbeat { kiosk, beat, sent_wall_us } => self.heartbeat(kiosk, *beat, sent_wall_us, t),
            Event::Signal { kiosk, signal } => self.signal(kiosk, signal, t),
            Event::Test { kiosk, report } => self.test(&kiosk, report, t),
            Event::Head { kiosk, head } => self.head(&kiosk, head, t),
            Event::TestCall { kiosk, call } => self.test_call(kiosk, call, t),
            Event::TestKept { kiosk, test } => self.test_kept(kiosk, test, t),
            Event::Stored { incident, already, recording } => self.stored(incident, already, recording, t),
            Event::StoreFailed { incident, why } => self.store_failed(incident, &why, t),
            Event::Recording { incident, recording } => self.recording(incident, recording, t),
            Event::Gateway(event) => self.gateway_event(event, t),
            Event::Archive { full } => self.archive(full, t),
            Event::PageOpened { page, officer } => self.page_opened(page, officer, t),
            Event::PageSaid { page, said } => self.page_said(page, said, t),
            Event::PageClosed { page } => self.vanish(page, t),
            Event::Tick => self.tick(t),
        }
        turn.out
    }

    /// Every kiosk known, as officers see it.
    #[must_use]
    pub fn kiosk_views(&self) -> Vec<KioskView> {
        self.kiosks.values().map(|kiosk| kiosk.view.clone()).collect()
    }

    /// Every open incident and the newest closed ones, oldest press first.
    #[must_use]
    pub fn incident_views(&self) -> Vec<IncidentView> {
        let (mut open, mut closed): (Vec<_>, Vec<_>) =
            self.incidents.values().map(Incident::view).partition(|view| view.standing != Standing::Closed);
        closed.sort_by_key(|view| std::cmp::Reverse((view.pressed_wall_us, view.id)));
        closed.truncate(CLOSED_SHOWN);
        open.append(&mut closed);
        open.sort_by_key(|view| (view.pressed_wall_us, view.id));
        open
    }

    fn gateway_event(&mut self, event: GatewayEvent, turn: &mut Turn) {
        match event {
            GatewayEvent::KioskAnswer { kiosk, session, sdp } => {
                turn.push(Effect::Signal { kiosk, signal: SignalDown::Answer { session, sdp } });
            }
            GatewayEvent::KioskReoffer { kiosk, reason } => {
                turn.push(Effect::Signal { kiosk, signal: SignalDown::Reoffer { reason } });
            }
            GatewayEvent::KioskTested { kiosk, seen } => self.tested(kiosk, seen, turn),
            GatewayEvent::KioskLeg { kiosk, up } => self.leg(&kiosk, up, turn),
            GatewayEvent::PageAnswer { page, sdp } => turn.page(page, ToPage::Answer { sdp }),
            GatewayEvent::PageReoffer { page } => turn.page(page, ToPage::Reoffer),
            GatewayEvent::KeyFrameWanted { kiosk } => {
                turn.push(Effect::Order { kiosk, what: OrderKind::KeyFrame });
            }
        }
    }

    /// Shows an incident to everybody as it is now.
    fn show(&mut self, id: IncidentId, turn: &mut Turn) {
        if let Some(incident) = self.incidents.get_mut(&id) {
            incident.recording_unshown = false;
            incident.recording_shown_at = turn.now.mono_us;
            turn.push(Effect::ToAllPages(ToPage::Incident { incident: Box::new(incident.view()) }));
        }
    }

    /// Makes an incident durable as it is now; one that is not stored at all yet follows when it is.
    fn save(&mut self, id: IncidentId, turn: &mut Turn) {
        let Some(incident) = self.incidents.get_mut(&id) else { return };
        if incident.kept == Kept::Yes {
            incident.unsaved = None;
            turn.push(Effect::Save(Box::new(incident.record.clone())));
        } else {
            incident.unsaved = Some(u64::MAX);
        }
    }

    /// Tells the kiosk how an incident stands now.
    fn order(&mut self, id: IncidentId, turn: &mut Turn) {
        if let Some(incident) = self.incidents.get_mut(&id) {
            incident.ordered_at = turn.now.mono_us;
            incident.orders = incident.orders.saturating_add(1);
            let kiosk = incident.record.view.kiosk.clone();
            turn.push(Effect::Order { kiosk: kiosk.clone(), what: incident.stands(id) });
            let joined = self.kiosks.get(&kiosk).and_then(|known| known.joined).filter(|(_, ours)| *ours == id);
            if let Some((theirs, _)) = joined {
                turn.push(Effect::Order { kiosk, what: incident.stands(theirs) });
            }
        }
    }

    /// After every change of an incident's standing: everybody is shown it, the kiosk told, the store asked.
    fn changed(&mut self, id: IncidentId, turn: &mut Turn) {
        if let Some(incident) = self.incidents.get_mut(&id) {
            incident.orders = 0;
        }
        self.show(id, turn);
        self.order(id, turn);
        self.save(id, turn);
    }

    fn is_alarmed(&self, kiosk: &KioskId) -> bool {
        self.incidents.values().any(|incident| incident.is_on() && incident.record.view.kiosk == *kiosk)
    }

    /// The incident that is on at a kiosk, the latest press if there is more than one.
    fn open_at(&self, kiosk: &KioskId) -> Option<IncidentId> {
        let open = self.incidents.values().filter(|i| i.is_on() && i.record.view.kiosk == *kiosk);
        open.map(|i| &i.record.view).max_by_key(|view| (view.pressed_wall_us, view.id)).map(|view| view.id)
    }

    /// The closed incidents nobody needs in memory any more leave it; the store has them.
    fn forget_old(&mut self) {
        let mut closed: Vec<_> = self
            .incidents
            .values()
            .filter(|incident| !incident.is_open() && incident.kept == Kept::Yes && incident.unsaved.is_none())
            .map(|i| (i.record.view.pressed_wall_us, i.record.view.id, i.record.view.kiosk_closed))
            .collect();
        closed.sort_unstable();
        for (rank, (_, id, kiosk_closed)) in closed.into_iter().rev().enumerate() {
            if rank >= CLOSED_KEPT || (rank >= CLOSED_SHOWN && kiosk_closed) {
                self.incidents.remove(&id);
            }
        }
    }
}
