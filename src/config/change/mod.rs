//! Changing the configuration so that nobody can lock himself out.
//!
//! A change is judged whole before anything is written, then written by [`write`]:
//!
//! 1. the new text beside the file, whole and on disk;
//! 2. the file as it is also gets the name `.previous`;
//! 3. `.pending` says what was changed and what the new file's hash is;
//! 4. the new text gets the file's name.
//!
//! The daemon does the rest ([`keeper`], and [`start`] at its start): it takes the change up, at once or through a
//! restart, and then either the centre's echo comes within [`trial::WITHIN`], and the file is copied to `.good`; or
//! it does not, and `.previous` gets its name back. So it is the daemon that decides, and neither a lost SSH session
//! nor a power cut at any of the steps leaves more than the old file or the new one, whole. A file that was broken by
//! hand is not used: `.good` is, and health says so.

pub mod edit;
pub mod keeper;
pub mod start;
pub mod trial;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::kiosk::KEYS;
use super::load::{Layers, Reader};
use crate::control::Changed;
use crate::durable::{self, Like};

/// A change that is not proved yet, as kept beside the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// How far it is.
    pub stage: Stage,
    /// SHA-256 of the new file, hex: a marker of another file means nothing.
    pub sha256: String,
    /// Whether there was a file before.
    pub had_previous: bool,
    /// Whoever changed it wants it kept even if the centre is silent.
    pub keep: bool,
    /// What differs.
    pub changes: Vec<Changed>,
    /// When, microseconds since 1970 UTC.
    pub wall_us: i64,
}

/// How far a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// On disk; the daemon has not taken it up.
    Written,
    /// The daemon runs with it. Found at a start, it means that an earlier run ended before the echo came.
    Trying,
}

/// A change that was undone, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// Why.
    pub why: String,
    /// What it was.
    pub changes: Vec<Changed>,
    /// When, microseconds since 1970 UTC.
    pub wall_us: i64,
}

/// A step of [`write`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// 1: the new text, beside the file.
    Prepare,
    /// 2: the second name of the old one.
    Previous,
    /// 3: the marker.
    Pending,
    /// 4: the new one has the name.
    Rename,
}

impl Step {
    /// Every step in order.
    pub const ALL: [Step; 4] = [Step::Prepare, Step::Previous, Step::Pending, Step::Rename];
}

/// Why a file of the configuration could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct FileError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// The file that people write into, and what is kept beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    file: PathBuf,
}

impl Home {
    /// That of these layers.
    #[must_use]
    pub fn of(layers: &Layers) -> Option<Self> {
        layers.home().map(|file| Self { file: file.to_owned() })
    }

    /// The file itself.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The last one that the centre's echo has proved.
    #[must_use]
    pub fn good(&self) -> PathBuf {
        self.beside("good")
    }

    /// The one before the change that is not proved yet.
    #[must_use]
    pub fn previous(&self) -> PathBuf {
        self.beside("previous")
    }

    fn pending_file(&self) -> PathBuf {
        self.beside("pending")
    }

    fn undone_file(&self) -> PathBuf {
        self.beside("undone")
    }

    fn beside(&self, what: &str) -> PathBuf {
        let name = self.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.file.with_file_name(format!("{name}.{what}"))
    }

    /// What it holds.
    ///
    /// # Errors
    /// [`FileError`], unless it is not there.
    pub fn text(&self) -> Result<Option<String>, FileError> {
        durable::read(&self.file).map_err(at(&self.file))
    }

    /// The change that is not proved yet. A marker that cannot be read means none: half of one is never seen.
    #[must_use]
    pub fn pending(&self) -> Option<Pending> {
        json(&self.pending_file())
    }

    /// The last change that was undone, until another is proved.
    #[must_use]
    pub fn undone(&self) -> Option<Undone> {
        json(&self.undone_file())
    }

    /// Held while files are changed; `None` if somebody else is at it. It goes with the process.
    ///
    /// # Errors
    /// [`FileError`]: the directory cannot be opened.
    pub fn lock(&self) -> Result<Option<File>, FileError> {
        let dir = self.file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let dir_file = File::open(dir).map_err(at(dir))?;
        match dir_file.try_lock() {
            Ok(()) => Ok(Some(dir_file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(source)) => Err(FileError { path: dir.to_owned(), source }),
        }
    }

    /// Says that the daemon runs with the pending change from now on.
    ///
    /// # Errors
    /// [`FileError`]: then the change must not be tried, for a power cut would try it again and again.
    pub fn mark_trying(&self, pending: &Pending) -> Result<(), FileError> {
        self.mark(&Pending { stage: Stage::Trying, ..pending.clone() })
    }

    pub(super) fn mark(&self, pending: &Pending) -> Result<(), FileError> {
        let path = self.pending_file();
        durable::replace(&path, &encode(pending), Like::mode(0o644)).map_err(at(&path))
    }

    /// The centre's echo came: `text`, which the daemon runs with, is the last good one.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn prove(&self, text: &str) -> Result<(), FileError> {
        let good = self.good();
        if durable::read(&good).map_err(at(&good))?.as_deref() != Some(text) {
            // Whoever may read the file may read this; but the daemon writes it, and cannot give it to the file's owner.
            let like = Like { owner: None, ..Like::file(&self.file, 0o640) };
            durable::replace(&good, text.as_bytes(), like).map_err(at(&good))?;
        }
        let pending = self.pending_file();
        if pending.exists() {
            durable::remove(&pending).map_err(at(&pending))?;
            durable::remove(&self.undone_file()).map_err(at(&self.undone_file()))?;
        }
        self.forget_previous()
    }

