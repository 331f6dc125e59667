//! The sound card, with real ALSA against a paced card: both directions, unplugged, stalled, deaf, and how loud the
//! kiosk speaks.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stdout, reason = "what was measured stands beside the test in its output")]

mod media_support;
mod sound_world;

use std::time::{Duration, Instant};

use media_support::{Kiosk, Officer, cleared, listen, raised, tone, until};
use sos::adapter::media::card::{Card, CardSettings, Way};
use sos::adapter::media::clock::Timeline;
use sos::adapter::media::loudness::LoudnessSettings;
use sos::kiosk::ports::{Chirped, Media, Medium};
use sos::machine::Event;
use sos::machine::words::Prompt;
use sos::wire::IncidentId;
use sos::wire::up::FaultKind;
use sound_world::{inside, noise, on_the_card, purity, sine};
use tokio::sync::mpsc;

/// A fault or a healing may take so long.
const SOON: Duration = Duration::from_secs(5);

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

/// Piece by piece: a gap spoils its piece, while two clocks that are being brought together bend the tone over the
/// whole by a little, which nobody hears. A gap of a millisecond leaves 13 dB; Opus alone left 18.8 at the least.
fn each_piece(samples: &[f64], hertz: f64, expected: f64) {
    for (n, piece) in samples.chunks_exact(960).enumerate() {
        let (level, clean) = (tone(piece, hertz), purity(piece, hertz));
        let fits = (expected * 0.9..expected * 1.1).contains(&level) && clean > 15.0;
        assert!(fits, "piece {n}: {level:.3} where {expected} was played, {clean:.1} dB");
    }
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
        each_piece(middle, 1000.0, 0.3);
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
        each_piece(middle, 800.0, 0.4);
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

/// Energy of the kiosk's chime at the ear after seconds of this noise, dB.
fn chime_after(world: &sound_world::World, noise_dbfs: f64) -> f64 {
    let mut settings = on_the_card();
    settings.card.as_mut().unwrap().loudness = LoudnessSettings { loud_dbfs: -45.0, most_cut_db: 12.0 };
    let _playing = world.play(&noise(noise_dbfs, 60.0));
    let kiosk = Kiosk::start(settings);
    // The noise is the median of what was heard: known once most of it is this noise, whenever it began to be heard.
    until("the noise", || kiosk.media.measures().noise_dbfs.is_some_and(|level| (level - noise_dbfs).abs() < 0.3));
    let recording = world.record();
    until("the ear", || recording.heard().len() > 4800);
    kiosk.media.prompt(Prompt::Calling);
    let loud = |samples: &[f64]| samples.iter().any(|sample| sample.abs() > 0.001);
    until("the chime and half a second of silence after it", || {
        let heard = recording.heard();
        let (before, end) = heard.split_at(heard.len().saturating_sub(24_000));
        loud(before) && !loud(end)
    });
    let energy: f64 = recording.heard().iter().map(|sample| sample * sample).sum();
    10.0 * energy.log10()
}

#[test]
fn the_kiosk_speaks_louder_in_the_noise() {
    inside("the_kiosk_speaks_louder_in_the_noise", |world| {
        let (quiet, between, loud) = (chime_after(world, -70.0), chime_after(world, -51.0), chime_after(world, -40.0));
        println!("quiet {quiet:.1} dB, between {between:.1} dB, loud {loud:.1} dB");
        assert!((loud - quiet - 12.0).abs() < 0.5, "12 dB of difference: {loud:.1} and {quiet:.1}");
        assert!((loud - between - 6.0).abs() < 0.5, "6 dB of difference: {loud:.1} and {between:.1}");
    });
}

#[test]
fn a_prompt_takes_nothing_from_the_call() {
    inside("a_prompt_takes_nothing_from_the_call", |world| {
        let _playing = world.play(&sine(1000.0, 0.3, 60.0));
        let mut kiosk = Kiosk::start(on_the_card());
        until("the tone", || kiosk.media.health().mic_dbfs.is_some_and(|level| level > -15.0));
        let recording = world.record();
        kiosk.media.open_voice(true);
        let (to, mut from) = mpsc::channel(4096);
        kiosk.media.open_gate(to);
        let _officer = Officer::speak(&kiosk.media, 800);
        kiosk.expect("the officer's first sound", |event| (*event == Event::VoiceHeard).then_some(()));
        let heard_from = |hertz: f64, level: f64| {
            let heard = recording.heard();
            heard.chunks_exact(960).position(|piece| tone(piece, hertz) > level).map(|n| (n * 960, heard.len()))
        };
        // Its first seconds aside, in which a card that takes by gulps is met by more that waits.
        until("three seconds of the officer", || heard_from(800.0, 0.3).is_some_and(|(at, end)| end > at + 144_000));
        let before = recording.heard().len();
        // The chime's three notes last 0.54 s; ducked they are still to be found.
        while from.try_recv().is_ok() {}
        kiosk.media.prompt(Prompt::NoConnection);
        until("two seconds more", || recording.heard().len() > before + 96_000);
        let heard = recording.heard();
        let during = &heard[before..before + 96_000];
        let chime = during.chunks_exact(4800).map(|piece| tone(piece, 392.0)).fold(0.0, f64::max);
        assert!(chime > 0.01, "the prompt is heard under the officer: {chime:.4}");
        for (n, piece) in during.chunks_exact(960).enumerate() {
            let level = tone(piece, 800.0);
            assert!((0.34..0.46).contains(&level), "the officer, piece {n}: {level:.3}");
        }
        let sounds = std::iter::from_fn(|| from.try_recv().ok()).filter(|packet| packet.medium == Medium::Sound);
        let stamps: Vec<u32> = sounds.map(|packet| packet.timestamp).collect();
        let gaps = stamps.windows(2).filter(|pair| pair[1].wrapping_sub(pair[0]) != 960).count();
        assert!(stamps.len() > 80 && gaps == 0, "the person: {} packets, {gaps} gaps", stamps.len());
    });
}

#[test]
fn a_card_that_is_lost_in_a_call_costs_its_sound_alone() {
    inside("a_card_that_is_lost_in_a_call_costs_its_sound_alone", |world| {
        let mut kiosk = Kiosk::start(on_the_card());
        both(&mut kiosk, false);
        let (to, mut from) = mpsc::channel(8192);
        kiosk.media.open_gate(to);
        kiosk.media.open_voice(true);
        let officer = Officer::speak(&kiosk.media, 800);
        let incident = IncidentId::fresh();
        kiosk.media.start_recording(incident, Duration::from_secs(1));
        kiosk.expect("the officer's first sound", |event| (*event == Event::VoiceHeard).then_some(()));
        world.unplug();
        both(&mut kiosk, true);
        let at_loss = kiosk.store.count(incident);
        until("three fragments without a card", || kiosk.store.count(incident) > at_loss + 3);
        world.plug();
        both(&mut kiosk, false);
        let recording = world.record();
        let _playing = world.play(&sine(1000.0, 0.3, 30.0));
        until("the person", || kiosk.media.health().mic_dbfs.is_some_and(|level| level > -15.0));
        until("the officer", || recording.heard().chunks_exact(4800).any(|piece| tone(piece, 800.0) > 0.3));
        let back = kiosk.store.count(incident);
        until("two fragments with the card", || kiosk.store.count(incident) > back + 2);
        kiosk.media.stop_recording(incident);
        kiosk.expect("the seal", |event| matches!(event, Event::RecordingSealed { .. }).then_some(()));
        drop(officer);
        let last = kiosk.store.count(incident) - 1;
        let [person, said] = listen(&kiosk.store.file(incident, last));
        let begins = said.chunks_exact(4800).position(|piece| tone(piece, 800.0) > 0.3).unwrap();
        let missing: Vec<usize> =
            (begins..said.len() / 4800).filter(|n| tone(&said[n * 4800..(n + 1) * 4800], 800.0) < 0.2).collect();
        assert!(missing.len() < 5, "the officer is recorded without a loudspeaker too; not in tenths {missing:?}");
        let end = |samples: &[f64], hertz| tone(&samples[samples.len() - 72_000..samples.len() - 24_000], hertz);
        assert!(end(&person, 1000.0) > 0.25, "the person after it: {:.3}", end(&person, 1000.0));
        assert!(end(&said, 800.0) > 0.25, "the officer after it: {:.3}", end(&said, 800.0));
        let pictures = std::iter::from_fn(|| from.try_recv().ok()).filter(|packet| packet.medium != Medium::Sound);
        let stamps: Vec<u32> = pictures.map(|packet| packet.timestamp).collect();
        let longest = stamps.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).max().unwrap();
        assert!(longest < 90_000 / 4, "the picture stood for {longest} ticks of 90 kHz");
    });
}

