//! A microphone that gives periods with nothing in them: unplugged behind its amplifier, painted over, its capsule
//! dead. No real microphone is silent, so silence is a fault.

use super::clock::{Running, SECOND};

/// Fainter than this (dB of full scale, the mean level left out) is no microphone: noise of one step of 16 bits is -92.
const NOTHING_DBFS: f64 = -95.0;
/// So long without anything, a microphone is deaf.
const DEAF_AFTER: Running = 10 * SECOND;
/// So long with something, it hears again: one click of a bad contact does not heal it.
const HEARS_AFTER: Running = SECOND;

/// What has become of the microphone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It is deaf.
    Deaf,
    /// It hears again.
    Hears,
}

/// Watches the microphone's periods.
#[derive(Debug, Default)]
pub struct Watch {
    deaf: bool,
    /// Since when it is otherwise than `deaf` says.
    otherwise: Option<Running>,
    last: Running,
}

impl Watch {
    /// Takes a period in; tells when the microphone turns.
    pub fn hear(&mut self, at: Running, block: &[i16]) -> Option<Turn> {
        // After a gap nothing is known of what was between.
        if at > self.last + SECOND {
            self.otherwise = None;
        }
        self.last = at;
        if (level(block) < NOTHING_DBFS) == self.deaf {
            // A period with something in it is enough to show that a microphone is not deaf yet.
            self.otherwise = None;
            return None;
        }
        let since = *self.otherwise.get_or_insert(at);
        let long_enough = if self.deaf { HEARS_AFTER } else { DEAF_AFTER };
        if at.saturating_sub(since) < long_enough {
            return None;
        }
        self.otherwise = None;
        self.deaf = !self.deaf;
        Some(if self.deaf { Turn::Deaf } else { Turn::Hears })
    }
}

/// Level of what moves in a block, dB of full scale.
fn level(block: &[i16]) -> f64 {
    let count = block.len().max(1) as f64;
    let mean = block.iter().map(|sample| f64::from(*sample)).sum::<f64>() / count;
    let power = block.iter().map(|sample| (f64::from(*sample) - mean).powi(2)).sum::<f64>() / count;
    10.0 * (power / (32768.0 * 32768.0)).max(1e-12).log10()
}

#[cfg(test)]
mod tests {
    use super::super::clock::MS;
    use super::*;

    /// Feeds so many seconds; gives the turns with their times.
    fn feed(watch: &mut Watch, from: u64, seconds: u64, sample: impl Fn(usize) -> i16) -> Vec<(u64, Turn)> {
        let block: Vec<i16> = (0..480).map(sample).collect();
        let blocks = from * 100..(from + seconds) * 100;
        blocks.filter_map(|n| watch.hear(n * 10 * MS, &block).map(|turn| (n / 100, turn))).collect()
    }

    #[test]
    fn digital_silence_is_deaf_and_hearing_heals_at_once() {
        let mut watch = Watch::default();
        assert_eq!(feed(&mut watch, 0, 30, |n| (n % 7) as i16 - 3), []);
        assert_eq!(feed(&mut watch, 30, 30, |_| 0), [(40, Turn::Deaf)]);
        assert_eq!(feed(&mut watch, 60, 5, |n| (n % 7) as i16 - 3), [(61, Turn::Hears)]);
    }

    #[test]
    fn a_mean_level_alone_is_silence_too_and_one_bit_of_noise_is_not() {
        assert_eq!(feed(&mut Watch::default(), 0, 30, |_| -37), [(10, Turn::Deaf)]);
        assert_eq!(feed(&mut Watch::default(), 0, 30, |n| (n * 7919 % 3) as i16 - 1), []);
    }

    #[test]
    fn one_click_does_not_heal() {
        let mut watch = Watch::default();
        feed(&mut watch, 0, 30, |_| 0);
        assert_eq!(watch.hear(30 * SECOND, &[1000, -1000]), None);
        assert_eq!(feed(&mut watch, 31, 30, |_| 0), []);
    }
}
