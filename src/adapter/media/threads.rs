//! What the media's threads have in common: how they tell, how they share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tracing::warn;

use crate::kiosk::{Inbox, Stamped};
use crate::machine::Event;

/// Sends an event that happens now. The owner of the inbox handles one in microseconds; a full inbox is
/// given a moment, because what is lost here is lost for the incident.
pub fn report(inbox: &Inbox, event: Event) {
    const TRIES: u32 = 50;
    let mut stamped = Stamped::now(event);
    for _ in 0..TRIES {
        match inbox.try_send(stamped) {
            Ok(()) => return,
            Err(TrySendError::Closed(_)) => return,
            Err(TrySendError::Full(back)) => stamped = back,
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    warn!(event = ?stamped.event, "the inbox is full: an event is lost");
}

/// A lock whatever happened to its last holder: the data behind our locks are whole at every step.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