#[test]
fn a_card_of_another_rate_is_converted_both_ways() {
    inside("a_card_of_another_rate_is_converted_both_ways", |world| {
        let mut settings = on_the_card();
        settings.card.as_mut().unwrap().name = "of44".to_owned();
        let _playing = world.play(&sine(1000.0, 0.3, 60.0));
        let mut kiosk = Kiosk::start(settings);
        until("the tone", || kiosk.media.health().mic_dbfs.is_some_and(|level| level > -15.0));
        let recording = world.record();
        kiosk.media.open_voice(true);
        let _officer = Officer::speak(&kiosk.media, 800);
        let begins = |samples: &[f64]| samples.iter().position(|sample| sample.abs() > 0.05);
        until("six seconds of the officer at the ear", || {
            let samples = recording.heard();
            begins(&samples).is_some_and(|at| samples.len() > at + 6 * 48_000)
        });
        let samples = recording.heard();
        let at = begins(&samples).unwrap();
        each_piece(&samples[at + 4 * 48_000..at + 6 * 48_000 - 4800], 800.0, 0.4);
        let incident = IncidentId::fresh();
        kiosk.media.start_recording(incident, Duration::from_secs(1));
        until("fragments", || kiosk.store.count(incident) > 6);
        kiosk.media.stop_recording(incident);
        kiosk.expect("the seal", |event| matches!(event, Event::RecordingSealed { .. }).then_some(()));
        let [person, _] = listen(&kiosk.store.file(incident, 5));
        each_piece(&person[24_000..person.len() - 9600], 1000.0, 0.3);
    });
}

