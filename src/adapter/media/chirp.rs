//! A chirp, and finding it again in what was heard: a matched filter at 16 kHz.

use std::f32::consts::TAU;

use super::stereo::RATE;

/// What is searched is thinned out to every third sample (16 kHz): the chirp ends below 8 kHz. A chirp that begins between
/// two of them would be found 1.8 dB too faint, so the place is looked at again sample by sample.
const THIN: usize = 3;
/// Length of the chirp, samples at the full rate: 200 ms.
pub const LENGTH: usize = RATE as usize / 5;
/// A speech channel passes 300 Hz to 7 kHz.
const BAND: (f32, f32) = (300.0, 7_000.0);
/// Likeness of what is found to the chirp (0 to 1) from which on it is one, over a digital way. Noise stays below a
/// tenth.
const ALIKE: f32 = 0.4;
/// The same over the air, where a small loudspeaker, the room and the street come between. Whoever uses it asks for two
/// chirps that agree.
const ALIKE_ON_AIR: f32 = 0.2;
/// Over the air low pitches are held down (each sample less so much of the one before): a street and a voice have theirs
/// below 1 kHz, the chirp most of its own above.
const EMPHASIS_ON_AIR: f32 = 0.95;

/// The chirp at a peak of `level` of full scale.
fn sweep(level: f32) -> impl Iterator<Item = f32> {
    let length = LENGTH as f32 / RATE as f32;
    (0..LENGTH).map(move |index| {
        let t = index as f32 / RATE as f32;
        let phase = TAU * (BAND.0 * t + (BAND.1 - BAND.0) * t * t / (2.0 * length));
        // Soft ends, a tenth each.
        let edge = (t / length).min(1.0 - t / length) * 10.0;
        phase.sin() * level * edge.clamp(0.0, 1.0)
    })
}

/// The chirp, 48 kHz.
#[must_use]
pub fn chirp(level: f32) -> Vec<i16> {
    sweep(level * f32::from(i16::MAX)).map(|sample| sample as i16).collect()
}

/// Where a chirp was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Its first sample, at the full rate.
    pub at: usize,
    /// Its level against `chirp(1.0)`, dB.
    pub level_db: f32,
    /// How like the chirp it is, 0 to 1.
    pub alike: f32,
}

/// The best likeness to the chirp in `heard` (48 kHz), if there is one.
#[must_use]
pub fn find(heard: &[i16]) -> Option<Found> {
    search(heard, ALIKE, 0.0)
}

/// The same for what came through the air.
#[must_use]
pub fn find_on_air(heard: &[i16]) -> Option<Found> {
    search(heard, ALIKE_ON_AIR, EMPHASIS_ON_AIR)
}

/// Thinned out, its low pitches held down by `emphasis` (0: not at all).
fn prepared(samples: impl Iterator<Item = f32>, emphasis: f32) -> Vec<f32> {
    let samples: Vec<f32> = samples.collect();
    let mut before = 0.0;
    let thin = samples.chunks_exact(THIN).map(|three| three.iter().sum::<f32>() / THIN as f32);
    thin.map(|sample| sample - emphasis * std::mem::replace(&mut before, sample)).collect()
}

fn search(heard: &[i16], alike_at_least: f32, emphasis: f32) -> Option<Found> {
    let thin = prepared(heard.iter().map(|sample| f32::from(*sample)), emphasis);
    let wanted = prepared(sweep(1.0), emphasis);
    let wanted_energy: f32 = wanted.iter().map(|sample| sample * sample).sum();
    let mut best: Option<Found> = None;
    // Of the window, as it moves on. Double precision: what is added is taken away again to the last bit that counts.
    let square = |sample: &f32| f64::from(*sample) * f64::from(*sample);
    let mut energy: f64 = thin.iter().take(wanted.len()).map(square).sum();
    for (at, window) in thin.windows(wanted.len()).enumerate() {
        if at > 0 {
            energy += square(&window[wanted.len() - 1]) - square(&thin[at - 1]);
        }
        if energy < 1.0 {
            continue;
        }
        let found = likeness(at * THIN, window, energy, &wanted, wanted_energy);
        if best.is_none_or(|best| found.alike > best.alike) {
            best = Some(found);
        }
    }
    let near = best.into_iter().flat_map(|best| best.at.saturating_sub(THIN - 1)..best.at + THIN);
    let exactly = near.filter_map(|at| {
        // With what comes before it, which the low pitches are held down by.
        let piece = heard.get(at.checked_sub(THIN)?..at + LENGTH)?;
        let thin = prepared(piece.iter().map(|sample| f32::from(*sample)), emphasis);
        let window = thin.get(1..)?;
        let energy = window.iter().map(square).sum::<f64>();
        (energy >= 1.0).then(|| likeness(at, window, energy, &wanted, wanted_energy))
    });
    let best = exactly.chain(best).max_by(|a, b| a.alike.total_cmp(&b.alike));
    best.filter(|found| found.alike >= alike_at_least)
}

fn likeness(at: usize, window: &[f32], energy: f64, wanted: &[f32], wanted_energy: f32) -> Found {
    let product: f32 = window.iter().zip(wanted).map(|(heard, wanted)| heard * wanted).sum();
    // A loudspeaker may be wired the other way round.
    let alike = product.abs() / (energy as f32 * wanted_energy).sqrt();
    let gain = product.abs() / wanted_energy / f32::from(i16::MAX);
    Found { at, level_db: 20.0 * gain.log10(), alike }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// splitmix64, as noise.
    fn noise(count: usize, level: f32) -> Vec<i16> {
        let mut state = 7_u64;
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            ((mixed >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * level * f32::from(i16::MAX)
        };
        (0..count).map(|_| next() as i16).collect()
    }

    #[test]
    fn a_quiet_chirp_in_noise_is_found_where_it_is_with_its_level() {
        let mut heard = noise(RATE as usize / 2, 0.02);
        for (sample, chirp) in heard[7_200..].iter_mut().zip(chirp(0.05)) {
            *sample += chirp;
        }
        let found = find(&heard).expect("found");
        assert!(found.at.abs_diff(7_200) <= 6, "{found:?}");
        assert!((found.level_db + 26.0).abs() < 0.5, "{found:?}");
    }

    #[test]
    fn a_chirp_is_found_at_its_sample_and_level_wherever_it_begins() {
        for at in 7_200..7_206 {
            let mut heard = vec![0; RATE as usize / 2];
            heard[at..at + LENGTH].copy_from_slice(&chirp(0.1));
            for found in [find(&heard), find_on_air(&heard)].map(|found| found.expect("found")) {
                assert_eq!(found.at, at);
                assert!((found.level_db + 20.0).abs() < 0.05, "{at}: {found:?}");
            }
        }
    }

    #[test]
    fn neither_noise_nor_silence_nor_a_tone_is_a_chirp() {
        assert_eq!(find(&noise(RATE as usize / 2, 0.3)), None);
        assert_eq!(find_on_air(&noise(RATE as usize / 2, 0.3)), None);
        assert_eq!(find(&vec![0; RATE as usize / 2]), None);
        let tone = |index: usize| ((index as f32 / RATE as f32 * 1_000.0 * TAU).sin() * 9_000.0) as i16;
        assert_eq!(find(&(0..RATE as usize / 2).map(tone).collect::<Vec<_>>()), None);
    }
}
