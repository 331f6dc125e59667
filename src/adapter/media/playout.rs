//! When the officer's voice is played: as soon as can be, and later only while its way is slow.
//!
//! Each decoded block has the time that the jitter buffer gave it, and is there some milliseconds after that. It is
//! played a fixed delay after its time. A block that would come too late for that makes the delay longer at once: the
//! voice goes on after a short hole. Without this whatever comes late is thrown away: on a busy machine the officer was
//! silent for two seconds at the loudspeaker, and in the recording was not. The delay becomes shorter again when nothing has needed it for a while, in a pause of speech.

use std::collections::VecDeque;

use super::clock::{MS, Running, SECOND};
use super::stereo::Lane;

/// The shortest delay: two blocks, and what a thread may be late.
const BASE: Running = 30 * MS;
/// Before the loudspeaker's clock comes around for a block, up to this long passes.
const TURN: Running = 10 * MS;
/// What is later than this is not played.
const MOST: Running = 1500 * MS;
/// A silence of the sender this long begins anew: what the way was like before does not matter.
const NEWS: Running = SECOND;
/// A delay that was not needed for so long is given back in the next pause of speech.
const PATIENCE: Running = 10 * SECOND;
/// A delay that is far too long is given back at once, when no block of this time needed it: after a way that stood
/// still everything comes in a burst, and only its end is worth hearing.
const BURST: Running = 200 * MS;
/// Far too long.
const GROSS: Running = 150 * MS;
/// Quieter than this, about -40 dB below full scale, is a pause of speech.
const QUIET: i16 = 328;

/// The voice on its way to the loudspeaker.
#[derive(Debug)]
pub struct Playout {
    lane: Lane,
    delay: Running,
    newest: Running,
    lately: Latest,
    just_now: Latest,
}

impl Default for Playout {
    fn default() -> Self {
        let (lately, just_now) = (Latest::over(PATIENCE), Latest::over(BURST));
        Self { lane: Lane::default(), delay: BASE, newest: 0, lately, just_now }
    }
}

impl Playout {
    /// A block of the time `at` is there `now`.
    pub fn write(&mut self, at: Running, now: Running, block: &[i16]) {
        if now.saturating_sub(self.newest) > NEWS {
            self.delay = BASE;
            self.lately.forget();
            self.just_now.forget();
        }
        self.newest = now;
        let needed = now.saturating_sub(at).saturating_add(TURN);
        if needed <= MOST {
            self.lately.add(now, needed);
            self.just_now.add(now, needed);
            self.delay = self.delay.max(needed);
        }
        self.lane.write(at, block);
    }

    /// Gives the `count` samples that are played at `at`, each with its place.
    pub fn read(&mut self, at: Running, count: usize, put: impl FnMut(usize, i16)) {
        let wanted = self.lately.most(at).max(BASE);
        let burst_over = self.just_now.most(at).max(BASE);
        if self.delay > burst_over + GROSS {
            self.delay = burst_over;
        } else if self.delay >= wanted + TURN && self.lane.is_quiet(at.saturating_sub(self.delay), TURN, QUIET) {
            self.delay -= TURN;
        }
        self.lane.read(at.saturating_sub(self.delay), count, put);
    }

    /// How long after its own time a sample is played now.
    #[must_use]
    pub fn delay(&self) -> Running {
        self.delay
    }
}

/// The largest value of the last while.
#[derive(Debug)]
struct Latest {
    span: Running,
    /// Oldest first; each is larger than all that came after it.
    values: VecDeque<(Running, Running)>,
}

impl Latest {
    fn over(span: Running) -> Self {
        Self { span, values: VecDeque::new() }
    }

    fn forget(&mut self) {
        self.values.clear();
    }

    fn add(&mut self, now: Running, value: Running) {
        while self.values.back().is_some_and(|(_, last)| *last <= value) {
            self.values.pop_back();
        }
        self.values.push_back((now, value));
    }

