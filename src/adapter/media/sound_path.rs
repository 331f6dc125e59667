//! The way of sound through the air, tested: a short chirp goes to the loudspeaker with the prompts and the officer's
//! voice, and is looked for in what the microphone hears before anything is done to that.
//!
//! Its level is what came back over what was played, its delay from the one to the other. On a sound card the blocks are
//! numbered as the echo canceller gets them, so that the delay is the canceller's own.

use std::sync::Mutex;

use tokio::sync::oneshot;
use tracing::warn;

use super::chirp::{self, LENGTH, chirp};
use super::clock::{Running, SECOND};
use super::lock;
use super::stereo::RATE;
use crate::kiosk::ports::{Chirped, SoundPath as Measured};

/// Peak of the chirp, of full scale: -20 dB, a spoken sentence's mean. Nobody is to be frightened.
const LEVEL: f32 = 0.1;
/// The microphone's sound that is taken, samples (1.2 s): until the loudspeaker plays (0.4 s), the chirp, its way.
const LISTENED: usize = RATE as usize * 12 / 10;
/// The longest way from loudspeaker to microphone, samples: 600 ms.
const WAY: usize = RATE as usize * 6 / 10;

/// The test of one chirp at a time.
#[derive(Debug)]
pub struct SoundPath {
    run: Mutex<Option<Run>>,
    chirp: Vec<i16>,
}

#[derive(Debug)]
struct Run {
    to: oneshot::Sender<Chirped>,
    /// Samples of the chirp that are on their way to the loudspeaker.
    said: usize,
    played: Track,
    heard: Track,
}

/// Sound in one piece.
#[derive(Debug, Default)]
struct Track {
    /// Of its first sample.
    at: Running,
    samples: Vec<i16>,
}

impl Track {
    fn push(&mut self, at: Running, block: &[i16]) {
        if self.samples.is_empty() {
            self.at = at;
        }
        if self.samples.len() < LISTENED {
            self.samples.extend_from_slice(block);
        }
    }

    fn time(&self, sample: usize) -> Running {
        self.at + sample as Running * SECOND / Running::from(RATE)
    }
}

impl Default for SoundPath {
    fn default() -> Self {
        Self { run: Mutex::default(), chirp: chirp(LEVEL) }
    }
}

impl SoundPath {
    /// One chirp, from now on; what became of it comes once.
    pub fn begin(&self) -> oneshot::Receiver<Chirped> {
        let (to, chirped) = oneshot::channel();
        let mut run = lock(&self.run);
        // Whoever asked before may have lost patience.
        if run.as_ref().is_some_and(|run| !run.to.is_closed()) {
            _ = to.send(Chirped::NotTested("another chirp is under way".to_owned()));
        } else {
            *run = Some(Run { to, said: 0, played: Track::default(), heard: Track::default() });
        }
        chirped
    }

    /// The loudspeaker and the microphone are needed for something else.
    pub fn stop(&self, why: &str) {
        if let Some(run) = lock(&self.run).take() {
            _ = run.to.send(Chirped::NotTested(why.to_owned()));
        }
    }

    /// A block on its way to the mixer: the chirp is laid over it.
    pub fn speak(&self, block: &mut [i16]) {
        let mut run = lock(&self.run);
        let Some(run) = run.as_mut().filter(|run| !run.to.is_closed()) else { return };
        let rest = self.chirp.get(run.said..).unwrap_or_default();
        run.said += rest.len().min(block.len());
        block.iter_mut().zip(rest).for_each(|(sample, chirp)| *sample = sample.saturating_add(*chirp));
    }

    /// The loudspeaker plays a block from `at` on.
    pub fn played(&self, at: Running, block: &[i16]) {
        if let Some(run) = lock(&self.run).as_mut() {
            run.played.push(at, block);
        }
    }

    /// The microphone has heard a block from `at` on.
    pub fn heard(&self, at: Running, block: &[i16]) {
        let mut run = lock(&self.run);
        let Some(listening) = run.as_mut() else { return };
        listening.heard.push(at, block);
        if listening.heard.samples.len() >= LISTENED
            && let Some(run) = run.take()
        {
            // Not on the sound's own thread: a search takes longer than a block lasts.
            let search = std::thread::Builder::new().name("chirp".into());
            if let Err(why) = search.spawn(move || _ = run.to.send(measure(&run.played, &run.heard))) {
                warn!(%why, "no thread to search the chirp");
            }
        }
    }
}

