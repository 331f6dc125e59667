//! What a canceller did: measured on its output alone, with what went in known.

use super::room::{RATE, high_pass, low_pass, power};

/// Length of a frame, samples (20 ms).
const FRAME: usize = 960;
/// Frames fainter than the loudest by more than this (dB) are pauses of speech.
const PAUSE_DB: f64 = 25.0;

/// Echo loss, dB, between two instants (seconds): power of the echo at the microphone over ALL that is left in the
/// output while there is echo; noise that is left counts as echo.
pub fn echo_loss(echo: &[f64], out: &[f64], delay: usize, from: f64, to: f64) -> f64 {
    let (mut before, mut after) = (0.0, 0.0);
    for at in active(echo, from, to) {
        before += power(&echo[at..at + FRAME]);
        after += power(&out[at + delay..at + delay + FRAME]);
    }
    10.0 * (before / after.max(1e-14)).log10()
}

/// Loss of near speech, dB, between two instants: how much of it is still in the output, in the band of speech,
/// each frame laid on the near speech alone (what else is in the output does not count as speech).
pub fn near_loss(near: &[f64], out: &[f64], delay: usize, from: f64, to: f64) -> f64 {
    let (near, out) = (speech_band(near), speech_band(out));
    let (mut before, mut after) = (0.0, 0.0);
    for at in active(&near, from, to) {
        let (near, out) = (&near[at..at + FRAME], &out[at + delay..at + delay + FRAME]);
        let energy: f64 = near.iter().map(|x| x * x).sum();
        let common: f64 = near.iter().zip(out).map(|(x, y)| x * y).sum();
        before += energy;
        after += (common.max(0.0) / energy).powi(2) * energy;
    }
    10.0 * (before / after.max(1e-14)).log10()
}

fn speech_band(signal: &[f64]) -> Vec<f64> {
    low_pass(&high_pass(signal, 250.0), 4000.0)
}

/// Delay (samples) of what comes out against what went in, by the best fit over the whole of both.
pub fn delay_of(signal: &[f64], out: &[f64], most: usize) -> usize {
    let end = signal.len().min(out.len()) - most;
    let fit = |delay: usize| -> f64 { (0..end).step_by(3).map(|n| signal[n] * out[n + delay]).sum::<f64>() };
    (0..most).max_by(|a, b| fit(*a).total_cmp(&fit(*b))).unwrap_or(0)
}

/// Beginnings of the frames that hold speech.
fn active(signal: &[f64], from: f64, to: f64) -> Vec<usize> {
    let frames: Vec<usize> = ((from * RATE) as usize..(to * RATE) as usize)
        .step_by(FRAME)
        .take_while(|at| at + 3 * FRAME < signal.len())
        .collect();
    let loudest = frames.iter().map(|at| power(&signal[*at..at + FRAME])).fold(0.0, f64::max);
    let floor = loudest * 10_f64.powf(-PAUSE_DB / 10.0);
    frames.into_iter().filter(|at| power(&signal[*at..at + FRAME]) > floor).collect()
}
