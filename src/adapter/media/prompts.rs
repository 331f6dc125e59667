//! The sentences the kiosk speaks, each in every language, mixed into the loudspeaker's floor; the officer's voice
//! goes over them.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tracing::{info, warn};

use super::stereo::RATE;
use super::synth::chime;
use super::{lock, pcm};
use crate::machine::words::Prompt;

/// Every sentence, with the name of its file and the notes (hertz) of its chime.
const PROMPTS: [(Prompt, &str, &[f64]); 5] = [
    (Prompt::Calling, "calling", &[523.25, 659.25, 783.99]),
    (Prompt::Answered, "answered", &[783.99, 1046.5]),
    (Prompt::OnHold, "on_hold", &[659.25, 523.25]),
    (Prompt::Closed, "closed", &[783.99, 659.25, 523.25]),
    (Prompt::NoConnection, "no_connection", &[392.0, 392.0, 392.0]),
];

/// Sentences that may wait for one another.
const MOST_WAITING: usize = 8;
/// Silence between two languages (0.35 s).
const BETWEEN: usize = RATE as usize * 35 / 100;
/// While the officer speaks, a sentence is this much of itself: 18 dB less.
const DUCKED: f32 = 0.126;
/// Samples from full to ducked and back (30 ms): no click.
const RAMP: f32 = 1440.0;
/// Samples in which a sentence that is broken off dies away (80 ms).
const FADE: usize = 3840;

/// Where the sentences are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PromptFiles {
    /// Directories with `LANGUAGE/SENTENCE.wav`; the first that has one is taken.
    pub dirs: Vec<PathBuf>,
    /// In the order they are spoken.
    pub languages: Vec<String>,
}

type Clip = Arc<[i16]>;

/// The sentences, and which are being said.
#[derive(Debug)]
pub struct Prompts {
    clips: Vec<(Prompt, Clip)>,
    missing: Option<String>,
    saying: Mutex<Saying>,
}

#[derive(Debug)]
struct Saying {
    queue: VecDeque<Said>,
    gain: f32,
}

/// A sentence under way, or waiting.
#[derive(Debug)]
struct Said {
    prompt: Prompt,
    clip: Clip,
    /// Samples said.
    position: usize,
    /// Samples until it has died away, once it is broken off.
    fades: Option<usize>,
}

impl Said {
    fn rest(&self) -> usize {
        let rest = self.clip.len() - self.position;
        self.fades.map_or(rest, |fades| fades.min(rest))
    }

    /// Says the next samples, no more than [`Said::rest`].
    fn fill(&mut self, out: &mut [i16]) {
        out.copy_from_slice(&self.clip[self.position..self.position + out.len()]);
        self.position += out.len();
        if let Some(fades) = &mut self.fades {
            for sample in out {
                *sample = (f32::from(*sample) * *fades as f32 / FADE as f32) as i16;
                *fades -= 1;
            }
        }
    }
}

impl Prompts {
    /// Reads the files. A language without one is left out; a sentence without any is a chime, so that the person
    /// hears that something happens.
    #[must_use]
    pub fn load(files: &PromptFiles) -> Self {
        let mut missing = BTreeSet::new();
        let clips = PROMPTS.iter().map(|(prompt, name, notes)| {
            let clip = sentence(files, name, &mut missing);
            (*prompt, if clip.is_empty() { Clip::from(chime(notes)) } else { Clip::from(clip) })
        });
        let clips = clips.collect();
        let missing = (!missing.is_empty()).then(|| said_missing(files, &missing));
        if let Some(missing) = &missing {
            info!(missing, dirs = ?files.dirs, "sentences that are not there: a chime where no language has one");
        }
        Self { clips, missing, saying: Mutex::new(Saying { queue: VecDeque::new(), gain: 1.0 }) }
    }

