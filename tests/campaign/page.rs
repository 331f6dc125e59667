//! What measurements put into the officers' page.

use anyhow::{Context, Result};
use base64::Engine;
use serde_json::Value;

use crate::support::wav::Sound;

/// Replaces the microphone by tones from the page's own sound graph, so that the instant of each burst
/// is known: a quiet tone all the time (-40 dBFS, so that "first sound" is not a matter of luck), and a
/// loud burst (20 ms) every half second, whose wall-clock times are kept in `__sent`.
pub const TONES_AS_MICROPHONE: &str = r#"
(() => {
  window.__sent = [];
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    if (!wanted || !wanted.audio) return real(wanted);
    const graph = new AudioContext({ sampleRate: 48000 });
    await graph.resume();
    const out = graph.createMediaStreamDestination();
    const quiet = graph.createOscillator();
    const quietGain = graph.createGain();
    quietGain.gain.value = 0.01;
    quiet.frequency.value = 700;
    quiet.connect(quietGain).connect(out);
    quiet.start();
    const loud = graph.createOscillator();
    const gate = graph.createGain();
    gate.gain.value = 0;
    loud.frequency.value = 1400;
    loud.connect(gate).connect(out);
    loud.start();
    // The graph's clock against the wall: the smallest difference ever seen is the true one.
    let offset = Infinity;
    let next = graph.currentTime + 0.5;
    setInterval(() => {
      const wall = performance.timeOrigin + performance.now();
      offset = Math.min(offset, wall - graph.currentTime * 1000);
      if (graph.currentTime > next - 0.2) {
        gate.gain.setValueAtTime(0.5, next);
        gate.gain.setValueAtTime(0, next + 0.02);
        const at = next;
        setTimeout(() => { window.__sent.push(offset + at * 1000); if (__sent.length > 200) __sent.shift(); }, 400);
        next += 0.5;
      }
    }, 20);
    return out.stream;
  };
})();
"#;

/// Listens to the person's sound in the page: `__heard` gets the wall-clock time, ms, of every burst
/// louder than 0.15 after 200 ms below it.
pub const HEAR_BURSTS: &str = r#"
  if (window.__hearing) return;
  window.__hearing = true;
  window.__heard = [];
  const graph = new AudioContext({ sampleRate: 48000 });
  let source, stream, last = 0;
  const meter = graph.createAnalyser();
  meter.fftSize = 512;
  const samples = new Float32Array(512);
  setInterval(() => {
    const now = window.__sos && window.__sos.remoteAudioStream;
    if (now && now !== stream) {
      if (source) source.disconnect();
      stream = now;
      source = graph.createMediaStreamSource(stream);
      source.connect(meter);
    }
    meter.getFloatTimeDomainData(samples);
    let loudest = -1;
    for (let n = 0; n < samples.length; n++) if (Math.abs(samples[n]) > 0.15) { loudest = n; break; }
    if (loudest >= 0) {
      const wall = performance.timeOrigin + performance.now();
      // The newest sample of the window is "now"; the burst began this many samples before it.
      const at = wall - (samples.length - loudest) / 48;
      if (at - last > 200) __heard.push(at);
      last = wall;
      if (__heard.length > 200) __heard.shift();
    }
  }, 4);
"#;

/// Reads the wall clock the kiosk's test camera writes into its pictures: `__ages` gets, for every
/// painted frame, the time from before the encoder to the page's callback, ms.
pub const READ_STAMPS: &str = r#"
  if (window.__stamps) return;
  window.__stamps = true;
  window.__ages = [];
  const canvas = document.createElement('canvas');
  canvas.width = 512; canvas.height = 8;
  const paint = canvas.getContext('2d', { willReadFrequently: true });
  const video = window.__sos.videoEl;
  const frame = () => {
    const wall = performance.timeOrigin + performance.now();
    const scale = video.videoWidth / 1280;
    paint.drawImage(video, 0, 4 * scale, 512 * scale, 8 * scale, 0, 0, 512, 8);
    const data = paint.getImageData(0, 4, 512, 1).data;
    let stamp = 0, ones = 0;
    for (let bit = 0; bit < 32; bit++) {
      const value = data[(bit * 16 + 8) * 4] > 127 ? 1 : 0;
      ones += value;
      stamp = stamp * 2 + value;
    }
    const age = (Math.floor(wall) % 4294967296) - stamp;
    if (ones > 0 && age >= 0 && age < 10000) { __ages.push(age); if (__ages.length > 600) __ages.shift(); }
    video.requestVideoFrameCallback(frame);
  };
  video.requestVideoFrameCallback(frame);
"#;

/// Keeps what the page hears of the person, 48 kHz mono, in `__recorded` (16 bit).
pub const RECORD_SOUND: &str = r#"
  const graph = new AudioContext({ sampleRate: 48000 });
  const source = graph.createMediaStreamSource(window.__sos.remoteAudioStream);
  const tap = graph.createScriptProcessor(4096, 1, 1);
  window.__recorded = [];
  tap.onaudioprocess = (event) => {
    const samples = event.inputBuffer.getChannelData(0);
    for (let n = 0; n < samples.length; n += 1) __recorded.push(Math.max(-1, Math.min(1, samples[n])) * 32767 | 0);
  };
  source.connect(tap);
  tap.connect(graph.destination);
"#;

/// Takes out what [`RECORD_SOUND`] has kept, base64 of 16-bit little-endian samples.
pub const TAKE_SOUND: &str = r#"
  const bytes = new Uint8Array(new Int16Array(window.__recorded).buffer);
  let text = '';
  for (let n = 0; n < bytes.length; n += 8192) text += String.fromCharCode.apply(null, bytes.subarray(n, n + 8192));
  return btoa(text);
"#;

/// The sound in the answer to [`TAKE_SOUND`].
pub fn taken(base64: &Value) -> Result<Sound> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64.as_str().context("no sound recorded")?)?;
    let samples = bytes.chunks_exact(2).map(|s| f32::from(i16::from_le_bytes([s[0], s[1]])) / 32768.0).collect();
    Ok(Sound { rate: 48_000, samples })
}
