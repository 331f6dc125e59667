//! The store where there is none: the disk is dead, full or read-only. The alarm still goes out; what
//! cannot be kept is said, never pretended.

use crate::kiosk::ports::{FragmentError, Fragments, KeptPress, NewFragment, Store};
use crate::kiosk::{Inbox, Stamped};
use crate::machine::Event;
use crate::wire::IncidentId;
use crate::wire::up::{Fault, FaultKind};

/// Keeps nothing and says so.
pub struct NoStore {
    why: String,
    inbox: Inbox,
}

impl NoStore {
    /// `why` is what [`super::StoreAdapter::open`] failed with. Raises [`FaultKind::StoreFailed`].
    #[must_use]
    pub fn new(why: String, inbox: Inbox) -> Self {
        let store = Self { why, inbox };
        store.say(Event::FaultRaised(Fault { kind: FaultKind::StoreFailed, detail: store.why.clone() }));
        store
    }

    fn say(&self, event: Event) {
        if let Err(e) = self.inbox.try_send(Stamped::now(event)) {
            tracing::error!("no store ({}), and it cannot be said: {e}", self.why);
        }
    }

    fn refuse(&self, incident: IncidentId, index: u64) -> FragmentError {
        FragmentError { incident, index, step: "0 open the store", why: self.why.clone() }
    }
}

impl Store for NoStore {
    fn keep(&self, press: KeptPress) {
        self.say(Event::KeepFailed { incident: press.incident, why: self.why.clone() });
    }
    fn keep_acknowledged(&self, _: IncidentId) {}
    fn keep_closed(&self, _: IncidentId) {}
    fn undelivered(&self) -> u64 {
        0
    }
}

impl Fragments for NoStore {
    fn write(&self, fragment: NewFragment) -> Result<(), FragmentError> {
        Err(self.refuse(fragment.incident, fragment.index))
    }
    fn next_index(&self, _: IncidentId) -> u64 {
        0
    }
    fn seal(&self, incident: IncidentId, fragments: u64) -> Result<(), FragmentError> {
        Err(self.refuse(incident, fragments))
    }
}
