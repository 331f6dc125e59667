//! Loudspeaker to microphone over the simulated air, with the media as they run: measured, trended, broken, and given
//! up at once for an alarm.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod media_support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use media_support::{Kiosk, settings};
use sos::adapter::media::air::AirSettings;
use sos::adapter::media::{MediaSettings, MicrophoneSource};
use sos::adapter::proof::TrendFile;
use sos::kiosk::ports::{Chirped, Media};
use sos::kiosk::selftest::sound::{Measure, SoundTest, Trend};
use sos::kiosk::selftest::{Found, How, PartTest, Say};
use sos::kiosk::{INBOX_SIZE, Stamped};
use sos::machine::Event;
use sos::wire::IncidentId;
use sos::wire::up::{FaultKind, TestOutcome, TestPart};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// A microphone in a place as quiet as a night, and the air; `loss_db` of 96 leaves nothing.
fn quiet(dir: &TempDir, loss_db: f32) -> MediaSettings {
    let night = dir.path().join("night.wav");
    let mut state = 1_u32;
    let samples: Vec<u8> = (0..96_000)
        .flat_map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (((state >> 16) as i16) / 1_000).to_le_bytes()
        })
        .collect();
    let mut wav =
        b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0\x80\xbb\0\0\0\x77\x01\0\x02\0\x10\0data".to_vec();
    wav.extend(u32::try_from(samples.len()).unwrap().to_le_bytes());
    wav.extend(samples);
    std::fs::write(&night, wav).unwrap();
    MediaSettings {
        width: 320,
        height: 240,
        microphone: MicrophoneSource::File(night),
        air: Some(AirSettings { loss_db, delay: Duration::from_millis(80) }),
        ..settings()
    }
}

struct Place {
    dir: TempDir,
    kiosk: Kiosk,
    test: SoundTest,
    inbox: mpsc::Receiver<Stamped>,
}

impl Place {
    fn new(loss_db: f32) -> Self {
        let dir = TempDir::new().unwrap();
        let kiosk = Kiosk::start(quiet(&dir, loss_db));
        kiosk.run_for(Duration::from_secs(1));
        let (to, inbox) = mpsc::channel(INBOX_SIZE);
        let trends = Arc::new(TrendFile::new(dir.path()));
        let test = SoundTest { media: kiosk.media.clone(), trends, inbox: to, seeds: true };
        Self { dir, kiosk, test, inbox }
    }

    async fn run(&self, how: How) -> Found {
        self.test.run(how, Say::to_nobody(TestPart::Sound)).await
    }

    fn trend(&self) -> Trend {
        TrendFile::new(self.dir.path()).last()
    }

    fn told(&mut self) -> Event {
        self.inbox.try_recv().expect("the machine is told").event
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn level_and_delay_are_measured_kept_by_full_tests_and_a_fall_below_the_trend_fails() {
    let mut place = Place::new(20.0);
    let found = place.run(How::Full).await;
    assert_eq!(found.outcome, TestOutcome::Passed, "{}", found.detail);
    assert_eq!(place.told(), Event::FaultCleared(FaultKind::SoundPathBroken));
    let Trend(kept) = place.trend();
    let [Measure { level_db, delay_ms, .. }] = kept[..] else { panic!("one full test, one measure: {kept:?}") };
    assert!((level_db + 20.0).abs() < 0.5, "{level_db} dB");
    assert!((delay_ms - 80.0).abs() < 1.0, "{delay_ms} ms: the air's 80, however late a thread is");

    assert_eq!(place.run(How::Asked).await.outcome, TestOutcome::Passed);
    assert_eq!(place.trend().0.len(), 1, "who asks adds nothing to the trend");

    let louder = Measure { wall_us: 0, level_db: -7.0, delay_ms: 80.0 };
    std::fs::write(place.dir.path().join("sound-path.json"), serde_json::to_vec(&Trend(vec![louder; 30])).unwrap())
        .unwrap();
    place.told();
    let fallen = place.run(How::Full).await;
    assert_eq!(fallen.outcome, TestOutcome::Failed, "{}", fallen.detail);
    assert!(fallen.detail.starts_with("expected at most 12 dB below -7 dB after 80 ms"), "{}", fallen.detail);
    let Event::FaultRaised(fault) = place.told() else { panic!("no fault") };
    assert_eq!((fault.kind, fault.detail), (FaultKind::SoundPathBroken, fallen.detail));
    assert_eq!(place.trend(), Trend(vec![louder; 30]), "a broken way is no part of the trend");

    assert_eq!(place.run(How::Learn).await.outcome, TestOutcome::Passed);
    assert_eq!(place.trend().0.len(), 1, "the trend begins anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deaf_microphone_fails_and_without_air_nothing_is_said() {
    let mut place = Place::new(96.0);
    let found = place.run(How::Full).await;
    assert_eq!(found.outcome, TestOutcome::Failed);
    let why = "expected the loudspeaker's chirp at the microphone, found none (5 chirps, 0 heard)";
    assert_eq!(found.detail, why);
    assert!(matches!(place.told(), Event::FaultRaised(fault) if fault.kind == FaultKind::SoundPathBroken));
    assert_eq!(place.trend(), Trend::default());

    let airless = Kiosk::start(MediaSettings { width: 320, height: 240, ..settings() });
    let Ok(Chirped::NotTested(why)) = airless.media.chirp().await else { panic!("there is no air") };
    assert!(why.contains("media.sound.air_loss_db"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_ends_the_chirp_at_once_and_while_it_records_there_is_none() {
    let place = Place::new(20.0);
    let (chirp, incident) = (place.kiosk.media.chirp(), IncidentId::fresh());
    place.kiosk.media.start_recording(incident, Duration::from_secs(1));
    let began = Instant::now();
    let Ok(Chirped::NotTested(why)) = chirp.await else { panic!("it went on") };
    assert!(why.contains("alarm") && began.elapsed() < Duration::from_millis(300), "{why} {:?}", began.elapsed());
    assert_eq!(place.run(How::Asked).await.outcome, TestOutcome::NotTested);
}
