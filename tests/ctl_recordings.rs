//! `sos-ctl recordings`: a real recording of a real encoder, listed and exported to a file that plays.
#![cfg(feature = "kiosk")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use sos::adapter::store::{StoreAdapter, layout};
use sos::ctl::recordings::{RecordingsError, export, list};
use sos::kiosk::INBOX_SIZE;
use sos::kiosk::ports::{Fragments, NewFragment};
use sos::wire::{IncidentId, KioskId};
use tempfile::TempDir;
use tokio::sync::mpsc;

const START_US: i64 = 1_700_000_000_000_000;

fn kiosk() -> KioskId {
    "park-north-1".parse().unwrap()
}

/// Five seconds of picture and sound, a fragment a second: header first.
fn encoded(dir: &Path) -> Vec<Vec<u8>> {
    let file = dir.join("source.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25", "-f", "lavfi", "-i", "sine=440"])
        .args(["-t", "5", "-c:v", "libx264", "-g", "25", "-c:a", "aac"])
        .args(["-movflags", "frag_keyframe+empty_moov+default_base_moof"])
        .arg(&file)
        .status()
        .expect("ffmpeg runs");
    assert!(made.success());
    let bytes = fs::read(&file).unwrap();
    let (mut parts, mut at) = (vec![Vec::new()], 0);
    while at < bytes.len() {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let kind = &bytes[at + 4..at + 8];
        if kind == b"moof" {
            parts.push(Vec::new());
        }
        if kind != b"mfra" {
            parts.last_mut().unwrap().extend_from_slice(&bytes[at..at + size]);
        }
        at += size;
    }
    parts
}

fn record(dir: &Path, incident: IncidentId, parts: &[Vec<u8>]) {
    let (inbox, _events) = mpsc::channel(INBOX_SIZE);
    let (store, ..) = StoreAdapter::open(dir, &kiosk(), inbox).unwrap();
    for (index, bytes) in (0..).zip(parts) {
        store
            .write(NewFragment {
                incident,
                index,
                start_wall_us: START_US + 1_000_000 * i64::try_from(index.max(1) - 1).unwrap(),
                duration_us: 1_000_000,
                bytes: Bytes::from(bytes.clone()),
            })
            .unwrap();
    }
    store.seal(incident, parts.len() as u64 - 1).unwrap();
}

fn frames(file: &Path) -> u32 {
    let counted = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-select_streams", "v:0"])
        .args(["-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"])
        .arg(file)
        .output()
        .expect("ffprobe runs");
    let text = String::from_utf8(counted.stdout).unwrap();
    text.trim().trim_matches(',').parse().unwrap_or_else(|_| panic!("not a number: {text:?}"))
}

#[test]
fn a_recording_is_listed_and_exported_whole() {
    let dir = TempDir::new().unwrap();
    let incident = IncidentId::fresh();
    let parts = encoded(dir.path());
    record(dir.path(), incident, &parts);
    let listed = list(dir.path()).unwrap();
    let bytes = parts.iter().map(Vec::len).sum::<usize>() as u64;
    assert_eq!(listed.len(), 1);
    let recording = &listed[0];
    assert_eq!((recording.incident, recording.bytes, recording.start_wall_us), (incident, bytes, Some(START_US)));
    assert_eq!((recording.header, recording.sealed, recording.delivered), (true, true, Some(0)));
    assert_eq!((recording.fragments, recording.missing.len()), (parts.len() as u64 - 1, 0));

    let out = dir.path().join("out.mp4");
    let exported = export(dir.path(), incident, &out).unwrap();
    assert_eq!((exported.bytes, exported.missing), (bytes, vec![]));
    assert_eq!(frames(&out), 125);
    // Never over a file that is there.
    assert!(matches!(export(dir.path(), incident, &out), Err(RecordingsError::Io { .. })));
}

#[test]
fn what_is_missing_is_said_and_the_rest_plays() {
    let dir = TempDir::new().unwrap();
    let incident = IncidentId::fresh();
    let parts = encoded(dir.path());
    record(dir.path(), incident, &parts);
    let last = parts.len() as u64 - 1;
    for index in [2, last] {
        fs::remove_file(layout::fragment(dir.path(), incident, index)).unwrap();
    }
    // The database too: files alone must do.
    fs::remove_file(layout::database(dir.path())).unwrap();
    let recording = list(dir.path()).unwrap().remove(0);
    assert_eq!((recording.missing, recording.delivered), (vec![2, last], None));
    let out = dir.path().join("out.mp4");
    let exported = export(dir.path(), incident, &out).unwrap();
    assert_eq!(exported.missing, [2, last]);
    let left = frames(&out);
    assert!((60..125).contains(&left), "{left}");

    fs::remove_file(layout::fragment(dir.path(), incident, 0)).unwrap();
    let out = dir.path().join("second.mp4");
    assert!(matches!(export(dir.path(), incident, &out), Err(RecordingsError::NoHeader { .. })));
    assert!(!out.exists());
    let unknown = IncidentId::fresh();
    let text = export(dir.path(), unknown, &out).unwrap_err().to_string();
    assert!(text.contains(&unknown.to_string()), "{text}");
    assert!(!out.exists());
    assert!(matches!(list(&dir.path().join("nowhere")), Err(RecordingsError::Io { .. })));
}

#[test]
fn the_command_line_lists_and_exports() {
    let dir = TempDir::new().unwrap();
    let incident = IncidentId::fresh();
    record(dir.path(), incident, &encoded(dir.path()));
    let ctl = |args: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_sos-ctl")).arg("recordings").args(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout), text(done.stderr))
    };
    let (store, id) = (dir.path().to_str().unwrap(), incident.to_string());
    let out = dir.path().join("out.mp4");
    let (code, line, err) = ctl(&["list", "--dir", store]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(line.starts_with(&id) && line.contains(" ended, 5 fragments, "), "{line}");
    let (_, json, _) = ctl(&["list", "--json", "--dir", store]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json[0]["incident"], &json[0]["fragments"]), (&serde_json::json!(id), &serde_json::json!(5)));
    let (code, _, err) = ctl(&["export", &id, out.to_str().unwrap(), "--dir", store]);
    assert_eq!((code, err.as_str(), frames(&out)), (Some(0), "", 125));
    let (code, stdout, err) = ctl(&["export", &id, out.to_str().unwrap(), "--dir", store]);
    assert_eq!((code, stdout.as_str()), (Some(7), ""));
    assert!(err.starts_with(&format!("error: {}", out.display())) && err.contains("\nhint: "), "{err}");
    assert_eq!(ctl(&["export", "not-an-id", "x"]).0, Some(2));
}
