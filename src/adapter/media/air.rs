//! The air between the simulated loudspeaker and the simulated microphone: what the one plays, the other hears, fainter
//! and a little later. A sound card has its own.

use std::sync::Mutex;
use std::time::Duration;

use super::clock::{Running, nanos};
use super::lock;
use super::stereo::Lane;

/// What the air does to sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AirSettings {
    /// How much fainter it comes, dB.
    pub loss_db: f32,
    /// How much later. Less than some 30 ms comes too late for a microphone's block, and is not heard.
    pub delay: Duration,
}

/// The air.
#[derive(Debug)]
pub struct Air {
    gain: f32,
    delay: Running,
    lane: Mutex<Lane>,
}

impl Air {
    /// Still.
    #[must_use]
    pub fn new(settings: AirSettings) -> Self {
        let gain = 10_f32.powf(-settings.loss_db / 20.0);
        Self { gain, delay: nanos(settings.delay), lane: Mutex::default() }
    }

    /// The loudspeaker plays a block from `at` on.
    pub fn played(&self, at: Running, block: &[i16]) {
        let fainter: Vec<i16> = block.iter().map(|sample| (f32::from(*sample) * self.gain).round() as i16).collect();
        lock(&self.lane).write(at + self.delay, &fainter);
    }

    /// Adds what arrives from `at` on to what the microphone hears.
    pub fn arrive(&self, at: Running, block: &mut [i16]) {
        lock(&self.lane).read(at, block.len(), |index, sample| {
            if let Some(heard) = block.get_mut(index) {
                *heard = heard.saturating_add(sample);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::MS;
    use super::*;

    #[test]
    fn what_is_played_is_heard_fainter_and_later_in_one_piece_whatever_the_threads_jitter() {
        let air = Air::new(AirSettings { loss_db: 20.0, delay: Duration::from_millis(50) });
        let mut heard = Vec::new();
        for n in 0..20_u64 {
            let block: Vec<i16> = (0..480).map(|k| (n * 480 + k + 1) as i16 * 3).collect();
            air.played(n * 10 * MS + n % 3 * MS, &block);
            let mut ears = vec![7; 480];
            air.arrive(n * 10 * MS, &mut ears);
            heard.extend(ears);
        }
        assert!(heard[..2400].iter().all(|sample| *sample == 7), "nothing for 50 ms");
        let wanted = |n: usize| 7 + (f32::from((n + 1) as i16 * 3) * 0.1).round() as i16;
        assert!(heard[2400..].iter().enumerate().all(|(n, sample)| *sample == wanted(n)), "{:?}", &heard[2400..2410]);
    }

    #[test]
    fn a_deaf_ear_bounds_the_air() {
        let air = Air::new(AirSettings { loss_db: 0.0, delay: Duration::from_millis(50) });
        (0..1000).for_each(|n| air.played(n * 10 * MS, &[1; 480]));
        let mut ears = [0; 480];
        air.arrive(9_990 * MS, &mut ears);
        assert_eq!(ears, [1; 480]);
    }
}
