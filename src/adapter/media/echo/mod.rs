//! What is done to the microphone's sound before it goes to the officer: the loudspeaker's echo is taken out, noise
//! is held down, a faint voice is raised within a bound. A Rust port of WebRTC's AEC3, with its noise suppressor and
//! gain controller; `docs/decisions/0006-echo-canceller.md` has the figures of this and of what was not taken.

use aec3::api::config::EchoCanceller3Config;
use aec3::audio_processing::gain_controller2::{AdaptiveDigitalControllerConfig, GainController2Config};
use aec3::audio_processing::ns::{NsConfig, SuppressionLevel};
use aec3::nodes::audio::AudioFormat;
use aec3::pipelines::linear::{self, LinearPipeline};
use tracing::error;

use super::card::PERIOD;

/// How much noise is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// None.
    Keep,
    /// About 6 dB.
    Low,
    /// About 12 dB.
    Moderate,
    /// About 18 dB.
    High,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EchoSettings {
    /// Whether anything is done at all.
    pub on: bool,
    /// From a block given as reference to its echo in the microphone, milliseconds, if it was measured (the
    /// self-test's chirp): the canceller begins with it instead of searching.
    pub delay_ms: Option<u32>,
    /// Noise.
    pub noise: Noise,
    /// A faint voice is raised by at most this, dB; 0: not at all.
    pub most_gain_db: f32,
}

impl Default for EchoSettings {
    fn default() -> Self {
        Self { on: true, delay_ms: None, noise: Noise::Moderate, most_gain_db: 12.0 }
    }
}

/// Works on one microphone. It stays on the thread it was made on.
pub struct Canceller {
    pipeline: Option<LinearPipeline>,
    reference: [f32; PERIOD],
    microphone: [f32; PERIOD],
    output: [f32; PERIOD],
}

impl std::fmt::Debug for Canceller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Canceller")
    }
}

impl Canceller {
    /// Knows nothing of the room yet.
    #[must_use]
    pub fn new(settings: &EchoSettings) -> Self {
        let pipeline = if settings.on { build(settings) } else { None };
        Self { pipeline, reference: [0.0; PERIOD], microphone: [0.0; PERIOD], output: [0.0; PERIOD] }
    }

    /// Takes the echo of what the loudspeaker plays (`reference`) out of what the microphone hears. One call for
    /// each period, in order; what comes out is a few milliseconds late.
    pub fn process(&mut self, reference: &[i16; PERIOD], microphone: &[i16; PERIOD], out: &mut [i16; PERIOD]) {
        let Some(pipeline) = &mut self.pipeline else {
            *out = *microphone;
            return;
        };
        to_float(reference, &mut self.reference);
        to_float(microphone, &mut self.microphone);
        let done = pipeline
            .handle_render_frame(&self.reference)
            .and_then(|()| pipeline.process_capture_frame(&self.microphone, &mut self.output));
        match done {
            Ok(_) => {
                for (out, sample) in out.iter_mut().zip(&self.output) {
                    *out = (sample * 32768.0).round().clamp(-32768.0, 32767.0) as i16;
                }
            }
            Err(error) => {
                // A voice with its echo is better than none.
                error!(%error, "the echo canceller gives up");
                self.pipeline = None;
                *out = *microphone;
            }
        }
    }

    /// The delay was measured from outside: milliseconds from reference to echo.
    pub fn set_delay(&mut self, delay_ms: u32) {
        if let Some(pipeline) = &mut self.pipeline {
            // Refused only by a pipeline that is broken; the next period tells.
            let _ = pipeline.set_delay_ms(i32::try_from(delay_ms).unwrap_or(i32::MAX));
        }
    }
}

