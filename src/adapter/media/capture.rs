//! A real camera: captured, decoded, brought to the configured size and format, and handed on at the configured
//! rate (`pace`). What it gives by itself is told in the log and in the status.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use tracing::{info, warn};

use super::clock::Running;
use super::hub::Hub;
use super::modes::{self, Mode};
use super::pace::Pace;
use super::pipeline::{element, pad, parse, running_time};
use super::{CameraSource, MediaError, MediaSettings, RtspSource, lock};

/// Packets of an IP camera that come late are waited for this long, ms; those in order are not held back.
const JITTER_MS: u32 = 100;
/// An IP camera that does not answer for this long is tried again.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// Builds the capturing pipeline, whose frames go to `to`. What is returned beside it must live as long.
///
/// # Errors
/// [`MediaError`] if the device is not there, offers nothing that can be used, or a plug-in is missing.
pub fn open(
    settings: &MediaSettings,
    hub: &Arc<Hub>,
    to: gst_app::AppSrc,
) -> Result<(gst::Pipeline, Box<dyn Send>), MediaError> {
    let pipeline = match &settings.camera {
        CameraSource::V4l2(device) => v4l2(device, settings)?,
        CameraSource::Libcamera(id) => libcamera(id.as_deref(), settings)?,
        CameraSource::Rtsp(camera) => rtsp(camera, settings)?,
        CameraSource::Test | CameraSource::File(_) => unreachable!("these two are paced by the ticker"),
    };
    tell_what_comes(&pipeline, settings, hub);
    let pacer = Pacer::start(settings, hub, to)?;
    hand_on(&element(&pipeline, "frames"), &pacer.shared);
    Ok((pipeline, Box::new(pacer)))
}

fn missing(why: impl Into<String>) -> MediaError {
    MediaError::Pipeline { why: why.into() }
}

fn needs(factory: &str, package: &str) -> Result<(), MediaError> {
    if gst::ElementFactory::find(factory).is_some() {
        return Ok(());
    }
    Err(missing(format!("the GStreamer plug-in with {factory} is not installed (Debian: {package})")))
}

/// From whatever comes to the picture that is asked, bars at the sides where the shape differs.
fn shaped(source: &str, settings: &MediaSettings) -> Result<gst::Pipeline, MediaError> {
    parse(&format!(
        "{source} ! videoconvertscale name=shape add-borders=true ! \
         video/x-raw,format=I420,width={},height={},pixel-aspect-ratio=1/1 ! \
         appsink name=frames sync=false async=false max-buffers=1 drop=true enable-last-sample=false",
        settings.width, settings.height
    ))
}

fn v4l2(device: &str, settings: &MediaSettings) -> Result<gst::Pipeline, MediaError> {
    needs("v4l2src", "gstreamer1.0-plugins-good")?;
    let path = device_path(device, Path::new("/sys/class/video4linux"))?;
    let failed = |why: String| MediaError::File { path: path.clone(), why };
    std::fs::metadata(&path).map_err(|error| failed(error.to_string()))?;
    let mode = {
        let source = gst::ElementFactory::make("v4l2src").property("device", path.display().to_string()).build();
        let source = source.map_err(|error| failed(error.to_string()))?;
        let opened = source.set_state(gst::State::Ready);
        let offered = source.static_pad("src").map(|pad| pad.query_caps(None));
        // A device that does not close is found out when it is opened again.
        let _ = source.set_state(gst::State::Null);
        opened.map_err(|_| failed("expected a camera, found a device that does not open as one".into()))?;
        let offered = offered.expect("a source has a pad");
        fitting(&path, &offered, settings)?
    };
    let decoder = if mode.jpeg { "! jpegdec " } else { "" };
    let pipeline = shaped(&format!("v4l2src name=source ! capsfilter name=mode {decoder}"), settings)?;
    element::<gst::Element>(&pipeline, "source").set_property("device", path.display().to_string());
    element::<gst::Element>(&pipeline, "mode").set_property("caps", &mode.caps);
    Ok(pipeline)
}

fn fitting(path: &Path, offered: &gst::Caps, settings: &MediaSettings) -> Result<Mode, MediaError> {
    let why = || format!("expected raw pictures or MJPEG, found {offered}");
    modes::choose(offered, settings).ok_or_else(|| MediaError::File { path: path.to_owned(), why: why() })
}

