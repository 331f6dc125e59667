//! Files that are replaced whole: whatever happens, the name leads to the old bytes or to the new ones.
//!
//! 1. a temporary in the same directory, created exclusively, with the mode and owner of what it replaces;
//! 2. write it, sync it;
//! 3. rename it to its name;
//! 4. sync the directory.
//!
//! The store's writer (`adapter/store/writer.rs`) is for files that are never replaced, and has a time to keep.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// Mode and owner of a file to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Like {
    /// Permission bits.
    pub mode: u32,
    /// User and group; none: whoever writes.
    pub owner: Option<(u32, u32)>,
}

impl Like {
    /// As the file is now; `otherwise` the mode, where there is none. What root writes anew belongs to whom the
    /// directory belongs to: a daemon that may not read its first configuration does not start.
    #[must_use]
    pub fn file(path: &Path, otherwise: u32) -> Self {
        let owner = |found: &fs::Metadata| (found.uid(), found.gid());
        if let Ok(found) = fs::metadata(path) {
            return Self { mode: found.mode() & 0o7777, owner: Some(owner(&found)) };
        }
        let root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
        let dir = path.parent().filter(|_| root).and_then(|dir| fs::metadata(dir).ok());
        Self { mode: otherwise, owner: dir.as_ref().map(owner) }
    }

    /// This mode, and whoever writes is the owner.
    #[must_use]
    pub const fn mode(mode: u32) -> Self {
        Self { mode, owner: None }
    }
}

/// The temporary that [`replace`] writes `path` through.
#[must_use]
pub fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.new"))
}

/// Steps 1 and 2: the temporary of `path`, whole and on disk. Returns where it is.
///
/// # Errors
/// What failed; no temporary is left.
pub fn prepare(path: &Path, bytes: &[u8], like: Like) -> io::Result<PathBuf> {
    let temporary = temporary(path);
    // One that was left behind by a power cut is worth nothing.
    remove_if_there(&temporary)?;
    let written = fill(&temporary, bytes, like);
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.map(|()| temporary)
}

fn fill(temporary: &Path, bytes: &[u8], like: Like) -> io::Result<()> {
    // Never wider than it will be in the end, not even for an instant.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(like.mode & 0o600).open(temporary)?;
    if let Some((user, group)) = like.owner {
        let now = file.metadata()?;
        if (now.uid(), now.gid()) != (user, group) {
            chown(temporary, Some(user), Some(group))?;
        }
    }
    file.set_permissions(Permissions::from_mode(like.mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// All four steps.
///
/// # Errors
/// What failed; the old bytes are still there.
pub fn replace(path: &Path, bytes: &[u8], like: Like) -> io::Result<()> {
    let temporary = prepare(path, bytes, like)?;
    rename(&temporary, path)
}

/// Steps 3 and 4: gives a file another name, durably; what had that name before is gone.
///
/// # Errors
/// What failed.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_dir_of(to)
}

/// Removes a file durably; one that is not there is no error.
///
/// # Errors
/// What failed.
pub fn remove(path: &Path) -> io::Result<()> {
    remove_if_there(path)?;
    sync_dir_of(path)
}

/// Syncs the directory that `path` is in.
///
/// # Errors
/// What failed.
pub fn sync_dir_of(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Err(_) | Ok(()) => Ok(()),
    }
}

/// The text of a file; `None` if it is not there.
///
/// # Errors
/// Any other reason why it cannot be read.
pub fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_keeps_its_mode_and_a_left_over_is_no_hindrance() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let path = dir.path().join("c.toml");
        fs::write(&path, "old").expect("a file");
        fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("a mode");
        fs::write(temporary(&path), "torn").expect("a left-over");
        replace(&path, b"new", Like::file(&path, 0o600)).expect("replaced");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "new");
        assert_eq!(fs::metadata(&path).expect("a file").mode() & 0o7777, 0o640);
        assert!(!temporary(&path).exists());
        assert!(replace(&dir.path().join("no/such"), b"x", Like::mode(0o600)).is_err());
    }
}
