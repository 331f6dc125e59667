//! The picture: camera -> one encoder -> units for the ring and the recording, and RTP for the call. On its way each
//! frame is looked at (`watch`).

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use super::clock::{MS, Running, Timeline};
use super::encoder::{self, Encoders};
use super::film::Film;
use super::hub::{Encoder, Hub, Part};
use super::pipeline::{element, on_sample, pad, parse, running_time};
use super::repeat::Repeater;
use super::ring::Unit;
use super::stamp::stamp;
use super::supervise::Built;
use super::{CameraSource, MediaError, MediaSettings, capture, lock};
use crate::kiosk::ports::{LivePacket, Medium};

/// A frame that waited this long (the encoder does not keep up) is dropped rather than sent late.
const LATEST: Running = 200 * MS;

/// Builds the part; it does not play yet.
///
/// # Errors
/// [`MediaError`] if an element is missing or the camera's file cannot be read.
pub fn build(settings: &MediaSettings, hub: &Arc<Hub>) -> Result<Built, MediaError> {
    let raw = raw_caps(settings);
    let source = match &settings.camera {
        CameraSource::Test => ticker("smpte75 horizontal-speed=6", &raw, hub),
        CameraSource::File(_) => ticker("black", &raw, hub),
        CameraSource::V4l2(_) | CameraSource::Libcamera(_) | CameraSource::Rtsp(_) => {
            // Two frames at most: where the encoder is behind, the older one goes.
            format!("appsrc name=camera is-live=true format=time max-buffers=2 leaky-type=downstream caps=\"{raw}\"")
        }
    };
    let pipeline = parse(&format!(
        "{source} ! {encoder} ! tee name=t \
         t. ! rtph264pay name=pay mtu=1200 aggregate-mode=zero-latency config-interval=0 timestamp-offset=0 ! \
              appsink name=live sync=false async=false enable-last-sample=false \
         t. ! appsink name=units sync=false async=false enable-last-sample=false",
        encoder = encoder::description(hub.encoders.current(), settings),
    ))?;
    let mut built = Built::new(pipeline.clone());
    match &settings.camera {
        CameraSource::Test => {
            stamp(&pad(&pipeline, "camera", "src"), usize::from(settings.width), usize::from(settings.height));
        }
        CameraSource::File(path) => {
            let film = film(settings, path, &pipeline)?;
            built.also(film.pipeline().clone(), Box::new(film));
        }
        CameraSource::V4l2(_) | CameraSource::Libcamera(_) | CameraSource::Rtsp(_) => {
            let (capture, pacer) = capture::open(settings, hub, element(&pipeline, "camera"))?;
            built.also(capture, pacer);
        }
    }
    drop_late_frames(&pipeline, &hub.timeline);
    let entered = note_entries(&pipeline, hub);
    look(&pipeline, settings, hub);
    units(&pipeline, settings, hub, entered);
    live(&pipeline, hub);
    let period = 1_000_000_000 / Running::from(settings.fps.max(1));
    let repeater = Repeater::watch(&pad(&pipeline, "encoder", "sink"), period, hub.timeline.clone())
        .map_err(|why| MediaError::Thread { what: "key frames", why })?;
    hub.set_encoder(Some(Encoder { pad: encoder::source_pad(&pipeline), repeater }));
    Ok(built)
}

/// Gets the encoder ready: the first one of those that the configuration allows which works. See
/// [`encoder::Encoders::warm_up`].
///
/// # Errors
/// [`MediaError`] if none does.
pub fn warm_up(settings: &MediaSettings, encoders: &Encoders) -> Result<Vec<u8>, MediaError> {
    encoders.warm_up(settings, &raw_caps(settings))
}

/// A live source that keeps the pace. Without the offset a part that is rebuilt would first make up for all the time
/// since the start.
fn ticker(pattern: &str, raw: &str, hub: &Hub) -> String {
    let now = hub.timeline.now();
    format!("videotestsrc name=camera is-live=true pattern={pattern} timestamp-offset={now} ! {raw}")
}

fn raw_caps(settings: &MediaSettings) -> String {
    format!(
        "video/x-raw,format=I420,width={},height={},framerate={}/1,pixel-aspect-ratio=1/1",
        settings.width, settings.height, settings.fps
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
        if timeline.now() > at + LATEST { gst::PadProbeReturn::Handled } else { gst::PadProbeReturn::Ok }
    });
}

/// When each frame went into the encoder, by its running time.
type Entered = Arc<Mutex<VecDeque<(Running, Instant)>>>;

fn note_entries(pipeline: &gst::Pipeline, hub: &Arc<Hub>) -> Entered {
    let hub = Arc::clone(hub);
    let entered = Entered::default();
    let noted = Arc::clone(&entered);
    pad(pipeline, "encoder", "sink").add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(pts) = info.buffer().and_then(|buffer| buffer.pts()) {
            let mut noted = lock(&noted);
            noted.push_back((pts.nseconds(), Instant::now()));
            if noted.len() > 16 {
                noted.pop_front();
            }
            drop(noted);
            hub.fed();
        }
        gst::PadProbeReturn::Ok
    });
    entered
}

fn look(pipeline: &gst::Pipeline, settings: &MediaSettings, hub: &Arc<Hub>) {
    let (width, height) = (u32::from(settings.width), u32::from(settings.height));
    let shape = gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, width, height).build();
    let Ok(shape) = shape else { return };
    let hub = Arc::clone(hub);
    pad(pipeline, "encoder", "sink").add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer()
            && let Some(at) = buffer.pts()
        {
            hub.watch.frame(buffer, &shape, at.nseconds(), &hub.inbox);
        }
        gst::PadProbeReturn::Ok
    });
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
            if let Some(avcc) = caps.as_ref().and_then(|caps| encoder::codec_data(caps)) {
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

fn live(pipeline: &gst::Pipeline, hub: &Arc<Hub>) {
    let gate = Arc::clone(hub);
    // Two hundred packets a second would be made for nobody. The payloader keeps nothing of one frame for the next, and
    // what goes out after the opening begins with the key frame that is asked for then.
    pad(pipeline, "pay", "sink").add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        if gate.gate.wants() { gst::PadProbeReturn::Ok } else { gst::PadProbeReturn::Handled }
    });
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
