//! The call's side of the media: the gate, the officer's voice, the prompts, the file sources.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod media_support;

use std::path::Path;
use std::time::{Duration, Instant};

use media_support::{BOUND, Kiosk, Officer, listen, rms, settings, tone, tool, until};
use sos::adapter::media::gate::begins_key_frame;
use sos::adapter::media::prompts::PromptFiles;
use sos::adapter::media::synth::TEST_PITCH;
use sos::adapter::media::{CameraSource, MediaSettings, MicrophoneSource, Speaker};
use sos::kiosk::ports::{LivePacket, Media, Medium};
use sos::machine::Event;
use sos::machine::words::Prompt;
use sos::wire::IncidentId;
use tokio::sync::mpsc;

fn next(from: &mut mpsc::Receiver<LivePacket>) -> LivePacket {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let received = runtime.block_on(async { tokio::time::timeout(BOUND, from.recv()).await });
    received.expect("a packet comes").expect("the gate is open")
}

fn voice_heard(event: &Event) -> Option<()> {
    (*event == Event::VoiceHeard).then_some(())
}

#[test]
fn nothing_passes_a_closed_gate_and_the_picture_begins_with_a_key_frame() {
    let kiosk = Kiosk::start(settings());
    until("frames and sound", || kiosk.media.measures().gate.held > 200);
    assert_eq!(kiosk.media.measures().gate.passed, 0);

    let mut waits = Vec::new();
    for _ in 0..5 {
        let (to, mut from) = mpsc::channel(4096);
        let opened = Instant::now();
        kiosk.media.open_gate(to);
        let mut first_picture = None;
        let (mut stamps, mut sounds) = (Vec::new(), Vec::new());
        while stamps.len() < 12 || sounds.len() < 12 {
            let packet = next(&mut from);
            assert!(packet.payload.len() <= 1200);
            match packet.medium {
                Medium::Picture => {
                    first_picture.get_or_insert_with(|| {
                        waits.push(opened.elapsed());
                        packet.payload.clone()
                    });
                    if packet.marker {
                        stamps.push(packet.timestamp);
                    }
                }
                Medium::Sound => sounds.push(packet.timestamp),
            }
        }
        assert!(begins_key_frame(&first_picture.unwrap()));
        // The first key frame is the last frame once more, in between.
        assert!(stamps[0] < stamps[1] && stamps[1] - stamps[0] <= 3601, "{stamps:?}");
        assert!(stamps[1..].windows(2).all(|pair| pair[1].wrapping_sub(pair[0]).abs_diff(3600) <= 1), "{stamps:?}");
        assert!(sounds.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]).abs_diff(960) <= 1), "{sounds:?}");

        kiosk.media.close_gate();
        let passed = kiosk.media.measures().gate.passed;
        while from.try_recv().is_ok() {}
        let held = kiosk.media.measures().gate.held;
        until("more packets held", || kiosk.media.measures().gate.held > held + 50);
        assert_eq!(kiosk.media.measures().gate.passed, passed, "none after the close");
        assert!(from.try_recv().is_err());
    }
    waits.sort_unstable();
    let measures = kiosk.media.measures();
    eprintln!("gate to first packet {waits:?}, encoder {:?}", measures.encode_ms);
    // One frame period and the encoder, however busy the machine is otherwise.
    assert!(waits[2] < Duration::from_millis(150), "{waits:?}");
    assert!(measures.encode_ms.median < 30.0, "{:?}", measures.encode_ms);
}

#[test]
fn a_gate_that_opens_between_two_frames_shows_the_last_one_once_more_and_does_not_wait() {
    const PERIOD: u32 = 90_000 / 5;
    let kiosk = Kiosk::start(MediaSettings { fps: 5, ..settings() });
    for _ in 0..3 {
        let frames = || kiosk.media.measures().encode_ms.n;
        let before = frames();
        until("a frame", || frames() > before);
        let (to, mut from) = mpsc::channel(4096);
        kiosk.media.open_gate(to);
        let mut stamps = Vec::new();
        while stamps.len() < 3 {
            let packet = next(&mut from);
            if packet.medium == Medium::Picture && packet.marker {
                stamps.push(packet.timestamp);
            }
        }
        kiosk.media.close_gate();
        // Frames of the camera are exactly a period apart; one in between is a repetition. A millisecond of room.
        assert!(stamps[1] - stamps[0] < PERIOD - 90, "{stamps:?}");
        assert!((stamps[2] - stamps[1]).abs_diff(PERIOD) <= 1, "{stamps:?}");
    }
}

