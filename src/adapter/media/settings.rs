//! What the media are to be: plain values from the configuration.

use std::path::PathBuf;
use std::time::Duration;

use super::air::AirSettings;
use super::card::CardSettings;
use super::encoder::Codec;
use super::prompts::PromptFiles;
use super::still::Still;

/// Where the picture comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraSource {
    /// A moving test pattern.
    Test,
    /// A video file, looped. It may be exchanged or removed at any time, like a camera.
    File(PathBuf),
    /// A V4L2 device: its path, or the name its driver gives it.
    V4l2(String),
    /// A camera that libcamera serves, by its id; `None`: the first.
    Libcamera(Option<String>),
    /// An IP camera.
    Rtsp(RtspSource),
}

/// An IP camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtspSource {
    /// `rtsp://...`, without user and password.
    pub url: String,
    /// A file with `user:password` in its first line, read at every connection.
    pub credentials: Option<PathBuf>,
    /// Over TCP rather than UDP.
    pub tcp: bool,
}

impl CameraSource {
    /// What a technician calls it; `None` for the test pattern.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Test => None,
            Self::File(path) => Some(path.display().to_string()),
            Self::V4l2(device) => Some(device.clone()),
            Self::Libcamera(id) => Some(id.as_ref().map_or_else(|| "libcamera".into(), |id| format!("libcamera {id}"))),
            Self::Rtsp(camera) => Some(camera.url.clone()),
        }
    }
}

/// Where the person's sound comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MicrophoneSource {
    /// A voice-like signal.
    Test,
    /// A sound file (or the sound of a video file), looped.
    File(PathBuf),
    /// The sound card.
    Card,
}

/// Where the officer's voice and the prompts go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Speaker {
    /// Nowhere, at the pace of the clock.
    Null,
    /// Into a WAV file (48 kHz, 16 bits, mono), which can be read while it grows. `FILE.json` beside it
    /// tells the wall clock of its first sample.
    File(PathBuf),
    /// The sound card.
    Card,
}

/// What the media are to be.
#[derive(Debug, Clone, PartialEq)]
pub struct MediaSettings {
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Frames per second.
    pub fps: u32,
    /// Of the picture, kbit/s.
    pub bitrate_kbit: u32,
    /// At most this long from one key frame to the next; about the length of a fragment.
    pub key_frame_interval: Duration,
    /// How far back the ring reaches.
    pub pre_event: Duration,
    /// Camera.
    pub camera: CameraSource,
    /// The encoder that is tried first; `None`: in the order of [`super::encoder::ORDER`].
    pub encoder: Option<Codec>,
    /// Whether a frozen, covered or blurred picture is a fault.
    pub watch: bool,
    /// What the picture should look like; learnt if it is not given.
    pub reference: Option<Still>,
    /// Microphone.
    pub microphone: MicrophoneSource,
    /// Loudspeaker.
    pub speaker: Speaker,
    /// The sound card, where microphone or loudspeaker is one.
    pub card: Option<CardSettings>,
    /// The air between loudspeaker and microphone, where both are simulated; `None`: nothing passes.
    pub air: Option<AirSettings>,
    /// Where the spoken sentences are; a chime for each that is missing.
    pub prompts: PromptFiles,
}

impl MediaSettings {
    /// Whether the microphone hears what the loudspeaker plays; or why it cannot be known.
    ///
    /// # Errors
    /// What is missing.
    pub fn sound_path(&self) -> Result<(), &'static str> {
        let cards = [self.microphone == MicrophoneSource::Card, self.speaker == Speaker::Card];
        match (cards, &self.air) {
            ([true, true], _) | ([false, false], Some(_)) => Ok(()),
            ([false, false], None) => Err("no air between the simulated devices (media.sound.air_loss_db)"),
            ([true, false] | [false, true], _) => Err("only one of loudspeaker and microphone is on the sound card"),
        }
    }
}

impl Default for MediaSettings {
    fn default() -> Self {
        Self {
            width: 1280,
            height: 720,
            fps: 30,
            bitrate_kbit: 1500,
            key_frame_interval: Duration::from_secs(1),
            pre_event: Duration::from_secs(30),
            camera: CameraSource::Test,
            encoder: None,
            watch: true,
            reference: None,
            microphone: MicrophoneSource::Test,
            speaker: Speaker::Null,
            card: None,
            air: None,
            prompts: PromptFiles::default(),
        }
    }
}