    fn most(&mut self, now: Running) -> Running {
        while self.values.front().is_some_and(|(at, _)| at + self.span < now) {
            self.values.pop_front();
        }
        self.values.front().map_or(0, |(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: usize = 480;

    /// A minute's talk at most: blocks of 10 ms, the n-th of time n, each `late(n)` ms after its time; all that is
    /// played, in order: which block, and how long after its time in ms.
    fn talk(blocks: u64, late: impl Fn(u64) -> u64, quiet: impl Fn(u64) -> bool) -> Vec<(u64, u64)> {
        let start = 5 * SECOND;
        let mut playout = Playout::default();
        let mut waiting: VecDeque<u64> = (0..blocks).collect();
        let mut played = vec![];
        for tick in 0..blocks + 200 {
            let now = start + tick * 10 * MS;
            while let Some(n) = waiting.front().copied().filter(|n| start + (n * 10 + late(*n)) * MS <= now) {
                waiting.pop_front();
                // A later block never overtakes.
                let sample = if quiet(n) { 1 } else { i16::try_from(n).expect("a minute") + 400 };
                playout.write(start + n * 10 * MS, now, &[sample; BLOCK]);
            }
            let mut block = [0; BLOCK];
            playout.read(now, BLOCK, |index, sample| block[index] = sample);
            if let Some(n) = u64::try_from(block[BLOCK / 2]).ok().and_then(|sample| sample.checked_sub(400)) {
                played.push((n, tick * 10 - n * 10));
            }
        }
        played
    }

    fn numbers(played: &[(u64, u64)]) -> Vec<u64> {
        played.iter().map(|(n, _)| *n).collect()
    }

    #[test]
    fn a_way_that_is_fast_is_played_after_the_shortest_delay() {
        let played = talk(100, |n| n % 3 * 8, |_| false);
        assert_eq!(numbers(&played), (0..100).collect::<Vec<_>>());
        assert!(played.iter().all(|(_, after)| *after == 30), "{played:?}");
    }

    #[test]
    fn a_way_that_becomes_slower_costs_a_hole_and_no_word() {
        let played = talk(400, |n| if n < 100 { 0 } else { 90 }, |_| false);
        assert_eq!(numbers(&played), (0..400).collect::<Vec<_>>());
        assert_eq!(played[99].1, 30);
        assert_eq!(played[100].1, 100);
    }

    #[test]
    fn what_is_not_needed_any_more_is_given_back_in_a_pause() {
        let slow = |n| if (100..120).contains(&n) { 90 } else { 0 };
        let without_pause = talk(2000, slow, |_| false);
        assert_eq!(without_pause.last(), Some(&(1999, 100)), "no word is cut");
        let with_pause = talk(2000, slow, |n| (1500..1600).contains(&n));
        assert_eq!(with_pause.last(), Some(&(1999, 30)));
        let spoken: Vec<_> = (0..1500).chain(1600..2000).collect();
        assert_eq!(numbers(&with_pause), spoken);
    }

    #[test]
    fn after_a_standstill_only_the_end_of_the_burst_is_played() {
        // A second is held up and comes at once.
        let played = talk(500, |n| if (100..200).contains(&n) { (200 - n) * 10 } else { 0 }, |_| false);
        let late: Vec<_> = played.iter().filter(|(n, after)| *n > 220 && *after > 60).collect();
        assert!(late.is_empty(), "{late:?}");
        assert!(played.iter().any(|(n, _)| *n == 220) && played.last().is_some_and(|(n, _)| *n == 499), "{played:?}");
    }

    #[test]
    fn after_a_silence_of_the_sender_the_way_is_judged_anew() {
        let mut playout = Playout::default();
        playout.write(SECOND, SECOND + 200 * MS, &[500; BLOCK]);
        assert_eq!(playout.delay(), 210 * MS);
        playout.write(4 * SECOND, 4 * SECOND, &[500; BLOCK]);
        assert_eq!(playout.delay(), BASE);
        playout.write(4 * SECOND, 9 * SECOND, &[500; BLOCK]);
        assert_eq!(playout.delay(), BASE, "nobody waits for what is that late");
    }
}
