//! How long something took, the newest times: so that a kiosk knows its own figures and does not only promise them.

use std::collections::VecDeque;
use std::time::Duration;

use crate::control::LatencyView;

/// Times kept.
const KEPT: usize = 100;
/// Times shown one by one.
const SHOWN: usize = 10;

/// The newest times.
#[derive(Debug, Clone, Default)]
pub struct Latencies {
    times: VecDeque<Duration>,
    count: u64,
}

impl Latencies {
    /// Adds one; the oldest makes room.
    pub fn push(&mut self, time: Duration) {
        if self.times.len() == KEPT {
            self.times.pop_front();
        }
        self.times.push_back(time);
        self.count += 1;
    }

    /// The figures, milliseconds; none before the first.
    #[must_use]
    pub fn view(&self) -> Option<LatencyView> {
        let mut sorted: Vec<f64> = self.times.iter().map(|time| ms(*time)).collect();
        sorted.sort_by(f64::total_cmp);
        // Nearest rank: the smallest value that 95 of 100 do not exceed.
        let rank = (sorted.len() * 95).div_ceil(100).checked_sub(1)?;
        Some(LatencyView {
            count: self.count,
            newest: self.times.iter().rev().take(SHOWN).map(|time| ms(*time)).collect(),
            median: sorted[(sorted.len() - 1) / 2],
            p95: sorted[rank],
        })
    }
}

/// Milliseconds, to the microsecond.
fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_newest_hundred() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.view(), None);
        latencies.push(Duration::from_micros(3_250));
        assert_eq!(latencies.view().map(|v| (v.count, v.median, v.p95)), Some((1, 3.25, 3.25)));
        latencies.push(Duration::from_secs(9));
        (1..=100).for_each(|ms| latencies.push(Duration::from_millis(ms)));
        let view = latencies.view().expect("there are some");
        assert_eq!((view.count, view.median, view.p95), (102, 50.0, 95.0), "the two oldest have made room");
        assert_eq!((view.newest.len(), view.newest[0]), (10, 100.0));
    }
}