#[test]
fn the_voice_is_heard_soon_once_per_opening_whatever_its_numbers() {
    let mut kiosk = Kiosk::start(settings());
    until("sound", || kiosk.media.health().sound_age.is_some());
    let mut waits = Vec::new();
    for hertz in [700, 900, 1100] {
        if hertz == 1100 {
            // Longer than the time stamps follow: as between two calls, however far apart.
            kiosk.run_for(Duration::from_secs(4));
        }
        kiosk.media.open_voice(true);
        let officer = Officer::speak(&kiosk.media, hertz);
        let (heard, ()) = kiosk.expect("the officer's first sound", voice_heard);
        waits.push(heard.saturating_duration_since(officer.said_at()));
        let before = kiosk.media.measures().voice_ms.n;
        until("a second of voice", || kiosk.media.measures().voice_ms.n > before + 50);
        drop(officer);
        kiosk.media.open_voice(false);
        assert!(kiosk.inbox.try_recv().is_err(), "once per opening, and no fault");
    }
    let measures = kiosk.media.measures();
    eprintln!("first voice packet to loudspeaker {waits:?}, all packets {:?}", measures.voice_ms);
    assert!(measures.voice_ms.median < 45.0, "{:?}", measures.voice_ms);
    waits.sort_unstable();
    assert!(waits[1] < Duration::from_millis(90), "{waits:?}");

    let officer = Officer::speak(&kiosk.media, 500);
    let dropped = measures.voice_dropped;
    until("packets dropped while closed", || kiosk.media.measures().voice_dropped > dropped + 20);
    drop(officer);
    assert!(kiosk.inbox.try_recv().is_err(), "a closed way lets nothing through");
}

#[test]
fn a_way_that_becomes_slower_for_good_does_not_silence_the_officer() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("speaker.wav");
    let mut kiosk = Kiosk::start(MediaSettings { speaker: Speaker::File(file.clone()), ..settings() });
    kiosk.media.open_voice(true);
    let officer = Officer::speak(&kiosk.media, 1500);
    kiosk.expect("the officer's first sound", voice_heard);
    let length = || played(&file).len();
    let begins = length();
    until("four seconds of voice", || length() > begins + 4 * 48_000);
    officer.slow_down(Duration::from_millis(100));
    let slower = length();
    until("three seconds more", || length() > slower + 3 * 48_000);
    let heard = played(&file);
    let silent = heard[slower..].chunks(960).filter(|piece| tone(piece, 1500.0) < 0.1).count();
    assert!(silent <= 25, "half a second at most, found {} ms", silent * 20);
    drop(officer);
}

#[test]
fn rubbish_from_the_network_does_no_harm() {
    let mut kiosk = Kiosk::start(settings());
    kiosk.media.open_voice(true);
    for length in 0..200usize {
        let rubbish: Vec<u8> = (0..length).map(|n| (n * 37 + length) as u8 | 0x80).collect();
        kiosk.media.voice(rubbish.into());
    }
    kiosk.media.open_voice(false);
    kiosk.media.open_voice(true);
    let officer = Officer::speak(&kiosk.media, 600);
    kiosk.expect("the officer's first sound", voice_heard);
    drop(officer);
}

#[test]
fn the_loudspeaker_file_has_prompt_and_voice_and_can_be_read_while_it_grows() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("speaker.wav");
    let mut kiosk =
        Kiosk::start(sos::adapter::media::MediaSettings { speaker: Speaker::File(file.clone()), ..settings() });
    kiosk.media.prompt(Prompt::Closed);
    kiosk.media.open_voice(true);
    let officer = Officer::speak(&kiosk.media, 1500);
    kiosk.expect("the officer's first sound", voice_heard);
    let samples = || played(&file);
    until("two seconds in the file", || samples().len() > 96_000);
    let heard = samples();
    let second = &heard[heard.len() - 24_000..];
    assert!(tone(second, 1500.0) > 0.2, "the voice: {}", tone(second, 1500.0));
    let chime = heard.chunks(4800).map(|block| tone(block, 783.99)).fold(0.0, f64::max);
    assert!(chime > 0.05, "the prompt: {chime}");
    let note: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("speaker.wav.json")).unwrap()).unwrap();
    let wall = note["first_sample_wall_us"].as_i64().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
    let expected = samples().len() as i64 * 1_000_000 / 48_000;
    assert!((now - wall - expected).abs() < 500_000, "{} of sound in {} us", expected, now - wall);
    drop(officer);
    drop(kiosk);
    // An ordinary reader takes the file.
    tool("ffmpeg", &["-v", "error", "-i", file.to_str().unwrap(), "-f", "null", "-"]);
}

/// What a loudspeaker's file holds so far, 1 is full scale.
fn played(file: &Path) -> Vec<f64> {
    let bytes = std::fs::read(file).unwrap_or_default();
    let samples = bytes.get(44..).unwrap_or_default().chunks_exact(2);
    samples.map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]])) / 32768.0).collect()
}

