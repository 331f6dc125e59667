//! `sos-ctl recordings`: what is recorded on this kiosk, and one recording as a file that any player plays.
//!
//! Reads the files themselves, so it works on a kiosk whose daemon is dead or whose database is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::Serialize;

use super::{Exit, Failure};
use crate::adapter::store::layout::{self, Kind};
use crate::adapter::store::{Index, State};
use crate::wire::IncidentId;

/// A recording on this kiosk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recording {
    /// Which incident.
    pub incident: IncidentId,
    /// Wall clock of the first sample, microseconds since 1970 UTC; absent when nothing is here.
    pub start_wall_us: Option<i64>,
    /// Whether the header is here; without it nothing can be played.
    pub header: bool,
    /// Media fragments here.
    pub fragments: u64,
    /// Places of media fragments that should be here and are not.
    pub missing: Vec<u64>,
    /// Bytes here.
    pub bytes: u64,
    /// Whether the recording has ended.
    pub sealed: bool,
    /// Fragments the centre has given receipts for; absent when the database cannot be read.
    pub delivered: Option<u64>,
}

/// An exported recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Bytes written.
    pub bytes: u64,
    /// Media fragments in it.
    pub fragments: u64,
    /// Places of media fragments that are not in it.
    pub missing: Vec<u64>,
}

/// Why recordings cannot be listed or exported.
#[derive(Debug, thiserror::Error)]
pub enum RecordingsError {
    /// A file or directory.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No recording of this incident.
    #[error("{}: no recording of {incident}", dir.display())]
    Unknown {
        /// Where was looked.
        dir: PathBuf,
        /// Which incident.
        incident: IncidentId,
    },
    /// There are fragments, but nothing to play them with.
    #[error("{}: the header is missing, {fragments} media fragments cannot be played without it", path.display())]
    NoHeader {
        /// Where it should be.
        path: PathBuf,
        /// What is there.
        fragments: u64,
    },
}

impl From<RecordingsError> for Failure {
    fn from(error: RecordingsError) -> Self {
        let hint = match &error {
            RecordingsError::Unknown { .. } => Some("sos-ctl recordings list names those that are there"),
            RecordingsError::Io { .. } => Some("is this the kiosk's store (store.dir), and may you read it?"),
            RecordingsError::NoHeader { .. } => None,
        };
        let failure = Failure::new(Exit::Recordings, error.to_string());
        hint.into_iter().fold(failure, Failure::hint)
    }
}

/// Where the store is: as told, else as configured, else the default.
#[must_use]
pub fn store_dir(told: Option<PathBuf>) -> PathBuf {
    use crate::config::kiosk::KEYS;
    use crate::config::{KioskConfig, Reader};
    // A configuration with an error elsewhere still tells where the store is.
    told.unwrap_or_else(|| Reader::open(KEYS, &KioskConfig::layers(None)).path("store.dir"))
}

/// A line for each recording.
#[must_use]
pub fn render(recordings: &[Recording]) -> String {
    let mut text = String::new();
    for recording in recordings {
        let ended = if recording.sealed { "ended" } else { "open" };
        let missing = match recording.missing.len() {
            0 => String::new(),
            count => format!(", {count} missing"),
        };
        let delivered = match recording.delivered {
            Some(count) => format!(", {count} files delivered"),
            None => ", delivery not known".to_owned(),
        };
        let header = if recording.header { "" } else { ", NO HEADER: cannot be played" };
        let (fragments, bytes) = (recording.fragments, recording.bytes);
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{}  {ended}, {fragments} fragments, {bytes} bytes{missing}{delivered}{header}",
            recording.incident
        );
    }
    text
}

/// The recordings of the kiosk whose store is in `dir`, oldest first.
///
/// # Errors
/// [`RecordingsError::Io`] names the file.
pub fn list(dir: &Path) -> Result<Vec<Recording>, RecordingsError> {
    // An empty store is no error, a directory that is none is.
    fs::read_dir(dir).map_err(at(dir))?;
    let (incidents, _) = layout::incidents(dir).map_err(at(&layout::recordings(dir)))?;
    let index = Index::open_to_read(&layout::database(dir)).ok();
    incidents.into_iter().map(|incident| describe(dir, incident, index.as_ref())).collect()
}

