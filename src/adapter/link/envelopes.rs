//! Envelopes: what every message of a run bears on its outside.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::wire::{BootId, Envelope, MessageId};

/// Makes envelopes of one run.
pub struct Envelopes {
    boot: BootId,
    started: Instant,
    sequence: AtomicU64,
}

impl Envelopes {
    /// Counts from one.
    #[must_use]
    pub fn new(boot: BootId) -> Self {
        Self { boot, started: Instant::now(), sequence: AtomicU64::new(1) }
    }

    /// Since the start of the run, microseconds.
    pub(super) fn mono_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Wraps a message.
    pub fn wrap<T>(&self, body: T) -> Envelope<T> {
        Envelope {
            id: MessageId::fresh(),
            boot: self.boot,
            seq: self.sequence.fetch_add(1, Ordering::Relaxed),
            wall_us: wall_us(),
            mono_us: self.mono_us(),
            clock_synced: clock_synced(),
            body,
        }
    }
}

/// Wall clock, microseconds since 1970 UTC.
#[must_use]
pub fn wall_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// systemd-timesyncd touches this file when it has set the clock; a machine without it is not asked.
fn clock_synced() -> bool {
    std::path::Path::new("/run/systemd/timesync/synchronized").exists()
}
