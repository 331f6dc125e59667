//! What is done at every start, whether the last run ended well or not, before the store serves
//! (`docs/decisions/0012-the-store-comes-when-it-can.md`).
//!
//! 1. make the directories, take the lock;
//! 2. open the database and hand over the presses that are open;
//! 3. check the database; one that does not serve is set aside and a fresh one made, with the open presses in it;
//! 4. remove temporaries of recordings that go on, and note which recordings there are, in their order.
//!
//! The recordings themselves are looked at in the background (`reindex`). Each step may be cut off anywhere and is
//! simply done again at the next start.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::index::{Index, IndexError};
use super::layout::{self, Kind};
use super::reindex::{Backlog, Task};
use super::{StoreError, writer};
use crate::evidence::SigningKey;
use crate::evidence::key::KeyError;
use crate::kiosk::ports::KeptPress;
use crate::wire::IncidentId;

/// Databases set aside that are kept; a dying card must not be filled with them.
const SET_ASIDE_KEPT: usize = 3;

/// When recovery is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// At start-up, when nothing is being written.
    Start,
    /// The database broke while the daemon runs. Temporaries are under the writer's pen, and recordings are not over.
    Running,
}

/// What steps 2 to 4 give.
pub struct Recovered {
    /// The database.
    pub index: Index,
    /// Open presses.
    pub presses: Vec<KeptPress>,
    /// Recordings that are still to be looked at.
    pub backlog: Backlog,
    /// What was wrong with the database that was set aside, if one was.
    pub replaced: Option<String>,
}

/// Whom step 2 hands the open presses to; at most once.
pub type Early<'a> = &'a mut dyn FnMut(&[KeptPress]);

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

/// The key that signs links; one that cannot be read is set aside, and another is made.
///
/// # Errors
/// [`StoreError`] where none can be made.
pub fn evidence_key(dir: &Path, report: &mut Vec<String>) -> Result<SigningKey, StoreError> {
    let path = layout::evidence_key(dir);
    let why = match SigningKey::load_or_make(&path) {
        Ok((key, made)) => {
            if made {
                tracing::info!(fingerprint = key.public().fingerprint(), "the evidence key was made");
            }
            return Ok(key);
        }
        Err(KeyError::Io { path, source }) => return Err(StoreError::io(&path, source)),
        Err(why @ KeyError::Other { .. }) => why,
    };
    let aside = suffixed(&path, &format!(".corrupt-{}", now_ms()));
    fs::rename(&path, &aside).map_err(|e| StoreError::io(&path, e))?;
    report.push(format!("{why}; set aside as {}, another key was made, which the centre must accept", aside.display()));
    match SigningKey::load_or_make(&path) {
        Ok((key, _)) => Ok(key),
        Err(KeyError::Io { path, source }) => Err(StoreError::io(&path, source)),
        Err(why @ KeyError::Other { .. }) => Err(StoreError::io(&path, io::Error::other(why))),
    }
}

/// Steps 2 to 4. What was set aside is said in `report`.
///
/// # Errors
/// [`StoreError`] only where no database can be had at all.
pub fn recover(
    dir: &Path,
    occasion: Occasion,
    report: &mut Vec<String>,
    early: Early<'_>,
) -> Result<Recovered, StoreError> {
    let Opened { mut index, presses, replaced } = open(dir, early)?;
    report.extend(replaced.clone());
    let open: BTreeSet<IncidentId> = presses.iter().map(|press| press.incident).collect();
    let backlog = backlog(dir, occasion, &open, &mut index, report)?;
    Ok(Recovered { index, presses, backlog, replaced })
}

/// What steps 2 and 3 give.
struct Opened {
    index: Index,
    presses: Vec<KeptPress>,
    replaced: Option<String>,
}

