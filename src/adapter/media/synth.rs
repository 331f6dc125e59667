//! Sounds the kiosk can make without a file: a voice-like test signal and a chime for each prompt. And
//! the prompts under way, which are mixed into the loudspeaker's floor of silence.

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tracing::warn;

use super::clock::Running;
use super::stereo::RATE;
use super::{lock, pcm};
use crate::machine::words::Prompt;

/// The pitch of [`VoiceLike`], hertz.
pub const TEST_PITCH: f64 = 220.0;

/// A test microphone: a pitch with overtones whose loudness rises and falls like syllables, with a
/// pause every few seconds. A function of time alone, so that every run sounds the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct VoiceLike;

impl VoiceLike {
    /// Fills a block that begins at `at`.
    pub fn fill(self, at: Running, out: &mut [i16]) {
        let begin = at as f64 / 1e9;
        for (index, sample) in out.iter_mut().enumerate() {
            let t = begin + index as f64 / f64::from(RATE);
            let syllable = 0.5 - 0.5 * (TAU * 3.0 * t).cos();
            let speaks = if t % 4.0 < 3.0 { 1.0 } else { 0.0 };
            let tone = 0.6 * (TAU * TEST_PITCH * t).sin()
                + 0.25 * (TAU * 2.0 * TEST_PITCH * t).sin()
                + 0.15 * (TAU * 5.0 * TEST_PITCH * t).sin();
            *sample = (tone * syllable * speaks * 9000.0) as i16;
        }
    }
}

/// Every prompt, with the name of its file and the notes (hertz) of its chime.
const PROMPTS: [(Prompt, &str, &[f64]); 5] = [
    (Prompt::Calling, "calling", &[523.25, 659.25, 783.99]),
    (Prompt::Answered, "answered", &[783.99, 1046.5]),
    (Prompt::OnHold, "on_hold", &[659.25, 523.25]),
    (Prompt::Closed, "closed", &[783.99, 659.25, 523.25]),
    (Prompt::NoConnection, "no_connection", &[392.0, 392.0, 392.0]),
];

/// Prompts that may wait for one another.
const MOST_WAITING: usize = 8;

type Clip = Arc<[i16]>;

/// The prompts: what each sounds like, and which are being said.
#[derive(Debug, Default)]
pub struct Prompts {
    clips: Vec<(Prompt, Clip)>,
    saying: Mutex<VecDeque<(Clip, usize)>>,
}

impl Prompts {
    /// Reads `calling.wav`, `answered.wav`, `on_hold.wav`, `closed.wav`, `no_connection.wav` from `dir`; a
    /// prompt without a readable file is a chime, so that the person hears that something happens.
    #[must_use]
    pub fn load(dir: Option<&Path>) -> Self {
        let clips = PROMPTS.iter().map(|(prompt, name, notes)| {
            let file = dir.map(|dir| dir.join(format!("{name}.wav")));
            let spoken = file.filter(|file| file.exists()).and_then(|file| {
                pcm::load(&file).inspect_err(|error| warn!(%error, "prompt unreadable, a chime instead")).ok()
            });
            (*prompt, spoken.map_or_else(|| chime(notes), Clip::from))
        });
        Self { clips: clips.collect(), saying: Mutex::default() }
    }

    /// Says a prompt after those under way.
    pub fn say(&self, prompt: Prompt) {
        let Some((_, clip)) = self.clips.iter().find(|(known, _)| *known == prompt) else { return };
        let mut saying = lock(&self.saying);
        if saying.len() < MOST_WAITING {
            saying.push_back((Arc::clone(clip), 0));
        }
    }

    /// Fills the next block of the loudspeaker's floor; silence when nothing is said.
    pub fn fill(&self, out: &mut [i16]) {
        out.fill(0);
        let mut saying = lock(&self.saying);
        let mut filled = 0;
        while filled < out.len()
            && let Some((clip, position)) = saying.front_mut()
        {
            let count = (clip.len() - *position).min(out.len() - filled);
            out[filled..filled + count].copy_from_slice(&clip[*position..*position + count]);
            *position += count;
            filled += count;
            if *position == clip.len() {
                saying.pop_front();
            }
        }
    }
}

/// Notes of 0.18 s, each struck and fading.
fn chime(notes: &[f64]) -> Clip {
    const NOTE: usize = RATE as usize * 18 / 100;
    let mut clip = Vec::with_capacity(notes.len() * NOTE);
    for note in notes {
        clip.extend((0..NOTE).map(|index| {
            let t = index as f64 / f64::from(RATE);
            let attack = (t / 0.005).min(1.0);
            let release = ((0.18 - t) / 0.01).clamp(0.0, 1.0);
            ((TAU * note * t).sin() * attack * release * (-t * 12.0).exp() * 10_000.0) as i16
        }));
    }
    clip.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_follow_one_another_and_end_in_silence() {
        let prompts = Prompts::load(None);
        prompts.say(Prompt::Calling);
        prompts.say(Prompt::Answered);
        let mut blocks = Vec::new();
        for _ in 0..200 {
            let mut block = [0; 480];
            prompts.fill(&mut block);
            blocks.push(block.iter().map(|s| i32::from(*s).abs()).max().unwrap());
        }
        let loud = blocks.iter().filter(|peak| **peak > 100).count();
        assert!((80..=92).contains(&loud), "five notes of 18 blocks, found {loud}");
        assert_eq!(blocks[199], 0);
    }

    #[test]
    fn a_flood_of_prompts_is_bounded() {
        let prompts = Prompts::load(None);
        (0..1000).for_each(|_| prompts.say(Prompt::Closed));
        assert_eq!(lock(&prompts.saying).len(), MOST_WAITING);
    }
}
