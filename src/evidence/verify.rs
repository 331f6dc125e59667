//! Whether a recording is what the kiosk signed: a directory of fragments with their chain, or an unpacked export.
//!
//! Needs the public key and nothing else. What is wrong is named fragment by fragment; the rest stays proven.

mod export;
mod judge;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::chain::{self, Chain};
use super::names::{self, Kind};
use super::{Digest, PublicKey};

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no recording.
    #[error("{}: expected a recording's directory or an unpacked export, found neither", dir.display())]
    NoRecording {
        /// Where.
        dir: PathBuf,
    },
}

/// What came of it, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Sealed, whole, every link signed.
    Verified,
    /// Nothing is wrong, and there is no seal: nothing shows that this is all.
    Open,
    /// There are no links.
    Unsigned,
    /// Something is not as it was signed.
    Broken,
}

/// What is wrong with a fragment, or with the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// Other bytes than those that were signed.
    Altered,
    /// Fewer bytes.
    Truncated,
    /// Not there.
    Missing,
    /// There, and nobody has signed it.
    Added,
    /// In another's place.
    Reordered,
    /// The signature of its link does not hold.
    Signature,
    /// Its link does not follow the one before it.
    Link,
    /// The end is not as it was signed.
    Seal,
    /// Not what the centre heard while it was recorded.
    Witness,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Which fragment; none: the recording as a whole.
    pub fragment: Option<u64>,
    /// What.
    pub wrong: Wrong,
    /// What was expected and what was found.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrong = match self.wrong {
            Wrong::Altered => "altered",
            Wrong::Truncated => "truncated",
            Wrong::Missing => "missing",
            Wrong::Added => "added",
            Wrong::Reordered => "reordered",
            Wrong::Signature => "not signed by this key",
            Wrong::Link => "does not follow the one before",
            Wrong::Seal => "the end is not as it was signed",
            Wrong::Witness => "not what the centre heard",
        };
        match self.fragment {
            Some(index) => write!(f, "fragment {index}: {wrong}: {}", self.detail),
            None => write!(f, "{wrong}: {}", self.detail),
        }
    }
}

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What came of it.
    pub outcome: Outcome,
    /// Whose it is, as the chain says; proven if anything is.
    pub kiosk: Option<String>,
    /// Which incident.
    pub incident: Option<String>,
    /// The key that the chain names, if it is another than the one that was given.
    pub other_key: Option<String>,
    /// Fragments, the header included, that are as they were signed.
    pub proven: Vec<u64>,
    /// What is wrong, by fragment.
    pub findings: Vec<Finding>,
}

/// What lies in a recording's directory.
struct Found {
    files: BTreeMap<u64, PathBuf>,
    /// None: there is no such file.
    chain: Option<Chain>,
    /// What `sealed` says; the inner one none: something else than a number.
    sealed: Option<Option<u64>>,
    foreign: Vec<String>,
}

fn at(path: &Path) -> impl Fn(io::Error) -> VerifyError {
    let path = path.to_owned();
    move |source| VerifyError::Io { path: path.clone(), source }
}

impl Found {
    fn look(dir: &Path, exported: bool) -> Result<Self, VerifyError> {
        let mut found = Self { files: BTreeMap::new(), chain: None, sealed: None, foreign: Vec::new() };
        for entry in fs::read_dir(dir).map_err(at(dir))? {
            let path = entry.map_err(at(dir))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let plain = fs::symlink_metadata(&path).map_err(at(&path))?.is_file();
            match names::kind(&name) {
                // One way to write it: 0000001.m4s would be a second fragment 1.
                Kind::Fragment(index) if plain && name == names::fragment(index) => {
                    found.files.insert(index, path);
                }
                Kind::Chain if plain => found.chain = Some(Chain::read(&fs::read(&path).map_err(at(&path))?)),
                Kind::Seal if plain => {
                    let text = fs::read(&path).map_err(at(&path))?;
                    // One way to write it, here too.
                    let number = String::from_utf8_lossy(&text).trim_end().parse().ok();
                    found.sealed = Some(number.filter(|n: &u64| format!("{n}\n").as_bytes() == text));
                }
                // On the kiosk, what a power cut leaves of a write is nothing that was recorded.
                Kind::Temporary if plain && !exported => {}
                Kind::Fragment(_) | Kind::Chain | Kind::Seal | Kind::Temporary | Kind::Foreign => {
                    found.foreign.push(name);
                }
            }
        }
        found.foreign.sort();
        Ok(found)
    }

    fn is_recording(&self) -> bool {
        self.chain.is_some() || !self.files.is_empty()
    }
}

/// A fragment's file as it is.
struct Read {
    size: u64,
    sha256: Digest,
}

fn read(path: &Path) -> Result<Read, VerifyError> {
    let bytes = fs::read(path).map_err(at(path))?;
    Ok(Read { size: bytes.len() as u64, sha256: Digest::of(&bytes) })
}

/// Verifies the recording in `dir`: its directory on a kiosk, or an export that was unpacked there.
///
/// # Errors
/// [`VerifyError`]: nothing can be said. Whatever else is wrong is a finding.
pub fn verify(dir: &Path, key: &PublicKey) -> Result<Report, VerifyError> {
    let inner = dir.join(names::FRAGMENTS);
    let exported = inner.is_dir();
    let found = Found::look(if exported { &inner } else { dir }, exported)?;
    if !found.is_recording() {
        return Err(VerifyError::NoRecording { dir: dir.to_owned() });
    }
    let mut report = judge::judge(&found, key)?;
    if exported {
        export::check(dir, &found, key, &mut report.findings)?;
    }
    report.findings.sort();
    report.findings.dedup();
    if !report.findings.is_empty() {
        report.outcome = Outcome::Broken;
    }
    Ok(report)
}

/// What the name of the chain's file is, for messages.
const CHAIN: &str = chain::FILE;
