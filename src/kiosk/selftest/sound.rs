//! Loudspeaker to microphone: chirps over the air, judged by themselves and by the trend of the last full tests.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::{Found, How, PartTest, Say, Testing};
use crate::control::{TestOutcome, TestPart};
use crate::kiosk::ports::{Chirped, Media, SoundPath, Trends};
use crate::kiosk::timing::wall_us;
use crate::kiosk::{Inbox, Stamped};
use crate::machine::Event;
use crate::wire::up::{Fault, FaultKind};

/// Two that agree are a finding; so many are tried, for a street is loud at times.
const CHIRPS: usize = 5;
/// Between two chirps.
const PAUSE: Duration = Duration::from_millis(300);
/// The media answer within this, unless loudspeaker or microphone stand still.
const CHIRP_WITHIN: Duration = Duration::from_secs(4);
/// Two chirps that took the same way differ by less, ms: a queue that breathes, not another place in the noise.
const AGREE_MS: f32 = 15.0;
/// Full tests whose measures are kept.
const KEPT: usize = 30;
/// With fewer measures there is no trend to fall below.
const TREND_FROM: usize = 3;
/// A level this far below the median of the trend is a broken way, dB: a quarter of the sound pressure. Wind, snow on
/// the grille and a loud street move it by a few; a torn cone, a blocked grille or a dead amplifier by more.
const FALLEN_DB: f32 = 12.0;

/// A measure of a full self-test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// When, by the board's clock, microseconds since 1970 UTC.
    pub wall_us: i64,
    /// What the microphone heard over what the loudspeaker was given, dB.
    pub level_db: f32,
    /// From the one to the other, ms.
    pub delay_ms: f32,
}

/// The measures of the last full self-tests, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trend(pub Vec<Measure>);

impl Trend {
    /// Takes one in; the oldest goes.
    pub fn add(&mut self, measure: Measure) {
        self.0.push(measure);
        self.0.drain(..self.0.len().saturating_sub(KEPT));
    }

    /// The delay as last measured, ms.
    #[must_use]
    pub fn delay_ms(&self) -> Option<u32> {
        self.0.last().map(|measure| whole(measure.delay_ms))
    }

    fn median(&self, of: impl Fn(&Measure) -> f32) -> Option<f32> {
        let mut values: Vec<f32> = self.0.iter().map(of).collect();
        values.sort_by(f32::total_cmp);
        values.get(values.len() / 2).copied()
    }

    /// What a way that was found is worth: good, or fallen too far; with figures.
    fn judge(&self, path: SoundPath) -> (TestOutcome, String) {
        let SoundPath { level_db, delay_ms } = path;
        let found = format!("the chirp was heard at {level_db:.0} dB after {delay_ms:.0} ms");
        let medians = self.median(|m| m.level_db).zip(self.median(|m| m.delay_ms));
        let Some((level, delay)) = medians.filter(|_| self.0.len() >= TREND_FROM) else {
            return (TestOutcome::Passed, format!("{found}; no trend yet, of {} full tests", self.0.len()));
        };
        let trend = format!("{level:.0} dB after {delay:.0} ms, the median of {} full tests", self.0.len());
        if level_db < level - FALLEN_DB {
            return (TestOutcome::Failed, format!("expected at most {FALLEN_DB:.0} dB below {trend}, found: {found}"));
        }
        (TestOutcome::Passed, format!("{found}; {trend}"))
    }
}

/// The test.
pub struct SoundTest {
    /// Plays and listens.
    pub media: Arc<dyn Media>,
    /// Where the trend is kept.
    pub trends: Arc<dyn Trends>,
    /// Where the fault goes.
    pub inbox: Inbox,
    /// Whether the echo canceller is told the delay; not where the configuration says one.
    pub seeds: bool,
}

impl PartTest for SoundTest {
    fn part(&self) -> TestPart {
        TestPart::Sound
    }

    fn learns(&self) -> bool {
        true
    }

    fn run(&self, how: How, say: Say) -> Testing<'_> {
        Box::pin(async move {
            say.step("a few short, quiet chirps from the loudspeaker; the microphone listens for them").await;
            let found = match self.chirps().await {
                Ok(path) => self.found(how, path).await,
                Err(found) => found,
            };
            self.tell(&found).await;
            found
        })
    }
}