    /// The sentences that no directory has, by language, for people: `kk: all; ru: closed`. `None` if all are there.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        self.missing.clone()
    }

    /// Says a sentence after those under way.
    pub fn say(&self, prompt: Prompt) {
        let Some((_, clip)) = self.clips.iter().find(|(known, _)| *known == prompt) else { return };
        let mut saying = lock(&self.saying);
        if saying.queue.len() < MOST_WAITING {
            saying.queue.push_back(Said { prompt, clip: Arc::clone(clip), position: 0, fades: None });
        }
    }

    /// Breaks a sentence off: what is under way dies away quickly, what waits is not said.
    pub fn hush(&self, prompt: Prompt) {
        let queue = &mut lock(&self.saying).queue;
        queue.retain(|said| said.prompt != prompt || said.position > 0);
        if let Some(said) = queue.front_mut().filter(|said| said.prompt == prompt) {
            said.fades.get_or_insert(FADE);
        }
    }

    /// Fills the next block of the loudspeaker's floor; silence when nothing is said. Fainter while the officer
    /// speaks.
    pub fn fill(&self, out: &mut [i16], officer_speaks: bool) {
        out.fill(0);
        let mut saying = lock(&self.saying);
        let Saying { queue, gain } = &mut *saying;
        let mut filled = 0;
        while filled < out.len()
            && let Some(said) = queue.front_mut()
        {
            let count = said.rest().min(out.len() - filled);
            said.fill(&mut out[filled..filled + count]);
            filled += count;
            if said.rest() == 0 {
                queue.pop_front();
            }
        }
        let target = if officer_speaks { DUCKED } else { 1.0 };
        if *gain < 1.0 || target < 1.0 {
            for sample in out {
                *gain += (target - *gain).clamp(-1.0 / RAMP, 1.0 / RAMP);
                *sample = (f32::from(*sample) * *gain) as i16;
            }
        }
    }
}

/// Language and sentence.
type Missing<'a> = BTreeSet<(&'a str, &'a str)>;

fn said_missing(files: &PromptFiles, missing: &Missing<'_>) -> String {
    let lists = files.languages.iter().filter_map(|language| {
        let names: Vec<&str> = missing.iter().filter(|(of, _)| of == language).map(|(_, name)| *name).collect();
        match names.len() {
            0 => None,
            count if count == PROMPTS.len() => Some(format!("{language}: all")),
            _ => Some(format!("{language}: {}", names.join(", "))),
        }
    });
    lists.collect::<Vec<_>>().join("; ")
}

/// The sentence in each language that has it, one after the other; notes where it is missing.
fn sentence<'a>(files: &'a PromptFiles, name: &'a str, missing: &mut Missing<'a>) -> Vec<i16> {
    let mut all = Vec::new();
    for language in &files.languages {
        let paths = files.dirs.iter().map(|dir| dir.join(language).join(format!("{name}.wav")));
        let Some(samples) = paths.filter(|path| path.exists()).find_map(|path| read(&path)) else {
            missing.insert((language, name));
            continue;
        };
        if !all.is_empty() {
            all.resize(all.len() + BETWEEN, 0);
        }
        all.extend(samples);
    }
    all
}