#[test]
fn a_loudspeaker_that_comes_after_the_microphone_is_the_cancellers_reference() {
    inside("a_loudspeaker_that_comes_after_the_microphone_is_the_cancellers_reference", |world| {
        gstreamer::init().unwrap();
        let settings = CardSettings { name: "parted".to_owned(), ..on_the_card().card.unwrap() };
        let card = Card::start(settings, Timeline::begin(), || true).unwrap();
        let (to, blocks) = std::sync::mpsc::sync_channel(100_000);
        card.on_block(move |way, number, _| _ = to.try_send((way, number)));
        let wait = |wanted: Way, count: usize| {
            let next = || blocks.recv_timeout(SOON).expect("the card goes on");
            std::iter::repeat_with(next).filter(|(way, _)| *way == wanted).nth(count).unwrap().1
        };
        wait(Way::In, 100);
        let mut beside = world.beside();
        beside.plug();
        wait(Way::Out, 200);
        // Played before it is heard, and no more than waits in the two buffers.
        for _ in 0..50 {
            let (heard, played) = (wait(Way::In, 0), wait(Way::Out, 0));
            let ahead = played.cast_signed() - heard.cast_signed();
            assert!((0..40).contains(&ahead), "block {played} is given to the loudspeaker, {heard} heard");
        }
    });
}

#[test]
fn a_card_that_does_not_fit_is_a_fault_that_says_what_it_lacks() {
    inside("a_card_that_does_not_fit_is_a_fault_that_says_what_it_lacks", |_| {
        let mut settings = on_the_card();
        settings.card.as_mut().unwrap().name = "unfit".to_owned();
        let mut kiosk = Kiosk::start(settings);
        let why = both(&mut kiosk, true);
        assert!(why.iter().all(|why| why.contains("unfit") && why.contains("16 bits")), "{why:?}");
        until("the picture", || kiosk.media.health().frame_age.is_some());
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
