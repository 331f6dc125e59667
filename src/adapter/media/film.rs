//! A video file as a camera: decoded, scaled, looped for ever. The decoder runs ahead by a few frames and
//! is held back there; whoever shows the frames keeps the pace. A file that is exchanged shows the new film within a
//! moment; one that is removed is a camera unplugged.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::pipeline::{element, pad, parse, set_path};
use super::{MediaError, lock};

/// Frames decoded ahead: bridges the seek back to the beginning.
const AHEAD: usize = 8;
/// While the decoder is away this long, the last frame is shown again; beyond, there is no picture.
const BRIDGE: Duration = Duration::from_millis(1000);

/// The decoder of a file.
pub struct Film {
    pipeline: gst::Pipeline,
    ended: Arc<AtomicBool>,
}

/// Where its frames come out.
pub struct Frames(Mutex<Shown>);

struct Shown {
    from: Receiver<gst::Buffer>,
    last: Option<(gst::Buffer, Instant)>,
}

impl Film {
    /// Opens a file; its frames come out when its pipeline plays.
    ///
    /// # Errors
    /// [`MediaError::File`] if there is none; what is wrong inside it comes on the pipeline's bus.
    pub fn open(path: &Path, raw_caps: &str) -> Result<(Self, Frames), MediaError> {
        let failed = |why: String| MediaError::File { path: path.to_owned(), why };
        let opened = Opened::of(path).map_err(|error| failed(error.to_string()))?;
        let pipeline = parse(&format!(
            "filesrc name=file ! decodebin name=decoder videoconvert name=convert ! videoscale add-borders=true ! videorate ! {raw_caps} ! \
             appsink name=out sync=false max-buffers=2 enable-last-sample=false"
        ))?;
        set_path(&pipeline, "file", path);
        link_each_time(&pipeline);
        let out: gst_app::AppSink = element(&pipeline, "out");
        let (to, from) = sync_channel(AHEAD);
        let film = Self { pipeline: pipeline.clone(), ended: Arc::default() };
        let ended = Arc::clone(&film.ended);
        // The thread ends soon after the film is dropped. It is not waited for: a decoder that hangs must
        // not take the supervisor with it.
        std::thread::Builder::new()
            .name("film".into())
            .spawn(move || roll(&pipeline, &out, &to, &ended, opened))
            .map_err(|error| failed(error.to_string()))?;
        Ok((film, Frames(Mutex::new(Shown { from, last: None }))))
    }

    /// The pipeline that decodes.
    #[must_use]
    pub fn pipeline(&self) -> &gst::Pipeline {
        &self.pipeline
    }
}

impl Drop for Film {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// Joins the decoder's picture to what follows, for each file anew: a description does it for the first one only.
fn link_each_time(pipeline: &gst::Pipeline) {
    let convert = pad(pipeline, "convert", "sink").downgrade();
    element::<gst::Element>(pipeline, "decoder").connect_pad_added(move |_, from| {
        let caps = from.current_caps().unwrap_or_else(|| from.query_caps(None));
        let picture = caps.structure(0).is_some_and(|shape| shape.name().starts_with("video/"));
        if let Some(convert) = convert.upgrade().filter(|convert| picture && !convert.is_linked()) {
            // What does not fit comes on the bus: the decoder's stream ends unlinked.
            let _ = from.link(&convert);
        }
    });
}

/// Which file it is: another one under the same name differs in one of these.
#[derive(PartialEq, Eq)]
struct Identity(u64, u64, u64, i64, i64);

struct Opened {
    path: PathBuf,
    identity: Identity,
    looked: Instant,
}

impl Opened {
    fn of(path: &Path) -> std::io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)?, looked: Instant::now() })
    }
}

fn identity(path: &Path) -> std::io::Result<Identity> {
    let found = std::fs::metadata(path)?;
    Ok(Identity(found.dev(), found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}

/// Passes frames on until nobody wants them; starts again at the end of the file.
fn roll(
    pipeline: &gst::Pipeline,
    out: &gst_app::AppSink,
    to: &SyncSender<gst::Buffer>,
    ended: &AtomicBool,
    mut opened: Opened,
) {
    const POLL: gst::ClockTime = gst::ClockTime::from_mseconds(200);
    let mut any = false;
    while !ended.load(Ordering::Relaxed) {
        match exchanged(&mut opened) {
            Ok(false) => {}
            Ok(true) => {
                any = false;
                // Opens the new file; what is wrong with it comes on the bus.
                let _ = pipeline.set_state(gst::State::Null);
                let _ = pipeline.set_state(gst::State::Playing);
            }
            Err(why) => {
                gst::element_error!(pipeline, gst::ResourceError::NotFound, ("{}: {why}", opened.path.display()));
                return;
            }
        }
        if let Some(sample) = out.try_pull_sample(POLL) {
            any = true;
            if let Some(buffer) = sample.buffer_owned()
                && to.send(buffer).is_err()
            {
                return;
            }
        } else if out.is_eos() && any {
            let again = gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT;
            if pipeline.seek_simple(again, gst::ClockTime::ZERO).is_err() {
                return;
            }
            any = false;
        } else {
            // Not playing yet (which GStreamer calls the end, too), or an empty file.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Whether there is another file under the name now; looks a few times a second.
fn exchanged(opened: &mut Opened) -> std::io::Result<bool> {
    const EVERY: Duration = Duration::from_millis(300);
    if opened.looked.elapsed() < EVERY {
        return Ok(false);
    }
    opened.looked = Instant::now();
    let now = identity(&opened.path)?;
    let other = now != opened.identity;
    opened.identity = now;
    Ok(other)
}

impl Frames {
    /// The next frame, or the last one again for a moment; `None` if there is none to show.
    pub fn next(&self) -> Option<gst::Buffer> {
        let mut shown = lock(&self.0);
        match shown.from.try_recv() {
            Ok(frame) => shown.last = Some((frame, Instant::now())),
            Err(_) => drop(shown.last.take_if(|(_, since)| since.elapsed() > BRIDGE)),
        }
        shown.last.as_ref().map(|(frame, _)| frame.clone())
    }
}
