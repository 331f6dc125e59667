//! The sound card, with real ALSA against a paced card: both directions, unplugged, stalled, deaf, and how loud the
//! kiosk speaks.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "what was measured stands beside the test in its output")]

mod media_support;
mod sound_world;

use std::time::{Duration, Instant};

use media_support::{Kiosk, Officer, listen, tone, until};
use sos::kiosk::ports::{Chirped, Media, Medium};
use sos::machine::Event;
use sos::wire::IncidentId;
use sos::wire::up::FaultKind;
use sound_world::{inside, noise, on_the_card, purity, sine};
use tokio::sync::mpsc;

/// A fault or a healing may take so long.
const SOON: Duration = Duration::from_secs(5);

fn raised(kind: FaultKind) -> impl Fn(&Event) -> Option<String> {
    move |event| match event {
        Event::FaultRaised(fault) if fault.kind == kind => Some(fault.detail.clone()),
        _ => None,
    }
}

fn cleared(kind: FaultKind) -> impl Fn(&Event) -> Option<()> {
    move |event| (*event == Event::FaultCleared(kind)).then_some(())
}

/// Both directions' faults, whichever comes first; their details.
fn both(kiosk: &mut Kiosk, raise: bool) -> Vec<String> {
    let kinds = [FaultKind::MicrophoneLost, FaultKind::SpeakerLost];
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let (_, found) = kiosk.expect("both directions", |event| match event {
            Event::FaultRaised(fault) if raise && kinds.contains(&fault.kind) => Some(fault.detail.clone()),
            Event::FaultCleared(kind) if !raise && kinds.contains(kind) => Some(format!("{kind:?}")),
            _ => None,
        });
        seen.push(found);
    }
    seen
}

#[test]
fn what_the_card_hears_is_recorded_and_sent_without_a_gap() {
    inside("what_the_card_hears_is_recorded_and_sent_without_a_gap", |world| {
        let playing = world.play(&sine(1000.0, 0.3, 30.0));
        let mut kiosk = Kiosk::start(on_the_card());
        until("the tone", || kiosk.media.health().mic_dbfs.is_some_and(|level| level > -15.0));
        let (to, mut from) = mpsc::channel(4096);
        kiosk.media.open_gate(to);
        kiosk.run_for(Duration::from_secs(2));
        while from.try_recv().is_ok() {}
        let incident = IncidentId::fresh();
        kiosk.media.start_recording(incident, Duration::from_secs(1));
        until("fragments", || kiosk.store.count(incident) > 6);
        kiosk.media.stop_recording(incident);
        kiosk.expect("the seal", |event| matches!(event, Event::RecordingSealed { .. }).then_some(()));
        drop(playing);
        let [person, _] = listen(&kiosk.store.file(incident, 5));
        let middle = &person[24_000..person.len() - 9600];
        println!(
            "tone {:.3}, purity {:.1} dB, breaks {}",
            tone(middle, 1000.0),
            purity(middle, 1000.0),
            kiosk.media.measures().card_breaks
        );
        assert!((0.28..0.32).contains(&tone(middle, 1000.0)), "{}", tone(middle, 1000.0));
        assert!(purity(middle, 1000.0) > 20.0, "{:.1} dB", purity(middle, 1000.0));
        let stamps: Vec<u32> = std::iter::from_fn(|| from.try_recv().ok())
            .filter(|packet| packet.medium == Medium::Sound)
            .map(|packet| packet.timestamp)
            .collect();
        let steps: Vec<u32> =
            stamps.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).filter(|step| *step != 960).collect();
        assert!(stamps.len() > 100 && steps.is_empty(), "{} packets, other steps {steps:?}", stamps.len());
    });
}

#[test]
fn the_officer_is_heard_at_the_card_without_a_gap() {
    inside("the_officer_is_heard_at_the_card_without_a_gap", |world| {
        let mut kiosk = Kiosk::start(on_the_card());
        until("the card", || kiosk.media.health().sound_age.is_some());
        let recording = world.record();
        kiosk.media.open_voice(true);
        let officer = Officer::speak(&kiosk.media, 800);
        let (heard, ()) =
            kiosk.expect("the officer's first sound", |event| (*event == Event::VoiceHeard).then_some(()));
        println!(
            "first sound at the card {} ms after it was spoken",
            heard.duration_since(officer.said_at()).as_millis()
        );
        let begins = |samples: &[f64]| samples.iter().position(|sample| sample.abs() > 0.05);
        until("five seconds at the ear", || {
            let samples = recording.heard();
            begins(&samples).is_some_and(|at| samples.len() > at + 5 * 48_000)
        });
        let samples = recording.heard();
        let at = begins(&samples).unwrap();
        // A card that takes by gulps (as PulseAudio does) is met by more that waits, within the first seconds.
        let middle = &samples[at + 3 * 48_000..at + 5 * 48_000 - 4800];
        println!("way {:?}", kiosk.media.measures().voice_ms);
        // Piece by piece: a gap spoils its piece, while two clocks that are being brought together bend the tone over
        // the whole by a little, which nobody hears.
        for (n, piece) in middle.chunks_exact(960).enumerate() {
            let (level, clean) = (tone(piece, 800.0), purity(piece, 800.0));
            assert!((0.36..0.44).contains(&level) && clean > 20.0, "piece {n}: {level:.3}, {clean:.1} dB");
        }
        // PulseAudio keeps more than a real card would; what the kiosk itself adds must not grow.
        assert!(kiosk.media.measures().voice_ms.p95 < 300.0);
    });
}

