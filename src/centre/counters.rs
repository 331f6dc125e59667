//! What was refused, counted by reason and logged at a bounded rate: a flood must not become a flood of log.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::desk::Rejection;

/// One line a reason in this time.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// On a topic that is no kiosk's.
    UnknownTopic,
    /// Larger than a message may be.
    Oversized,
    /// Not what its topic calls for.
    Malformed,
    /// Taken already.
    Duplicate,
    /// Of a kiosk the configuration refuses.
    Kiosk,
    /// The desk's reason.
    Desk(Rejection),
}

const REASONS: [(Refused, &str); 10] = [
    (Refused::UnknownTopic, "unknown topic"),
    (Refused::Oversized, "oversized"),
    (Refused::Malformed, "malformed"),
    (Refused::Duplicate, "duplicate"),
    (Refused::Kiosk, "refused kiosk"),
    (Refused::Desk(Rejection::Foreign), "another kiosk's incident"),
    (Refused::Desk(Rejection::Unknown), "unknown incident"),
    (Refused::Desk(Rejection::Stale), "stale"),
    (Refused::Desk(Rejection::TooMany), "too many"),
    (Refused::Desk(Rejection::Implausible), "implausible"),
];

/// Counts since the start.
#[derive(Debug)]
pub struct Counters {
    start: Instant,
    counts: [AtomicU64; REASONS.len()],
    /// When each reason may be logged again, ms since the start.
    quiet_until: [AtomicU64; REASONS.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self { start: Instant::now(), counts: Default::default(), quiet_until: Default::default() }
    }
}

impl Counters {
    /// Counts a refusal, and logs it unless this reason was logged a moment ago.
    pub fn refuse(&self, why: Refused, from: &str, detail: &str) {
        let slot = slot(why);
        let count = self.counts[slot].fetch_add(1, Relaxed) + 1;
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let until = self.quiet_until[slot].load(Relaxed);
        let next = now + LOG_EVERY.as_millis() as u64;
        if now >= until && self.quiet_until[slot].compare_exchange(until, next, Relaxed, Relaxed).is_ok() {
            // A sender may put anything into its topic or message: only its beginning is logged.
            let from: String = from.chars().take(120).collect();
            let detail: String = detail.chars().take(300).collect();
            tracing::warn!(reason = REASONS[slot].1, count, from, detail, "message refused");
        }
    }

    /// How often so far.
    #[must_use]
    pub fn count(&self, why: Refused) -> u64 {
        self.counts[slot(why)].load(Relaxed)
    }

    /// Every reason and its count.
    #[must_use]
    pub fn all(&self) -> Vec<(&'static str, u64)> {
        REASONS.iter().map(|(why, name)| (*name, self.count(*why))).collect()
    }
}

fn slot(why: Refused) -> usize {
    REASONS.iter().position(|(reason, _)| *reason == why).expect("the array of reasons has every one")
}
