//! What the pipelines share: the time line, the ring, the gate, the two voices, the marks of progress.
//! Capture threads call in here; nothing in here waits for a disk, a network or another thread's work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;
use tracing::warn;

use super::air::Air;
use super::card::Card;
use super::clock::{Last, Running, SECOND, Timeline};
use super::deaf::{self, Turn};
use super::encoder::Encoders;
use super::fmp4::PictureTrack;
use super::gate::{After, Gate};
use super::lock;
use super::measure::Latency;
use super::probe::Probe;
use super::prompts::Prompts;
use super::queue::Queue;
use super::repeat::Repeater;
use super::ring::{Ring, Unit};
use super::sound_path::SoundPath;
use super::stereo::{Side, Stereo};
use super::voice::Voice;
use super::watch::Watch;
use crate::kiosk::ports::LivePacket;
use crate::kiosk::{Inbox, Stamped};
use crate::machine::Event;
use crate::wire::IncidentId;
use crate::wire::up::{Fault, FaultKind};

/// The parts that are watched and rebuilt one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Camera to encoder.
    Picture,
    /// Microphone to live encoder.
    Microphone,
    /// The officer's voice and the prompts to the loudspeaker.
    Speaker,
    /// The recording's stereo sound.
    Track,
}

/// Every part, in the order of [`Part`].
pub const PARTS: [Part; 4] = [Part::Picture, Part::Microphone, Part::Speaker, Part::Track];

/// Shared by all parts.
#[derive(Debug)]
pub struct Hub {
    /// The common time.
    pub timeline: Timeline,
    /// Where events go.
    pub inbox: Inbox,
    /// Whether live packets leave.
    pub gate: Gate,
    /// To the recorder.
    pub queue: Arc<Queue>,
    /// The two voices for the recording.
    pub stereo: Mutex<Stereo>,
    /// The officer's voice.
    pub voice: Voice,
    /// What the kiosk says by itself.
    pub prompts: Prompts,
    /// Level of the microphone.
    pub level: Mutex<Level>,
    /// The sound card, if there is one; set once, before any part is built.
    pub card: OnceLock<Card>,
    deaf: Mutex<deaf::Watch>,
    /// Before the encoder to the sink of encoded frames.
    pub encode_latency: Latency,
    /// `voice` called to the instant its samples leave the loudspeaker.
    pub voice_latency: Latency,
    /// Delay of the loudspeaker's pipeline, nanoseconds.
    pub speaker_delay: AtomicU64,
    /// Which encoder the picture goes through.
    pub encoders: Encoders,
    /// Whether the picture shows anything.
    pub watch: Watch,
    /// For test calls.
    pub probe: Arc<Probe>,
    /// For the test of loudspeaker and microphone.
    pub sound_path: SoundPath,
    /// Between the simulated loudspeaker and the simulated microphone.
    pub air: Option<Air>,
    ring: Mutex<Ring>,
    recordings: AtomicUsize,
    /// What is to be recorded, as far as the recorder has been told.
    wanted: Mutex<Option<IncidentId>>,
    picture: Mutex<Option<PictureTrack>>,
    encoder: Mutex<Option<Encoder>>,
    progress: [Last; PARTS.len()],
    /// When the card's loudspeaker last took a period.
    played: Last,
    /// When the supervisor last turned.
    supervised: Last,
    fed: AtomicU64,
    camera: Mutex<Option<String>>,
}

/// What the hub is made of.
pub struct Kit {
    /// The common time.
    pub timeline: Timeline,
    /// Where events go.
    pub inbox: Inbox,
    /// The half minute before the press.
    pub ring: Ring,
    /// What the kiosk says by itself.
    pub prompts: Prompts,
    /// The picture's configuration, as far as it is known.
    pub picture: Option<PictureTrack>,
    /// Warmed up.
    pub encoders: Encoders,
    /// The watch over the picture.
    pub watch: Watch,
    /// Between simulated devices.
    pub air: Option<Air>,
}