/// Steps 2 and 3.
fn open(dir: &Path, early: Early<'_>) -> Result<Opened, StoreError> {
    let path = layout::database(dir);
    let why = match sound(&path, early) {
        Ok((index, presses)) => return Ok(Opened { index, presses, replaced: None }),
        Err(e) if e.is_damage() => e,
        Err(e) => return Err(StoreError::database(dir, e)),
    };
    let saved = salvage(&path);
    let aside = set_aside(dir, &path).map_err(|e| StoreError::io(&path, e))?;
    let replaced = format!(
        "{}: {why}; set aside as {}, a fresh one was made; open presses saved: {}",
        path.display(),
        aside.display(),
        saved.len()
    );
    let index = Index::open(&path).map_err(|e| StoreError::database(dir, e))?;
    for press in &saved {
        index.keep(press).map_err(|e| StoreError::database(dir, e))?;
    }
    Ok(Opened { index, presses: saved, replaced: Some(replaced) })
}

fn sound(path: &Path, early: Early<'_>) -> Result<(Index, Vec<KeptPress>), IndexError> {
    let index = Index::open(path)?;
    let presses = index.open_presses()?;
    // The alarm under way does not wait until all of the database was read.
    early(&presses);
    index.check()?;
    Ok((index, presses))
}

/// Step 4.
fn backlog(
    dir: &Path,
    occasion: Occasion,
    open: &BTreeSet<IncidentId>,
    index: &mut Index,
    report: &mut Vec<String>,
) -> Result<Backlog, StoreError> {
    let (found, foreign) = match layout::incidents(dir) {
        Ok(found) => found,
        Err(e) => {
            report.push(format!("{}: cannot be read: {e}", layout::recordings(dir).display()));
            return Ok(Backlog::default());
        }
    };
    report.extend(foreign.iter().map(|path| format!("{}: not a recording, left alone", path.display())));
    index.begin(&found).map_err(|e| StoreError::database(dir, e))?;
    let recordings = index.recordings().map_err(|e| StoreError::database(dir, e))?;
    if occasion == Occasion::Start {
        open.iter().for_each(|incident| remove_temporaries(dir, *incident, report));
    }
    // What the centre has in full needs no look: a start must not take longer with every year.
    let unsettled = recordings.into_iter().filter(|(_, told)| !told).map(|(incident, _)| incident);
    let task = |incident| Task { incident, over: occasion == Occasion::Start && !open.contains(&incident) };
    // Taken from the end: what goes on first, then the newest.
    let (mut tasks, last): (Vec<Task>, Vec<Task>) =
        unsettled.map(task).partition(|task| !open.contains(&task.incident));
    tasks.extend(last);
    Ok(Backlog { tasks })
}

/// Of a recording that goes on: once the store serves, a temporary there is being written.
fn remove_temporaries(dir: &Path, incident: IncidentId, report: &mut Vec<String>) {
    let remove = || -> io::Result<()> {
        let files = layout::files(dir, incident)?;
        files.iter().filter(|(kind, _)| *kind == Kind::Temporary).try_for_each(|(_, path)| fs::remove_file(path))
    };
    if let Err(e) = remove() {
        report.push(format!("{}: {e}", layout::recording(dir, incident).display()));
    }
}

/// The open presses of a database that is broken elsewhere: an alarm under way must not be lost with it.
fn salvage(path: &Path) -> Vec<KeptPress> {
    Index::open_to_read(path).and_then(|index| index.open_presses()).unwrap_or_default()
}

fn set_aside(dir: &Path, path: &Path) -> io::Result<PathBuf> {
    let aside = suffixed(path, &format!(".corrupt-{}", now_ms()));
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

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis())
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

/// Writes the seal by the one procedure.
///
/// # Errors
/// [`writer::WriteError`] names the step.
pub fn write_seal(dir: &Path, incident: IncidentId, fragments: u64) -> Result<(), writer::WriteError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros());
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    writer::write(&layout::seal(dir, incident), format!("{fragments}\n").as_bytes(), now, None)
}

impl From<IndexError> for StoreError {
    fn from(e: IndexError) -> Self {
        StoreError::Database(e.to_string())
    }
}
