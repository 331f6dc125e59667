//! The centre's clock, learned from its echoes. Pure: times come from outside, microseconds.
//!
//! It is kept against the board's clock that only runs forward. The wall clock may be set at any moment (a board
//! without a battery wakes in another year, and the time service sets it when the network comes): an officer's order
//! must not look stale for it.

use std::collections::VecDeque;

/// Echoes it is taken from: the one with the shortest round trip counts.
const ECHOES: usize = 8;
/// A longer round trip, or a negative one, means that the wall clock was set in between.
const LONGEST_US: i64 = 10_000_000;

/// The board's two clocks at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Since 1970 UTC.
    pub wall_us: i64,
    /// On a clock that never runs back.
    pub mono_us: i64,
}

/// The centre's clock.
#[derive(Debug, Default)]
pub struct CentreClock {
    /// (round trip, centre's wall clock minus the board's monotonic one), newest last.
    samples: VecDeque<(i64, i64)>,
}

impl CentreClock {
    /// An echo has come of what was sent at `sent_wall_us`, received by the centre at `received_wall_us`. True if it
    /// is worth anything.
    pub fn echoed(&mut self, sent_wall_us: i64, received_wall_us: i64, now: Now) -> bool {
        let round_trip = now.wall_us.saturating_sub(sent_wall_us);
        if !(0..=LONGEST_US).contains(&round_trip) {
            return false;
        }
        let received_mono_us = now.mono_us - round_trip / 2;
        self.samples.push_back((round_trip, received_wall_us.saturating_sub(received_mono_us)));
        if self.samples.len() > ECHOES {
            self.samples.pop_front();
        }
        true
    }

    /// The centre's wall clock minus the board's; none before the first echo.
    pub fn offset_us(&self, now: Now) -> Option<i64> {
        let (_, offset) = self.samples.iter().min()?;
        Some(offset.saturating_add(now.mono_us).saturating_sub(now.wall_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;
    /// The centre's wall clock at the board's start.
    const START: i64 = 1_800_000_000 * S;

    fn now(wall_us: i64, mono_us: i64) -> Now {
        Now { wall_us, mono_us }
    }

    #[test]
    fn the_shortest_round_trip_counts() {
        let mut clock = CentreClock::default();
        assert_eq!(clock.offset_us(now(START, 0)), None);
        // Half a second ahead of the centre; the way back took longer than the way there.
        assert!(clock.echoed(START + S / 2, START + S / 10, now(START + S * 3 / 2, S)));
        assert_eq!(clock.offset_us(now(START + S * 3 / 2, S)), Some(-9 * S / 10));
        assert!(clock.echoed(
            START + S * 5 / 2,
            START + S * 2 + 5_000,
            now(START + S * 5 / 2 + 10_000, 2 * S + 10_000)
        ));
        assert_eq!(clock.offset_us(now(START + S * 7 / 2, 3 * S)), Some(-S / 2));
    }

    #[test]
    fn a_clock_that_is_set_is_known_at_once_and_the_centres_stays_what_it_was() {
        let mut clock = CentreClock::default();
        // Woken in 1970.
        assert!(clock.echoed(10 * S, START + 10 * S, now(10 * S, 10 * S)));
        assert_eq!(clock.offset_us(now(11 * S, 11 * S)), Some(START));
        // The time service sets it.
        assert_eq!(clock.offset_us(now(START + 12 * S, 12 * S)), Some(0));
        // What was under way meanwhile tells nothing, and spoils nothing.
        assert!(!clock.echoed(11 * S, START + 12 * S, now(START + 12 * S, 12 * S)));
        assert!(!clock.echoed(START + 13 * S, START + 13 * S, now(14 * S, 14 * S)));
        assert_eq!(clock.offset_us(now(START + 14 * S, 14 * S)), Some(0));
    }
}