#[test]
fn an_unplugged_card_is_a_fault_at_once_and_heals_when_it_is_back() {
    inside("an_unplugged_card_is_a_fault_at_once_and_heals_when_it_is_back", |world| {
        let mut kiosk = Kiosk::start(on_the_card());
        until("the card", || kiosk.media.health().sound_age.is_some());
        world.unplug();
        let gone = Instant::now();
        let why = both(&mut kiosk, true);
        println!("noticed after {} ms: {why:?}", gone.elapsed().as_millis());
        assert!(gone.elapsed() < SOON, "{:?}", gone.elapsed());
        world.plug();
        let back = Instant::now();
        both(&mut kiosk, false);
        println!("healed after {} ms", back.elapsed().as_millis());
        assert!(back.elapsed() < 2 * SOON, "{:?}", back.elapsed());
        let _playing = world.play(&sine(1000.0, 0.3, 30.0));
        until("the tone", || kiosk.media.health().mic_dbfs.is_some_and(|level| level > -15.0));
    });
}

#[test]
fn a_card_that_is_absent_at_the_start_is_a_fault_and_the_rest_works() {
    inside("a_card_that_is_absent_at_the_start_is_a_fault_and_the_rest_works", |world| {
        world.unplug();
        let mut kiosk = Kiosk::start(on_the_card());
        let why = both(&mut kiosk, true);
        assert!(why.iter().all(|why| why.contains("kiosk")), "the card is named: {why:?}");
        until("the picture", || kiosk.media.health().frame_age.is_some());
        world.plug();
        both(&mut kiosk, false);
    });
}

#[test]
fn a_card_that_stalls_is_a_fault_and_heals_when_it_goes_on() {
    inside("a_card_that_stalls_is_a_fault_and_heals_when_it_goes_on", |world| {
        let mut kiosk = Kiosk::start(on_the_card());
        until("the card", || kiosk.media.health().sound_age.is_some());
        world.signal("STOP");
        let still = Instant::now();
        let why = both(&mut kiosk, true);
        println!("noticed after {} ms: {why:?}", still.elapsed().as_millis());
        assert!(still.elapsed() < SOON, "{:?}", still.elapsed());
        world.signal("CONT");
        let goes_on = Instant::now();
        both(&mut kiosk, false);
        println!("healed after {} ms", goes_on.elapsed().as_millis());
        assert!(goes_on.elapsed() < 2 * SOON, "{:?}", goes_on.elapsed());
    });
}

#[test]
fn a_deaf_microphone_is_told_from_one_that_is_lost_and_heals() {
    inside("a_deaf_microphone_is_told_from_one_that_is_lost_and_heals", |world| {
        let mut kiosk = Kiosk::start(on_the_card());
        until("the card", || kiosk.media.health().sound_age.is_some());
        let (_, why) = kiosk.expect("the fault", raised(FaultKind::MicrophoneDeaf));
        assert!(why.contains("silence"), "{why}");
        let _playing = world.play(&noise(-70.0, 30.0));
        let hears = Instant::now();
        kiosk.expect("the healing", cleared(FaultKind::MicrophoneDeaf));
        assert!(hears.elapsed() < SOON, "{:?}", hears.elapsed());
    });
}

#[test]
fn a_chirp_is_heard_through_the_card_with_level_and_delay_and_not_without_air() {
    inside("a_chirp_is_heard_through_the_card_with_level_and_delay_and_not_without_air", |world| {
        let kiosk = Kiosk::start(on_the_card());
        until("both directions", || kiosk.media.health().sound_age.is_some());
        kiosk.run_for(Duration::from_secs(2));
        let lost = kiosk.media.chirp().blocking_recv().unwrap();
        assert!(matches!(&lost, Chirped::Lost(why) if why.contains("at the microphone")), "{lost:?}");
        world.join(60);
        let mut heard = Vec::new();
        until("two chirps that agree", || {
            if let Ok(Chirped::Heard(path)) = kiosk.media.chirp().blocking_recv() {
                println!("{:.1} dB after {:.1} ms", path.level_db, path.delay_ms);
                heard.push(path);
            }
            heard.windows(2).any(|two| (two[0].delay_ms - two[1].delay_ms).abs() < 15.0)
        });
        let last = heard.last().unwrap();
        assert!(last.level_db.abs() < 3.0, "the loop takes nothing away: {last:?}");
        assert!((20.0..500.0).contains(&last.delay_ms), "{last:?}");
    });
}
