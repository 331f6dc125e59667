//! Sounds the kiosk can make without a file: a voice-like test signal and chimes.

use std::f64::consts::TAU;
use std::sync::LazyLock;

use super::clock::{Running, ticks};
use super::stereo::RATE;

/// The pitch of [`VoiceLike`], hertz.
pub const TEST_PITCH: f64 = 220.0;

/// A test microphone: a pitch with overtones whose loudness rises and falls like syllables, with a
/// pause every few seconds. A function of time alone, so that every run sounds the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct VoiceLike;

/// Speech and pause after it, in samples.
const SPEAKS: u64 = 3 * RATE as u64;
const TURN: u64 = 4 * RATE as u64;

/// A second of it: pitches and syllables are whole numbers a second, so that it follows upon itself. Kept: a quarter of
/// a million sines a second would be no cost of a kiosk.
static SECOND: LazyLock<Vec<i16>> = LazyLock::new(|| {
    let sample = |index: u32| {
        let t = f64::from(index) / f64::from(RATE);
        let syllable = 0.5 - 0.5 * (TAU * 3.0 * t).cos();
        let tone = 0.6 * (TAU * TEST_PITCH * t).sin()
            + 0.25 * (TAU * 2.0 * TEST_PITCH * t).sin()
            + 0.15 * (TAU * 5.0 * TEST_PITCH * t).sin();
        (tone * syllable * 9000.0) as i16
    };
    (0..RATE).map(sample).collect()
});

impl VoiceLike {
    /// Fills a block that begins at `at`.
    pub fn fill(self, at: Running, out: &mut [i16]) {
        let second = SECOND.as_slice();
        for (index, sample) in (ticks(at, RATE)..).zip(out) {
            let speaks = index % TURN < SPEAKS;
            *sample = if speaks { second[(index % u64::from(RATE)) as usize] } else { 0 };
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
