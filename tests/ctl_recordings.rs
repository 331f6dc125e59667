//! `sos-ctl recordings`: a real recording of a real encoder, listed and exported to a file that plays.
#![cfg(feature = "kiosk")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod media_files;

use std::fs;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use media_files::{encoded, frames};
use sos::adapter::store::{StoreAdapter, layout};
use sos::ctl::recordings::{RecordingsError, export, list};
use sos::evidence::SigningKey;
use sos::kiosk::INBOX_SIZE;
use sos::kiosk::ports::{Fragments, NewFragment};
use sos::wire::{IncidentId, KioskId};
use tempfile::TempDir;
use tokio::sync::mpsc;

const START_US: i64 = 1_700_000_000_000_000;

fn kiosk() -> KioskId {
    "park-north-1".parse().unwrap()
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

/// `sos-ctl verify` on this directory.
fn verified(dir: &Path, key: &Path) -> (Option<i32>, String) {
    let done =
        Command::new(env!("CARGO_BIN_EXE_sos-ctl")).arg("verify").arg(dir).arg("--key").arg(key).output().unwrap();
    (done.status.code(), String::from_utf8(done.stdout).unwrap())
}

/// A recording of six files, sealed, and the key's public half as a file.
fn signed(dir: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let incident = IncidentId::fresh();
    record(dir, incident, &encoded(dir));
    let key = dir.join("evidence.pem");
    let (private, _) = SigningKey::load_or_make(&layout::evidence_key(dir)).unwrap();
    fs::write(&key, private.public().to_pem()).unwrap();
    (layout::recording(dir, incident), key)
}

#[test]
fn every_tampering_is_named_and_the_rest_stays_proven() {
    let dir = TempDir::new().unwrap();
    let (recording, key) = signed(dir.path());
    let (code, said) = verified(&recording, &key);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("verified: incident ") && said.contains("of park-north-1, 6 fragments"), "{said}");

    let path = |name: &str| recording.join(name);
    let chain = fs::read_to_string(path("chain")).unwrap();
    let lines: Vec<&str> = chain.split_inclusive('\n').collect();
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().concat();
    let flipped = |name: &str, at: usize| {
        let mut bytes = fs::read(path(name)).unwrap();
        bytes[at] ^= 4;
        bytes
    };
    let third = fs::read(path("000003.m4s")).unwrap();
    // What is written over what (none: removed), what is said, and how many fragments stay proven.
    type Change<'a> = (&'a str, Option<Vec<u8>>);
    let cases: Vec<(Vec<Change<'_>>, &str, usize)> = vec![
        (vec![("000002.m4s", Some(flipped("000002.m4s", 1000)))], "fragment 2: altered: 000002.m4s: SHA-256 ", 5),
        (vec![("000000.mp4", Some(flipped("000000.mp4", 0)))], "fragment 0: altered: 000000.mp4: ", 5),
        (vec![("000003.m4s", Some(third[..third.len() - 1].to_vec()))], "fragment 3: truncated: 000003.m4s: ", 5),
        (vec![("000003.m4s", None)], "fragment 3: missing: there is no 000003.m4s", 5),
        (vec![("000005.m4s", None), ("chain", Some(lines[..6].concat().into_bytes())), ("sealed", None)], "", 5),
        (
            vec![("000005.m4s", None), ("chain", Some(without(6).into_bytes()))],
            "fragment 5: missing: there is neither",
            5,
        ),
        (vec![("000004.m4s", Some(third.clone()))], "fragment 4: reordered: 000004.m4s: holds fragment 3", 5),
        (vec![("000006.m4s", Some(third.clone()))], "fragment 6: added: 000006.m4s has no link in chain; it is ", 6),
        (vec![("extra", Some(b"x".to_vec()))], "added: extra is no file of a recording", 6),
        (vec![("chain", Some(without(2).into_bytes()))], "fragment 1: added: 000001.m4s has no link in chain", 5),
        (vec![("chain", Some(flipped("chain", lines[0].len() + lines[1].len() + 100)))], "fragment 1: ", 5),
        (vec![("chain", Some(flipped("chain", 30)))], "not signed by this key", 0),
        (vec![("sealed", Some(b"4\n".to_vec()))], "the end is not as it was signed: the seal says 5, sealed says 4", 6),
        (vec![("chain", Some(without(7).into_bytes()))], "the end is not as it was signed: sealed is there, and no", 6),
        (vec![("chain", Some(lines[..7].concat().into_bytes())), ("sealed", None)], "", 6),
    ];
    for (changes, expected, proven) in cases {
        let copy = TempDir::new().unwrap();
        for entry in fs::read_dir(&recording).unwrap().flatten() {
            fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        for (name, bytes) in &changes {
            match bytes {
                Some(bytes) => fs::write(copy.path().join(name), bytes).unwrap(),
                None => fs::remove_file(copy.path().join(name)).unwrap(),
            }
        }
        let (code, said) = verified(copy.path(), &key);
        let names: Vec<&str> = changes.iter().map(|(name, _)| *name).collect();
        if expected.is_empty() {
            // Without its end and without the word of its end it is a recording that goes on.
            assert_eq!(code, Some(14), "{names:?}: {said}");
            assert!(
                said.starts_with("not proven to be all") && said.contains(&format!(", {proven} fragments")),
                "{said}"
            );
        } else {
            assert_eq!(code, Some(13), "{names:?}: {said}");
            assert!(said.contains(expected), "{names:?}: expected {expected:?}: {said}");
            assert!(said.contains(&format!("; {proven} fragments are as they were signed")), "{names:?}: {said}");
        }
    }
}

#[test]
fn what_has_no_links_or_another_key_is_not_proven() {
    let dir = TempDir::new().unwrap();
    let (recording, key) = signed(dir.path());
    let other = dir.path().join("other.pem");
    let (private, _) = SigningKey::load_or_make(&dir.path().join("other.key")).unwrap();
    fs::write(&other, private.public().to_pem()).unwrap();
    let (code, said) = verified(&recording, &other);
    assert_eq!(code, Some(13), "{said}");
    assert!(said.contains("line 1 of chain names the key "), "{said}");
    fs::remove_file(recording.join("chain")).unwrap();
    fs::remove_file(recording.join("sealed")).unwrap();
    let (code, said) = verified(&recording, &key);
    assert_eq!((code, said.starts_with("not signed: ")), (Some(14), true), "{said}");
    assert_eq!(verified(dir.path(), &key).0, Some(11), "no recording there");
    assert_eq!(verified(&recording, &recording.join("000001.m4s")).0, Some(11), "no key there");
}
