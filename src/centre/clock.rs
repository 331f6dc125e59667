//! The centre's two clocks. The only place of the centre that reads them for the desk.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::desk::Now;

/// Clocks since the centre's start. Copies agree.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// The centre starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Both clocks, now.
    #[must_use]
    pub fn now(&self) -> Now {
        let mono_us = u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { mono_us, wall_us: wall_us() }
    }

    /// The instant of a reading of the monotonic clock.
    #[must_use]
    pub fn instant(&self, mono_us: u64) -> Instant {
        self.start + Duration::from_micros(mono_us)
    }
}

/// Wall clock, microseconds since 1970 UTC.
#[must_use]
pub fn wall_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
