//! The recording: what an ordinary player makes of it, from before the press to the close.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod media_support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use media_support::{Kiosk, Officer, listen, probe, rms, settings, tone, until};
use sos::adapter::media::synth::TEST_PITCH;
use sos::kiosk::ports::Media;
use sos::machine::Event;
use sos::wire::IncidentId;
use sos::wire::up::FaultKind;

fn sealed(event: &Event) -> Option<u64> {
    match event {
        Event::RecordingSealed { fragments, .. } => Some(*fragments),
        _ => None,
    }
}

fn seconds(value: &serde_json::Value) -> f64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no number"))
}

/// Waits until `count` media fragments are there.
fn fragments(kiosk: &Kiosk, incident: IncidentId, count: u64) {
    until("fragments", || kiosk.store.count(incident) > count);
}

#[test]
fn a_player_shows_it_from_before_the_press_with_both_voices_apart() {
    let mut kiosk = Kiosk::start(settings());
    kiosk.run_for(Duration::from_secs(5));
    let incident = IncidentId::fresh();
    let pressed = now_us();
    kiosk.media.start_recording(incident, Duration::from_secs(3));
    kiosk.media.open_voice(true);
    let officer = Officer::speak(&kiosk.media, 1000);
    kiosk.expect("the recording's start", |event| matches!(event, Event::RecordingStarted { .. }).then_some(()));
    kiosk.run_for(Duration::from_secs(3));
    drop(officer);
    kiosk.media.open_voice(false);
    kiosk.media.stop_recording(incident);
    let stopped = now_us();
    let (_, count) = kiosk.expect("the seal", sealed);
    assert_eq!(*kiosk.store.sealed.lock().unwrap(), [(incident, count)]);

    let file = kiosk.store.file(incident, count);
    let found = probe(&file);
    let (picture, sound) = (&found["streams"][0], &found["streams"][1]);
    assert_eq!(
        (&picture["codec_name"], &picture["width"], &picture["height"]),
        (&"h264".into(), &1280.into(), &720.into())
    );
    assert_eq!((&sound["codec_name"], &sound["channels"]), (&"opus".into(), &2.into()));

    let first = kiosk.store.fragment(incident, 1);
    let before = (pressed - first.start_wall_us) as f64 / 1e6;
    assert!((3.0..=4.1).contains(&before), "begins {before} s before the press");
    let expected = (stopped - first.start_wall_us) as f64 / 1e6;
    let duration = seconds(&found["format"]["duration"]);
    assert!((duration - expected).abs() < 0.25, "{duration} s of {expected} s");
    let frames = seconds(&picture["nb_read_frames"]);
    assert!((frames - duration * 25.0).abs() <= 8.0, "{frames} frames in {duration} s");
    let skew = (seconds(&picture["start_time"]) - seconds(&sound["start_time"])).abs();
    assert!(skew <= 0.0201, "sound and picture begin {skew} s apart");

    let [person, officer] = listen(&file);
    let at = |seconds: f64| (seconds * 48_000.0) as usize;
    // The test microphone pauses for one second in four; anywhere else its pitch is there.
    let loudest = |samples: &[f64], hertz| samples.chunks(9600).map(|c| tone(c, hertz)).fold(0.0, f64::max);
    assert!(loudest(&person, TEST_PITCH) > 0.08, "the person is on the left");
    let spoke = at(before + 1.0)..at(before + 2.5);
    assert!(tone(&officer[spoke.clone()], 1000.0) > 0.25, "the officer is on the right");
    assert!(rms(&officer[at(0.2)..at(before - 0.2)]) < 0.003, "nobody on the right before the call");
    let leak = |from: &[f64], hertz| tone(from, hertz);
    assert!(leak(&person[spoke.clone()], 1000.0) < 0.01, "the officer is not on the left");
    assert!(leak(&officer[spoke], TEST_PITCH) < 0.01, "the person is not on the right");
}

#[test]
fn every_prefix_plays_as_after_a_kill() {
    let kiosk = Kiosk::start(settings());
    kiosk.run_for(Duration::from_secs(2));
    let incident = IncidentId::fresh();
    kiosk.media.start_recording(incident, Duration::from_secs(1));
    fragments(&kiosk, incident, 4);
    // A forced key frame in the middle must not unsettle the fragments.
    kiosk.media.force_key_frame();
    fragments(&kiosk, incident, 6);
    let mut longest = 0.0;
    for last in 1..=6 {
        let found = probe(&kiosk.store.file(incident, last));
        let duration = seconds(&found["format"]["duration"]);
        assert!(duration > longest + 0.6, "fragment {last}: {duration} s after {longest} s");
        let first = &kiosk.store.fragment(incident, last);
        assert!((600_000..2_000_000).contains(&first.duration_us), "{}", first.duration_us);
        let frames = seconds(&found["streams"][0]["nb_read_frames"]);
        assert!((frames - duration * 25.0).abs() <= 4.0, "{frames} frames in {duration} s");
        longest = duration;
    }
    let starts: Vec<i64> = (1..=6).map(|n| kiosk.store.fragment(incident, n).start_wall_us).collect();
    assert!(starts.windows(2).all(|pair| (600_000..2_000_000).contains(&(pair[1] - pair[0]))), "{starts:?}");
}

