//! Helps for the tests of the media: a store in a directory, an officer who speaks a tone, ears.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use sos::adapter::media::{MediaAdapter, MediaSettings};
use sos::kiosk::ports::{FragmentError, Fragments, Media, NewFragment};
use sos::kiosk::{INBOX_SIZE, Stamped};
use sos::machine::Event;
use sos::wire::IncidentId;
use sos::wire::up::FaultKind;
use tokio::sync::mpsc;

/// Longest wait for anything.
pub const BOUND: Duration = Duration::from_secs(20);

/// Small and quick, so that many tests fit on two cores.
pub fn settings() -> MediaSettings {
    MediaSettings { fps: 25, pre_event: Duration::from_secs(3), ..MediaSettings::default() }
}

/// A kiosk's media with its inbox and its store.
pub struct Kiosk {
    pub media: Arc<MediaAdapter>,
    pub inbox: mpsc::Receiver<Stamped>,
    pub store: Arc<Store>,
}

impl Kiosk {
    pub fn start(settings: MediaSettings) -> Self {
        Self::with_store(settings, Store::new())
    }

    pub fn with_store(settings: MediaSettings, store: Arc<Store>) -> Self {
        let (to, inbox) = mpsc::channel(INBOX_SIZE);
        let media = MediaAdapter::start(settings, to, Arc::clone(&store) as Arc<dyn Fragments>).unwrap();
        Self { media, inbox, store }
    }

    /// Waits for an event that `picks` takes.
    pub fn expect<T>(&mut self, what: &str, picks: impl Fn(&Event) -> Option<T>) -> (Instant, T) {
        let end = Instant::now() + BOUND;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            loop {
                let left = end.saturating_duration_since(Instant::now());
                let stamped = tokio::time::timeout(left, self.inbox.recv()).await;
                let stamped = stamped.unwrap_or_else(|_| panic!("{what} has not come")).expect("the adapter lives");
                if let Some(found) = picks(&stamped.event) {
                    return (stamped.at, found);
                }
            }
        })
    }

    /// Waits until this much more has been captured (at 25 frames a second).
    pub fn run_for(&self, span: Duration) {
        let frames = || self.media.measures().encode_ms.n;
        let enough = frames() + (span.as_secs_f64() * 25.0).ceil() as u64;
        until("frames", || frames() >= enough);
    }
}

/// Picks a fault that is raised; its detail.
pub fn raised(kind: FaultKind) -> impl Fn(&Event) -> Option<String> {
    move |event| match event {
        Event::FaultRaised(fault) if fault.kind == kind => Some(fault.detail.clone()),
        _ => None,
    }
}

/// Picks a fault that is cleared.
pub fn cleared(kind: FaultKind) -> impl Fn(&Event) -> Option<()> {
    move |event| (*event == Event::FaultCleared(kind)).then_some(())
}

/// Waits until `done` says so.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + BOUND;
    while !done() {
        assert!(Instant::now() < end, "{what} has not come");
        // Looked at again and again, without taking the processor from the media.
        std::thread::park_timeout(Duration::from_millis(3));
    }
}

/// Fragments as files in a directory of their own.
pub struct Store {
    pub dir: tempfile::TempDir,
    pub broken: AtomicBool,
    /// As long as somebody holds it, whoever writes hangs.
    pub hangs: Mutex<()>,
    pub written: Mutex<BTreeMap<(IncidentId, u64), NewFragment>>,
    pub sealed: Mutex<Vec<(IncidentId, u64)>>,
}

impl Store {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            dir: tempfile::tempdir().unwrap(),
            broken: AtomicBool::new(false),
            hangs: Mutex::default(),
            written: Mutex::default(),
            sealed: Mutex::default(),
        })
    }

    /// Header and fragments `1..=last` in one file.
    pub fn file(&self, incident: IncidentId, last: u64) -> PathBuf {
        let written = self.written.lock().unwrap();
        let path = self.dir.path().join(format!("{incident}-{last}.mp4"));
        let bytes: Vec<u8> = (0..=last).flat_map(|n| written[&(incident, n)].bytes.to_vec()).collect();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn count(&self, incident: IncidentId) -> u64 {
        self.written.lock().unwrap().keys().filter(|(of, _)| *of == incident).count() as u64
    }

    pub fn fragment(&self, incident: IncidentId, index: u64) -> NewFragment {
        self.written.lock().unwrap()[&(incident, index)].clone()
    }
}

impl Fragments for Store {
    fn write(&self, fragment: NewFragment) -> Result<(), FragmentError> {
        drop(self.hangs.lock().unwrap());
        if self.broken.load(Ordering::SeqCst) {
            let (incident, index) = (fragment.incident, fragment.index);
            return Err(FragmentError { incident, index, step: "write", why: "no space left".into() });
        }
        let key = (fragment.incident, fragment.index);
        assert_eq!(key.1, self.next_index(key.0), "indices have no hole");
        self.written.lock().unwrap().insert(key, fragment);
        Ok(())
    }

