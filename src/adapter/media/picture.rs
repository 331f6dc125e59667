//! The picture: camera -> one encoder -> units for the ring and the recording, and RTP for the call.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::clock::{MS, Running, Timeline};
use super::film::Film;
use super::hub::{Encoder, Hub, Part};
use super::pipeline::{element, on_sample, pad, parse, running_time};
use super::repeat::Repeater;
use super::ring::Unit;
use super::stamp::stamp;
use super::supervise::Built;
use super::{CameraSource, MediaError, MediaSettings, lock};
use crate::kiosk::ports::{LivePacket, Medium};

/// A frame that waited this long (the encoder does not keep up) is dropped rather than sent late.
const LATEST: Running = 200 * MS;

/// Builds the part; it does not play yet.
///
/// # Errors
/// [`MediaError`] if an element is missing or the camera's file cannot be read.
pub fn build(settings: &MediaSettings, hub: &Arc<Hub>) -> Result<Built, MediaError> {
    let pattern = match &settings.camera {
        CameraSource::Test => "pattern=smpte75 horizontal-speed=6",
        CameraSource::File(_) => "pattern=black",
    };
    let source = format!(
        "videotestsrc name=camera is-live=true {pattern} timestamp-offset={} ! {}",
        hub.timeline.now(),
        raw_caps(settings)
    );
    let pipeline = parse(&format!(
        "{source} ! {encoder} ! tee name=t \
         t. ! rtph264pay name=pay mtu=1200 aggregate-mode=zero-latency config-interval=0 timestamp-offset=0 ! \
              appsink name=live sync=false async=false enable-last-sample=false \
         t. ! appsink name=units sync=false async=false enable-last-sample=false",
        encoder = encoder(settings),
    ))?;
    let film = match &settings.camera {
        CameraSource::Test => {
            stamp(&pad(&pipeline, "camera", "src"), usize::from(settings.width), usize::from(settings.height));
            None
        }
        CameraSource::File(path) => Some(film(settings, path, &pipeline)?),
    };
    drop_late_frames(&pipeline, &hub.timeline);
    let entered = note_entries(&pipeline);
    units(&pipeline, settings, hub, entered);
    live(&pipeline, hub);
    let period = 1_000_000_000 / Running::from(settings.fps.max(1));
    let repeater = Repeater::watch(&pad(&pipeline, "encoder", "sink"), period, hub.timeline.clone())
        .map_err(|why| MediaError::Thread { what: "key frames", why })?;
    hub.set_encoder(Some(Encoder { pad: pad(&pipeline, "encoder", "src"), repeater }));
    let mut built = Built::new(pipeline);
    if let Some(film) = film {
        built.also(film.pipeline().clone(), Box::new(film));
    }
    Ok(built)
}

/// Encodes a frame of nothing: loads the plug-ins before anyone presses, and tells what the encoder's
/// parameter sets are, so that a recording can begin before the camera has given its first frame.
///
/// # Errors
/// [`MediaError`] if an element is missing or the encoder gives nothing.
pub fn warm_up(settings: &MediaSettings) -> Result<Vec<u8>, MediaError> {
    let pipeline = parse(&format!(
        "videotestsrc num-buffers=2 pattern=black ! {} ! {} ! rtph264pay ! fakesink name=end sync=false",
        raw_caps(settings),
        encoder(settings)
    ))?;
    let bus = pipeline.bus().expect("every pipeline has a bus");
    let failed = |why: String| MediaError::Pipeline { why };
    pipeline.set_state(gst::State::Playing).map_err(|error| failed(format!("H.264 encoder: {error}")))?;
    let kinds = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(10), &kinds);
    let caps = pad(&pipeline, "shape", "src").current_caps();
    let _ = pipeline.set_state(gst::State::Null);
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => caps
            .and_then(|caps| codec_data(&caps))
            .ok_or_else(|| failed("the H.264 encoder names no parameter sets".into())),
        Some(_) => Err(failed(message.as_ref().map_or_else(String::new, super::pipeline::describe))),
        None => Err(failed("the H.264 encoder gave nothing for 10 s".into())),
    }
}

fn raw_caps(settings: &MediaSettings) -> String {
    format!(
        "video/x-raw,format=I420,width={},height={},framerate={}/1,pixel-aspect-ratio=1/1",
        settings.width, settings.height, settings.fps
    )
}

