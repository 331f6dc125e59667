//! What the pipeline measures of itself: how long a frame takes through the encoder, how long the
//! officer's voice takes to the loudspeaker.

use std::sync::Mutex;
use std::time::Duration;

use super::lock;

/// Values kept.
const KEPT: usize = 512;

/// The newest values of one latency.
#[derive(Debug, Default)]
pub struct Latency(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    micros: Vec<u32>,
    next: usize,
    total: u64,
}

/// A summary of the newest values, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Summary {
    /// Median.
    pub median: f64,
    /// 95th percentile.
    pub p95: f64,
    /// Largest.
    pub max: f64,
    /// Values taken since the start (the summary covers the newest 512).
    pub n: u64,
}

impl Latency {
    /// Takes a value in.
    pub fn add(&self, span: Duration) {
        let micros = u32::try_from(span.as_micros()).unwrap_or(u32::MAX);
        let mut kept = lock(&self.0);
        let next = kept.next;
        if kept.micros.len() < KEPT {
            kept.micros.push(micros);
        } else {
            kept.micros[next] = micros;
        }
        kept.next = (next + 1) % KEPT;
        kept.total += 1;
    }

    /// The newest values, summed up.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let kept = lock(&self.0);
        let mut sorted = kept.micros.clone();
        sorted.sort_unstable();
        let at = |share: usize| {
            let index = (sorted.len() * share / 100).min(sorted.len().saturating_sub(1));
            sorted.get(index).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
        };
        Summary { median: at(50), p95: at(95), max: at(100), n: kept.total }
    }
}
