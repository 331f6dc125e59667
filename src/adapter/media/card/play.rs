//! What waits between the mixer, which goes by our time line, and the loudspeaker, which goes by its own clock.

use super::PERIOD;
use super::bend::{Bend, Follow};
use crate::adapter::media::clock::{MS, Running, SECOND};
use crate::adapter::media::stereo::RATE;

/// What is to wait on the average between two blocks, samples: one block that is just taken, one that is just brought
/// at the latest, and 4 ms for a thread that is late.
const LEVEL: f64 = 2.0 * PERIOD as f64 + 192.0;
/// A card that takes several periods at a time comes close to the end of what waits, or runs it dry; each time, so
/// much more is to wait.
const RAISE: f64 = PERIOD as f64;
/// So little left behind a period is close to the end (2 ms). It is looked at again when the raise has had its effect,
/// or one slow swing of the loop would raise many times.
const LOW: f64 = 96.0;
const EFFECT: Running = 4 * SECOND;
/// But never more than this (80 ms).
const HIGHEST: f64 = 3840.0;
/// More than this is dropped, samples (160 ms).
const MOST: f64 = 7680.0;

/// The queue.
#[derive(Debug)]
pub struct Play {
    bend: Bend<1>,
    wanted: f64,
    follow: Follow,
    pushed: Running,
    pulled: Running,
    raised: Running,
    flowing: bool,
}

impl Default for Play {
    fn default() -> Self {
        let (bend, follow) = (Bend::default(), Follow::default());
        Self { bend, wanted: LEVEL, follow, pushed: 0, pulled: 0, raised: 0, flowing: false }
    }
}

impl Play {
    /// A block from the mixer.
    pub fn push(&mut self, now: Running, block: &[i16]) {
        self.bend.push([block]);
        self.pushed = now;
        if self.bend.waiting() > MOST {
            self.bend.skip_to(self.wanted as usize);
            self.follow.rejoin();
        }
    }

    /// A period for the loudspeaker: silence while too little is there. Gives how long what waits still waits.
    pub fn pull(&mut self, now: Running, out: &mut [i16; PERIOD]) -> Running {
        let level = self.level(now);
        self.flowing |= level >= self.wanted;
        let passed = now.saturating_sub(self.pulled).min(50 * MS) as f64 / SECOND as f64;
        self.pulled = now;
        let step = self.follow.pace((level - self.wanted) / f64::from(RATE), passed);
        if self.flowing && self.bend.has(PERIOD, step) {
            self.bend.pull(step, [out]);
            if self.bend.waiting() < LOW && now.saturating_sub(self.raised) > EFFECT {
                self.raise(now);
            }
        } else {
            out.fill(0);
            if self.flowing {
                self.raise(now);
            }
            self.flowing = false;
            self.follow.rejoin();
        }
        (self.bend.waiting().max(0.0) * SECOND as f64 / f64::from(RATE)) as Running
    }

    fn raise(&mut self, now: Running) {
        self.wanted = (self.wanted + RAISE).min(HIGHEST);
        self.raised = now;
    }

    /// What waits, without the jumps that whole blocks make: as if the mixer brought sample by sample.
    fn level(&self, now: Running) -> f64 {
        let since = now.saturating_sub(self.pushed).min(20 * MS) as f64 / SECOND as f64;
        self.bend.waiting() + since * f64::from(RATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mixer and card with a drift of 20 ms a minute between them, both jittery: never dry, never full.
    #[test]
    fn two_clocks_make_no_gap() {
        let (mut play, mut next_push, mut next_pull) = (Play::default(), 0.0_f64, 0.0_f64);
        let (mut silent, mut pulls) = (0, 0);
        for n in 0..60_000_u32 {
            let jitter = f64::from(n * 7919 % 1000) * 1000.0 * 2.0;
            if next_push <= next_pull {
                play.push((next_push + jitter) as Running, &[1000; PERIOD]);
                next_push += 10e6;
            } else {
                let mut out = [0; PERIOD];
                let waits = play.pull((next_pull + jitter) as Running, &mut out);
                assert!(waits < 60 * MS, "{waits}");
                pulls += 1;
                if pulls > 100 {
                    silent += out.iter().filter(|sample| **sample < 900).count();
                }
                next_pull += 10e6 / (1.0 + 0.020 / 60.0);
            }
        }
        assert_eq!(silent, 0);
    }

    /// A card that takes three periods every 30 ms: after it ran dry a few times, never again.
    #[test]
    fn a_card_that_takes_by_gulps_is_given_more() {
        let (mut play, mut silent) = (Play::default(), 0);
        for n in 0..3000_u64 {
            play.push(n * 10 * MS, &[1000; PERIOD]);
            if n % 3 == 0 {
                for _ in 0..3 {
                    let mut out = [0; PERIOD];
                    let _ = play.pull(n * 10 * MS + MS, &mut out);
                    silent += usize::from(n > 300 && out.iter().any(|sample| *sample < 900));
                }
            }
        }
        assert_eq!(silent, 0);
    }

    #[test]
    fn a_loudspeaker_that_stops_bounds_the_mixer() {
        let mut play = Play::default();
        (0..1000).for_each(|n| play.push(n * 10 * MS, &[1; PERIOD]));
        assert!(play.bend.waiting() <= MOST + PERIOD as f64);
    }
}