impl Hub {
    /// A hub with an empty ring.
    #[must_use]
    pub fn new(kit: Kit) -> Self {
        let Kit { timeline, inbox, ring, prompts, picture, encoders, watch, air } = kit;
        Self {
            voice: Voice::new(timeline.clone()),
            timeline,
            probe: Arc::new(Probe::new(inbox.clone())),
            sound_path: SoundPath::default(),
            air,
            inbox,
            gate: Gate::default(),
            queue: Arc::new(Queue::default()),
            stereo: Mutex::default(),
            prompts,
            level: Mutex::default(),
            card: OnceLock::new(),
            deaf: Mutex::default(),
            encode_latency: Latency::default(),
            voice_latency: Latency::default(),
            speaker_delay: AtomicU64::new(0),
            encoders,
            watch,
            ring: Mutex::new(ring),
            recordings: AtomicUsize::new(0),
            wanted: Mutex::default(),
            picture: Mutex::new(picture),
            encoder: Mutex::new(None),
            progress: Default::default(),
            played: Last::default(),
            supervised: Last::default(),
            fed: AtomicU64::new(0),
            camera: Mutex::default(),
        }
    }

    /// A part has done its work once more.
    pub fn progressed(&self, part: Part) {
        self.progress[part as usize].set(&self.timeline);
    }

    /// The card's loudspeaker took a period.
    pub fn card_played(&self) {
        self.played.set(&self.timeline);
    }

    /// How long ago the card's loudspeaker last took a period; `None` before the first.
    #[must_use]
    pub fn card_played_age(&self) -> Option<Duration> {
        self.played.age(&self.timeline)
    }

    /// The supervisor turns once more.
    pub fn supervise(&self) {
        self.supervised.set(&self.timeline);
    }

    /// How long ago the supervisor last turned; `None` before the first time.
    #[must_use]
    pub fn supervised(&self) -> Option<Duration> {
        self.supervised.age(&self.timeline)
    }

    /// A frame has gone into the encoder.
    pub fn fed(&self) {
        self.fed.store(self.timeline.now(), Ordering::Relaxed);
    }

    /// Whether frames go into the encoder and none has come out for a second.
    #[must_use]
    pub fn encoder_stuck(&self) -> bool {
        let out = self.last_progress(Part::Picture).unwrap_or(0);
        self.fed.load(Ordering::Relaxed) > out + SECOND
    }

    /// What the camera gives by itself.
    pub fn tell_camera(&self, gives: String) {
        *lock(&self.camera) = Some(gives);
    }

    /// What the camera gives by itself, once that is known.
    #[must_use]
    pub fn camera(&self) -> Option<String> {
        lock(&self.camera).clone()
    }

    /// When a part last did its work; `None` before the first time.
    #[must_use]
    pub fn last_progress(&self, part: Part) -> Option<Running> {
        self.progress[part as usize].at()
    }

    /// How long ago a part last did its work.
    #[must_use]
    pub fn age(&self, part: Part) -> Option<Duration> {
        self.progress[part as usize].age(&self.timeline)
    }

    /// A block of the person's sound, as the microphone gave it: its level, the recording, the proof of life.
    pub fn heard(&self, at: Running, block: &[i16]) {
        lock(&self.level).add(at, block);
        lock(&self.stereo).write(Side::Person, at, block);
        let event = match lock(&self.deaf).hear(at, block) {
            None => None,
            Some(Turn::Deaf) => Some(Event::FaultRaised(Fault {
                kind: FaultKind::MicrophoneDeaf,
                detail: "the microphone gives nothing but silence".to_owned(),
            })),
            Some(Turn::Hears) => Some(Event::FaultCleared(FaultKind::MicrophoneDeaf)),
        };
        if let Some(event) = event
            && let Err(error) = self.inbox.try_send(Stamped::now(event))
        {
            warn!(%error, "the microphone's turn is not told");
        }
        self.progressed(Part::Microphone);
    }

    /// An encoded unit: into the ring, and to the recorder while a recording is under way.
    pub fn unit(&self, unit: Unit) {
        // Ring and queue under one lock, or a recording that starts in between would miss the unit or get it twice.
        let mut ring = lock(&self.ring);
        if self.recordings.load(Ordering::Relaxed) > 0 {
            self.queue.unit(unit.clone());
        }
        ring.push(unit);
    }