/// One thread and whole frames (no slices): a frame is out a few milliseconds after it went in. The
/// parameter sets go ahead of every key frame, so that a decoder can begin at any of them.
fn encoder(settings: &MediaSettings) -> String {
    let frames = (settings.key_frame_interval.as_secs_f64() * f64::from(settings.fps)).round().max(1.0);
    format!(
        "x264enc name=encoder tune=zerolatency speed-preset=ultrafast threads=1 option-string=sliced-threads=0 \
         bframes=0 aud=false key-int-max={frames} bitrate={} vbv-buf-capacity=400 ! \
         video/x-h264,profile=constrained-baseline ! h264parse config-interval=-1 ! \
         capsfilter name=shape caps=video/x-h264,stream-format=avc,alignment=au",
        settings.bitrate_kbit
    )
}

/// Frames of a file take the place of the live source's, which keeps the pace: time never has a gap.
fn film(settings: &MediaSettings, path: &Path, pipeline: &gst::Pipeline) -> Result<Film, MediaError> {
    let (film, frames) = Film::open(path, &raw_caps(settings))?;
    pad(pipeline, "camera", "src").add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let Some(tick) = info.buffer_mut() else { return gst::PadProbeReturn::Ok };
        let Some(mut frame) = frames.next() else { return gst::PadProbeReturn::Drop };
        let shown = frame.make_mut();
        shown.set_pts(tick.pts());
        shown.set_dts(gst::ClockTime::NONE);
        shown.set_duration(tick.duration());
        *tick = frame;
        gst::PadProbeReturn::Ok
    });
    Ok(film)
}

fn drop_late_frames(pipeline: &gst::Pipeline, timeline: &Timeline) {
    let timeline = timeline.clone();
    pad(pipeline, "camera", "src").add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let at = info.buffer().and_then(|buffer| buffer.pts()).map_or(0, gst::ClockTime::nseconds);
        if timeline.now() > at + LATEST { gst::PadProbeReturn::Drop } else { gst::PadProbeReturn::Ok }
    });
}

/// When each frame went into the encoder, by its running time.
type Entered = Arc<Mutex<VecDeque<(Running, Instant)>>>;

fn note_entries(pipeline: &gst::Pipeline) -> Entered {
    let entered = Entered::default();
    let noted = Arc::clone(&entered);
    pad(pipeline, "encoder", "sink").add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(pts) = info.buffer().and_then(|buffer| buffer.pts()) {
            let mut noted = lock(&noted);
            noted.push_back((pts.nseconds(), Instant::now()));
            if noted.len() > 16 {
                noted.pop_front();
            }
        }
        gst::PadProbeReturn::Ok
    });
    entered
}

fn units(pipeline: &gst::Pipeline, settings: &MediaSettings, hub: &Arc<Hub>, entered: Entered) {
    let hub = Arc::clone(hub);
    let nominal = 1_000_000_000 / u64::from(settings.fps.max(1));
    let (width, height) = (settings.width, settings.height);
    let mut known: Option<gst::Caps> = None;
    on_sample(&element::<gst_app::AppSink>(pipeline, "units"), move |sample| {
        let (Some(buffer), Some(at)) = (sample.buffer(), running_time(sample)) else { return };
        let caps = sample.caps_owned();
        if caps != known {
            if let Some(avcc) = caps.as_ref().and_then(codec_data) {
                hub.set_codec(&avcc, width, height);
            }
            known = caps;
        }
        let Ok(map) = buffer.map_readable() else { return };
        hub.progressed(Part::Picture);
        hub.unit(Unit {
            medium: Medium::Picture,
            key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            at,
            duration: buffer.duration().map_or(nominal, gst::ClockTime::nseconds),
            data: Bytes::copy_from_slice(&map),
        });
        let went_in = lock(&entered).iter().find(|(when, _)| *when == at).map(|(_, instant)| *instant);
        if let Some(instant) = went_in {
            hub.encode_latency.add(instant.elapsed());
        }
    });
}

fn codec_data(caps: &gst::Caps) -> Option<Vec<u8>> {
    let data = caps.structure(0)?.get::<gst::Buffer>("codec_data").ok()?;
    let map = data.map_readable().ok()?;
    Some(map.to_vec())
}

fn live(pipeline: &gst::Pipeline, hub: &Arc<Hub>) {
    let hub = Arc::clone(hub);
    on_sample(&element::<gst_app::AppSink>(pipeline, "live"), move |sample| {
        let Some(map) = sample.buffer().and_then(|buffer| buffer.map_readable().ok()) else { return };
        if let Some(packet) = take_apart(&map) {
            hub.live(packet);
        }
    });
}

/// Payload, time stamp and marker of an RTP packet of our own payloader (no extension, no padding).
fn take_apart(rtp: &[u8]) -> Option<LivePacket> {
    let (head, rest) = rtp.split_at_checked(12)?;
    let payload = rest.get(usize::from(head[0] & 0x0f) * 4..)?;
    Some(LivePacket {
        medium: Medium::Picture,
        payload: Bytes::copy_from_slice(payload),
        timestamp: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
        marker: head[1] & 0x80 != 0,
    })
}
