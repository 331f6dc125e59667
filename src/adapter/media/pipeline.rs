//! Small helps over GStreamer: parsing, taking names apart, the live ticker that paces every source.

use std::path::Path;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::MediaError;
use super::clock::{Running, Timeline};

/// A pipeline from its description.
///
/// # Errors
/// [`MediaError::Pipeline`] with what GStreamer says: an element that is missing, most of all.
pub fn parse(description: &str) -> Result<gst::Pipeline, MediaError> {
    let failed = |why: String| MediaError::Pipeline { why };
    let element = gst::parse::launch(description).map_err(|error| failed(error.to_string()))?;
    element.downcast::<gst::Pipeline>().map_err(|_| failed("a description of a single element".into()))
}

/// An element of a pipeline that was described with this name.
#[must_use]
pub fn element<E: IsA<gst::Element>>(pipeline: &gst::Pipeline, name: &str) -> E {
    let element = pipeline.by_name(name).expect("the description names this element");
    element.downcast().expect("the description gives the element this type")
}

/// A pad of an element.
#[must_use]
pub fn pad(pipeline: &gst::Pipeline, name: &str, pad: &str) -> gst::Pad {
    element::<gst::Element>(pipeline, name).static_pad(pad).expect("elements of this type have this pad")
}

/// Sets a file's path, which a description could not carry safely.
pub fn set_path(pipeline: &gst::Pipeline, name: &str, path: &Path) {
    element::<gst::Element>(pipeline, name).set_property("location", path);
}

/// What a message on the bus says, for a technician.
#[must_use]
pub fn describe(message: &gst::Message) -> String {
    match message.view() {
        gst::MessageView::Error(error) => {
            let source = error.src().map_or_else(String::new, |source| format!("{}: ", source.name()));
            let detail = error.debug().map_or_else(String::new, |detail| format!(" ({})", detail.replace('\n', " ")));
            format!("{source}{}{detail}", error.error())
        }
        gst::MessageView::Eos(_) => "the stream ended".into(),
        _ => "unexpected message".into(),
    }
}

/// Calls `take` for each sample that reaches an appsink, on the thread that brings it.
pub fn on_sample(sink: &gst_app::AppSink, mut take: impl FnMut(&gst::Sample) + Send + 'static) {
    let callbacks = gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Flushing)?;
            take(&sample);
            Ok(gst::FlowSuccess::Ok)
        })
        .build();
    sink.set_callbacks(callbacks);
}

/// The running time of a sample's buffer. Encoders shift their time stamps (x264enc by 1000 hours);
/// the segment that goes with them shifts them back.
#[must_use]
pub fn running_time(sample: &gst::Sample) -> Option<Running> {
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    segment.to_running_time(sample.buffer()?.pts()?).map(gst::ClockTime::nseconds)
}

/// Description of a live source of blocks of silence, to be filled by [`fill_ticks`].
#[must_use]
pub fn ticker(timeline: &Timeline, name: &str, samples: u32, channels: u32) -> String {
    // Without the offset a part that is rebuilt would first make up for all the time since the start.
    format!(
        "audiotestsrc name={name} is-live=true wave=silence samplesperbuffer={samples} timestamp-offset={} ! \
         audio/x-raw,format=S16LE,rate=48000,channels={channels},layout=interleaved",
        timeline.now()
    )
}

/// Fills each block of a [`ticker`] with sound; `fill` gets its running time.
pub fn fill_ticks(pipeline: &gst::Pipeline, name: &str, mut fill: impl FnMut(Running, &mut [i16]) + Send + 'static) {
    let mut block: Vec<i16> = Vec::new();
    let fill = std::sync::Mutex::new(move |at: Running, bytes: &mut [u8]| {
        block.resize(bytes.len() / 2, 0);
        fill(at, &mut block);
        for (pair, sample) in bytes.chunks_exact_mut(2).zip(&block) {
            pair.copy_from_slice(&sample.to_le_bytes());
        }
    });
    pad(pipeline, name, "src").add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(buffer) = info.buffer_mut() else { return gst::PadProbeReturn::Ok };
        let buffer = buffer.make_mut();
        let Some(at) = buffer.pts() else { return gst::PadProbeReturn::Drop };
        // Silence is flagged as a gap, and a gap is never looked into.
        buffer.unset_flags(gst::BufferFlags::GAP);
        match buffer.map_writable() {
            Ok(mut map) => {
                super::lock(&fill)(at.nseconds(), &mut map);
                gst::PadProbeReturn::Ok
            }
            Err(_) => gst::PadProbeReturn::Drop,
        }
    });
}

/// Calls `take` with each block of S16 sound that passes a pad.
pub fn on_block(pad: &gst::Pad, take: impl Fn(Running, &[i16]) + Send + Sync + 'static) {
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(buffer) = info.buffer() else { return gst::PadProbeReturn::Ok };
        if let (Some(at), Ok(map)) = (buffer.pts(), buffer.map_readable()) {
            let samples: Vec<i16> = super::pcm::from_bytes(&map).collect();
            take(at.nseconds(), &samples);
        }
        gst::PadProbeReturn::Ok
    });
}
