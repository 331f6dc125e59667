//! What the link knows of time: when its loop turned, when the centre echoed, how far the two wall clocks are apart.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::wire::down::Echo;

/// Echoes the clock offset is taken from: the one with the shortest round trip counts.
const OFFSETS: usize = 8;
/// No echo comes that late, microseconds.
const LONGEST_ROUND_TRIP_US: i64 = 10_000_000;
/// The wall clock was set when it ran this much farther, or less far, than the monotonic one, microseconds. Slewing
/// moves it by half a millisecond a second.
const STEP_US: i64 = 100_000;

#[derive(Default)]
pub(super) struct Clock {
    /// When the reader's loop last turned.
    turned: Option<Instant>,
    echoed: Option<Instant>,
    /// (round trip, offset), microseconds, newest last.
    samples: VecDeque<(i64, i64)>,
    /// Both clocks when they were last compared.
    compared: Option<(i64, Instant)>,
    /// The wall clock just after it was last set.
    set_wall_us: i64,
}

impl Clock {
    /// The reader's loop turns.
    pub fn turns(&mut self, wall_us: i64, now: Instant) {
        self.compare(wall_us, now);
        self.turned = Some(now);
    }

    /// The centre has echoed.
    pub fn echoed(&mut self, echo: &Echo, wall_us: i64, now: Instant) {
        self.compare(wall_us, now);
        let round_trip = wall_us - echo.kiosk_wall_us;
        if echo.kiosk_wall_us < self.set_wall_us || !(0..=LONGEST_ROUND_TRIP_US).contains(&round_trip) {
            // The wall clock was set in between.
            return;
        }
        self.echoed = Some(now);
        self.samples.push_back((round_trip, echo.received_wall_us - (echo.kiosk_wall_us + round_trip / 2)));
        if self.samples.len() > OFFSETS {
            self.samples.pop_front();
        }
    }

    /// Centre's wall clock minus ours, microseconds.
    pub fn offset_us(&self) -> Option<i64> {
        self.samples.iter().min().map(|&(_, offset)| offset)
    }

    /// The centre's wall clock, as far as it is known.
    pub fn centre_wall_us(&mut self, wall_us: i64, now: Instant) -> i64 {
        self.compare(wall_us, now);
        wall_us + self.offset_us().unwrap_or(0)
    }

    /// Since the loop last turned.
    pub fn turn_age(&self) -> Option<Duration> {
        self.turned.map(|at| at.elapsed())
    }

    /// Since the centre last echoed.
    pub fn echo_age(&self) -> Option<Duration> {
        self.echoed.map(|at| at.elapsed())
    }

    /// An offset from a wall clock that was set since is wrong by the whole step: every order would be refused as
    /// stale until the last of those samples has gone.
    fn compare(&mut self, wall_us: i64, now: Instant) {
        let Some((wall, at)) = self.compared.replace((wall_us, now)) else { return };
        let elapsed = i64::try_from(now.saturating_duration_since(at).as_micros()).unwrap_or(i64::MAX);
        if (wall_us - wall).saturating_sub(elapsed).abs() > STEP_US {
            self.samples.clear();
            self.set_wall_us = wall_us;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The centre answers at once; its clock is 5 s ahead of ours as ours was at first.
    fn echo(kiosk_wall_us: i64, centre_wall_us: i64) -> Echo {
        Echo { nonce: 1, kiosk_wall_us, received_wall_us: centre_wall_us }
    }

    #[test]
    fn an_order_after_a_step_of_the_wall_clock_is_judged_by_the_new_clock() {
        let (mut clock, start) = (Clock::default(), Instant::now());
        let at = |seconds: i64| start + Duration::from_secs(seconds.unsigned_abs());
        let second = 1_000_000;
        for n in 0..8 {
            clock.turns(n * second, at(n));
            clock.echoed(&echo(n * second, (n + 3600) * second), n * second, at(n));
        }
        assert_eq!(clock.offset_us(), Some(3600 * second), "an hour behind");
        assert_eq!(clock.centre_wall_us(8 * second + 90_000, at(8)), 3608 * second + 90_000, "slewing is no step");

        // Set right: an hour ahead at once.
        assert_eq!(clock.centre_wall_us(3609 * second, at(9)), 3609 * second);
        assert_eq!(clock.offset_us(), None);
        // What left before and comes back after says nothing.
        clock.echoed(&echo(8 * second, 3609 * second), 3609 * second, at(9));
        clock.echoed(&echo(3608 * second, 3609 * second), 3609 * second, at(9));
        assert_eq!(clock.offset_us(), None);
        clock.echoed(&echo(3610 * second, 3610 * second), 3610 * second, at(10));
        assert_eq!(clock.offset_us(), Some(0));
    }

    #[test]
    fn the_shortest_round_trip_counts() {
        let (mut clock, start) = (Clock::default(), Instant::now());
        clock.echoed(&echo(0, 90_000), 100_000, start);
        clock.echoed(&echo(100_000, 100_500), 101_000, start + Duration::from_millis(1));
        assert_eq!(clock.offset_us(), Some(0));
        clock.echoed(&echo(0, 0), 20_000_000, start + Duration::from_millis(19_900));
        assert_eq!(clock.offset_us(), Some(0), "no echo comes that late");
    }
}
