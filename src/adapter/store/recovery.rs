//! What is done at every start, whether the last run ended well or not
//! (`docs/decisions/0003-recording-container-and-syncs.md`).
//!
//! 1. make the directories, take the lock;
//! 2. open the database; one that does not serve is set aside and a fresh one made;
//! 3. remove temporaries;
//! 4. index files that are not indexed; report indexed files that are gone or have another size;
//! 5. index seals that are not indexed; seal recordings of incidents that are over;
//! 6. hand over the presses that are open.
//!
//! Each step may be cut off anywhere and is simply done again at the next start.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::index::{Entry, Index, IndexError, State};
use super::layout::{self, Kind};
use super::{StoreError, writer};
use crate::kiosk::ports::KeptPress;
use crate::wire::IncidentId;

/// Databases set aside that are kept; a dying card must not be filled with them.
const SET_ASIDE_KEPT: usize = 3;

/// Longest length a fragment is believed to have when it is worked out from its successor's start.
const MAX_DURATION_US: i64 = 60_000_000;

/// When recovery is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// At start-up, when nothing is being written: all steps.
    Start,
    /// The database broke while the daemon runs: steps 2 and 4, and the seals there are. Temporaries are
    /// under the writer's pen, and recordings are not over.
    Running,
}

/// Step 1.
///
/// # Errors
/// [`StoreError::InUse`] if another daemon holds the directory.
pub fn lock(dir: &Path) -> Result<File, StoreError> {
    let recordings = layout::recordings(dir);
    fs::create_dir_all(&recordings).map_err(|e| StoreError::io(&recordings, e))?;
    writer::sync_dir(dir).map_err(|e| StoreError::io(dir, e))?;
    let path = layout::lock(dir);
    let file = File::options().create(true).append(true).open(&path).map_err(|e| StoreError::io(&path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(StoreError::InUse { dir: dir.to_owned() }),
        Err(fs::TryLockError::Error(e)) => Err(StoreError::io(&path, e)),
    }
}

/// Steps 2 to 5. What was set aside or is missing is said in `report`.
///
/// # Errors
/// [`StoreError`] only where no database can be had at all.
pub fn recover(dir: &Path, occasion: Occasion, report: &mut Vec<String>) -> Result<Index, StoreError> {
    let mut index = open(dir, report)?;
    let presses = index.open_presses().map_err(|e| StoreError::database(dir, e))?;
    let open: BTreeSet<IncidentId> = presses.into_iter().map(|press| press.incident).collect();
    let (found, foreign) = match layout::incidents(dir) {
        Ok(found) => found,
        Err(e) => {
            report.push(format!("{}: cannot be read: {e}", layout::recordings(dir).display()));
            return Ok(index);
        }
    };
    report.extend(foreign.iter().map(|path| format!("{}: not a recording, left alone", path.display())));
    let recordings = index.recordings().map_err(|e| StoreError::database(dir, e))?;
    // What the centre has in full needs no look: a start must not take longer with every year.
    let settled: BTreeSet<IncidentId> = recordings.iter().filter(|(_, told)| *told).map(|(id, _)| *id).collect();
    let all: BTreeSet<IncidentId> = found.into_iter().chain(recordings.iter().map(|(id, _)| *id)).collect();
    for incident in all.difference(&settled).copied() {
        // One bad directory is one line of the report; the others are still recovered.
        let over = occasion == Occasion::Start && !open.contains(&incident);
        if let Err(why) = recording(dir, incident, occasion, over, &mut index, report) {
            report.push(format!("{}: {why}", layout::recording(dir, incident).display()));
        }
    }
    Ok(index)
}

/// Step 2.
fn open(dir: &Path, report: &mut Vec<String>) -> Result<Index, StoreError> {
    let path = layout::database(dir);
    let why = match Index::open(&path) {
        Ok(index) => return Ok(index),
        Err(e) if e.is_damage() => e,
        Err(e) => return Err(StoreError::database(dir, e)),
    };
    let saved = salvage(&path);
    let aside = set_aside(dir, &path).map_err(|e| StoreError::io(&path, e))?;
    report.push(format!(
        "{}: {why}; set aside as {}, a fresh one was made; open presses saved: {}",
        path.display(),
        aside.display(),
        saved.len()
    ));
    let index = Index::open(&path).map_err(|e| StoreError::database(dir, e))?;
    for press in &saved {
        index.keep(press).map_err(|e| StoreError::database(dir, e))?;
    }
    Ok(index)
}

/// The open presses of a database that is broken elsewhere: an alarm under way must not be lost with it.
fn salvage(path: &Path) -> Vec<KeptPress> {
    Index::open_to_read(path).and_then(|index| index.open_presses()).unwrap_or_default()
}

fn set_aside(dir: &Path, path: &Path) -> io::Result<PathBuf> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
    let aside = suffixed(path, &format!(".corrupt-{now}"));
    fs::rename(path, &aside)?;
    for suffix in ["-wal", "-shm"] {
        match fs::rename(suffixed(path, suffix), suffixed(&aside, suffix)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    forget_old(dir)?;
    writer::sync_dir(dir)?;
    Ok(aside)
}

fn forget_old(dir: &Path) -> io::Result<()> {
    let mut aside: Vec<PathBuf> = fs::read_dir(dir)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("store.sqlite.corrupt-"))
        })
        .collect();
    aside.sort();
    let main = |path: &&PathBuf| !path.to_string_lossy().ends_with("-wal") && !path.to_string_lossy().ends_with("-shm");
    let newest: Vec<PathBuf> = aside.iter().filter(main).rev().take(SET_ASIDE_KEPT).cloned().collect();
    for path in aside {
        let kept = newest.iter().any(|n| path.to_string_lossy().starts_with(n.to_string_lossy().as_ref()));
        if !kept {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Why a recording could not be recovered.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Sql(#[from] rusqlite::Error),
    #[error("{0}")]
    Write(#[from] writer::WriteError),
}

/// A recording's fragments by index.
type Files = BTreeMap<u64, PathBuf>;

/// Steps 3 to 5 for one recording.
fn recording(
    dir: &Path,
    incident: IncidentId,
    occasion: Occasion,
    over: bool,
    index: &mut Index,
    report: &mut Vec<String>,
) -> Result<(), Trouble> {
    let (mut fragments, mut sealed) = (Files::new(), None);
    for (kind, path) in layout::files(dir, incident)? {
        match kind {
            Kind::Fragment(number) => {
                fragments.insert(number, path);
            }
            Kind::Seal => sealed = read_seal(&path, report)?,
            Kind::Temporary if occasion == Occasion::Start => fs::remove_file(&path)?,
            Kind::Temporary => {}
            Kind::Foreign => report.push(format!("{}: not a fragment, left alone", path.display())),
        }
    }
    missing(dir, incident, &fragments, index, report)?;
    unindexed(incident, &fragments, index)?;

    let last = fragments.last_key_value().map(|(number, _)| *number);
    if let (None, true, Some(last)) = (sealed, over, last)
        && index.sealed(incident)?.is_none()
    {
        write_seal(dir, incident, last)?;
        sealed = Some(last);
    }
    if let Some(fragments) = sealed {
        index.seal(incident, fragments)?;
    }
    Ok(())
}

/// Step 4, the index against the files.
fn missing(
    dir: &Path,
    incident: IncidentId,
    files: &Files,
    index: &Index,
    report: &mut Vec<String>,
) -> Result<(), Trouble> {
    for (entry, state) in index.fragments(incident)? {
        if state == State::Lost {
            continue;
        }
        let size = match files.get(&entry.index) {
            Some(path) => Some(fs::metadata(path)?.len()),
            None => None,
        };
        if size == Some(entry.size) {
            continue;
        }
        let path = layout::fragment(dir, incident, entry.index);
        let found = size.map_or("no file".to_owned(), |size| format!("{size} bytes"));
        let receipt = if state == State::Delivered { "the centre has it" } else { "the centre does not have it" };
        report.push(format!("{}: expected {} bytes, found {found}; {receipt}", path.display(), entry.size));
        index.set_state(incident, entry.index, State::Lost)?;
    }
    Ok(())
}

/// Step 4, the files against the index.
fn unindexed(incident: IncidentId, files: &Files, index: &mut Index) -> Result<(), Trouble> {
    let known: BTreeSet<u64> = index.fragments(incident)?.into_iter().map(|(entry, _)| entry.index).collect();
    let mut entries = Vec::new();
    for (number, path) in files.iter().filter(|(number, _)| !known.contains(number)) {
        let bytes = fs::read(path)?;
        entries.push(Entry {
            incident,
            index: *number,
            start_wall_us: modified_us(path)?,
            duration_us: duration_us(*number, path, files),
            size: bytes.len() as u64,
            sha256: Sha256::digest(&bytes).into(),
        });
    }
    if entries.is_empty() { Ok(()) } else { Ok(index.add(&entries)?) }
}

/// The writer set the file's time to that of its first sample.
fn modified_us(path: &Path) -> io::Result<i64> {
    let modified = fs::metadata(path)?.modified()?;
    Ok(modified.duration_since(UNIX_EPOCH).ok().and_then(|d| i64::try_from(d.as_micros()).ok()).unwrap_or(0))
}

/// How long a fragment lasts was lost with the index: it is taken from the next one's start, and of the
/// last one from the one before. 0, not known, where there is none.
fn duration_us(number: u64, path: &Path, files: &Files) -> u64 {
    if number == 0 {
        return 0;
    }
    let at = |wanted: u64| files.get(&wanted).and_then(|path| modified_us(path).ok());
    let own = modified_us(path).ok();
    let between = |from: Option<i64>, to: Option<i64>| {
        let length = to?.checked_sub(from?)?;
        u64::try_from(length).ok().filter(|_| length <= MAX_DURATION_US)
    };
    let before = || if number > 1 { between(at(number - 1), own) } else { None };
    between(own, at(number + 1)).or_else(before).unwrap_or(0)
}

/// Writes the seal by the one procedure.
///
/// # Errors
/// [`writer::WriteError`] names the step.
pub fn write_seal(dir: &Path, incident: IncidentId, fragments: u64) -> Result<(), writer::WriteError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    writer::write(&layout::seal(dir, incident), format!("{fragments}\n").as_bytes(), now, None)
}

fn read_seal(path: &Path, report: &mut Vec<String>) -> io::Result<Option<u64>> {
    let text = fs::read(path)?;
    let number = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
    if number.is_none() {
        report.push(format!("{}: expected a number, removed", path.display()));
        fs::remove_file(path)?;
    }
    Ok(number)
}

impl From<IndexError> for StoreError {
    fn from(e: IndexError) -> Self {
        StoreError::Database(e.to_string())
    }
}