fn build(settings: &EchoSettings) -> Option<LinearPipeline> {
    let format = AudioFormat::ten_ms(48_000, 1);
    let adaptive_digital = AdaptiveDigitalControllerConfig {
        enabled: true,
        max_gain_db: settings.most_gain_db,
        initial_gain_db: 0.0,
        ..AdaptiveDigitalControllerConfig::default()
    };
    let mut builder = linear::builder(format, format)
        .aec3_config(tuned())
        .enable_gain_controller2(settings.most_gain_db > 0.0)
        .gain_controller2_config(GainController2Config { adaptive_digital, ..GainController2Config::default() })
        .enable_noise_suppression(settings.noise != Noise::Keep)
        .noise_suppression_config(NsConfig {
            target_level: match settings.noise {
                Noise::Keep | Noise::Low => SuppressionLevel::K6dB,
                Noise::Moderate => SuppressionLevel::K12dB,
                Noise::High => SuppressionLevel::K18dB,
            },
            ..NsConfig::default()
        });
    if let Some(delay) = settings.delay_ms {
        builder = builder.initial_delay_ms(i32::try_from(delay).unwrap_or(i32::MAX));
    }
    builder.build().inspect_err(|error| error!(%error, "no echo canceller")).ok()
}

/// AEC3's own tuning, but for what the rooms of `scripts/bench echo` asked for. Each part's gain is in the decision, and
/// measured by `scripts/bench echo --tunings`.
#[must_use]
pub fn tuned() -> EchoCanceller3Config {
    let mut config = EchoCanceller3Config::default();
    // A room whose clocks drift moves on under the filter: forget faster, as at the beginning.
    config.filter.main.leakage_converged = 0.005;
    config.filter.main.leakage_diverged = 0.5;
    // The loudspeaker is a hand's breadth from the microphone: nothing can come before the direct sound, and what
    // looked like it made the alignment jump back and forth.
    config.delay.detect_pre_echo = false;
    // Echo that the filter leaves is held down while the person is silent; while both speak, AEC3's own rule for
    // the near speaker stands.
    let alone = &mut config.suppressor.normal_tuning;
    (alone.mask_lf.enr_transparent, alone.mask_lf.enr_suppress) = (0.1, 0.15);
    (alone.mask_hf.enr_transparent, alone.mask_hf.enr_suppress) = (0.02, 0.03);
    config
}

fn to_float(samples: &[i16; PERIOD], out: &mut [f32; PERIOD]) {
    for (out, sample) in out.iter_mut().zip(samples) {
        *out = f32::from(*sample) / 32768.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bursts of noise, as loud as speech, the same in every run.
    fn bursts(count: usize) -> Vec<i16> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as i16 >> 3
        };
        (0..count).map(|n| if n / 7200 % 3 < 2 { next() } else { 0 }).collect()
    }

    /// Loss of the echo, dB, in each second.
    fn losses(settings: &EchoSettings, delay: usize) -> Vec<f64> {
        let far = bursts(48_000 * 5);
        let mut canceller = Canceller::new(settings);
        let (mut before, mut after) = ([0.0; 5], [0.0; 5]);
        for (n, block) in far.chunks_exact(PERIOD).enumerate() {
            let at = |k: usize| (n * PERIOD + k).checked_sub(delay).map_or(0, |at| far[at] / 4);
            let reference: [i16; PERIOD] = block.try_into().unwrap();
            let microphone: [i16; PERIOD] = std::array::from_fn(at);
            let mut out = [0; PERIOD];
            canceller.process(&reference, &microphone, &mut out);
            let power = |block: &[i16]| block.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
            before[n / 100] += power(&microphone);
            after[n / 100] += power(&out);
        }
        before.iter().zip(after).map(|(before, after)| 10.0 * (before / f64::max(after, 1.0)).log10()).collect()
    }

    #[test]
    fn echo_is_gone_after_a_second_wherever_it_comes_from() {
        for delay in [480, 2880, 7200] {
            let losses = losses(&EchoSettings::default(), delay);
            assert!(losses[1] > 20.0 && losses[4] > 30.0, "{delay}: {losses:.1?}");
        }
    }

    #[test]
    fn a_measured_delay_may_be_given_and_nothing_is_done_when_off() {
        let seeded = losses(&EchoSettings { delay_ms: Some(60), ..EchoSettings::default() }, 2880);
        assert!(seeded[1] > 20.0 && seeded[4] > 30.0, "{seeded:.1?}");
        let off = losses(&EchoSettings { on: false, ..EchoSettings::default() }, 480);
        assert!(off.iter().all(|loss| loss.abs() < 0.01), "{off:.1?}");
    }
}
