//! WAV files and what can be measured in them.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

/// Mono sound, full scale one.
#[derive(Debug, Clone)]
pub struct Sound {
    pub rate: u32,
    pub samples: Vec<f32>,
}

impl Sound {
    /// Reads a 16-bit WAV, also one that is still being written; channel `channel` of it.
    pub fn read(path: &Path, channel: usize) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        ensure!(bytes.len() > 44 && &bytes[..4] == b"RIFF", "{}: not a WAV file", path.display());
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let (mut at, mut channels, mut rate) = (12, 1, 48_000);
        while at + 8 <= bytes.len() {
            let size = u32_at(at + 4) as usize;
            match &bytes[at..at + 4] {
                b"fmt " => {
                    channels = usize::from(u16_at(at + 10));
                    rate = u32_at(at + 12);
                    ensure!(u16_at(at + 22) == 16, "{}: not 16 bit", path.display());
                }
                b"data" => {
                    // A file under way has no length yet: take what is there.
                    let end = if size == 0 { bytes.len() } else { bytes.len().min((at + 8).saturating_add(size)) };
                    let data = &bytes[at + 8..end];
                    let samples = data
                        .chunks_exact(2 * channels)
                        .map(|frame| {
                            f32::from(i16::from_le_bytes([frame[2 * channel], frame[2 * channel + 1]])) / 32768.0
                        })
                        .collect();
                    return Ok(Self { rate, samples });
                }
                _ => {}
            }
            at += 8 + size + size % 2;
        }
        anyhow::bail!("{}: no data", path.display())
    }

    /// Writes a mono 16-bit WAV.
    pub fn write(&self, path: &Path) -> Result<()> {
        let data: Vec<u8> =
            self.samples.iter().flat_map(|s| ((s.clamp(-1.0, 1.0) * 32767.0) as i16).to_le_bytes()).collect();
        let size = u32::try_from(data.len())?;
        let mut bytes = Vec::with_capacity(44 + data.len());
        bytes.extend_from_slice(b"RIFF");
        bytes.extend_from_slice(&(36 + size).to_le_bytes());
        bytes.extend_from_slice(b"WAVEfmt ");
        bytes.extend_from_slice(&16u32.to_le_bytes());
        bytes.extend_from_slice(&1u16.to_le_bytes());
        bytes.extend_from_slice(&1u16.to_le_bytes());
        bytes.extend_from_slice(&self.rate.to_le_bytes());
        bytes.extend_from_slice(&(self.rate * 2).to_le_bytes());
        bytes.extend_from_slice(&2u16.to_le_bytes());
        bytes.extend_from_slice(&16u16.to_le_bytes());
        bytes.extend_from_slice(b"data");
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&data);
        Ok(std::fs::write(path, bytes)?)
    }

    pub fn seconds(&self) -> f32 {
        self.samples.len() as f32 / self.rate as f32
    }

    /// Root mean square, dB below full scale.
    pub fn dbfs(&self) -> f32 {
        let power = self.samples.iter().map(|s| s * s).sum::<f32>() / self.samples.len().max(1) as f32;
        10.0 * power.max(1e-12).log10()
    }

    /// The loudest window of this many seconds.
    pub fn loudest(&self, seconds: f32) -> Self {
        let size = ((self.rate as f32 * seconds) as usize).min(self.samples.len()).max(1);
        let energy: Vec<f64> = std::iter::once(0.0)
            .chain(self.samples.iter().scan(0.0, |sum, s| {
                *sum += f64::from(s * s);
                Some(*sum)
            }))
            .collect();
        let at = (0..=self.samples.len() - size)
            .max_by(|&a, &b| (energy[a + size] - energy[a]).total_cmp(&(energy[b + size] - energy[b])))
            .unwrap_or(0);
        Self { rate: self.rate, samples: self.samples[at..at + size].to_vec() }
    }

    /// Times, seconds, at which a burst begins: louder than `level` after `quiet_s` below it.
    pub fn onsets(&self, level: f32, quiet_s: f32) -> Vec<f64> {
        let quiet = (self.rate as f32 * quiet_s) as usize;
        let mut last_loud: Option<usize> = None;
        let mut found = vec![];
        for (n, s) in self.samples.iter().enumerate() {
            if s.abs() > level {
                if last_loud.map_or(n > quiet, |last| n - last > quiet) {
                    found.push(n as f64 / f64::from(self.rate));
                }
                last_loud = Some(n);
            }
        }
        found
    }
}

