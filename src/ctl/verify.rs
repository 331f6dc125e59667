//! `sos-ctl verify`: whether a recording is what the kiosk signed, on any machine.

use std::path::Path;

use super::{Exit, Failure, json};
use crate::evidence::PublicKey;
use crate::evidence::verify::{Outcome, Report, verify};

/// Verifies `dir`. Returns what is data, and the exit code.
///
/// # Errors
/// A file cannot be read, or there is no recording: nothing can be said.
pub fn run(dir: &Path, key: &Path, as_json: bool) -> Result<(String, Exit), Failure> {
    let files = |why: String| Failure::new(Exit::Files, why);
    let pem = std::fs::read(key).map_err(|error| files(format!("{}: {error}", key.display())))?;
    let key = PublicKey::from_pem(&pem, &key.display().to_string())
        .map_err(|error| files(error.to_string()).hint("sos-centre evidence-key show KIOSK prints it"))?;
    let report = verify(dir, &key).map_err(|error| files(error.to_string()))?;
    let exit = match report.outcome {
        Outcome::Verified => Exit::Ok,
        Outcome::Open | Outcome::Unsigned => Exit::NotProven,
        Outcome::Broken => Exit::Altered,
    };
    Ok((if as_json { json(&report) } else { render(&report, &key) }, exit))
}

fn render(report: &Report, key: &PublicKey) -> String {
    let mut lines: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    let whose = match (&report.kiosk, &report.incident) {
        (Some(kiosk), Some(incident)) => format!("incident {incident} of {kiosk}"),
        _ => "recording".to_owned(),
    };
    let proven = report.proven.len();
    lines.push(match report.outcome {
        Outcome::Verified => {
            format!("verified: {whose}, {proven} fragments, sealed, nothing missing and nothing added")
        }
        Outcome::Open => {
            format!("not proven to be all: {whose}, {proven} fragments as they were signed, and no seal")
        }
        Outcome::Unsigned => format!("not signed: {whose} has no links"),
        Outcome::Broken => format!("BROKEN: {whose}; {proven} fragments are as they were signed"),
    });
    lines.push(format!("key SHA-256 {}: compare it with what the owner of the kiosks says", key.fingerprint()));
    lines.join("\n")
}
