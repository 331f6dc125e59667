//! One outgoing stream without a seam over changing sources.

use std::time::{Duration, Instant};

use super::Medium;

/// Moves sequence numbers and timestamps of one source after another onto one outgoing line.
///
/// Gaps and reordering inside a source are kept (the receiver's NACKs depend on them); between two
/// sources the sequence goes on by one and the timestamp by the time that has passed.
#[derive(Debug)]
pub struct Rebase {
    medium: Medium,
    next: u64,
    last: Option<(u32, Instant)>,
    source: Option<Source>,
}

#[derive(Debug, Clone, Copy)]
struct Source {
    first_in: u64,
    first_out: u64,
    timestamp_shift: u32,
}

impl Rebase {
    /// A line that starts at `sequence`.
    #[must_use]
    pub fn new(medium: Medium, sequence: u64) -> Self {
        Self { medium, next: sequence, last: None, source: None }
    }

    /// The next packet comes from another source, or from the same after a pause.
    pub fn cut(&mut self) {
        self.source = None;
    }

    /// Outgoing sequence and timestamp of an incoming packet; `None` for one older than its source's first.
    pub fn place(&mut self, sequence: u64, timestamp: u32, now: Instant) -> Option<(u64, u32)> {
        let source = *self.source.get_or_insert_with(|| {
            let at = match self.last {
                None => timestamp,
                Some((last, when)) => last.wrapping_add(ticks(self.medium, now.saturating_duration_since(when))),
            };
            Source { first_in: sequence, first_out: self.next, timestamp_shift: at.wrapping_sub(timestamp) }
        });
        let out = source.first_out + sequence.checked_sub(source.first_in)?;
        let at = timestamp.wrapping_add(source.timestamp_shift);
        if out >= self.next {
            self.next = out + 1;
            self.last = Some((at, now));
        }
        Some((out, at))
    }
}

/// Time in the medium's clock, at least one tick.
fn ticks(medium: Medium, passed: Duration) -> u32 {
    let ticks = passed.as_micros() * u128::from(medium.clock()) / 1_000_000;
    // The line wraps as RTP timestamps do.
    u32::try_from(ticks & u128::from(u32::MAX)).expect("masked to 32 bits").max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_a_source_gaps_and_order_are_kept() {
        let mut line = Rebase::new(Medium::Picture, 10);
        let now = Instant::now();
        assert_eq!(line.place(500, 9_000, now), Some((10, 9_000)));
        assert_eq!(line.place(503, 12_000, now), Some((13, 12_000)));
        assert_eq!(line.place(501, 9_000, now), Some((11, 9_000)), "late, but in its place");
        assert_eq!(line.place(504, 12_000, now), Some((14, 12_000)));
    }

    #[test]
    fn another_source_follows_on() {
        let mut line = Rebase::new(Medium::Sound, 1);
        let start = Instant::now();
        assert_eq!(line.place(7, 48_000, start), Some((1, 48_000)));
        line.cut();
        let later = start + Duration::from_millis(20);
        assert_eq!(line.place(90_000, 5, later), Some((2, 48_960)));
        assert_eq!(line.place(90_001, 965, later), Some((3, 49_920)));
        assert_eq!(line.place(89_999, 0, later), None, "from before the cut");
    }
}
