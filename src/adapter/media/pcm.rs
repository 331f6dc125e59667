//! Sound files into memory: any format GStreamer reads, as 48 kHz mono.

use std::path::Path;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::MediaError;

/// Ten minutes: beyond that a file is cut off rather than filling the memory (58 MB).
const MOST_SAMPLES: usize = 48_000 * 600;
/// A file that gives nothing for this long is not being read.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(5);

/// Reads a sound file.
///
/// # Errors
/// [`MediaError::File`] if it is missing, is no sound file or is empty.
pub fn load(path: &Path) -> Result<Vec<i16>, MediaError> {
    let failed = |why: String| MediaError::File { path: path.to_owned(), why };
    // GStreamer's own message for this is hard to read for a technician.
    std::fs::metadata(path).map_err(|error| failed(error.to_string()))?;
    // What is there already as it is wanted (the kiosk's own sentences) costs no pipeline at the start.
    if let Some(samples) = plain(path) {
        return Ok(samples);
    }
    let pipeline = super::pipeline::parse(
        "filesrc name=file ! decodebin ! audioconvert ! audioresample ! \
         audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved ! \
         appsink name=out sync=false max-buffers=16 enable-last-sample=false",
    )?;
    super::pipeline::set_path(&pipeline, "file", path);
    let out: gst_app::AppSink = super::pipeline::element(&pipeline, "out");
    let result = read(&pipeline, &out).map_err(failed);
    // Nothing to be done about a pipeline that does not stop; it is dropped next.
    let _ = pipeline.set_state(gst::State::Null);
    result
}

/// A WAV file that is 48 kHz mono 16 bits already; `None`: it is not, or is none.
fn plain(path: &Path) -> Option<Vec<i16>> {
    const FORMAT: [u8; 16] = [1, 0, 1, 0, 0x80, 0xbb, 0, 0, 0, 0x77, 1, 0, 2, 0, 16, 0];
    if path.extension().is_none_or(|extension| extension != "wav") {
        return None;
    }
    let bytes = std::fs::read(path).ok()?;
    let rest = bytes.strip_prefix(b"RIFF")?.get(4..)?.strip_prefix(b"WAVE")?;
    let (mut rest, mut fits) = (rest, false);
    loop {
        let (head, body) = rest.split_at_checked(8)?;
        let length = usize::try_from(u32::from_le_bytes(head[4..].try_into().ok()?)).ok()?;
        match &head[..4] {
            b"fmt " => fits = body.starts_with(&FORMAT),
            b"data" if fits => {
                let data = body.get(..length)?;
                return (!data.is_empty()).then(|| from_bytes(data).take(MOST_SAMPLES).collect());
            }
            _ => {}
        }
        rest = body.get(length + length % 2..)?;
    }
}

fn read(pipeline: &gst::Pipeline, out: &gst_app::AppSink) -> Result<Vec<i16>, String> {
    let bus_error = || {
        let message = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        message.map_or_else(|| "no sound could be read".to_owned(), |message| super::pipeline::describe(&message))
    };
    pipeline.set_state(gst::State::Playing).map_err(|_| bus_error())?;
    let mut samples = Vec::new();
    while samples.len() < MOST_SAMPLES {
        let Some(sample) = out.try_pull_sample(PATIENCE) else {
            if out.is_eos() && !samples.is_empty() {
                break;
            }
            return Err(bus_error());
        };
        let buffer = sample.buffer().ok_or("a sample without a buffer")?;
        let map = buffer.map_readable().map_err(|error| error.to_string())?;
        samples.extend(from_bytes(&map));
    }
    Ok(samples)
}

/// S16LE bytes as samples.
pub fn from_bytes(bytes: &[u8]) -> impl Iterator<Item = i16> + '_ {
    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
}

/// A looped recording, as a microphone: a function of time alone.
#[derive(Debug)]
pub struct Loop {
    samples: Vec<i16>,
    position: usize,
}

impl Loop {
    /// Of samples, at least one.
    #[must_use]
    pub fn new(samples: Vec<i16>) -> Self {
        Self { samples, position: 0 }
    }

    /// Fills the next block.
    pub fn fill(&mut self, out: &mut [i16]) {
        if self.samples.is_empty() {
            return out.fill(0);
        }
        for sample in out {
            *sample = self.samples[self.position];
            self.position = (self.position + 1) % self.samples.len();
        }
    }
}