fn read(path: &Path) -> Option<Vec<i16>> {
    pcm::load(path).inspect_err(|error| warn!(%error, "a sentence cannot be read")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(prompts: &Prompts, count: usize, officer_speaks: bool) -> Vec<i32> {
        let peak = |_| {
            let mut block = [0; 480];
            prompts.fill(&mut block, officer_speaks);
            block.iter().map(|s| i32::from(*s).abs()).max().unwrap()
        };
        (0..count).map(peak).collect()
    }

    /// A WAV file whose every sample is `level`.
    fn wav(path: &Path, level: i16, samples: u32) {
        let data = samples * 2;
        let mut bytes = b"RIFF".to_vec();
        bytes.extend((data + 36).to_le_bytes());
        bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
        bytes.extend(RATE.to_le_bytes());
        bytes.extend((RATE * 2).to_le_bytes());
        bytes.extend(b"\x02\0\x10\0data");
        bytes.extend(data.to_le_bytes());
        bytes.extend((0..samples).flat_map(|_| level.to_le_bytes()));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn prompts_follow_one_another_and_end_in_silence() {
        let prompts = Prompts::load(&PromptFiles::default());
        prompts.say(Prompt::Calling);
        prompts.say(Prompt::Answered);
        let peaks = blocks(&prompts, 200, false);
        let loud = peaks.iter().filter(|peak| **peak > 100).count();
        assert!((80..=92).contains(&loud), "five notes of 18 blocks, found {loud}");
        assert_eq!(peaks[199], 0);
    }

    #[test]
    fn a_flood_of_prompts_is_bounded() {
        let prompts = Prompts::load(&PromptFiles::default());
        (0..1000).for_each(|_| prompts.say(Prompt::Closed));
        assert_eq!(lock(&prompts.saying).queue.len(), MOST_WAITING);
    }

    #[test]
    fn languages_in_order_and_the_owners_recording_first() {
        let dir = tempfile::tempdir().unwrap();
        let (packaged, own) = (dir.path().join("packaged"), dir.path().join("own"));
        wav(&packaged.join("kk/calling.wav"), 1000, 4800);
        wav(&packaged.join("ru/calling.wav"), 2000, 4800);
        wav(&packaged.join("en/calling.wav"), 3000, 4800);
        wav(&own.join("ru/calling.wav"), 5000, 4800);
        let languages = ["en", "kk", "ru", "de"].map(str::to_owned).to_vec();
        let prompts = Prompts::load(&PromptFiles { dirs: vec![own, packaged], languages });
        prompts.say(Prompt::Calling);
        let mut heard = blocks(&prompts, 110, false);
        heard.dedup();
        assert_eq!(heard, [3000, 0, 1000, 0, 5000, 0]);
        let others = "answered, closed, no_connection, on_hold";
        let missing = format!("en: {others}; kk: {others}; ru: {others}; de: all");
        assert_eq!(prompts.missing(), Some(missing));
        prompts.say(Prompt::OnHold);
        assert!(blocks(&prompts, 30, false).iter().any(|peak| *peak > 1000), "a chime where there is no file");
    }

    #[test]
    fn a_sentence_that_is_broken_off_is_silent_within_a_tenth_of_a_second_and_the_others_are_said() {
        let dir = tempfile::tempdir().unwrap();
        for (name, level) in [("calling", 10_000), ("closed", 2000)] {
            wav(&dir.path().join(format!("ru/{name}.wav")), level, 480 * 100);
        }
        let files = PromptFiles { dirs: vec![dir.path().to_owned()], languages: vec!["ru".to_owned()] };
        let prompts = Prompts::load(&files);
        [Prompt::Calling, Prompt::Calling, Prompt::Closed, Prompt::Calling]
            .iter()
            .for_each(|prompt| prompts.say(*prompt));
        assert_eq!(blocks(&prompts, 5, false), [10_000; 5]);
        prompts.hush(Prompt::Calling);
        let peaks = blocks(&prompts, 9, false);
        assert!(peaks[..8].is_sorted_by(|a, b| a > b) && peaks[7] > 0 && peaks[8] == 2000, "{peaks:?}");
        assert_eq!(blocks(&prompts, 110, false).iter().filter(|peak| **peak == 2000).count(), 99, "said whole");
        assert_eq!(blocks(&prompts, 10, false), [0; 10], "what waited is not said");
        prompts.say(Prompt::Closed);
        prompts.hush(Prompt::Calling);
        assert_eq!(blocks(&prompts, 5, false), [2000; 5], "only the one that is meant");
    }

    #[test]
    fn the_officer_goes_over_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        wav(&dir.path().join("ru/closed.wav"), 10_000, 480 * 100);
        let files = PromptFiles { dirs: vec![dir.path().to_owned()], languages: vec!["ru".to_owned()] };
        for name in ["calling", "answered", "on_hold", "no_connection"] {
            wav(&dir.path().join(format!("ru/{name}.wav")), 1, 480);
        }
        let prompts = Prompts::load(&files);
        assert_eq!(prompts.missing(), None);
        prompts.say(Prompt::Closed);
        assert_eq!(blocks(&prompts, 10, false)[9], 10_000);
        let ducked = blocks(&prompts, 10, true)[9];
        assert!((1200..1300).contains(&ducked), "18 dB less: {ducked}");
        assert_eq!(blocks(&prompts, 10, false)[9], 10_000);
    }
}
