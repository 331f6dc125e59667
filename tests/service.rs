//! The units: right in the service manager's eyes, as confined as promised, and each line with its reason.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const UNITS: [&str; 3] =
    ["systemd/kiosk/sos-kiosk.service", "systemd/centre/sos-centre.service", "systemd/centre/sos-broker.service"];
/// Highest exposure, as `systemd-analyze security` counts it (0 to 10).
const MOST_EXPOSED: f64 = 1.5;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The unit as it would be installed, but for its programs, which are not on this machine.
fn unit_with_programs(unit: &str, dir: &Path) -> PathBuf {
    let text = fs::read_to_string(root().join(unit)).unwrap();
    let lines = text.lines().map(|line| match line.split_once('=') {
        Some((key, command)) if key.starts_with("Exec") => {
            let flags: String = command.chars().take_while(|c| "-+!:@".contains(*c)).collect();
            format!("{key}={flags}/bin/true")
        }
        _ => line.to_owned(),
    });
    let path = dir.join(Path::new(unit).file_name().unwrap());
    fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    path
}

fn analyze(arguments: &[&str], unit: &Path) -> (bool, String) {
    let found = Command::new("systemd-analyze").args(arguments).arg(unit).output().expect("systemd-analyze is there");
    let text = [found.stdout, found.stderr].map(|out| String::from_utf8_lossy(&out).into_owned()).concat();
    (found.status.success(), text)
}

#[test]
fn the_service_manager_takes_every_line_of_every_unit() {
    let dir = tempfile::tempdir().unwrap();
    for unit in UNITS {
        let (right, said) = analyze(&["verify", "--man=no"], &unit_with_programs(unit, dir.path()));
        assert!(right && said.trim().is_empty(), "{unit}: {said}");
    }
}

#[test]
fn no_unit_is_more_exposed_than_promised() {
    for unit in UNITS {
        let (_, said) = analyze(&["security", "--offline=true", "--no-pager"], &root().join(unit));
        let level = said.lines().rev().find_map(|line| line.split_once("service: ")?.1.split(' ').next()?.parse().ok());
        let level: f64 = level.unwrap_or_else(|| panic!("{unit}: no level in {said}"));
        assert!(level <= MOST_EXPOSED, "{unit}: exposure {level}, expected at most {MOST_EXPOSED}\n{said}");
    }
}

#[test]
fn every_group_of_lines_of_every_unit_says_why() {
    for unit in UNITS {
        let text = fs::read_to_string(root().join(unit)).unwrap();
        let service = text.split("[Service]\n").nth(1).unwrap().split("[Install]").next().unwrap();
        for group in service.split("\n\n").map(str::trim).filter(|group| !group.is_empty()) {
            assert!(group.starts_with('#'), "{unit}: no reason above:\n{group}");
        }
    }
}

/// A service is not started into a loop of failures before what it is handed is there.
#[test]
fn what_is_handed_over_is_what_is_waited_for() {
    for unit in UNITS {
        let text = fs::read_to_string(root().join(unit)).unwrap();
        let all =
            |key: &str| text.lines().filter_map(|line| line.strip_prefix(key).map(str::to_owned)).collect::<Vec<_>>();
        let waits = all("ConditionPathExists=");
        for credential in all("LoadCredential=") {
            let file = credential.split_once(':').unwrap().1;
            assert!(waits.iter().any(|path| path == file), "{unit}: {file} is not waited for: {waits:?}");
        }
    }
}

#[test]
fn the_packages_hold_every_file_of_their_directories() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut folders = vec![root().join("systemd/kiosk"), root().join("systemd/centre")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            let script = name.contains("/debian/");
            assert!(script || manifest.contains(&format!("\"{name}\"")), "{name} is in no package");
        }
    }
}