/// The device a path or a name means. A name is what the driver calls it (`/sys/class/video4linux/*/name`); of
/// several nodes of one device the first that captures.
fn device_path(device: &str, class: &Path) -> Result<PathBuf, MediaError> {
    if device.starts_with('/') {
        return Ok(device.into());
    }
    let read = |node: &Path, what: &str| std::fs::read_to_string(node.join(what)).unwrap_or_default().trim().to_owned();
    let mut nodes: Vec<PathBuf> =
        std::fs::read_dir(class).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    nodes.sort();
    let found = nodes.iter().find(|node| read(node, "name") == device && read(node, "index") == "0");
    let node = found.and_then(|node| node.file_name()).ok_or_else(|| {
        let names: Vec<String> = nodes.iter().map(|node| format!("{:?}", read(node, "name"))).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        missing(format!("expected a V4L2 device named {device:?}, found {names}"))
    })?;
    Ok(Path::new("/dev").join(node))
}

fn libcamera(id: Option<&str>, settings: &MediaSettings) -> Result<gst::Pipeline, MediaError> {
    needs("libcamerasrc", "gstreamer1.0-libcamera")?;
    // The first that it can give is taken; the rate is left to it, since older ones know none.
    let source = format!(
        "libcamerasrc name=source ! capsfilter caps=\"video/x-raw,format=NV12,width={w},height={h}; \
         video/x-raw,width={w},height={h}; video/x-raw\"",
        w = settings.width,
        h = settings.height
    );
    let pipeline = shaped(&source, settings)?;
    if let Some(id) = id {
        element::<gst::Element>(&pipeline, "source").set_property("camera-name", id);
    }
    Ok(pipeline)
}

fn rtsp(camera: &RtspSource, settings: &MediaSettings) -> Result<gst::Pipeline, MediaError> {
    needs("rtspsrc", "gstreamer1.0-plugins-good")?;
    let source = format!("rtspsrc name=source latency={JITTER_MS} drop-on-latency=true ! decodebin");
    let pipeline = shaped(&source, settings)?;
    let source: gst::Element = element(&pipeline, "source");
    source.set_property("location", &camera.url);
    source.set_property_from_str("protocols", if camera.tcp { "tcp" } else { "udp" });
    let micros = u64::try_from(ANSWER_WITHIN.as_micros()).expect("some seconds");
    source.set_property("tcp-timeout", micros);
    source.set_property("timeout", micros);
    if let Some(path) = &camera.credentials {
        let (user, password) = credentials(path)?;
        source.set_property("user-id", user);
        source.set_property("user-pw", password);
    }
    // Its sound is not asked for, and what has no decoder must not end the picture.
    source.connect("select-stream", false, |values| {
        let caps = values.get(2).and_then(|value| value.get::<gst::Caps>().ok());
        let media = caps.as_ref().and_then(|caps| caps.structure(0)?.get::<String>("media").ok());
        Some((media.as_deref() == Some("video")).to_value())
    });
    Ok(pipeline)
}

fn credentials(path: &Path) -> Result<(String, String), MediaError> {
    let failed = |why: String| MediaError::File { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let line = text.lines().next().unwrap_or_default();
    // What was found is not said: it may be half a password.
    let pair = line.split_once(':').filter(|(user, _)| !user.is_empty());
    let (user, password) = pair.ok_or_else(|| failed("expected user:password in its first line".into()))?;
    Ok((user.to_owned(), password.to_owned()))
}

/// Says what the camera gives by itself, whenever that changes, and whether it has to be adapted.
fn tell_what_comes(pipeline: &gst::Pipeline, settings: &MediaSettings, hub: &Arc<Hub>) {
    let (hub, settings) = (Arc::clone(hub), settings.clone());
    pad(pipeline, "shape", "sink").add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(event) = info.event()
            && let gst::EventView::Caps(caps) = event.view()
            && let Ok(comes) = gst_video::VideoInfo::from_caps(caps.caps())
        {
            let told = describe(&comes, &settings);
            if told.ends_with("adapted") {
                warn!(camera = told, "the camera does not give what is asked");
            } else {
                info!(camera = told, "camera");
            }
            hub.tell_camera(told);
        }
        gst::PadProbeReturn::Ok
    });
}

fn describe(comes: &gst_video::VideoInfo, settings: &MediaSettings) -> String {
    let rate = comes.fps();
    // 0/1 is "varies", and says nothing.
    let known = rate.numer() > 0;
    let fps = f64::from(rate.numer()) / f64::from(rate.denom().max(1));
    let rate =
        if known { format!("{fps:.4}").trim_end_matches('0').trim_end_matches('.').to_owned() } else { "?".into() };
    let gives = format!("{} {}x{} at {rate} frames/s", comes.format(), comes.width(), comes.height());
    let fits = (comes.width(), comes.height()) == (u32::from(settings.width), u32::from(settings.height))
        && (!known || (fps - f64::from(settings.fps)).abs() < 0.5);
    if fits {
        return gives;
    }
    format!("{gives}, asked {}x{} at {}: adapted", settings.width, settings.height, settings.fps)
}

