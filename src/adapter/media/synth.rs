//! Sounds the kiosk can make without a file: a voice-like test signal and chimes.

use std::f64::consts::TAU;

use super::clock::Running;
use super::stereo::RATE;

/// The pitch of [`VoiceLike`], hertz.
pub const TEST_PITCH: f64 = 220.0;

/// A test microphone: a pitch with overtones whose loudness rises and falls like syllables, with a
/// pause every few seconds. A function of time alone, so that every run sounds the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct VoiceLike;

impl VoiceLike {
    /// Fills a block that begins at `at`.
    pub fn fill(self, at: Running, out: &mut [i16]) {
        let begin = at as f64 / 1e9;
        for (index, sample) in out.iter_mut().enumerate() {
            let t = begin + index as f64 / f64::from(RATE);
            let syllable = 0.5 - 0.5 * (TAU * 3.0 * t).cos();
            let speaks = if t % 4.0 < 3.0 { 1.0 } else { 0.0 };
            let tone = 0.6 * (TAU * TEST_PITCH * t).sin()
                + 0.25 * (TAU * 2.0 * TEST_PITCH * t).sin()
                + 0.15 * (TAU * 5.0 * TEST_PITCH * t).sin();
            *sample = (tone * syllable * speaks * 9000.0) as i16;
        }
    }
}

/// Notes of 0.18 s, each struck and fading.
#[must_use]
pub fn chime(notes: &[f64]) -> Vec<i16> {
    const NOTE: usize = RATE as usize * 18 / 100;
    let mut clip = Vec::with_capacity(notes.len() * NOTE);
    for note in notes {
        clip.extend((0..NOTE).map(|index| {
            let t = index as f64 / f64::from(RATE);
            let attack = (t / 0.005).min(1.0);
            let release = ((0.18 - t) / 0.01).clamp(0.0, 1.0);
            ((TAU * note * t).sin() * attack * release * (-t * 12.0).exp() * 10_000.0) as i16
        }));
    }
    clip
}
