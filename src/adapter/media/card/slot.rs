//! A direction of the card, open or to be opened again with back-off.

use std::time::{Duration, Instant};

use tracing::warn;

use super::{Shared, Way};
use crate::adapter::media::lock;

/// First wait before a direction is opened again; doubled each time.
pub const FIRST_WAIT: Duration = Duration::from_millis(250);
/// Longest wait before a direction is opened again.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// A direction's life: open, or to be opened again.
pub enum Slot<T> {
    Unused,
    Closed { until: Instant, wait: Duration },
    Open { way: T, moved: Instant, wait: Duration },
}

impl<T> Slot<T> {
    pub fn new(wanted: bool) -> Self {
        if wanted { Self::Closed { until: Instant::now(), wait: FIRST_WAIT } } else { Self::Unused }
    }

    pub fn open(&mut self) -> Option<&mut T> {
        match self {
            Self::Open { way, .. } => Some(way),
            Self::Unused | Self::Closed { .. } => None,
        }
    }
}

/// The wait after the next failure, if it is time to open.
pub fn due<T>(slot: &Slot<T>) -> Option<Duration> {
    match slot {
        Slot::Closed { until, wait } if *until <= Instant::now() => Some(*wait),
        Slot::Unused | Slot::Closed { .. } | Slot::Open { .. } => None,
    }
}

pub fn close<T>(slot: &mut Slot<T>, shared: &Shared, way: Way, why: String) {
    let wait = match slot {
        Slot::Open { wait, .. } | Slot::Closed { wait, .. } => *wait,
        Slot::Unused => FIRST_WAIT,
    };
    fail(slot, shared, way, why, wait);
}

pub fn fail<T>(slot: &mut Slot<T>, shared: &Shared, way: Way, why: String, wait: Duration) {
    *slot = Slot::Closed { until: Instant::now() + wait, wait: (wait * 2).min(LONGEST_WAIT) };
    let mut trouble = lock(&shared.trouble[way as usize]);
    if trouble.is_none() {
        warn!(?way, why, "sound card");
    }
    *trouble = Some(why);
}
