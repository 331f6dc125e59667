//! The kiosk's always-on media: camera, microphone, loudspeaker, and the recorder.
//!
//! ```text
//! camera ----> encoder -+-> RTP ---------> gate -> the call
//!                       +-> units -+
//! microphone -+-> Opus mono -------|-----> gate -> the call
//!             +-> left  +          |
//!                       stereo ----+-> ring in RAM -> recorder -> fragments
//! officer ----+-> right +
//!   (RTP)     +-> mixer -> loudspeaker
//! prompts ------> mixer
//! ```
//!
//! On a board microphone and loudspeaker are one sound card (`card`), which has an echo canceller (`echo`).
//!
//! Nothing is started at a press: everything runs from the start on one clock (`clock`), and a press
//! opens a gate, forces a key frame and takes the ring. Each part is a pipeline of its own on the
//! common time line, so that a broken one is rebuilt (`supervise`) while the others go on.

pub mod air;
mod capture;
pub mod card;
mod chirp;
pub mod clock;
pub mod cutter;
mod deaf;
pub mod echo;
pub mod encoder;
mod film;
pub mod fmp4;
pub mod gate;
mod hub;
pub mod late;
pub mod look;
pub mod loudness;
pub mod measure;
mod modes;
mod pace;
pub mod pcm;
mod picture;
mod pipeline;
mod playout;
mod probe;
pub mod prompts;
mod queue;
mod recorder;
mod repeat;
pub mod ring;
pub mod scene;
mod settings;
mod sound;
mod sound_path;
mod speaker;
mod stamp;
mod stereo;
pub mod still;
mod supervise;
pub mod synth;
mod threads;
mod voice;
mod watch;
mod wav;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use gstreamer as gst;
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use super::join_within;
use crate::kiosk::ports::{Chirped, Fragments, LivePacket, Media, MediaHealth, MediaInventory};
use crate::kiosk::{Inbox, Stamped};
use crate::machine::Event;
use crate::machine::words::Prompt;
use crate::wire::IncidentId;

use threads::{lock, report};

pub use settings::{CameraSource, MediaSettings, MicrophoneSource, RtspSource, Speaker};

/// Why the media cannot be.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// GStreamer itself does not start.
    #[error("GStreamer: {0}")]
    Init(#[from] gst::glib::Error),
    /// An element is missing or refuses.
    #[error("media pipeline: {why}")]
    Pipeline {
        /// What GStreamer says.
        why: String,
    },
    /// A file is missing or is not what it should be.
    #[error("{}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The sound card does not work.
    #[error("sound card {why}")]
    Card {
        /// What ALSA says.
        why: String,
    },
    /// The system gives no thread.
    #[error("no thread for the {what}: {why}")]
    Thread {
        /// For what.
        what: &'static str,
        /// Why.
        why: std::io::Error,
    },
}

/// What the adapter has measured of itself.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Measures {
    /// Before the encoder to the encoded frame in our hands, ms.
    pub encode_ms: measure::Summary,
    /// `voice` called to the instant the samples leave the loudspeaker's sink, ms.
    pub voice_ms: measure::Summary,
    /// What passed the gate.
    pub gate: gate::GateCounts,
    /// Packets of the officer's voice dropped while the way was closed, or malformed.
    pub voice_dropped: u64,
    /// Units the recorder could not take in time.
    pub units_shed: u64,
    /// Bytes in the ring.
    pub ring_bytes: usize,
    /// How often the sound card ran over or dry.
    pub card_breaks: u64,
    /// Noise that the loudspeaker's level goes by, dB of full scale; `None` without a card or until it is known.
    pub noise_dbfs: Option<f64>,
}

/// The media of one kiosk. Dropping it stops everything; a recording under way is left unsealed, for
/// the next run to go on with.
#[derive(Debug)]
pub struct MediaAdapter {
    hub: Arc<hub::Hub>,
    input: Arc<speaker::VoiceInput>,
    /// Why nothing can be said of the way from loudspeaker to microphone.
    no_sound_path: Option<&'static str>,
    stopping: Mutex<Option<(supervise::Supervisor, JoinHandle<()>)>>,
}