    /// The old file gets its name back.
    ///
    /// # Errors
    /// [`FileError`]: then the new one is still there, and must not be used.
    pub fn undo(&self, pending: &Pending, why: &str) -> Result<(), FileError> {
        let undone = Undone { why: why.to_owned(), changes: pending.changes.clone(), wall_us: wall_us() };
        let record = self.undone_file();
        durable::replace(&record, &encode(&undone), Like::mode(0o644)).map_err(at(&record))?;
        if pending.had_previous {
            durable::rename(&self.previous(), &self.file).map_err(at(&self.file))?;
        } else {
            durable::remove(&self.file).map_err(at(&self.file))?;
        }
        durable::remove(&self.pending_file()).map_err(at(&self.pending_file()))
    }

    /// Removes the marker of a change that never came to be, or was overtaken by an editor.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn forget(&self) -> Result<(), FileError> {
        let pending = self.pending_file();
        durable::remove(&pending).map_err(at(&pending))?;
        self.forget_previous()
    }

    fn forget_previous(&self) -> Result<(), FileError> {
        let previous = self.previous();
        if previous.exists() { durable::remove(&previous).map_err(at(&previous)) } else { Ok(()) }
    }
}

/// Writes `text` as the new file, to be tried by the daemon: steps 1 to 4. `after` is called after each.
///
/// # Errors
/// [`FileError`]: the old file is still there.
pub fn write(
    home: &Home,
    text: &str,
    changes: Vec<Changed>,
    keep: bool,
    after: &mut dyn FnMut(Step),
) -> Result<(), FileError> {
    let file = home.file();
    let temporary = durable::prepare(file, text.as_bytes(), Like::file(file, 0o640)).map_err(at(file))?;
    after(Step::Prepare);

    // A change on top of one that is not proved yet is undone together with it.
    let under = home
        .pending()
        .filter(|under| home.text().is_ok_and(|text| text.map(|t| sha256(&t)) == Some(under.sha256.clone())));
    let previous = home.previous();
    let had_previous = under.as_ref().map_or_else(|| file.exists(), |under| under.had_previous);
    let changes = [under.as_ref().map_or_else(Vec::new, |under| under.changes.clone()), changes].concat();
    if under.is_none() && had_previous {
        home.forget_previous()?;
        // The very same file, with its owner and mode, and no moment at which it has no name.
        fs::hard_link(file, &previous).map_err(at(&previous))?;
        durable::sync_dir_of(&previous).map_err(at(&previous))?;
    }
    after(Step::Previous);

    let sha256 = sha256(text);
    home.mark(&Pending { stage: Stage::Written, sha256, had_previous, keep, changes, wall_us: wall_us() })?;
    after(Step::Pending);

    durable::rename(&temporary, file).map_err(at(file))?;
    after(Step::Rename);
    Ok(())
}

/// Each key that has a value, as TOML; `instead` as in [`Reader::open_with`].
#[must_use]
pub fn values(layers: &Layers, instead: Option<(&Path, &str)>) -> BTreeMap<&'static str, String> {
    let reader = Reader::open_with(KEYS, layers, instead);
    reader.effective().filter_map(|(key, value, _)| Some((key.name, value?))).collect()
}

/// What differs between two sets of values, in the order of the table of keys.
#[must_use]
pub fn differences(from: &BTreeMap<&'static str, String>, to: &BTreeMap<&'static str, String>) -> Vec<Changed> {
    let differs = KEYS.iter().filter(|key| from.get(key.name) != to.get(key.name));
    differs
        .map(|key| Changed {
            key: key.name.to_owned(),
            from: from.get(key.name).cloned(),
            to: to.get(key.name).cloned(),
            live: key.live,
        })
        .collect()
}

/// SHA-256, hex.
#[must_use]
pub fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

fn json<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn encode<T: Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).expect("plain records of text and numbers are JSON")
}

fn at(path: &Path) -> impl Fn(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError { path: path.clone(), source }
}

fn wall_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
