//! The house's own rules, held by reading the sources: who may use whom, how long a file may be, what it begins with.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Longest file, lines; `tests/` and files named `tests.rs` apart.
const MAX_LINES: usize = 400;

/// Room -> the rooms it may use. `crate::X` in a file of the room must be one of them (or the room itself).
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    BTreeMap::from([
        ("wire", vec![]),
        ("machine", vec!["wire"]),
        ("tls", vec![]),
        ("durable", vec![]),
        ("evidence", vec!["wire", "durable"]),
        ("control", vec!["wire"]),
        ("rtc", vec!["wire"]),
        ("mqtt", vec!["wire", "tls"]),
        ("config", vec!["wire", "tls", "control", "durable"]),
        ("kiosk", vec!["wire", "machine", "control"]),
        ("adapter", vec!["wire", "machine", "kiosk", "rtc", "mqtt", "tls", "durable", "evidence"]),
        ("ctl", vec!["wire", "control", "config", "adapter", "tls", "durable", "evidence"]),
        ("centre", vec!["wire", "rtc", "mqtt", "tls", "evidence"]),
    ])
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust source below `folder`, with its path from the root and its text.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the project").flatten() {
            let path = entry.path();
            if path.is_dir() {
                // The console's sources are not Rust, and its packages are not ours.
                if path.file_name().is_some_and(|name| name != "node_modules") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).expect("below the root").display().to_string();
                found.push((name, fs::read_to_string(&path).expect("UTF-8")));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no sources below {folder}");
    found
}

/// The room of a file: the first level below `src/`.
fn room(file: &str) -> &str {
    let rest = file.strip_prefix("src/").unwrap_or(file);
    rest.split('/').next().unwrap_or(rest).trim_end_matches(".rs")
}

/// Code without comments (good enough for paths: no string of ours holds `//` and `crate::`).
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// The rooms a text names as `crate::X` or in `use crate::{X, ...}`.
fn used(text: &str) -> Vec<String> {
    let code = code(text);
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            rooms.extend(top_level(list));
        } else {
            rooms.push(word(rest));
        }
    }
    rooms
}

fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// First words of the items of a brace list, inner lists left out.
fn top_level(list: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                words.push(word(&list[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                words.push(word(&list[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[track_caller]
fn none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

#[test]
fn the_rule_of_dependence() {
    let allowed = allowed();
    let mut found = Vec::new();
    for (file, text) in sources("src") {
        let room = room(&file);
        if room == "lib" || room == "bin" {
            continue;
        }
        let Some(may) = allowed.get(room) else {
            found.push(format!("{file}: the room {room} is not in tests/house.rs"));
            continue;
        };
        for other in used(&text) {
            if other != room && !may.contains(&other.as_str()) {
                found.push(format!("{file}: {room} may not use {other}"));
            }
        }
    }
    none(&found, "wire <- machine <- kiosk <- adapter <- bin, wire <- centre <- bin");
}

#[test]
fn no_file_is_too_long() {
    let long = |folder| {
        sources(folder)
            .into_iter()
            .filter(|(file, _)| !file.ends_with("/tests.rs"))
            .map(|(file, text)| (file, text.lines().count()))
            .filter(|(_, lines)| *lines > MAX_LINES)
            .map(|(file, lines)| format!("{file}: {lines} lines"))
            .collect::<Vec<_>>()
    };
    none(&long("src"), &format!("expected at most {MAX_LINES} lines"));
}

#[test]
fn every_file_says_what_it_is() {
    let found: Vec<String> = sources("src")
        .into_iter()
        .chain(sources("tests"))
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(file, _)| file)
        .collect();
    none(&found, "expected `//!` first");
}

#[test]
fn topic_strings_live_in_one_file() {
    // Spelt in two parts, so that this file does not find itself.
    let topic = concat!("sos", "/v1");
    let found: Vec<String> = sources("src")
        .into_iter()
        .filter(|(file, text)| file != "src/wire/topic.rs" && code(text).contains(topic))
        .map(|(file, _)| file)
        .collect();
    none(&found, "topic strings belong into src/wire/topic.rs");
}

#[test]
fn no_test_is_ignored_and_none_sleeps() {
    let bans = [concat!("#[ig", "nore"), concat!("thread::", "sleep"), concat!("time::", "sleep(")];
    let mut found = Vec::new();
    for (file, text) in sources("tests") {
        for ban in bans.iter().filter(|ban| code(&text).contains(**ban)) {
            found.push(format!("{file}: {ban}"));
        }
    }
    for (file, text) in sources("src") {
        let code = code(&text);
        let inside = code.split_once("mod tests {").map_or("", |(_, tests)| tests);
        let tests = if file.ends_with("/tests.rs") { &code } else { inside };
        for ban in bans.iter().filter(|ban| tests.contains(**ban)) {
            found.push(format!("{file}: {ban}"));
        }
    }
    none(&found, "tests wait for events with a bound");
}

#[test]
fn nothing_is_left_to_do() {
    let bans = [concat!("todo", "!("), concat!("unimple", "mented!(")];
    let found: Vec<String> = sources("src")
        .into_iter()
        .filter(|(_, text)| bans.iter().any(|ban| code(text).contains(ban)))
        .map(|(file, _)| file)
        .collect();
    none(&found, "no stub is presented as done");
}

#[test]
fn the_machines_bans_are_denied() {
    let text = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    let before = text.split("pub mod machine").next().expect("a first part");
    for lint in
        ["disallowed_methods", "disallowed_types", "wildcard_enum_match_arm", "match_wildcard_for_single_variants"]
    {
        assert!(before.contains(lint), "src/lib.rs does not deny clippy::{lint} on the machine");
    }
    assert!(Path::new(&root().join("clippy.toml")).exists());
}

#[test]
fn the_reader_of_paths_reads() {
    let text = "use crate::{wire::{ids, up}, machine::Event};\nuse crate::tls; // crate::centre\n";
    assert_eq!(used(text), ["wire", "machine", "tls"]);
}
