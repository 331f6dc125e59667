//! The second half of recovery, on a thread of its own while the store serves
//! (`docs/decisions/0012-the-store-comes-when-it-can.md`). For each recording which the centre does not have in full:
//!
//! 5. remove temporaries, unless somebody writes there;
//! 6. make the chain one with files and index; index files that are not indexed, with their hash computed; report
//!    indexed files that are gone or have another size;
//! 7. index the seal; seal the recording of an incident that is over.
//!
//! A file that the card does not give hangs this thread and nothing else. A recording is one commit.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use tracing::{info, warn};

use super::chains::{Chains, Signed};
use super::index::{Entry, State};
use super::layout::{self, Kind};
use super::thread::Way;
use super::{StoreError, recovery, writer};
use crate::wire::IncidentId;

/// Longest length a fragment is believed to have when it is worked out from its successor's start.
const MAX_DURATION_US: i64 = 60_000_000;
/// Lines about what was found that are kept; all of them go into the log.
const MAX_NOTES: usize = 100;

/// Recordings that are still to be looked at, the next one last.
#[derive(Debug, Default)]
pub struct Backlog {
    /// One recording each.
    pub tasks: Vec<Task>,
}

/// A recording to be looked at.
#[derive(Debug)]
pub struct Task {
    /// Which.
    pub incident: IncidentId,
    /// Its incident is over: nobody writes there any more.
    pub over: bool,
}

/// What came of it, for whoever delivers, and for tests.
#[derive(Debug, Default)]
pub struct Outcome {
    state: Mutex<Inner>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    /// Threads under way.
    running: usize,
    notes: Vec<String>,
    found: BTreeSet<IncidentId>,
}

