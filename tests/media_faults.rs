//! What breaks is told, heals by itself, and takes nothing else with it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod media_support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use media_support::{Kiosk, Officer, Store, cleared, listen, probe, raised, rms, settings, tool, until};
use sos::adapter::media::{CameraSource, MediaSettings, MicrophoneSource, Speaker};
use sos::kiosk::ports::{Media, Medium};
use sos::machine::Event;
use sos::wire::IncidentId;
use sos::wire::up::FaultKind;
use tokio::sync::mpsc;

fn film(path: &Path) {
    // Written under another name and renamed: the kiosk must not find half a file.
    let half = path.with_extension("half.mp4");
    let made = ["-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25:duration=1", "-pix_fmt", "yuv420p"];
    tool("ffmpeg", &[&made[..], &[half.to_str().unwrap()]].concat());
    std::fs::rename(half, path).unwrap();
}

#[test]
fn a_missing_camera_is_a_fault_that_heals_while_the_rest_records() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("camera.mp4");
    let camera = CameraSource::File(path.clone());
    let mut kiosk = Kiosk::start(MediaSettings { camera, ..settings() });
    let (_, detail) = kiosk.expect("the fault", raised(FaultKind::CameraLost));
    assert!(detail.contains("camera.mp4"), "{detail}");
    assert!(kiosk.media.health().frame_age.is_none());
    until("sound", || kiosk.media.health().sound_age.is_some());

    let incident = IncidentId::fresh();
    kiosk.media.start_recording(incident, Duration::from_secs(1));
    until("fragments of sound", || kiosk.store.count(incident) > 2);
    film(&path);
    kiosk.expect("the healing", cleared(FaultKind::CameraLost));
    assert!(kiosk.media.health().frame_age.is_some());
    let before = kiosk.store.count(incident);
    until("fragments with a picture", || kiosk.store.count(incident) > before + 3);
    kiosk.media.stop_recording(incident);
    let (_, count) = kiosk.expect("the seal", |event| match event {
        Event::RecordingSealed { fragments, .. } => Some(*fragments),
        _ => None,
    });
    let found = probe(&kiosk.store.file(incident, count));
    let start = |index: usize| found["streams"][index]["start_time"].as_str().unwrap().parse::<f64>().unwrap();
    assert!(start(0) > 1.0 && start(1) < 0.05, "the picture comes later: {} and {}", start(0), start(1));
}

#[test]
fn a_camera_file_of_rubbish_is_a_fault_and_the_sound_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("camera.mp4");
    std::fs::write(&path, vec![b'x'; 100_000]).unwrap();
    let mut kiosk = Kiosk::start(MediaSettings { camera: CameraSource::File(path), ..settings() });
    let (_, detail) = kiosk.expect("the fault", raised(FaultKind::CameraLost));
    assert!(detail.contains("camera.mp4"), "{detail}");
    let (to, mut from) = mpsc::channel(64);
    kiosk.media.open_gate(to);
    until("sound", || from.try_recv().is_ok_and(|packet| packet.medium == Medium::Sound));
}

#[test]
fn a_missing_microphone_is_a_fault_that_heals_and_the_recording_has_the_officer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("microphone.wav");
    let microphone = MicrophoneSource::File(path.clone());
    let mut kiosk = Kiosk::start(MediaSettings { microphone, ..settings() });
    let (_, detail) = kiosk.expect("the fault", raised(FaultKind::MicrophoneLost));
    assert!(detail.contains("microphone.wav"), "{detail}");
    kiosk.media.open_voice(true);
    let officer = Officer::speak(&kiosk.media, 800);
    let incident = IncidentId::fresh();
    kiosk.media.start_recording(incident, Duration::from_secs(1));
    until("fragments", || kiosk.store.count(incident) > 3);
    drop(officer);
    let half = dir.path().join("half.wav");
    let made = ["-v", "error", "-f", "lavfi", "-i", "sine=frequency=440:duration=1"];
    tool("ffmpeg", &[&made[..], &[half.to_str().unwrap()]].concat());
    std::fs::rename(half, &path).unwrap();
    kiosk.expect("the healing", cleared(FaultKind::MicrophoneLost));
    let [person, officer] = listen(&kiosk.store.file(incident, 3));
    assert!(rms(&person) < 0.001 && rms(&officer) > 0.1, "{} and {}", rms(&person), rms(&officer));
}

#[test]
fn a_loudspeaker_that_cannot_be_opened_is_a_fault_that_heals() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("later");
    let speaker = Speaker::File(folder.join("speaker.wav"));
    let mut kiosk = Kiosk::start(MediaSettings { speaker, ..settings() });
    kiosk.expect("the fault", raised(FaultKind::SpeakerLost));
    std::fs::create_dir(&folder).unwrap();
    kiosk.expect("the healing", cleared(FaultKind::SpeakerLost));
    kiosk.media.open_voice(true);
    let officer = Officer::speak(&kiosk.media, 800);
    kiosk.expect("the officer's first sound", |event| (*event == Event::VoiceHeard).then_some(()));
    drop(officer);
}

#[test]
fn many_openings_gain_no_thread_and_no_descriptor() {
    let kiosk = Kiosk::start(settings());
    let (to, mut from) = mpsc::channel(4096);
    let round = |from: &mut mpsc::Receiver<_>| {
        kiosk.media.open_gate(to.clone());
        kiosk.media.open_voice(true);
        until("a packet", || from.try_recv().is_ok());
        kiosk.media.close_gate();
        kiosk.media.open_voice(false);
        while from.try_recv().is_ok() {}
    };
    let officer = Officer::speak(&kiosk.media, 800);
    round(&mut from);
    let count = |what: &str| std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count();
    let (threads, descriptors) = (count("task"), count("fd"));
    (0..50).for_each(|_| round(&mut from));
    assert!(count("task") <= threads && count("fd") <= descriptors);
    drop(officer);
}

#[test]
fn a_disk_that_hangs_in_a_recording_is_a_fault_until_it_goes_on() {
    let store = Store::new();
    let mut kiosk = Kiosk::with_store(settings(), Arc::clone(&store));
    let incident = IncidentId::fresh();
    until("frames", || kiosk.media.health().frame_age.is_some());
    kiosk.media.start_recording(incident, Duration::from_secs(1));
    until("fragments", || store.count(incident) > 2);
    let disk = store.hangs.lock().unwrap();
    let (_, detail) = kiosk.expect("the fault", raised(FaultKind::RecordingFailed));
    assert!(detail.contains("found none for 10 s"), "{detail}");
    drop(disk);
    kiosk.expect("the healing", cleared(FaultKind::RecordingFailed));
    let before = store.count(incident);
    until("more fragments", || store.count(incident) > before + 2);
}
