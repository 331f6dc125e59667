//! Bytes that must be understood for ever. DO NOT CHANGE a golden file or this test to make it pass: a
//! kiosk in the field and a centre of another version have to understand each other. A new kind of
//! message gets a new file (`UPDATE_DOCS=1` writes those that are missing, and never one that is there).
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sos::wire::{Envelope, decode, encode};

use crate::samples::{self, Visitor};

pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.json"))
}

fn frozen(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = path(name);
    if !path.exists() && std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, bytes).unwrap();
    }
    fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; UPDATE_DOCS=1 writes it", path.display()))
}

/// Everything that was said is still said, in the same words; more may be.
fn says_at_least(now: &Value, then: &Value, at: &str) {
    match (now, then) {
        (Value::Object(now), Value::Object(then)) => {
            for (key, then) in then {
                let now = now.get(key).unwrap_or_else(|| panic!("{at}/{key} is no longer said"));
                says_at_least(now, then, &format!("{at}/{key}"));
            }
        }
        _ => assert_eq!(now, then, "{at}"),
    }
}

struct Frozen {
    names: Vec<String>,
}

impl Visitor for Frozen {
    fn message<T: Serialize + DeserializeOwned + PartialEq + Debug>(
        &mut self,
        name: &str,
        _topic: &str,
        message: &Envelope<T>,
    ) {
        let bytes = encode(message).unwrap();
        let golden = frozen(name, &bytes);
        assert_eq!(&decode::<T>(&golden).unwrap_or_else(|e| panic!("{name}: {e}")), message, "{name}");
        says_at_least(&serde_json::from_slice(&bytes).unwrap(), &serde_json::from_slice(&golden).unwrap(), name);
        self.names.push(name.to_owned());
    }

    fn delivery<T: Serialize + DeserializeOwned + PartialEq + Debug>(&mut self, name: &str, message: &T) {
        let bytes = serde_json::to_vec(message).unwrap();
        let golden = frozen(name, &bytes);
        assert_eq!(&serde_json::from_slice::<T>(&golden).unwrap(), message, "{name}");
        says_at_least(&serde_json::from_slice(&bytes).unwrap(), &serde_json::from_slice(&golden).unwrap(), name);
        self.names.push(name.to_owned());
    }
}

#[test]
fn golden_bytes_are_understood_for_ever() {
    let mut frozen = Frozen { names: Vec::new() };
    samples::visit(&mut frozen);
    let mut files: Vec<String> = fs::read_dir(path("x").parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    frozen.names.sort();
    assert_eq!(files, frozen.names, "every golden file has its sample");
}
