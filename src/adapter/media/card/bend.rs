//! Two clocks made one: a card's crystal and our time line differ by some parts in a million, which is a click
//! every few minutes or a delay that grows for ever. So sound is bent, too slightly to be heard: [`Follow`] says by
//! how much, [`Bend`] does it. It also brings a card of another rate to ours and back.

use std::f64::consts::PI;
use std::sync::{Arc, LazyLock};

/// Samples either side of the one that is made, in the whole band.
const HALF: usize = 16;
/// Places between two samples for which the filter is worked out; between them it is interpolated.
const PLACES: usize = 128;

/// Kaiser-windowed sinc.
#[derive(Debug)]
struct Filter {
    /// Samples either side of the one that is made.
    half: usize,
    /// One row for each place between two samples.
    rows: Vec<Vec<f32>>,
}

/// Nothing is held back: in and out are as good as the same rate.
static WHOLE: LazyLock<Arc<Filter>> = LazyLock::new(|| Arc::new(Filter::new(1.0)));

impl Filter {
    /// What lies in this share of the band passes.
    fn new(share: f64) -> Self {
        let half = (HALF as f64 / share).ceil();
        let row = |place: usize| {
            let shift = place as f64 / PLACES as f64;
            let tap = |tap: usize| {
                let x = tap as f64 - (half - 1.0) - shift;
                let turn = PI * x * share;
                let sinc = if x.abs() < 1e-9 { 1.0 } else { turn.sin() / turn };
                sinc * kaiser(x / half)
            };
            let row: Vec<f64> = (0..half as usize * 2).map(tap).collect();
            let sum: f64 = row.iter().sum();
            row.into_iter().map(|tap| (tap / sum) as f32).collect()
        };
        Self { half: half as usize, rows: (0..=PLACES).map(row).collect() }
    }

    /// The sample at a place between two of the lane's.
    fn at(&self, lane: &[f32], position: f64) -> i16 {
        let whole = position as usize;
        let place = (position - whole as f64) * PLACES as f64;
        let (row, between) = (place as usize, (place - place.floor()) as f32);
        let Some(first) = (whole + 1).checked_sub(self.half) else { return 0 };
        let Some(taps) = lane.get(first..first + self.half * 2) else { return 0 };
        let (low, high) = (&self.rows[row], &self.rows[(row + 1).min(PLACES)]);
        let sum: f32 = taps.iter().zip(low.iter().zip(high)).map(|(x, (a, b))| x * (a + (b - a) * between)).sum();
        sum.round().clamp(-32768.0, 32767.0) as i16
    }
}

/// Kaiser window with beta 9 over -1..1.
fn kaiser(x: f64) -> f64 {
    const BETA: f64 = 9.0;
    if x.abs() > 1.0 { 0.0 } else { bessel(BETA * (1.0 - x * x).sqrt()) / bessel(BETA) }
}

/// Modified Bessel function of the first kind, order 0.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..32 {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum += term;
    }
    sum
}

/// Reads `N` streams, which share one clock, at another pace.
#[derive(Debug)]
pub struct Bend<const N: usize> {
    lanes: [Vec<f32>; N],
    /// Where the next output sample lies in the lanes.
    position: f64,
    filter: Arc<Filter>,
}

impl<const N: usize> Default for Bend<N> {
    fn default() -> Self {
        Self::through(Arc::clone(&WHOLE))
    }
}

impl<const N: usize> Bend<N> {
    /// From one rate to another; what the slower one cannot carry is held back.
    #[must_use]
    pub fn between(from: u32, to: u32) -> Self {
        Self::through(Arc::new(Filter::new((f64::from(to) / f64::from(from)).min(1.0))))
    }

    fn through(filter: Arc<Filter>) -> Self {
        // Silence before the first sample, as far as the filter looks back.
        let lanes = std::array::from_fn(|_| vec![0.0; filter.half]);
        Self { lanes, position: filter.half as f64, filter }
    }