    fn next_index(&self, incident: IncidentId) -> u64 {
        self.count(incident)
    }

    fn recorded_wall_us(&self, incident: IncidentId) -> Option<(i64, i64)> {
        let written = self.written.lock().unwrap();
        let media = written.range((incident, 1)..=(incident, u64::MAX));
        let (first, last) = (media.clone().next()?.1, media.last()?.1);
        Some((first.start_wall_us, last.start_wall_us + last.duration_us as i64))
    }

    fn seal(&self, incident: IncidentId, fragments: u64) -> Result<(), FragmentError> {
        self.sealed.lock().unwrap().push((incident, fragments));
        Ok(())
    }
}

/// An officer who speaks one tone: real Opus in real RTP, in real time.
pub struct Officer {
    pipeline: gst::Pipeline,
    pub first: Arc<Mutex<Option<Instant>>>,
}

impl Officer {
    pub fn speak(media: &Arc<MediaAdapter>, hertz: u32) -> Self {
        gst::init().unwrap();
        let pipeline = gst::parse::launch(&format!(
            "audiotestsrc is-live=true freq={hertz} volume=0.4 samplesperbuffer=960 ! \
             audio/x-raw,format=S16LE,rate=48000,channels=1 ! opusenc ! rtpopuspay pt=111 ! queue name=way ! appsink name=out sync=false"
        ));
        let pipeline = pipeline.unwrap().downcast::<gst::Pipeline>().unwrap();
        let out = pipeline.by_name("out").unwrap().downcast::<gst_app::AppSink>().unwrap();
        let (media, first) = (Arc::downgrade(media), Arc::new(Mutex::new(None)));
        let said = Arc::clone(&first);
        let take = move |sink: &gst_app::AppSink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Flushing)?;
            let map = sample.buffer().unwrap().map_readable().unwrap();
            let media = media.upgrade().ok_or(gst::FlowError::Eos)?;
            said.lock().unwrap().get_or_insert_with(Instant::now);
            media.voice(Bytes::copy_from_slice(&map));
            Ok(gst::FlowSuccess::Ok)
        };
        out.set_callbacks(gst_app::AppSinkCallbacks::builder().new_sample(take).build());
        pipeline.set_state(gst::State::Playing).unwrap();
        Self { pipeline, first }
    }

    /// The way to the kiosk takes so much longer from now on.
    pub fn slow_down(&self, by: Duration) {
        let by = gst::ClockTime::from_mseconds(by.as_millis() as u64);
        self.pipeline.by_name("way").unwrap().set_property("min-threshold-time", by.nseconds());
    }

    pub fn said_at(&self) -> Instant {
        self.first.lock().unwrap().expect("spoke")
    }
}

impl Drop for Officer {
    fn drop(&mut self) {
        self.pipeline.set_state(gst::State::Null).unwrap();
    }
}

/// What a tool prints; it must succeed and complain of nothing.
pub fn tool(name: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(name).args(arguments).output().unwrap_or_else(|error| panic!("{name}: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{name} {arguments:?}: {complaint}");
    output.stdout
}

/// What `ffprobe` finds in a file.
pub fn probe(file: &Path) -> serde_json::Value {
    let file = file.to_str().unwrap();
    let arguments = ["-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", file];
    serde_json::from_slice(&tool("ffprobe", &arguments)).unwrap()
}

/// Decoded sound of a file: one list of samples per channel.
pub fn listen(file: &Path) -> [Vec<f64>; 2] {
    let file = file.to_str().unwrap();
    let arguments = ["-v", "error", "-i", file, "-map", "0:a", "-f", "s16le", "-ac", "2", "-ar", "48000", "-"];
    let bytes = tool("ffmpeg", &arguments);
    let samples: Vec<f64> =
        bytes.chunks_exact(2).map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]])) / 32768.0).collect();
    [0, 1].map(|channel| samples.iter().skip(channel).step_by(2).copied().collect())
}

/// Amplitude of one frequency (Goertzel), 1 for a full-scale sine.
pub fn tone(samples: &[f64], hertz: f64) -> f64 {
    let step = TAU * hertz / 48_000.0;
    let (mut re, mut im) = (0.0, 0.0);
    for (index, sample) in samples.iter().enumerate() {
        re += sample * (step * index as f64).cos();
        im += sample * (step * index as f64).sin();
    }
    2.0 * re.hypot(im) / samples.len().max(1) as f64
}

/// Root of the mean square.
pub fn rms(samples: &[f64]) -> f64 {
    (samples.iter().map(|sample| sample * sample).sum::<f64>() / samples.len().max(1) as f64).sqrt()
}