#[test]
fn a_sentence_that_is_broken_off_dies_away_and_another_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("speaker.wav");
    std::fs::create_dir(dir.path().join("ru")).unwrap();
    for (name, hertz, seconds) in [("calling", 440, 60), ("closed", 900, 1)] {
        let (sine, to) =
            (format!("sine=frequency={hertz}:sample_rate=48000:duration={seconds}"), format!("ru/{name}.wav"));
        tool("ffmpeg", &["-v", "error", "-f", "lavfi", "-i", &sine, dir.path().join(to).to_str().unwrap()]);
    }
    let prompts = PromptFiles { dirs: vec![dir.path().to_owned()], languages: vec!["ru".to_owned()] };
    let kiosk = Kiosk::start(MediaSettings { speaker: Speaker::File(file.clone()), prompts, ..settings() });
    kiosk.media.prompt(Prompt::Calling);
    until("the sentence", || played(&file).chunks_exact(4800).any(|piece| tone(piece, 440.0) > 0.1));
    kiosk.media.hush(Prompt::Closed);
    kiosk.media.prompt(Prompt::Closed);
    kiosk.media.hush(Prompt::Calling);
    // Each tenth of a second on its own: the sentence dies away within one, and the next begins behind it.
    let quiet = |piece: &[f64]| tone(piece, 440.0) < 0.005;
    until("the other sentence, and silence", || {
        let heard = played(&file);
        heard.len() > 9600 && heard[heard.len() - 4800..].iter().all(|sample| *sample == 0.0)
    });
    let heard = played(&file);
    let last = heard.chunks_exact(4800).rposition(|piece| !quiet(piece)).unwrap();
    let next = heard.chunks_exact(4800).position(|piece| tone(piece, 900.0) > 0.1).unwrap();
    assert!(next.abs_diff(last) <= 1, "the sentence ends in tenth {last}, the next begins in {next}");
}

#[test]
fn files_loop_without_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let (film, voice) = (dir.path().join("film.mp4"), dir.path().join("voice.wav"));
    let made = ["-v", "error", "-f", "lavfi", "-i", "testsrc=size=352x288:rate=25:duration=1", "-pix_fmt", "yuv420p"];
    tool("ffmpeg", &[&made[..], &[film.to_str().unwrap()]].concat());
    let made = ["-v", "error", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=8000:duration=0.7"];
    tool("ffmpeg", &[&made[..], &[voice.to_str().unwrap()]].concat());
    let kiosk = Kiosk::start(sos::adapter::media::MediaSettings {
        camera: CameraSource::File(film),
        microphone: MicrophoneSource::File(voice),
        ..settings()
    });
    let (to, mut from) = mpsc::channel(4096);
    kiosk.media.open_gate(to);
    let (mut stamps, mut bytes) = (Vec::new(), 0);
    // The first is the last frame once more.
    let regular = |stamps: &[u32]| stamps[1..].windows(2).all(|pair| (pair[1] - pair[0]).abs_diff(3600) <= 1);
    while stamps.len() < 100 {
        let packet = next(&mut from);
        if packet.medium == Medium::Picture {
            bytes += packet.payload.len();
            if packet.marker {
                stamps.push(packet.timestamp);
            }
        }
    }
    assert!(regular(&stamps), "four rounds, no gap: {stamps:?}");
    assert!(bytes > 100_000, "a picture with content, found {bytes} bytes");
    let level = kiosk.media.health().mic_dbfs.unwrap();
    assert!((-30.0..-10.0).contains(&level), "{level}");
    let incident = IncidentId::fresh();
    kiosk.media.start_recording(incident, Duration::from_secs(1));
    until("rounds of the voice", || kiosk.store.count(incident) > 4);
    let [person, _] = listen(&kiosk.store.file(incident, 3));
    for (n, piece) in person[4800..person.len() - 4800].chunks_exact(960).enumerate() {
        assert!(tone(piece, 440.0) > 0.09, "the voice, piece {n}: {:.3}", tone(piece, 440.0));
    }
}

#[test]
fn health_shows_fresh_media_and_a_level() {
    let kiosk = Kiosk::start(settings());
    until("a picture", || kiosk.media.health().frame_age.is_some());
    until("a second of sound", || kiosk.media.health().mic_dbfs.is_some_and(|level| level > -30.0));
    let health = kiosk.media.health();
    assert!(health.frame_age.unwrap() < Duration::from_millis(500), "{health:?}");
    assert!(health.sound_age.unwrap() < Duration::from_millis(500), "{health:?}");
    assert!(rms(&[0.5, -0.5]) > 0.4 && TEST_PITCH > 0.0);
}