impl SoundTest {
    /// The way two chirps agree on.
    async fn chirps(&self) -> Result<SoundPath, Found> {
        let (mut heard, mut lost) = (Vec::new(), None);
        for n in 0..CHIRPS {
            if n > 0 {
                sleep(PAUSE).await;
            }
            match timeout(CHIRP_WITHIN, self.media.chirp()).await {
                Ok(Ok(Chirped::Heard(path))) => heard.push(path),
                Ok(Ok(Chirped::Lost(why))) => lost = Some(why),
                Ok(Ok(Chirped::NotTested(why))) => return Err(Found::not_tested(why)),
                Ok(Err(_)) => return Err(Found::not_tested("broken off: the media are stopping")),
                Err(_) => {
                    lost = Some("expected sound to go on, found loudspeaker or microphone at a standstill".into())
                }
            }
            if let Some(path) = agreed(&heard) {
                return Ok(path);
            }
        }
        Err(Found::failed(match lost {
            Some(why) => format!("{why} ({CHIRPS} chirps, {} heard)", heard.len()),
            None => {
                format!("expected two of {CHIRPS} chirps to take the same way, found none that agree: too much noise")
            }
        }))
    }

    async fn found(&self, how: How, path: SoundPath) -> Found {
        let mut trend = if how == How::Learn { Trend::default() } else { self.trends.read().await };
        let (outcome, mut detail) = trend.judge(path);
        if outcome == TestOutcome::Passed {
            if how != How::Asked {
                let SoundPath { level_db, delay_ms } = path;
                trend.add(Measure { wall_us: wall_us(Instant::now()), level_db, delay_ms });
                if let Err(why) = self.trends.keep(trend).await {
                    warn!(why, "the trend of loudspeaker and microphone is not kept");
                    detail.push_str("; the trend cannot be kept");
                }
            }
            if self.seeds {
                self.media.seed_echo(whole(path.delay_ms));
            }
        }
        Found { outcome, detail }
    }

    /// The fault stands until a test passes.
    async fn tell(&self, found: &Found) {
        let event = match found.outcome {
            TestOutcome::Failed => {
                Event::FaultRaised(Fault { kind: FaultKind::SoundPathBroken, detail: found.detail.clone() })
            }
            TestOutcome::Passed => Event::FaultCleared(FaultKind::SoundPathBroken),
            TestOutcome::NotTested => return,
        };
        // A daemon that stops needs no fault.
        _ = self.inbox.send(Stamped::now(event)).await;
    }
}

/// The newest and one before it, if they took the same way: their mean.
fn agreed(heard: &[SoundPath]) -> Option<SoundPath> {
    let (newest, before) = heard.split_last()?;
    let other = before.iter().find(|other| (other.delay_ms - newest.delay_ms).abs() < AGREE_MS)?;
    let mean = |a: f32, b: f32| f32::midpoint(a, b);
    Some(SoundPath { level_db: mean(other.level_db, newest.level_db), delay_ms: mean(other.delay_ms, newest.delay_ms) })
}

/// Whole milliseconds of a delay, which is never negative.
fn whole(delay_ms: f32) -> u32 {
    // Bounded by what is listened for, and rounding is what is wanted.
    delay_ms.round().max(0.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(level_db: f32) -> SoundPath {
        SoundPath { level_db, delay_ms: 42.0 }
    }

    fn trend(levels: impl IntoIterator<Item = f32>) -> Trend {
        let mut trend = Trend::default();
        levels.into_iter().for_each(|level_db| trend.add(Measure { wall_us: 0, level_db, delay_ms: 40.0 }));
        trend
    }

    #[test]
    fn a_level_far_below_the_trend_fails_and_one_a_little_below_does_not() {
        let trend = trend([-30.0, -32.0, -28.0, -60.0, -31.0]);
        let (outcome, detail) = trend.judge(path(-42.9));
        assert_eq!((outcome, detail.contains("-31 dB after 40 ms, the median of 5")), (TestOutcome::Passed, true));
        let (outcome, detail) = trend.judge(path(-43.1));
        assert_eq!(outcome, TestOutcome::Failed);
        assert!(detail.starts_with("expected at most 12 dB below -31 dB after 40 ms"), "{detail}");
        assert!(detail.ends_with("found: the chirp was heard at -43 dB after 42 ms"), "{detail}");
        assert_eq!(trend.judge(path(-10.0)).0, TestOutcome::Passed, "louder is no fault");
    }

    #[test]
    fn two_tests_make_no_trend_and_thirty_bound_it() {
        assert_eq!(trend([-30.0, -30.0]).judge(path(-80.0)).0, TestOutcome::Passed);
        assert_eq!(trend([-30.0, -30.0, -30.0]).judge(path(-80.0)).0, TestOutcome::Failed);
        let long = trend((0..100_u8).map(|n| -f32::from(n)));
        assert_eq!((long.0.len(), long.0[0].level_db), (30, -70.0), "the oldest go");
        assert_eq!(long.delay_ms(), Some(40));
    }

    #[test]
    fn two_chirps_that_took_the_same_way_agree() {
        let at = |delay_ms| SoundPath { level_db: -30.0, delay_ms };
        assert_eq!(agreed(&[at(40.0)]), None);
        assert_eq!(agreed(&[at(40.0), at(300.0)]), None);
        assert_eq!(agreed(&[at(40.0), at(300.0), at(50.0)]), Some(at(45.0)));
    }
}
