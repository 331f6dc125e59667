//! The last full self-test's result (port [`Proof`]): one small file in the store's directory, replaced whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tracing::warn;

use super::soon;
use crate::kiosk::ports::Proof;
use crate::wire::selftest::LastTest;

/// Its name.
const FILE: &str = "selftest.json";

/// The file.
pub struct ProofFile {
    dir: PathBuf,
}

impl ProofFile {
    /// In `dir`, which need not be there yet.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }
}

impl Proof for ProofFile {
    fn last(&self) -> Option<LastTest> {
        let path = self.dir.join(FILE);
        let from = path.clone();
        let read = soon(move || fs::read(from))?;
        match read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::from)) {
            Ok(last) => Some(last),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                warn!(path = %path.display(), %error, "the last self-test's result is not used");
                None
            }
        }
    }

    fn keep(&self, last: &LastTest) {
        let (dir, last) = (self.dir.clone(), last.clone());
        // Once a night: a thread of its own is the simplest that never holds up the shell.
        let spawned = std::thread::Builder::new().name("proof".into()).spawn(move || {
            if let Err(error) = write(&dir, &last) {
                warn!(dir = %dir.display(), %error, "the self-test's result is not kept");
            }
        });
        if let Err(error) = spawned {
            warn!(%error, "the self-test's result is not kept");
        }
    }
}

fn write(dir: &Path, last: &LastTest) -> io::Result<()> {
    let (new, path) = (dir.join(format!("{FILE}.new")), dir.join(FILE));
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(last)?)?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_found_and_a_torn_file_is_none() {
        let dir = tempfile::tempdir().expect("a directory");
        let proof = ProofFile::new(dir.path());
        assert_eq!(proof.last(), None);
        let last = LastTest { ended_wall_us: 7, good: true, failed: vec![] };
        write(dir.path(), &last).expect("written");
        assert_eq!(proof.last(), Some(last));
        fs::write(dir.path().join(FILE), "{\"ended").expect("written");
        assert_eq!(proof.last(), None);
    }
}