    /// Starts a recording with what the ring holds from `before` ago. `false` if the recorder is overrun.
    #[must_use]
    pub fn start_recording(&self, incident: IncidentId, before: Duration) -> bool {
        let picture = lock(&self.picture).clone();
        let mut wanted = lock(&self.wanted);
        let ring = lock(&self.ring);
        let from = self.timeline.now().saturating_sub(super::clock::nanos(before));
        let taken = self.queue.start(incident, ring.since(from), picture);
        if taken {
            if let Some(other) = wanted.replace(incident).filter(|other| *other != incident) {
                self.queue.stop(other, self.timeline.now());
            }
            self.queue.answered(true);
            // Counted under the ring's lock, so that no unit is missed.
            self.recordings.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Ends a recording, if it is the one that was started last: any other has ended.
    pub fn stop_recording(&self, incident: IncidentId) {
        if lock(&self.wanted).take_if(|wanted| *wanted == incident).is_some() {
            self.queue.stop(incident, self.timeline.now());
        }
    }

    /// Whether anything is recorded.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.recordings.load(Ordering::Relaxed) > 0
    }

    /// One recording less is under way.
    pub fn recording_ended(&self) {
        self.recordings.fetch_sub(1, Ordering::Relaxed);
    }

    /// How long ago the store last answered, while a recording is under way.
    #[must_use]
    pub fn unanswered_for(&self) -> Option<Duration> {
        self.queue.answer_age().filter(|_| self.recordings.load(Ordering::Relaxed) > 0)
    }

    /// A live packet: out, if the gate is open.
    pub fn live(&self, packet: LivePacket) {
        if self.gate.offer(packet) == After::KeyFrame {
            self.force_key_frame();
        }
    }

    /// The encoder's configuration (the body of `avcC`), from its caps.
    pub fn set_codec(&self, avcc: &[u8], width: u16, height: u16) {
        let mut picture = lock(&self.picture);
        if picture.as_ref().is_none_or(|known| known.avcc != avcc) {
            *picture = Some(PictureTrack { avcc: Bytes::copy_from_slice(avcc), width, height });
        }
    }

    /// Where key frames are asked for.
    pub fn set_encoder(&self, encoder: Option<Encoder>) {
        *lock(&self.encoder) = encoder;
    }

    /// The next frame becomes a key frame.
    pub fn force_key_frame(&self) {
        if let Some(encoder) = lock(&self.encoder).as_ref() {
            encoder.force();
        }
    }

    /// A key frame now, without waiting for the next frame.
    pub fn key_frame_now(&self) {
        if let Some(encoder) = lock(&self.encoder).as_ref() {
            encoder.force();
            encoder.repeater.repeat();
        }
    }

    /// Bytes in the ring.
    #[must_use]
    pub fn ring_bytes(&self) -> usize {
        lock(&self.ring).bytes()
    }
}

/// Where key frames are asked for.
#[derive(Debug)]
pub struct Encoder {
    /// The encoder's source pad.
    pub pad: gst::Pad,
    /// Gives it the last frame once more.
    pub repeater: Repeater,
}

impl Encoder {
    /// The encoder only notes it; nothing is waited for.
    fn force(&self) {
        self.pad.send_event(gst_video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build());
    }
}

/// Level of the microphone over the last second.
#[derive(Debug, Default)]
pub struct Level {
    /// Sum of squares, number of samples and time of each period.
    periods: std::collections::VecDeque<(f64, usize, Running)>,
}

impl Level {
    /// Takes a period in.
    pub fn add(&mut self, at: Running, samples: &[i16]) {
        let energy = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        self.periods.push_back((energy, samples.len(), at));
        while self.periods.front().is_some_and(|period| period.2 + SECOND < at) {
            self.periods.pop_front();
        }
    }

    /// RMS, dB below full scale (a full-scale square wave is 0); `None` without sound.
    #[must_use]
    pub fn dbfs(&self) -> Option<f32> {
        let (energy, count) = self.periods.iter().fold((0.0, 0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
        (count > 0).then(|| {
            let mean = energy / count as f64;
            // Digital silence is given as the floor of 16 bits rather than as minus infinity.
            (10.0 * (mean / (32768.0 * 32768.0)).log10()).max(-96.0) as f32
        })
    }
}