    /// Takes in a block of each stream; all must be of one length.
    pub fn push(&mut self, blocks: [&[i16]; N]) {
        for (lane, block) in self.lanes.iter_mut().zip(blocks) {
            lane.extend(block.iter().map(|sample| f32::from(*sample)));
        }
    }

    /// Input samples that have not been read past.
    #[must_use]
    pub fn waiting(&self) -> f64 {
        self.lanes[0].len() as f64 - self.position
    }

    /// Whether `count` samples can be read, `step` input samples for each.
    #[must_use]
    pub fn has(&self, count: usize, step: f64) -> bool {
        self.lacks(count, step) == 0
    }

    /// How many input samples are still wanting before `count` can be read.
    #[must_use]
    pub fn lacks(&self, count: usize, step: f64) -> usize {
        let past = self.position + step * count as f64 + self.filter.half as f64 + 1.0;
        (past as usize + 1).saturating_sub(self.lanes[0].len())
    }

    /// How many samples can be read.
    #[must_use]
    pub fn ready(&self, step: f64) -> usize {
        ((self.waiting() - self.filter.half as f64 - 1.0) / step).max(0.0) as usize
    }

    /// Forgets all but `keep` of what waits.
    pub fn skip_to(&mut self, keep: usize) {
        let excess = self.waiting() - keep as f64;
        if excess > 0.0 {
            self.position += excess;
            self.forget();
        }
    }

    /// Reads one block, the same stretch of each stream. What is not there is silence.
    pub fn pull(&mut self, step: f64, out: [&mut [i16]; N]) {
        let mut read = self.position;
        for (lane, out) in self.lanes.iter().zip(out) {
            read = self.position;
            for sample in out {
                *sample = self.filter.at(lane, read);
                read += step;
            }
        }
        self.position = read;
        self.forget();
    }

    fn forget(&mut self) {
        let past = (self.position as usize).saturating_sub(self.filter.half).min(self.lanes[0].len());
        self.lanes.iter_mut().for_each(|lane| drop(lane.drain(..past)));
        self.position -= past as f64;
    }
}

/// How much to bend, from how far the two clocks are apart: a loop of the second order, so that a constant
/// difference of pace leaves no difference of time.
#[derive(Debug, Default)]
pub struct Follow {
    smooth: Option<f64>,
    sum: f64,
}

/// The loop's time constant, seconds. Slower than any jitter of a thread, quicker than any crystal drifts.
const SETTLES: f64 = 8.0;
/// Jitter is smoothed over this long, seconds.
const SMOOTH: f64 = 0.5;
/// At most this much faster or slower: a fifteenth of a semitone.
const MOST: f64 = 0.004;

impl Follow {
    /// `apart` seconds apart, `passed` seconds after the last call. Gives the pace, about 1: above it when
    /// `apart` is positive.
    pub fn pace(&mut self, apart: f64, passed: f64) -> f64 {
        let smooth = self.smooth.unwrap_or(apart);
        let smooth = smooth + (apart - smooth) * (passed / SMOOTH).min(1.0);
        self.smooth = Some(smooth);
        let bound = MOST * SETTLES * SETTLES * 4.0;
        self.sum = (self.sum + smooth * passed).clamp(-bound, bound);
        let pace = smooth / SETTLES + self.sum / (4.0 * SETTLES * SETTLES);
        1.0 + pace.clamp(-MOST, MOST)
    }

    /// The streams were cut and joined anew: only the pace is still known.
    pub fn rejoin(&mut self) {
        self.smooth = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hertz: f64, from: usize, count: usize) -> Vec<i16> {
        let step = 2.0 * PI * hertz / 48_000.0;
        (from..from + count).map(|n| ((step * n as f64).sin() * 10_000.0) as i16).collect()
    }

    #[test]
    fn a_tone_stays_clean_when_it_is_bent() {
        let step = 1.000_37;
        let mut bend = Bend::<1>::default();
        let mut heard = Vec::new();
        for block in 0..200 {
            bend.push([&sine(3000.0, block * 480, 480)]);
            while bend.has(480, step) {
                let mut out = [0; 480];
                bend.pull(step, [&mut out]);
                heard.extend(out);
            }
        }
        let (level, clean) = best_fit(&heard[4800..86_400], 3000.0 * step / 48_000.0);
        assert!((level - 10_000.0).abs() < 10.0 && clean > 60.0, "{level:.0}, {clean:.1} dB");
    }

