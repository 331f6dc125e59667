//! How loud the kiosk speaks: at full level where it is loud around it, fainter where it is quiet, by the noise that
//! was heard in the seconds before. What plays is never made louder than it came, so nothing is clipped.

use std::collections::VecDeque;

use super::card::PERIOD;

/// How the loudspeaker follows the noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoudnessSettings {
    /// Noise (RMS, dB of full scale, as the microphone hears it) at which everything is played at full level.
    pub loud_dbfs: f64,
    /// The most that is taken away where it is quiet, dB; 0: always full level.
    pub most_cut_db: f64,
}

impl Default for LoudnessSettings {
    fn default() -> Self {
        Self { loud_dbfs: -45.0, most_cut_db: 12.0 }
    }
}

/// Periods of noise that are remembered: 10 s.
const REMEMBERED: usize = 1000;
/// Fewer than this say nothing: half a second.
const ENOUGH: usize = 50;
/// After the loudspeaker's last sound, its echo is not taken for noise: 1 s.
const RINGS: usize = 100;
/// After so long without a sound from the loudspeaker, the next is a new call's: 5 s.
const CALL_OVER: usize = 500;
/// Louder than this is played at all: anything above the last bit.
const AUDIBLE: i16 = 2;

/// Follows the noise.
#[derive(Debug)]
pub struct Loudness {
    settings: LoudnessSettings,
    /// Power of the last periods without the loudspeaker.
    noise: VecDeque<f64>,
    /// Periods since the noise was last told.
    heard: usize,
    /// Periods since the loudspeaker made a sound.
    silent: usize,
    gain: f32,
}

impl Loudness {
    /// At full level until something is known.
    #[must_use]
    pub fn new(settings: LoudnessSettings) -> Self {
        Self { settings, noise: VecDeque::with_capacity(REMEMBERED), heard: 0, silent: CALL_OVER, gain: 1.0 }
    }

    /// A period from the microphone. Twice a second true: the noise is known anew.
    pub fn hear(&mut self, block: &[i16; PERIOD]) -> bool {
        if self.silent < RINGS {
            return false;
        }
        let power = block.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / PERIOD as f64;
        if self.noise.len() == REMEMBERED {
            self.noise.pop_front();
        }
        self.noise.push_back(power / (32768.0 * 32768.0));
        self.heard = (self.heard + 1) % ENOUGH;
        self.heard == 0
    }

    /// A period for the loudspeaker, brought to its level. The level is chosen at the first sound after a silence
    /// and stands while the call lasts: a voice that changes its loudness is taken for fright.
    pub fn play(&mut self, block: &mut [i16; PERIOD]) {
        if block.iter().all(|sample| sample.unsigned_abs() < AUDIBLE.unsigned_abs()) {
            self.silent = self.silent.saturating_add(1);
        } else {
            if self.silent >= CALL_OVER {
                self.gain = self.choose();
            }
            self.silent = 0;
        }
        if self.gain < 1.0 {
            for sample in block {
                *sample = (f32::from(*sample) * self.gain) as i16;
            }
        }
    }

    /// Noise of the last seconds, dB of full scale: the median, which a shout or a passing car does not move.
    #[must_use]
    pub fn noise_dbfs(&self) -> Option<f64> {
        if self.noise.len() < ENOUGH {
            return None;
        }
        let mut sorted: Vec<f64> = self.noise.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        Some(10.0 * sorted[sorted.len() / 2].max(1e-10).log10())
    }

    fn choose(&self) -> f32 {
        let Some(noise) = self.noise_dbfs() else { return 1.0 };
        let cut = (self.settings.loud_dbfs - noise).clamp(0.0, self.settings.most_cut_db);
        10_f64.powf(-cut / 20.0) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(amplitude: i16) -> [i16; PERIOD] {
        std::array::from_fn(|n| if n % 2 == 0 { amplitude } else { -amplitude })
    }

    /// What comes out at the first sound after ten seconds of noise.
    fn level_after(amplitude: i16) -> i16 {
        let mut loudness = Loudness::new(LoudnessSettings::default());
        for _ in 0..REMEMBERED {
            loudness.play(&mut [0; PERIOD]);
            loudness.hear(&noise(amplitude));
        }
        let mut block = [10_000; PERIOD];
        loudness.play(&mut block);
        block[0]
    }

    #[test]
    fn the_louder_the_street_the_louder_the_kiosk_within_bounds() {
        // -45 dB of full scale is an amplitude of 184.
        assert_eq!(level_after(2000), 10_000);
        assert_eq!(level_after(190), 10_000);
        let between = level_after(92);
        assert!((4900..5100).contains(&between), "6 dB less noise, 6 dB less sound: {between}");
        let quiet = level_after(3);
        assert!((2500..2530).contains(&quiet), "at most 12 dB less: {quiet}");
    }

    #[test]
    fn a_call_keeps_its_level_and_its_own_echo_is_no_noise() {
        let mut loudness = Loudness::new(LoudnessSettings::default());
        for _ in 0..REMEMBERED {
            loudness.hear(&noise(3));
        }
        for _ in 0..2000 {
            let mut block = [10_000; PERIOD];
            loudness.play(&mut block);
            loudness.hear(&noise(8000));
            assert!((2500..2530).contains(&block[0]), "{}", block[0]);
        }
        assert!(loudness.noise_dbfs().is_some_and(|noise| noise < -75.0));
    }

    #[test]
    fn without_a_microphone_the_level_is_full() {
        let mut block = [10_000; PERIOD];
        Loudness::new(LoudnessSettings::default()).play(&mut block);
        assert_eq!(block[0], 10_000);
    }
}
