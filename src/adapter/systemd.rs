//! The service manager: told when the daemon is ready and when it stops; its watchdog is fed from progress.
//!
//! Without `NOTIFY_SOCKET` (a terminal, a test) all of it does nothing.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, error};

/// The daemon is ready.
pub fn ready() {
    notify(&[NotifyState::Ready]);
}

/// The daemon starts itself anew: for the service manager it goes on.
pub fn reloading() {
    notify(&[NotifyState::Reloading]);
}

/// The daemon stops.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Feeds the watchdog, three times in its period, as long as `progress` says that all moves. Ends at once where
/// there is no watchdog. What stalls is logged and not fed: the service manager then restarts the daemon.
pub async fn watchdog(progress: impl Fn() -> Result<(), String> + Send) {
    let mut period_us = 0;
    if !sd_notify::watchdog_enabled(false, &mut period_us) || period_us == 0 {
        return;
    }
    let mut beat = interval(Duration::from_micros(period_us) / 3);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        match progress() {
            Ok(()) => notify(&[NotifyState::Watchdog]),
            Err(stalled) => error!(stalled, "the watchdog is not fed"),
        }
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        debug!(%error, "the service manager was not told");
    }
}
