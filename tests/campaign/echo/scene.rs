//! One scene: the officer speaks alone and the echo is cancelled, then the person speaks into it. All that reaches
//! the microphone is known apart.

use anyhow::{Context, bail};
use rustfft::FftPlanner;
use rustfft::num_complex::Complex;

use super::room::{RATE, Room, drifted, loudspeaker, power, traffic};

/// When the officer begins, seconds.
pub const BEGINS: f64 = 0.5;
/// When the person joins in.
pub const DOUBLE: f64 = 16.0;
/// When it ends.
pub const ENDS: f64 = 26.0;

/// From the loudspeaker's queue to its membrane and from the microphone to us, seconds.
const DEVICE_DELAY: f64 = 0.025;
/// Level of speech as sent, dB of full scale, pauses left out.
const SPEECH_DBFS: f64 = -20.0;
/// Level of either speech at the microphone, a metre away: the loudspeaker is as loud as a person.
const AT_A_METRE_DBFS: f64 = -34.0;

pub struct Scene {
    /// What the loudspeaker is given.
    pub far: Vec<f64>,
    /// Its echo at the microphone.
    pub echo: Vec<f64>,
    /// The person at the microphone.
    pub near: Vec<f64>,
    pub noise: Vec<f64>,
}

impl Scene {
    pub fn new(room: &Room, officer: &[f64], person: &[f64]) -> Self {
        let count = (ENDS * RATE) as usize;
        let far = placed(&levelled(officer, SPEECH_DBFS), BEGINS, ENDS, count);
        let spoken = placed(&levelled(person, SPEECH_DBFS), DOUBLE, ENDS, count);
        let at_a_metre = 10_f64.powf((AT_A_METRE_DBFS - SPEECH_DBFS) / 20.0);
        let scaled = |mut signal: Vec<f64>| {
            signal.iter_mut().for_each(|x| *x *= at_a_metre);
            signal
        };
        let echo = scaled(convolved(&loudspeaker(&far), &room.echo_response()));
        let mut late = vec![0.0; (DEVICE_DELAY * RATE) as usize];
        late.extend(drifted(&echo, room.drift_ms_per_minute));
        late.truncate(count);
        let near = scaled(convolved(&spoken, &room.person_response()));
        let noise = room.noise_dbfs.map_or_else(|| vec![0.0; count], |dbfs| traffic(count, dbfs, room.seed));
        Self { far, echo: late, near, noise }
    }

    /// What the microphone gives, with or without the officer and the person; a real one hisses a little.
    pub fn microphone(&self, officer: bool, person: bool) -> Vec<f64> {
        let hiss = traffic(self.far.len(), -85.0, 4711);
        let pick = |yes: bool, x: f64| if yes { x } else { 0.0 };
        (0..self.far.len())
            .map(|n| pick(officer, self.echo[n]) + pick(person, self.near[n]) + self.noise[n] + hiss[n])
            .collect()
    }
}

/// The speech again and again from one instant to another, silence elsewhere.
fn placed(speech: &[f64], from: f64, to: f64, count: usize) -> Vec<f64> {
    let (from, to) = ((from * RATE) as usize, (to * RATE) as usize);
    (0..count).map(|n| if (from..to).contains(&n) { speech[(n - from) % speech.len()] } else { 0.0 }).collect()
}

/// At a level, pauses left out.
fn levelled(speech: &[f64], dbfs: f64) -> Vec<f64> {
    let frames: Vec<f64> = speech.chunks(960).map(power).collect();
    let loudest = frames.iter().copied().fold(0.0, f64::max);
    let spoken: Vec<f64> = frames.into_iter().filter(|p| *p > loudest * 0.003).collect();
    let level = (spoken.iter().sum::<f64>() / spoken.len() as f64).sqrt();
    speech.iter().map(|x| (x * 10_f64.powf(dbfs / 20.0) / level).clamp(-1.0, 1.0)).collect()
}

fn convolved(signal: &[f64], response: &[f64]) -> Vec<f64> {
    let size = (signal.len() + response.len()).next_power_of_two();
    let mut planner = FftPlanner::new();
    let (forth, back) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
    let padded = |x: &[f64]| {
        let mut x: Vec<Complex<f64>> = x.iter().map(|x| Complex::new(*x, 0.0)).collect();
        x.resize(size, Complex::default());
        forth.process(&mut x);
        x
    };
    let (mut a, b) = (padded(signal), padded(response));
    a.iter_mut().zip(&b).for_each(|(a, b)| *a *= b);
    back.process(&mut a);
    a.iter().take(signal.len()).map(|x| x.re / size as f64).collect()
}

/// A spoken file of Debian's alsa-utils: 48 kHz, mono, 16 bits.
pub fn voice(name: &str) -> anyhow::Result<Vec<f64>> {
    let path = format!("/usr/share/sounds/alsa/{name}.wav");
    let bytes = std::fs::read(&path).with_context(|| path.clone())?;
    let at = bytes.windows(4).position(|word| word == b"data").with_context(|| format!("{path}: no samples"))?;
    if bytes.get(22..28) != Some(&[1, 0, 0x80, 0xbb, 0, 0]) {
        bail!("{path}: expected 48 kHz mono");
    }
    Ok(bytes[at + 8..]
        .chunks_exact(2)
        .map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]])) / 32768.0)
        .collect())
}

/// Words with pauses as in speech.
pub fn sentence(words: &[&str], pause: f64) -> anyhow::Result<Vec<f64>> {
    let mut speech = Vec::new();
    for word in words {
        speech.extend(voice(word)?);
        speech.resize(speech.len() + (pause * RATE) as usize, 0.0);
    }
    Ok(speech)
}