    /// Amplitude of a tone of so many turns a sample, and how far all that is not the tone is below it, dB: the filter's
    /// fault.
    fn best_fit(heard: &[i16], turns: f64) -> (f64, f64) {
        let w = 2.0 * PI * turns;
        let (mut re, mut im) = (0.0, 0.0);
        for (n, sample) in heard.iter().enumerate() {
            re += f64::from(*sample) * (w * n as f64).cos();
            im += f64::from(*sample) * (w * n as f64).sin();
        }
        let (re, im) = (re * 2.0 / heard.len() as f64, im * 2.0 / heard.len() as f64);
        let error: f64 = heard
            .iter()
            .enumerate()
            .map(|(n, s)| (f64::from(*s) - re * (w * n as f64).cos() - im * (w * n as f64).sin()).powi(2))
            .sum();
        (re.hypot(im), 10.0 * (heard.len() as f64 * (re * re + im * im) / 2.0 / error).log10())
    }

    /// A tone through another rate, block by block; what comes out.
    fn through(hertz: f64, from: u32, to: u32) -> Vec<i16> {
        let (mut bend, step) = (Bend::<1>::between(from, to), f64::from(from) / f64::from(to));
        let mut heard = Vec::new();
        for block in 0..100 {
            bend.push([&sine(hertz * 48_000.0 / f64::from(from), block * 441, 441)]);
            let mut out = vec![0; bend.ready(step)];
            bend.pull(step, [&mut out]);
            heard.extend(out);
        }
        heard
    }

    #[test]
    fn another_rate_leaves_a_tone_clean_and_what_it_cannot_carry_is_held_back() {
        for (from, to) in [(44_100, 48_000), (48_000, 44_100), (16_000, 48_000), (48_000, 16_000), (48_000, 22_050)] {
            let heard = through(3000.0, from, to);
            let expected = 44_100.0 * f64::from(to) / f64::from(from);
            assert!((heard.len() as f64 - expected).abs() < 200.0, "{from} to {to}: {}", heard.len());
            let (level, clean) = best_fit(&heard[heard.len() / 4..], 3000.0 / f64::from(to));
            assert!((level - 10_000.0).abs() < 100.0 && clean > 60.0, "{from} to {to}: {level:.0}, {clean:.1} dB");
        }
        for hertz in [13_000.0, 20_000.0] {
            let folded = through(hertz, 48_000, 16_000);
            let loudest = folded[1000..].iter().map(|sample| sample.abs()).max();
            assert!(loudest < Some(10), "{hertz} Hz: {loudest:?} of 10000");
        }
    }

    #[test]
    fn at_the_same_pace_nothing_changes() {
        let mut bend = Bend::<2>::default();
        let (a, b) = (sine(440.0, 0, 960), sine(1000.0, 7, 960));
        bend.push([&a, &b]);
        let (mut x, mut y) = ([0; 480], [0; 480]);
        bend.pull(1.0, [&mut x, &mut y]);
        assert_eq!((&x[..], &y[..]), (&a[..480], &b[..480]));
    }

    #[test]
    fn twenty_milliseconds_a_minute_are_followed_and_no_delay_is_left() {
        let (mut follow, mut apart, mut passed) = (Follow::default(), 0.0, 0.0);
        let drift = 0.020 / 60.0;
        let mut worst: f64 = 0.0;
        for n in 0..12_000 {
            let jitter = f64::from(n * 37 % 100) / 100.0 * 0.004;
            let pace = follow.pace(apart + jitter, 0.01);
            apart += (drift - (pace - 1.0)) * 0.01;
            passed += 0.01;
            if passed > 60.0 {
                worst = worst.max((apart + 0.002_f64).abs());
            }
        }
        assert!(worst < 0.001, "{:.2} ms", worst * 1e3);
    }
}
