//! The two voices laid side by side on the time line: the person on the left, the officer on the right.
//! Whatever is missing (no microphone, nobody speaking) is silence; neither side waits for the other.

use std::collections::VecDeque;

use super::clock::{Running, ticks};

/// Samples per second.
pub const RATE: u32 = 48_000;
/// Blocks that begin within this many samples of the last one's end follow it without a seam (20 ms).
const SEAM: u64 = 960;
/// Samples a side may be ahead of the reader (2 s).
const MOST: usize = 96_000;

/// Which side of the recording's sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Left: the person at the kiosk.
    Person,
    /// Right: the officer.
    Officer,
}

/// Both sides.
#[derive(Debug, Default)]
pub struct Stereo {
    person: Lane,
    officer: Lane,
}

impl Stereo {
    /// Lays a block down at the time its first sample sounded.
    pub fn write(&mut self, side: Side, at: Running, samples: &[i16]) {
        let lane = match side {
            Side::Person => &mut self.person,
            Side::Officer => &mut self.officer,
        };
        lane.write(at, samples);
    }

    /// Takes the time from `at` on out, interleaved into `out`. Anything earlier is forgotten.
    pub fn read(&mut self, at: Running, out: &mut [i16]) {
        out.fill(0);
        for (channel, lane) in [&mut self.person, &mut self.officer].into_iter().enumerate() {
            lane.read(at, out.len() / 2, |index, sample| out[index * 2 + channel] = sample);
        }
    }
}

/// One voice: samples from `start` on without a hole.
#[derive(Debug, Default)]
pub struct Lane {
    start: u64,
    samples: VecDeque<i16>,
}

impl Lane {
    fn end(&self) -> u64 {
        self.start + self.samples.len() as u64
    }

    /// Lays a block down at the time its first sample sounded.
    pub fn write(&mut self, at: Running, samples: &[i16]) {
        let at = ticks(at, RATE);
        if self.samples.is_empty() {
            // Right behind what was just read, a block of a running stream still follows seamlessly.
            let follows = at.abs_diff(self.start) <= SEAM && self.start != 0;
            self.start = if follows { self.start.max(at) } else { at };
        }
        let mut samples = samples;
        let end = self.end();
        if at > end + MOST as u64 {
            self.samples.clear();
            self.start = at;
        } else if at > end + SEAM {
            let hole = usize::try_from(at - end).unwrap_or(0);
            self.samples.extend(std::iter::repeat_n(0, hole));
        } else if at + SEAM < end {
            let overlap = usize::try_from(end - at).unwrap_or(usize::MAX).min(samples.len());
            samples = &samples[overlap..];
        }
        self.samples.extend(samples);
        while self.samples.len() > MOST {
            self.samples.pop_front();
            self.start += 1;
        }
    }

    /// Whether nothing louder than `most` is there in a span of time that begins at `at`.
    #[must_use]
    pub fn is_quiet(&self, at: Running, span: Running, most: i16) -> bool {
        let skip = usize::try_from(ticks(at, RATE).saturating_sub(self.start)).unwrap_or(usize::MAX);
        let count = usize::try_from(ticks(span, RATE)).unwrap_or(usize::MAX);
        let loud = |sample: &i16| sample.unsigned_abs() > most.unsigned_abs();
        !self.samples.iter().skip(skip).take(count).any(loud)
    }

    /// Takes so many samples from `at` on out, and gives those that are there, each with its place. Anything earlier is
    /// forgotten.
    pub fn read(&mut self, at: Running, count: usize, mut put: impl FnMut(usize, i16)) {
        let from = ticks(at, RATE);
        let old = from.saturating_sub(self.start).min(self.samples.len() as u64);
        self.samples.drain(..usize::try_from(old).unwrap_or(0));
        self.start += old;
        let skip = usize::try_from(self.start.saturating_sub(from)).unwrap_or(usize::MAX);
        let taken = count.saturating_sub(skip).min(self.samples.len());
        for (index, sample) in self.samples.drain(..taken).enumerate() {
            put(skip + index, sample);
        }
        self.start += taken as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::media::clock::MS;

    #[test]
    fn each_side_is_at_its_time_and_silence_is_elsewhere() {
        let mut stereo = Stereo::default();
        stereo.write(Side::Person, 1000 * MS, &[1; 960]);
        stereo.write(Side::Officer, 1010 * MS, &[2; 480]);
        let mut out = [9; 1920];
        stereo.read(1000 * MS, &mut out);
        assert!(out.chunks(2).all(|pair| pair[0] == 1));
        assert!(out[..960].chunks(2).all(|pair| pair[1] == 0));
        assert!(out[960..].chunks(2).all(|pair| pair[1] == 2));
        stereo.read(1020 * MS, &mut out);
        assert!(out.iter().all(|sample| *sample == 0));
    }

    #[test]
    fn jitter_makes_no_seam_and_an_old_block_is_forgotten() {
        let mut stereo = Stereo::default();
        for n in 0..10u64 {
            let jitter = (n % 3) * MS;
            stereo.write(Side::Person, (1000 + n * 10) * MS + jitter, &[1; 480]);
        }
        let mut out = [0; 9600];
        stereo.read(1000 * MS, &mut out);
        assert_eq!(out.chunks(2).filter(|pair| pair[0] == 1).count(), 4800);
        stereo.write(Side::Person, 500 * MS, &[7; 480]);
        stereo.read(1100 * MS, &mut out);
        assert!(out.iter().all(|sample| *sample != 7));
    }

    #[test]
    fn a_reader_that_stops_bounds_the_writer() {
        let mut stereo = Stereo::default();
        (0..1000u64).for_each(|n| stereo.write(Side::Person, n * 10 * MS, &[1; 480]));
        assert!(stereo.person.samples.len() <= MOST);
    }
}
