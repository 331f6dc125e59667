//! Names of the files of the store. Nobody else puts such a name together; those that an export has too are
//! `evidence/names.rs`.
//!
//! ```text
//! DIR/lock                               held by the running daemon
//! DIR/store.sqlite                       kept presses, index of fragments (with -wal and -shm beside it)
//! DIR/store.sqlite.corrupt-TIME          a database that could not be read, set aside
//! DIR/recordings/INCIDENT/000000.mp4     the header (ftyp + moov)
//! DIR/recordings/INCIDENT/000001.m4s     media (moof + mdat), and so on
//! DIR/evidence.key                       signs the links of chains; made once, mode 0600
//! DIR/recordings/INCIDENT/chain          signed links of the fragments (`evidence/chain.rs`)
//! DIR/recordings/INCIDENT/sealed         number of media fragments, once the recording has ended
//! DIR/recordings/INCIDENT/NAME.tmp       being written
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::evidence::{chain, key, names};
use crate::wire::IncidentId;

pub use crate::evidence::names::{Kind, TEMPORARY, kind};

/// The lock of the running daemon.
#[must_use]
pub fn lock(dir: &Path) -> PathBuf {
    dir.join("lock")
}

/// The database.
#[must_use]
pub fn database(dir: &Path) -> PathBuf {
    dir.join("store.sqlite")
}

/// Where the recordings are.
#[must_use]
pub fn recordings(dir: &Path) -> PathBuf {
    dir.join("recordings")
}

/// Where one recording is.
#[must_use]
pub fn recording(dir: &Path, incident: IncidentId) -> PathBuf {
    recordings(dir).join(incident.to_string())
}

/// A fragment's file.
#[must_use]
pub fn fragment(dir: &Path, incident: IncidentId, index: u64) -> PathBuf {
    recording(dir, incident).join(names::fragment(index))
}

/// The file that says that a recording has ended.
#[must_use]
pub fn seal(dir: &Path, incident: IncidentId) -> PathBuf {
    recording(dir, incident).join(names::SEAL)
}

/// The chain of signed links.
#[must_use]
pub fn chain(dir: &Path, incident: IncidentId) -> PathBuf {
    recording(dir, incident).join(chain::FILE)
}

/// The key that signs them.
#[must_use]
pub fn evidence_key(dir: &Path) -> PathBuf {
    dir.join(key::FILE)
}

/// What `path` is called while it is being written.
#[must_use]
pub fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(TEMPORARY);
    PathBuf::from(name)
}

/// The files of a recording with their kinds, in order of kind and name; empty if there is no such recording.
///
/// # Errors
/// As the file system gives them.
pub fn files(dir: &Path, incident: IncidentId) -> io::Result<Vec<(Kind, PathBuf)>> {
    let mut found = Vec::new();
    for entry in entries(&recording(dir, incident))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        found.push((kind(name), path));
    }
    found.sort();
    Ok(found)
}

/// The index after the last fragment of a recording on the disk; 0 if there is none.
#[must_use]
pub fn next_index(dir: &Path, incident: IncidentId) -> u64 {
    let index = |kind| if let Kind::Fragment(number) = kind { Some(number + 1) } else { None };
    let found = files(dir, incident).unwrap_or_default();
    found.into_iter().filter_map(|(kind, _)| index(kind)).max().unwrap_or(0)
}

/// The recordings there are, oldest first, and what else lies beside them.
///
/// # Errors
/// As the file system gives them.
pub fn incidents(dir: &Path) -> io::Result<(Vec<IncidentId>, Vec<PathBuf>)> {
    let (mut found, mut foreign) = (Vec::new(), Vec::new());
    for entry in entries(&recordings(dir))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.parse::<IncidentId>().ok());
        match name {
            Some(incident) if path.is_dir() => found.push(incident),
            _ => foreign.push(path),
        }
    }
    found.sort();
    foreign.sort();
    Ok((found, foreign))
}

fn entries(dir: &Path) -> io::Result<Box<dyn Iterator<Item = io::Result<fs::DirEntry>>>> {
    match fs::read_dir(dir) {
        Ok(entries) => Ok(Box::new(entries)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Box::new(std::iter::empty())),
        Err(e) => Err(e),
    }
}