fn hand_on(frames: &gst_app::AppSink, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    let callbacks = gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Flushing)?;
            if let Some(frame) = sample.buffer_owned() {
                shared.arrived(frame, running_time(&sample));
            }
            Ok(gst::FlowSuccess::Ok)
        })
        .eos(|sink| gst::element_error!(sink, gst::ResourceError::Read, ("the camera's stream has ended")))
        .build();
    frames.set_callbacks(callbacks);
}

/// Gives the encoder its frames in time; ends when dropped.
struct Pacer {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    ended: Condvar,
    hub: Arc<Hub>,
    to: gst_app::AppSrc,
}

struct State {
    pace: Pace,
    last: Option<gst::Buffer>,
    ended: bool,
}

impl Pacer {
    fn start(settings: &MediaSettings, hub: &Arc<Hub>, to: gst_app::AppSrc) -> Result<Self, MediaError> {
        let state = State { pace: Pace::new(settings.fps), last: None, ended: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), ended: Condvar::new(), hub: Arc::clone(hub), to });
        let repeating = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("camera pace".into())
            .spawn(move || repeating.repeat())
            .map_err(|why| MediaError::Thread { what: "camera's pace", why })?;
        Ok(Self { shared })
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        lock(&self.shared.state).ended = true;
        self.shared.ended.notify_all();
    }
}

impl Shared {
    fn arrived(&self, frame: gst::Buffer, at: Option<Running>) {
        let mut state = lock(&self.state);
        let now = self.hub.timeline.now();
        if let Some(stamp) = state.pace.arrived(now, at.unwrap_or(now)) {
            self.push(&frame, stamp);
        }
        state.last = Some(frame);
    }

    /// Shows the last frame again where none comes in time.
    fn repeat(&self) {
        const IDLE: Duration = Duration::from_millis(200);
        let mut state = lock(&self.state);
        while !state.ended {
            let now = self.hub.timeline.now();
            if let Some(stamp) = state.pace.repeat(now)
                && let Some(last) = &state.last
            {
                self.push(last, stamp);
            }
            let next = state.pace.repeat_at();
            let wait = next.map_or(IDLE, |at| Duration::from_nanos(at.saturating_sub(now).max(1_000_000)));
            state = self.ended.wait_timeout(state, wait).unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    fn push(&self, frame: &gst::Buffer, stamp: Running) {
        // Shares the pixels; only the times are its own.
        let mut frame = frame.clone();
        let shown = frame.make_mut();
        shown.set_pts(gst::ClockTime::from_nseconds(stamp));
        shown.set_dts(gst::ClockTime::NONE);
        shown.set_duration(gst::ClockTime::NONE);
        // Refused while the pipeline goes down; never waits, since the source leaks.
        let _ = self.to.push_buffer(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_found_by_the_name_its_driver_gives_it() {
        let class = tempfile::tempdir().unwrap();
        for (node, name, index) in
            [("video0", "UVC Camera", "1"), ("video1", "vivid", "0"), ("video2", "UVC Camera", "0")]
        {
            let node = class.path().join(node);
            std::fs::create_dir(&node).unwrap();
            std::fs::write(node.join("name"), format!("{name}\n")).unwrap();
            std::fs::write(node.join("index"), format!("{index}\n")).unwrap();
        }
        assert_eq!(device_path("UVC Camera", class.path()).unwrap(), Path::new("/dev/video2"));
        assert_eq!(device_path("/dev/v4l/by-id/x", class.path()).unwrap(), Path::new("/dev/v4l/by-id/x"));
        let why = device_path("Pi", class.path()).unwrap_err().to_string();
        assert!(why.contains("named \"Pi\", found \"UVC Camera\", \"vivid\""), "{why}");
    }

    #[test]
    fn a_camera_whose_pictures_cannot_be_read_is_named_with_what_it_offers() {
        gst::init().unwrap();
        let only_h264 = gst::Caps::builder("video/x-h264").field("width", 1280).build();
        let why = fitting(Path::new("/dev/video3"), &only_h264, &MediaSettings::default()).unwrap_err().to_string();
        assert!(why.starts_with("/dev/video3: expected raw pictures or MJPEG, found video/x-h264"), "{why}");
        assert!(why.contains("1280"), "{why}");
    }

    #[test]
    fn credentials_are_one_line_and_are_never_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("camera");
        std::fs::write(&path, "officer:a:b c\nmore\n").unwrap();
        assert_eq!(credentials(&path).unwrap(), ("officer".to_owned(), "a:b c".to_owned()));
        std::fs::write(&path, "secret\n").unwrap();
        let why = credentials(&path).unwrap_err().to_string();
        assert!(why.contains("expected user:password") && !why.contains("secret"), "{why}");
    }
}