impl MediaAdapter {
    /// Starts everything. A missing camera, microphone or loudspeaker is not an error but a fault: it
    /// comes as an event and heals by itself.
    ///
    /// # Errors
    /// [`MediaError`] if GStreamer or one of its plug-ins that everything rests on is missing.
    pub fn start(
        settings: MediaSettings,
        inbox: Inbox,
        fragments: Arc<dyn Fragments>,
    ) -> Result<Arc<Self>, MediaError> {
        gst::init()?;
        let encoders = encoder::Encoders::new(settings.encoder);
        let avcc = picture::warm_up(&settings, &encoders)?;
        let track = fmp4::PictureTrack { avcc: Bytes::from(avcc), width: settings.width, height: settings.height };
        let timeline = clock::Timeline::begin();
        let prompts = prompts::Prompts::load(&settings.prompts);
        let ring = ring::Ring::new(clock::nanos(settings.pre_event + RING_SPARE), ring_bytes(&settings));
        let hub = Arc::new(hub::Hub::new(hub::Kit {
            timeline: timeline.clone(),
            inbox: inbox.clone(),
            ring,
            prompts,
            picture: Some(track),
            encoders,
            watch: watch::Watch::new(settings.watch, settings.reference.clone()),
            air: settings.air.map(air::Air::new),
        }));
        if let Some(card) = settings.card.clone() {
            start_card(card, &hub)?;
        }

        let counter = Arc::clone(&hub);
        let recorder = recorder::start(recorder::Desk {
            queue: Arc::clone(&hub.queue),
            fragments,
            inbox,
            timeline,
            ended: Box::new(move || counter.recording_ended()),
        })
        .map_err(|why| MediaError::Thread { what: "recorder", why })?;
        let input = Arc::new(speaker::VoiceInput::default());
        let no_sound_path = settings.sound_path().err();
        let supervisor = supervise::Supervisor::start(settings, Arc::clone(&hub), Arc::clone(&input))
            .map_err(|why| MediaError::Thread { what: "media supervisor", why })?;
        Ok(Arc::new(Self { hub, input, no_sound_path, stopping: Mutex::new(Some((supervisor, recorder))) }))
    }

    /// Stops everything in order: the sources, then the recorder, which writes what it has. Blocks until
    /// that is done, at most some seconds each; harmless when repeated.
    pub fn shut_down(&self) {
        let Some((mut supervisor, recorder)) = lock(&self.stopping).take() else { return };
        self.close_gate();
        supervisor.stop();
        if let Some(card) = self.hub.card.get() {
            card.stop();
        }
        self.hub.queue.shut_down();
        join_within(recorder, "recorder");
    }

    /// What has been measured so far.
    #[must_use]
    pub fn measures(&self) -> Measures {
        Measures {
            encode_ms: self.hub.encode_latency.summary(),
            voice_ms: self.hub.voice_latency.summary(),
            gate: self.hub.gate.counts(),
            voice_dropped: self.hub.voice.dropped(),
            units_shed: self.hub.queue.shed(),
            ring_bytes: self.hub.ring_bytes(),
            card_breaks: self.hub.card.get().map_or(0, card::Card::breaks),
            noise_dbfs: self.hub.card.get().and_then(card::Card::noise_dbfs),
        }
    }

    /// The newest picture of the camera, small; `None` before the first.
    #[must_use]
    pub fn still(&self) -> Option<still::Still> {
        self.hub.watch.still()
    }

    /// Said without waiting: the caller may be the one who empties the inbox.
    fn overrun(&self, incident: IncidentId) {
        let why = "the recorder is overrun with orders".to_owned();
        let failed = Stamped::now(Event::RecordingFailed { incident, why });
        if self.hub.inbox.try_send(failed).is_err() {
            error!(%incident, "the recorder is overrun and the inbox is full");
        }
    }

    /// Wall clock (microseconds since 1970 UTC) of RTP time stamp 0 of both media: a live packet with
    /// time stamp `t` at rate `r` was captured `t / r` seconds later (until the stamps wrap).
    #[must_use]
    pub fn rtp_zero_wall_us(&self) -> i64 {
        self.hub.timeline.wall_us(0)
    }
}