impl Outcome {
    fn state(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Incidents whose fragments were found on the disk since the last call: the centre may have them already.
    pub fn take_found(&self) -> BTreeSet<IncidentId> {
        std::mem::take(&mut self.state().found)
    }

    /// What was found, once all was looked at; `None` if that takes longer than `within`.
    pub fn wait(&self, within: Duration) -> Option<Vec<String>> {
        let busy = |inner: &mut Inner| inner.running > 0;
        let waited = self.done.wait_timeout_while(self.state(), within, busy);
        let (inner, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        (!timeout.timed_out()).then(|| inner.notes.clone())
    }

    fn note(&self, line: String) {
        warn!(line, "store: recovery");
        let mut state = self.state();
        if state.notes.len() < MAX_NOTES {
            state.notes.push(line);
        }
    }
}

/// What the thread works with.
pub struct Reindex {
    /// The store's directory.
    pub dir: PathBuf,
    /// To the database; none there any more: the daemon ends.
    pub way: Way,
    /// What comes of it.
    pub outcome: std::sync::Arc<Outcome>,
    /// The chains of signed links.
    pub chains: std::sync::Arc<Chains>,
}

impl Reindex {
    /// Looks at all of `backlog` on a thread of its own, which ends with it.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn start(self, backlog: Backlog) -> io::Result<()> {
        if backlog.tasks.is_empty() {
            return Ok(());
        }
        self.outcome.state().running += 1;
        let outcome = std::sync::Arc::clone(&self.outcome);
        let started = thread::Builder::new().name("store-index".to_owned()).spawn(move || {
            self.all(backlog);
            self.outcome.state().running -= 1;
            self.outcome.done.notify_all();
        });
        started.map(drop).inspect_err(|_| outcome.state().running -= 1)
    }

    fn all(&self, mut backlog: Backlog) {
        let (recordings, mut fragments) = (backlog.tasks.len(), 0);
        while let Some(task) = backlog.tasks.pop() {
            if self.way.is_over() {
                return;
            }
            match self.recording(&task) {
                Ok(found) => fragments += found,
                Err(_) if self.way.is_over() => return,
                // One bad directory is one line of the report; the others are still recovered.
                Err(why) => self.outcome.note(format!("{}: {why}", self.path_of(&task).display())),
            }
        }
        info!(recordings, fragments, "store: every recording was looked at");
    }

    fn path_of(&self, task: &Task) -> PathBuf {
        layout::recording(&self.dir, task.incident)
    }

    /// Steps 5 to 7 for one recording. Returns how many fragments it added.
    fn recording(&self, task: &Task) -> Result<usize, Trouble> {
        let incident = task.incident;
        // Asked before the directory is read: whatever the index knows has its file by then.
        let known = self.way.ask(move |index| Ok((index.fragments(incident)?, index.sealed(incident)?)))?;
        let (known, known_seal) = known;
        let (mut fragments, mut seal) = (Files::new(), None);
        for (kind, path) in layout::files(&self.dir, incident)? {
            match kind {
                Kind::Fragment(number) => {
                    fragments.insert(number, path);
                }
                Kind::Seal => seal = self.read_seal(&path)?,
                Kind::Temporary if task.over => {
                    self.way.unless_recorded(incident, || fs::remove_file(&path)).transpose()?;
                }
                Kind::Temporary | Kind::Chain => {}
                Kind::Foreign => self.outcome.note(format!("{}: not a fragment, left alone", path.display())),
            }
        }
        self.missing(incident, &fragments, &known)?;
        let mut found = self.unindexed(incident, &fragments, &known)?;
        let links = self.links(incident, known.iter().map(|(entry, _)| entry).chain(&found).cloned().collect());
        let unsigned = |entry: &Entry| entry.signed.is_none() && links.contains_key(&entry.index);
        let to_sign = known.iter().any(|(entry, _)| unsigned(entry));
        found.iter_mut().for_each(|entry| entry.signed = links.get(&entry.index).copied());
        let added = self.add(incident, found)?;
        if to_sign {
            self.way.ask(move |index| index.sign(incident, &links))?;
        }

        let last = fragments.last_key_value().map(|(number, _)| *number);
        if let (None, None, true, Some(last)) = (seal, known_seal, task.over, last) {
            let sealed = self.way.unless_recorded(incident, || {
                if let Err(why) = self.chains.seal(incident, last, Vec::new) {
                    self.outcome.note(format!("{}: no seal in the chain: {why}", self.path_of(task).display()));
                }
                recovery::write_seal(&self.dir, incident, last)
            });
            if sealed.transpose()?.is_some() {
                seal = Some(last);
            }
        }
        if let Some(fragments) = seal {
            self.way.ask(move |index| index.seal(incident, fragments))?;
        }
        self.way.changed();
        Ok(added)
    }

    /// Step 6, the chain; what was signed, by fragment. A chain that cannot be read is no hindrance.
    fn links(&self, incident: IncidentId, entries: Vec<Entry>) -> BTreeMap<u64, Signed> {
        self.chains.links(incident, || entries).unwrap_or_else(|why| {
            self.outcome.note(format!("{}: {why}", layout::chain(&self.dir, incident).display()));
            BTreeMap::new()
        })
    }

    /// Step 6, the index against the files.
    fn missing(&self, incident: IncidentId, files: &Files, known: &[(Entry, State)]) -> Result<(), Trouble> {
        for (entry, state) in known.iter().filter(|(_, state)| *state != State::Lost) {
            let size = match files.get(&entry.index) {
                Some(path) => Some(fs::metadata(path)?.len()),
                None => None,
            };
            if size == Some(entry.size) {
                continue;
            }
            let path = layout::fragment(&self.dir, incident, entry.index);
            let found = size.map_or("no file".to_owned(), |size| format!("{size} bytes"));
            let receipt = if *state == State::Delivered { "the centre has it" } else { "the centre does not have it" };
            let line = format!("{}: expected {} bytes, found {found}; {receipt}", path.display(), entry.size);
            self.outcome.note(line);
            let number = entry.index;
            self.way.ask(move |index| index.set_state(incident, number, State::Lost))?;
        }
        Ok(())
    }

    /// Step 6, the files against the index: what is to be added, each file read once.
    fn unindexed(&self, incident: IncidentId, files: &Files, known: &[(Entry, State)]) -> Result<Vec<Entry>, Trouble> {
        let known: BTreeSet<u64> = known.iter().map(|(entry, _)| entry.index).collect();
        let mut entries = Vec::new();
        for (number, path) in files.iter().filter(|(number, _)| !known.contains(number)) {
            if self.way.is_over() {
                return Err(Trouble::Over);
            }
            let bytes = fs::read(path)?;
            entries.push(Entry {
                incident,
                index: *number,
                start_wall_us: modified_us(path)?,
                duration_us: duration_us(*number, path, files),
                size: bytes.len() as u64,
                sha256: Sha256::digest(&bytes).into(),
                signed: None,
            });
        }
        Ok(entries)
    }

    /// Adds them. Returns how many.
    fn add(&self, incident: IncidentId, entries: Vec<Entry>) -> Result<usize, Trouble> {
        let added = entries.len();
        if added > 0 {
            // Before they can be delivered: the centre is asked first what it has of them.
            self.outcome.state().found.insert(incident);
            self.way.ask(move |index| index.add(&entries))?;
        }
        Ok(added)
    }

    fn read_seal(&self, path: &Path) -> io::Result<Option<u64>> {
        let text = fs::read(path)?;
        let number = std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse().ok());
        if number.is_none() {
            self.outcome.note(format!("{}: expected a number, removed", path.display()));
            fs::remove_file(path)?;
        }
        Ok(number)
    }
}

/// Why a recording could not be recovered.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Write(#[from] writer::WriteError),
    #[error("the store ends")]
    Over,
}

/// A recording's fragments by index.
type Files = BTreeMap<u64, PathBuf>;

/// Wall clock at which the media of a recording begin and end by its files, microseconds; `None` if there are none.
pub fn span(dir: &Path, incident: IncidentId) -> io::Result<Option<(i64, i64)>> {
    let number = |(kind, path)| if let Kind::Fragment(number) = kind { Some((number, path)) } else { None };
    let media: Files =
        layout::files(dir, incident)?.into_iter().filter_map(number).filter(|(number, _)| *number > 0).collect();
    let (Some(first), Some((number, last))) = (media.values().next(), media.last_key_value()) else { return Ok(None) };
    let length = i64::try_from(duration_us(*number, last, &media)).unwrap_or(0);
    Ok(Some((modified_us(first)?, modified_us(last)?.saturating_add(length))))
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
