//! What the media's threads have in common: how they tell, how they end, how they share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tracing::{error, warn};

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

/// Waits for a thread to end, but not for ever: a driver or a disk that hangs must not hold the shutdown.
pub fn join_within(thread: JoinHandle<()>, what: &str) {
    const LONGEST: Duration = Duration::from_secs(5);
    let end = std::time::Instant::now() + LONGEST;
    while !thread.is_finished() {
        if std::time::Instant::now() >= end {
            return error!("the {what} does not end; left behind");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    if thread.join().is_err() {
        error!("the {what} ended badly");
    }
}

/// A lock whatever happened to its last holder: the data behind our locks are whole at every step.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