/// How well `piece` is found somewhere in `whole`: the highest normalised cross-correlation (0 to 1) and
/// where, seconds. Codecs and the browser's voice processing change phases, so the envelopes of sixteen
/// bands are compared: noise or another voice does not reach 0.5.
pub fn found(piece: &Sound, whole: &Sound) -> (f32, f64) {
    let piece_bands = bands(piece);
    let whole_bands = bands(whole);
    let step = STEP as f64 / f64::from(whole.rate);
    let (frames, size) = (whole_bands.len(), piece_bands.len());
    if size == 0 || frames < size {
        return (0.0, 0.0);
    }
    let piece_bands = normalised(&piece_bands);
    (0..=frames - size)
        .map(|at| {
            let window = normalised(&whole_bands[at..at + size]);
            let sum: f32 = piece_bands.iter().zip(&window).map(|(a, b)| dot(a, b)).sum();
            (sum, at as f64 * step)
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap_or((0.0, 0.0))
}

/// How alike what arrives and what was sent must be (through two codecs it is 0.99), and how much more than
/// the best place in another voice is: words and pauses of speech are somewhat alike anywhere, the less the
/// longer the piece.
pub const ALIKE: f32 = 0.9;
const MARGIN: f32 = 0.15;

/// Holds that a piece of what was heard is of the voice in `sent`, which goes on over and over, and not of the one in
/// `other`; in words how clearly.
pub fn alike(piece: &Sound, sent: &Path, other: &Path) -> Result<String> {
    let twice = |path: &Path| -> Result<Sound> {
        let mut sound = Sound::read(path, 0)?;
        sound.samples.extend_from_within(..);
        Ok(sound)
    };
    let (score, _) = found(piece, &twice(sent)?);
    let (control, _) = found(piece, &twice(other)?);
    let said = format!("{:.1} dBFS, alike {score:.2}, to the other voice {control:.2}", piece.dbfs());
    ensure!(score >= ALIKE, "what arrived is not what was sent: {said}");
    ensure!(score >= control + MARGIN, "what arrived is as much like the other voice: {said}");
    Ok(said)
}

const STEP: usize = 480;
const WINDOW: usize = 1024;
const BANDS: usize = 16;

fn bands(sound: &Sound) -> Vec<[f32; BANDS]> {
    let fft = FftPlanner::new().plan_fft_forward(WINDOW);
    // 200 Hz to 4 kHz, by equal ratios: where speech is, and what every codec keeps.
    let edge = |n: usize| {
        let hertz = 200.0 * (20.0f32).powf(n as f32 / BANDS as f32);
        (hertz * WINDOW as f32 / sound.rate as f32).round() as usize
    };
    sound
        .samples
        .windows(WINDOW)
        .step_by(STEP)
        .map(|window| {
            let mut spectrum: Vec<Complex<f32>> = window
                .iter()
                .enumerate()
                .map(|(n, s)| {
                    let hann = 0.5 - 0.5 * (std::f32::consts::TAU * n as f32 / WINDOW as f32).cos();
                    Complex::new(s * hann, 0.0)
                })
                .collect();
            fft.process(&mut spectrum);
            let levels: [f32; BANDS] = std::array::from_fn(|band| {
                let bins = edge(band)..edge(band + 1).max(edge(band) + 1);
                let power: f32 = spectrum[bins].iter().map(Complex::norm_sqr).sum();
                (power + 1e-3).ln()
            });
            // Loud against silent is the same in all speech: what tells words apart is the spectrum's shape.
            let mean = levels.iter().sum::<f32>() / BANDS as f32;
            levels.map(|level| level - 0.8 * mean)
        })
        .collect()
}

/// Each band without its mean, all of them together of length one.
fn normalised(frames: &[[f32; BANDS]]) -> Vec<[f32; BANDS]> {
    let count = frames.len() as f32;
    let means: [f32; BANDS] = std::array::from_fn(|band| frames.iter().map(|f| f[band]).sum::<f32>() / count);
    let centred: Vec<[f32; BANDS]> = frames.iter().map(|f| std::array::from_fn(|band| f[band] - means[band])).collect();
    let length = centred.iter().map(|f| dot(f, f)).sum::<f32>().sqrt().max(1e-6);
    centred.into_iter().map(|f| f.map(|v| v / length)).collect()
}

fn dot(a: &[f32; BANDS], b: &[f32; BANDS]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