/// Writes the recording of `incident` to `out`, which must not be there yet: header and fragments in
/// order, a fragmented MP4. What is missing leaves a gap, which is said.
///
/// # Errors
/// [`RecordingsError`]; a file begun is removed.
pub fn export(dir: &Path, incident: IncidentId, out: &Path) -> Result<Exported, RecordingsError> {
    let found = Found::look(dir, incident)?;
    if found.files.is_empty() {
        return Err(RecordingsError::Unknown { dir: dir.to_owned(), incident });
    }
    if !found.files.contains_key(&0) {
        let path = layout::fragment(dir, incident, 0);
        return Err(RecordingsError::NoHeader { path, fragments: found.media() });
    }
    let mut file = File::options().write(true).create_new(true).open(out).map_err(at(out))?;
    let written = found.files.values().try_fold(0, |sum, path| {
        let mut from = File::open(path).map_err(at(path))?;
        Ok(sum + io::copy(&mut from, &mut file).map_err(at(out))?)
    });
    let written = written.and_then(|bytes| file.sync_all().map_err(at(out)).map(|()| bytes));
    match written {
        Ok(bytes) => Ok(Exported { bytes, fragments: found.media(), missing: found.missing() }),
        Err(e) => {
            // The reason is told in any case.
            let _ = fs::remove_file(out);
            Err(e)
        }
    }
}

/// The files of a recording.
struct Found {
    files: BTreeMap<u64, PathBuf>,
    sealed: Option<u64>,
}

impl Found {
    fn look(dir: &Path, incident: IncidentId) -> Result<Self, RecordingsError> {
        let mut found = Self { files: BTreeMap::new(), sealed: None };
        for (kind, path) in layout::files(dir, incident).map_err(at(&layout::recording(dir, incident)))? {
            match kind {
                Kind::Fragment(index) => {
                    found.files.insert(index, path);
                }
                Kind::Seal => {
                    let text = fs::read(&path).map_err(at(&path))?;
                    found.sealed = String::from_utf8_lossy(&text).trim().parse().ok();
                }
                Kind::Chain | Kind::Temporary | Kind::Foreign => {}
            }
        }
        Ok(found)
    }

    fn media(&self) -> u64 {
        self.files.range(1..).count() as u64
    }

    fn missing(&self) -> Vec<u64> {
        let here: BTreeSet<u64> = self.files.keys().copied().collect();
        let last = here.last().copied().unwrap_or(0);
        // A seal of nonsense must not make a list of nonsense: no recording has more than a few days.
        let end = last.max(self.sealed.unwrap_or(0).min(last.saturating_add(1_000_000)));
        (1..=end).filter(|index| !here.contains(index)).collect()
    }
}

fn describe(dir: &Path, incident: IncidentId, index: Option<&Index>) -> Result<Recording, RecordingsError> {
    let found = Found::look(dir, incident)?;
    let (mut bytes, mut start) = (0, None);
    for path in found.files.values() {
        let metadata = fs::metadata(path).map_err(at(path))?;
        bytes += metadata.len();
        let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let wall_us = modified.and_then(|since| i64::try_from(since.as_micros()).ok());
        start = start.or(wall_us);
    }
    let delivered = index
        .and_then(|index| index.fragments(incident).ok())
        .map(|fragments| fragments.iter().filter(|(_, state)| *state == State::Delivered).count() as u64);
    Ok(Recording {
        incident,
        start_wall_us: start,
        header: found.files.contains_key(&0),
        fragments: found.media(),
        missing: found.missing(),
        bytes,
        sealed: found.sealed.is_some(),
        delivered,
    })
}

fn at(path: &Path) -> impl Fn(io::Error) -> RecordingsError {
    let path = path.to_owned();
    move |source| RecordingsError::Io { path: path.clone(), source }
}
