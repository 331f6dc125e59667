//! The one writer of files that must survive a power cut (`docs/decisions/0003-recording-container-and-syncs.md`).
//!
//! 1. create a temporary exclusively;
//! 2. write it, and set its time to that of the first sample;
//! 3. sync the file;
//! 4. rename it to its name;
//! 5. sync the directory, and its parent when the directory is new;
//!    5a: append its link to the chain, without a sync (`docs/decisions/0014-evidence.md`);
//! 6. add it to the index, with its link.
//!
//! So a file under its own name is whole, whenever the power went; steps 5a and 6 can always be made up for
//! from the files. Steps 1 to 5 are here, the others are the caller's.

use std::fs::{self, File, FileTimes};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::layout;

/// A step of the procedure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// 1: the temporary.
    Create,
    /// 2: its bytes.
    Write,
    /// 3: sync the file.
    SyncFile,
    /// 4: give it its name.
    Rename,
    /// 5: sync the directory.
    SyncDir,
    /// 5a: the link at the end of the chain.
    Chain,
    /// 6: the index.
    Index,
}

impl Step {
    /// Every step in order.
    pub const ALL: [Step; 7] =
        [Step::Create, Step::Write, Step::SyncFile, Step::Rename, Step::SyncDir, Step::Chain, Step::Index];

    /// What a message calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Step::Create => "1 create the temporary",
            Step::Write => "2 write",
            Step::SyncFile => "3 sync the file",
            Step::Rename => "4 rename",
            Step::SyncDir => "5 sync the directory",
            Step::Chain => "5a link",
            Step::Index => "6 index",
        }
    }
}

/// For tests of recovery: the writer stops dead after this step, as at a power cut, and cleans nothing up.
pub type StopAfter = Step;

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", step.name())]
pub struct WriteError {
    /// The step that failed.
    pub step: Step,
    /// Why.
    pub source: io::Error,
}

/// Steps 1 to 5 for `path`, whose directory is made when it is not there.
///
/// `modified_us` (microseconds since 1970 UTC) becomes the file's time: with it an index can be
/// rebuilt from the files alone.
///
/// The same again, after an error in step 5 or later, makes up for what is left of it.
///
/// # Errors
/// [`WriteError`] names the step. A file of other bytes under that name is never touched.
pub fn write(path: &Path, bytes: &[u8], modified_us: i64, stop: Option<StopAfter>) -> Result<(), WriteError> {
    let temporary = layout::temporary(path);
    let outcome = steps(path, &temporary, bytes, modified_us, stop);
    let stopped = matches!(&outcome, Err(e) if e.source.kind() == io::ErrorKind::Interrupted);
    if outcome.is_err() && !stopped {
        // Room on the disk may be what was lacking: what is left is of no use to anybody. Start-up
        // removes it if this fails.
        let _ = fs::remove_file(&temporary);
    }
    outcome
}

fn steps(
    path: &Path,
    temporary: &Path,
    bytes: &[u8],
    modified_us: i64,
    stop: Option<StopAfter>,
) -> Result<(), WriteError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let done = |step: Step| if stop == Some(step) { Err(stopped(step)) } else { Ok(()) };

    if path.try_exists().map_err(at(Step::Create))? {
        same(path, bytes).map_err(at(Step::Create))?;
        return sync_dir(dir).map_err(at(Step::SyncDir));
    }
    let (mut file, dir_is_new) = create(temporary, dir).map_err(at(Step::Create))?;
    done(Step::Create)?;

    fill(&mut file, bytes, modified_us).map_err(at(Step::Write))?;
    done(Step::Write)?;

    // Not fdatasync: the file is new, so its metadata must be written in any case, and its time is needed.
    file.sync_all().map_err(at(Step::SyncFile))?;
    done(Step::SyncFile)?;

    fs::rename(temporary, path).map_err(at(Step::Rename))?;
    done(Step::Rename)?;

    sync_dir(dir).map_err(at(Step::SyncDir))?;
    if dir_is_new && let Some(parent) = dir.parent() {
        sync_dir(parent).map_err(at(Step::SyncDir))?;
    }
    done(Step::SyncDir)
}

/// What a test's [`StopAfter`] gives.
#[must_use]
pub fn stopped(step: Step) -> WriteError {
    WriteError { step, source: io::Error::new(io::ErrorKind::Interrupted, "stopped here on purpose") }
}

/// Makes the entries of a directory durable.
///
/// # Errors
/// As the file system gives them.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn at(step: Step) -> impl Fn(io::Error) -> WriteError {
    move |source| WriteError { step, source }
}

fn same(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::read(path)? == bytes {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} is there already, with other bytes", path.display())))
}

fn create(temporary: &Path, dir: &Path) -> io::Result<(File, bool)> {
    let dir_is_new = !dir.try_exists()?;
    if dir_is_new {
        fs::create_dir_all(dir)?;
    }
    let open = || File::options().write(true).create_new(true).open(temporary);
    match open() {
        // Of an earlier attempt that could not clean up: this directory has one writer, so it is nobody's.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(temporary)?;
            Ok((open()?, dir_is_new))
        }
        other => Ok((other?, dir_is_new)),
    }
}

fn fill(file: &mut File, bytes: &[u8], modified_us: i64) -> io::Result<()> {
    file.write_all(bytes)?;
    let since_1970 = Duration::from_micros(u64::try_from(modified_us).unwrap_or(0));
    file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + since_1970))
}
