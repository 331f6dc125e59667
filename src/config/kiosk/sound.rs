//! Microphone, loudspeaker, their card, the prompts: `[media.microphone]`, `[media.speaker]`, `[media.sound]`,
//! `[media.prompts]`.

use std::path::PathBuf;

use super::super::load::Reader;
use super::media::file_of;

/// Sound.
#[derive(Debug, Clone, PartialEq)]
pub struct SoundConfig {
    /// Where the person's sound comes from.
    pub microphone: MicrophoneDriver,
    /// Where the kiosk's sound goes.
    pub speaker: SpeakerDriver,
    /// The air between the two where both are simulated; none: nothing passes.
    pub air: Option<AirConfig>,
    /// The card, for those of the two that are `alsa`.
    pub card: CardConfig,
    /// The sentences the kiosk speaks.
    pub prompts: PromptsConfig,
}

/// Where the person's sound comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MicrophoneDriver {
    /// Tones.
    Test,
    /// A file, over and over.
    File(PathBuf),
    /// The sound card.
    Alsa,
}

/// Where sound goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpeakerDriver {
    /// Nowhere, in real time.
    Null,
    /// A WAV file.
    File(PathBuf),
    /// The sound card.
    Alsa,
}

/// The air between a simulated loudspeaker and a simulated microphone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AirConfig {
    /// dB.
    pub loss_db: u32,
    /// Milliseconds.
    pub delay_ms: u32,
}

/// The sound card and what is done to its sound.
#[derive(Debug, Clone, PartialEq)]
pub struct CardConfig {
    /// ALSA's name of it; empty where no driver is `alsa`.
    pub name: String,
    /// Milliseconds of sound that wait in the card.
    pub buffer_ms: u32,
    /// Per cent of the range of the card's own mixer.
    pub volume: Option<u32>,
    /// The same for the microphone.
    pub capture_volume: Option<u32>,
    /// Whether the echo canceller runs.
    pub cancel_echo: bool,
    /// Milliseconds from loudspeaker to microphone, if measured.
    pub echo_delay_ms: Option<u32>,
    /// How much noise is taken out.
    pub noise: NoiseLevel,
    /// dB.
    pub most_gain_db: u32,
    /// dB of full scale.
    pub loud_noise_dbfs: f64,
    /// dB.
    pub quiet_cut_db: u32,
}

/// How much noise is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoiseLevel {
    /// None.
    Off,
    /// About 6 dB.
    Low,
    /// About 12 dB.
    Moderate,
    /// About 18 dB.
    High,
}

/// The sentences the kiosk speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptsConfig {
    /// Where the sentences are that came with the kiosk.
    pub dir: PathBuf,
    /// Where the owner's own are; each that is there replaces the one that came with the kiosk.
    pub own: PathBuf,
    /// In this order.
    pub languages: Vec<String>,
}

pub(super) fn read(r: &mut Reader) -> Option<SoundConfig> {
    let microphone = match r.choice("media.microphone.driver", &[("test", 0), ("file", 1), ("alsa", 2)]) {
        Some(1) => file_of(r, "media.microphone.driver", "media.microphone.file").map(MicrophoneDriver::File),
        Some(2) => Some(MicrophoneDriver::Alsa),
        Some(_) => Some(MicrophoneDriver::Test),
        None => None,
    };
    let speaker = match r.choice("media.speaker.driver", &[("null", 0), ("file", 1), ("alsa", 2)]) {
        Some(1) => file_of(r, "media.speaker.driver", "media.speaker.file").map(SpeakerDriver::File),
        Some(2) => Some(SpeakerDriver::Alsa),
        Some(_) => Some(SpeakerDriver::Null),
        None => None,
    };
    let air = air(r, [microphone == Some(MicrophoneDriver::Alsa), speaker == Some(SpeakerDriver::Alsa)]);
    let needed = microphone == Some(MicrophoneDriver::Alsa) || speaker == Some(SpeakerDriver::Alsa);
    let card = card(r, needed)?;
    let prompts = prompts(r)?;
    Some(SoundConfig { microphone: microphone?, speaker: speaker?, air, card, prompts })
}

fn air(r: &mut Reader, alsa: [bool; 2]) -> Option<AirConfig> {
    const LOSS: &str = "media.sound.air_loss_db";
    let delay_ms = r.integer("media.sound.air_delay_ms", 40..=400);
    if !r.is_set(LOSS) {
        return None;
    }
    if alsa.contains(&true) {
        r.fail(LOSS, "expected simulated devices, found driver \"alsa\": a sound card has air of its own");
    }
    Some(AirConfig { loss_db: r.integer(LOSS, 0..=96), delay_ms })
}

fn card(r: &mut Reader, needed: bool) -> Option<CardConfig> {
    const NAME: &str = "media.sound.card";
    let name = if r.is_set(NAME) { r.text(NAME) } else { String::new() };
    if needed && name.is_empty() {
        r.fail(NAME, "driver \"alsa\" needs it, found none; for example \"plughw:CARD=Device\" (aplay -L lists them)");
    }
    if is_numbered(&name) {
        r.fail(NAME, format!("expected a card by its name (CARD=...), since numbers change, found {name:?}"));
    }
    let percent = |r: &mut Reader, name: &str| r.is_set(name).then(|| r.integer(name, 0..=100));
    Some(CardConfig {
        name,
        buffer_ms: r.integer("media.sound.buffer_ms", 20..=200),
        volume: percent(r, "media.sound.volume"),
        capture_volume: percent(r, "media.sound.capture_volume"),
        cancel_echo: r.flag("media.sound.cancel_echo"),
        echo_delay_ms: r.is_set("media.sound.echo_delay_ms").then(|| r.integer("media.sound.echo_delay_ms", 0..=400)),
        noise: r.choice(
            "media.sound.noise_suppression",
            &[
                ("off", NoiseLevel::Off),
                ("low", NoiseLevel::Low),
                ("moderate", NoiseLevel::Moderate),
                ("high", NoiseLevel::High),
            ],
        )?,
        most_gain_db: r.integer("media.sound.most_gain_db", 0..=30),
        loud_noise_dbfs: r.optional_float("media.sound.loud_noise_dbfs", -90.0..=0.0)?,
        quiet_cut_db: r.integer("media.sound.quiet_cut_db", 0..=24),
    })
}

/// `hw:0`, `plughw:1,0`: the number is another one after the next start.
fn is_numbered(name: &str) -> bool {
    let rest = name.strip_prefix("plughw:").or_else(|| name.strip_prefix("hw:"));
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn prompts(r: &mut Reader) -> Option<PromptsConfig> {
    let languages = r.parsed("media.prompts.languages", "languages such as \"kk, ru, en\"", |text| {
        let languages: Vec<String> = text.split(',').map(|language| language.trim().to_owned()).collect();
        let fit = |language: &String| {
            (2..=8).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        };
        languages.iter().all(fit).then_some(languages)
    });
    let (dir, own) = (r.path("media.prompts.dir"), r.path("media.prompts.own"));
    Some(PromptsConfig { dir, own, languages: languages? })
}