#[test]
fn a_restarted_daemon_goes_on_in_wall_time_without_a_second_header() {
    let kiosk = Kiosk::start(settings());
    kiosk.run_for(Duration::from_secs(1));
    let incident = IncidentId::fresh();
    kiosk.media.start_recording(incident, Duration::from_secs(1));
    fragments(&kiosk, incident, 2);
    let store = std::sync::Arc::clone(&kiosk.store);
    drop(kiosk);
    let kept = store.count(incident) - 1;
    let last = store.fragment(incident, kept);
    let ended = last.start_wall_us + last.duration_us as i64;

    let mut kiosk = Kiosk::with_store(settings(), store);
    kiosk.media.start_recording(incident, Duration::from_secs(1));
    fragments(&kiosk, incident, kept + 3);
    kiosk.media.stop_recording(incident);
    let (_, count) = kiosk.expect("the seal", sealed);
    assert!(count >= kept + 3);
    let gap = (kiosk.store.fragment(incident, kept + 1).start_wall_us - ended) as f64 / 1e6;
    assert!(gap > 0.0, "{gap}");
    let first = kiosk.store.fragment(incident, 1);
    let found = probe(&kiosk.store.file(incident, count));
    let whole = (now_us() - first.start_wall_us) as f64 / 1e6;
    let duration = seconds(&found["format"]["duration"]);
    assert!((duration - whole).abs() < 1.0, "{duration} s on a line of {whole} s");
    let frames = seconds(&found["streams"][0]["nb_read_frames"]);
    assert!((frames - (duration - gap) * 25.0).abs() <= 12.0, "{frames} frames in {duration} s with a gap of {gap} s");
}

#[test]
fn a_full_disk_is_told_once_and_nothing_is_lost_when_it_heals() {
    let mut kiosk = Kiosk::start(settings());
    kiosk.run_for(Duration::from_secs(1));
    let incident = IncidentId::fresh();
    kiosk.store.broken.store(true, Ordering::SeqCst);
    kiosk.media.start_recording(incident, Duration::from_secs(1));
    let (_, why) = kiosk.expect("the failure", |event| match event {
        Event::RecordingFailed { why, .. } => Some(why.clone()),
        _ => None,
    });
    assert!(why.contains("no space left"), "{why}");
    kiosk.run_for(Duration::from_secs(3));
    assert!(kiosk.inbox.try_recv().is_err(), "told once");
    kiosk.store.broken.store(false, Ordering::SeqCst);
    kiosk.expect("the healing", |event| (*event == Event::FaultCleared(FaultKind::RecordingFailed)).then_some(()));
    kiosk.media.stop_recording(incident);
    let (_, count) = kiosk.expect("the seal", sealed);
    let found = probe(&kiosk.store.file(incident, count));
    let duration = seconds(&found["format"]["duration"]);
    let frames = seconds(&found["streams"][0]["nb_read_frames"]);
    assert!(duration > 4.0 && (frames - duration * 25.0).abs() <= 8.0, "{frames} frames in {duration} s");
}

#[test]
fn a_store_that_stalls_holds_neither_the_ring_nor_the_call() {
    let mut kiosk = Kiosk::start(settings());
    kiosk.run_for(Duration::from_secs(1));
    let incident = IncidentId::fresh();
    // The store's lock is held as a card would hold its writer.
    let store = std::sync::Arc::clone(&kiosk.store);
    kiosk.media.start_recording(incident, Duration::from_secs(1));
    {
        let stalled = store.written.lock().unwrap();
        kiosk.run_for(Duration::from_secs(2));
        let health = kiosk.media.health();
        assert!(health.frame_age.unwrap() < Duration::from_millis(500), "{health:?}");
        drop(stalled);
    }
    kiosk.media.stop_recording(incident);
    let (_, count) = kiosk.expect("the seal", sealed);
    assert_eq!(kiosk.media.measures().units_shed, 0);
    let found = probe(&kiosk.store.file(incident, count));
    assert!(seconds(&found["format"]["duration"]) > 2.5);
}

fn now_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}