fn measure(played: &Track, heard: &Track) -> Chirped {
    let Some(said) = chirp::find(&played.samples) else {
        return Chirped::Lost("expected the chirp at the loudspeaker, found none: it does not play".to_owned());
    };
    let said_at = played.time(said.at);
    // It cannot be heard before it was said.
    let from = said_at.saturating_sub(heard.at) * Running::from(RATE) / SECOND;
    let from = usize::try_from(from).unwrap_or(usize::MAX).min(heard.samples.len());
    let until = (from + LENGTH + WAY).min(heard.samples.len());
    match chirp::find_on_air(&heard.samples[from..until]) {
        Some(back) => {
            let way = heard.time(from + back.at).saturating_sub(said_at);
            Chirped::Heard(Measured {
                level_db: back.level_db - said.level_db,
                delay_ms: (way / 1_000) as f32 / 1_000.0,
            })
        }
        None => Chirped::Lost("expected the loudspeaker's chirp at the microphone, found none".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::MS;
    use super::*;

    /// A room: plays a chirp through `way`, and gives what was made of it.
    fn hear(noise: i16, way: impl Fn(&[i16], usize) -> i16) -> Chirped {
        let path = SoundPath::default();
        let chirped = path.begin();
        let (mut played, mut state) = (Vec::new(), 1_u32);
        for n in 0.. {
            // The mixer and the card hold three blocks.
            let mut block = [0_i16; 480];
            if n >= 3 {
                path.speak(&mut block);
            }
            played.extend_from_slice(&block);
            let heard: Vec<i16> = (n * 480..(n + 1) * 480)
                .map(|at| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let noise = (i32::from((state >> 16) as i16) * i32::from(noise) / 32_768) as i16;
                    way(&played, at).saturating_add(noise)
                })
                .collect();
            path.played(n as Running * 10 * MS, &block);
            path.heard(n as Running * 10 * MS, &heard);
            if n * 480 >= LISTENED {
                break;
            }
        }
        chirped.blocking_recv().expect("an answer")
    }

    fn delayed(played: &[i16], at: usize, by: usize) -> i16 {
        at.checked_sub(by).and_then(|at| played.get(at)).copied().unwrap_or(0)
    }

    #[test]
    fn level_and_delay_of_a_way_through_noise_are_measured() {
        for (by, divisor, noise) in [(960, 4, 0), (4_800, 16, 400), (24_000, 4, 1_000)] {
            let Chirped::Heard(found) = hear(noise, |played, at| delayed(played, at, by) / divisor) else {
                panic!("not heard over {by} samples");
            };
            assert!((found.delay_ms - by as f32 / 48.0).abs() < 0.2, "{by}: {found:?}");
            assert!((found.level_db + 20.0 * f32::from(divisor).log10()).abs() < 1.5, "{divisor}: {found:?}");
        }
    }

    #[test]
    fn an_echo_in_the_room_does_not_hide_the_direct_sound() {
        let room = |played: &[i16], at| {
            delayed(played, at, 1_440) / 4 + delayed(played, at, 3_100) / 6 + delayed(played, at, 5_700) / 8
        };
        let Chirped::Heard(found) = hear(100, room) else { panic!("not heard") };
        assert!((found.delay_ms - 30.0).abs() < 0.2, "{found:?}");
    }

    #[test]
    fn a_deaf_microphone_and_a_dumb_loudspeaker_are_told_apart() {
        let Chirped::Lost(why) = hear(2_000, |_, _| 0) else { panic!("noise was taken for the chirp") };
        assert!(why.contains("at the microphone"), "{why}");
        let silent = Track { at: 0, samples: vec![0; LISTENED] };
        let Chirped::Lost(why) = measure(&silent, &silent) else { panic!("silence was taken for the chirp") };
        assert!(why.contains("at the loudspeaker"), "{why}");
    }

    #[test]
    fn one_chirp_at_a_time_and_a_stop_is_said() {
        let path = SoundPath::default();
        let mut first = path.begin();
        assert!(matches!(path.begin().try_recv(), Ok(Chirped::NotTested(_))), "the second waits for its turn");
        path.stop("an alarm");
        assert_eq!(first.try_recv(), Ok(Chirped::NotTested("an alarm".to_owned())));
        let mut block = [0; 480];
        path.speak(&mut block);
        assert_eq!(block, [0; 480], "it is silent at once");
        // Whoever has lost patience holds nobody up.
        drop(path.begin());
        assert!(path.begin().try_recv().is_err(), "under way");
    }
}