/// The card's sound is worked on only while somebody hears it: the gate is open.
fn start_card(settings: card::CardSettings, hub: &Arc<hub::Hub>) -> Result<(), MediaError> {
    let gate = Arc::downgrade(hub);
    let call_on = move || gate.upgrade().is_some_and(|hub| hub.gate.is_open());
    let card = card::Card::start(settings, hub.timeline.clone(), call_on)
        .map_err(|why| MediaError::Thread { what: "sound card", why })?;
    let tap = Arc::downgrade(hub);
    card.on_block(move |way, number, block| {
        let Some(hub) = tap.upgrade() else { return };
        match way {
            card::Way::Out => hub.sound_path.played(number * card::SPAN, block),
            card::Way::In => hub.sound_path.heard(number * card::SPAN, block),
        }
    });
    hub.card.set(card).expect("a hub that was just made has no card");
    Ok(())
}

impl Drop for MediaAdapter {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// Why no chirp is played.
const NEEDED: &str = "broken off: an alarm or a call needs loudspeaker and microphone";
/// The ring reaches back a little further than asked: from the newest unit, which is not quite now.
const RING_SPARE: Duration = Duration::from_millis(500);

/// Twice what the encoder is asked for, and some for the sound and the group under way.
fn ring_bytes(settings: &MediaSettings) -> usize {
    let seconds = settings.pre_event.as_secs_f64() + 5.0;
    let per_second = f64::from(settings.bitrate_kbit) * 1000.0 / 8.0 * 2.0 + 20_000.0;
    (seconds * per_second) as usize
}

impl Media for MediaAdapter {
    fn open_gate(&self, to: mpsc::Sender<LivePacket>) {
        self.hub.sound_path.stop(NEEDED);
        self.hub.gate.open(to);
        self.hub.key_frame_now();
    }

    fn close_gate(&self) {
        self.hub.gate.close();
    }

    fn force_key_frame(&self) {
        self.hub.force_key_frame();
    }

    fn voice(&self, rtp: Bytes) {
        if let Some(arrived) = self.hub.voice.arrive(&rtp) {
            self.input.push(arrived);
        }
    }

    fn open_voice(&self, open: bool) {
        self.hub.voice.open(open);
    }

    fn probe(&self, on: bool) {
        self.hub.voice.open(on);
        self.hub.probe.set(on);
    }

    fn chirp(&self) -> oneshot::Receiver<Chirped> {
        let needed = (self.hub.gate.is_open() || self.hub.is_recording()).then_some(NEEDED);
        match self.no_sound_path.or(needed) {
            None => self.hub.sound_path.begin(),
            Some(why) => {
                let (to, chirped) = oneshot::channel();
                _ = to.send(Chirped::NotTested(why.to_owned()));
                chirped
            }
        }
    }

    fn seed_echo(&self, delay_ms: u32) {
        if let Some(card) = self.hub.card.get() {
            card.seed_echo(delay_ms);
        }
    }

    fn prompt(&self, prompt: Prompt) {
        self.hub.prompts.say(prompt);
    }

    fn hush(&self, prompt: Prompt) {
        self.hub.prompts.hush(prompt);
    }

    fn start_recording(&self, incident: IncidentId, before: Duration) {
        self.hub.sound_path.stop(NEEDED);
        if !self.hub.start_recording(incident, before) {
            self.overrun(incident);
        }
    }

    fn stop_recording(&self, incident: IncidentId) {
        self.hub.stop_recording(incident);
    }

    fn inventory(&self) -> MediaInventory {
        MediaInventory {
            camera: self.hub.camera(),
            encoder: Some(self.hub.encoders.inventory()),
            prompts_missing: self.hub.prompts.missing(),
        }
    }

    fn turn_age(&self) -> Option<Duration> {
        self.hub.supervised()
    }

    fn health(&self) -> MediaHealth {
        const LEVEL_STANDS: Duration = Duration::from_secs(1);
        let sound_age = self.hub.age(hub::Part::Microphone);
        MediaHealth {
            frame_age: self.hub.age(hub::Part::Picture),
            sound_age,
            // The level of a microphone that is gone says nothing.
            mic_dbfs: lock(&self.hub.level).dbfs().filter(|_| sound_age.is_some_and(|age| age < LEVEL_STANDS)),
        }
    }
}
