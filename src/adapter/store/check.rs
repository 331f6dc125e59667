//! The store's part of the self-test: a file of a fragment's size is written, made durable, read back and deleted.
//! By itself it is no decision of the store: it finds out whether the disk still does what everything rests on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::kiosk::selftest::{Found, How, PartTest, Say, Testing};
use crate::wire::up::TestPart;

/// A second of recording at 2 Mbit/s, bytes.
const SIZE: usize = 256 * 1024;
/// Its name; one left behind by a power cut is written over.
const FILE: &str = "selftest.probe";

/// The test.
pub struct StoreTest {
    /// The store's directory.
    pub dir: PathBuf,
}

impl PartTest for StoreTest {
    fn part(&self) -> TestPart {
        TestPart::Store
    }

    fn run(&self, _how: How, say: Say) -> Testing<'_> {
        Box::pin(async move {
            say.step(format!("writing {} kB, and reading them back", SIZE / 1024)).await;
            let dir = self.dir.clone();
            let began = Instant::now();
            match tokio::task::spawn_blocking(move || check(&dir)).await {
                Ok(Ok(())) => {
                    let took = began.elapsed().as_millis();
                    Found::passed(format!("{} kB written, durable and read back in {took} ms", SIZE / 1024))
                }
                Ok(Err(why)) => Found::failed(format!("{}: {why}", self.dir.display())),
                Err(why) => Found::failed(why.to_string()),
            }
        })
    }
}

fn check(dir: &Path) -> Result<(), String> {
    let path = dir.join(FILE);
    let found = write_and_read(&path);
    let removed = fs::remove_file(&path);
    found?;
    removed.map_err(|error| format!("delete: {error}"))
}

fn write_and_read(path: &Path) -> Result<(), String> {
    let step = |name: &'static str| move |error: io::Error| format!("{name}: {error}");
    let bytes: Vec<u8> = (0..SIZE / 16).flat_map(|_| rand::random::<[u8; 16]>()).collect();
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path).map_err(step("create"))?;
    file.write_all(&bytes).map_err(step("write"))?;
    file.sync_all().map_err(step("make durable"))?;
    forget(&file);
    file.seek(SeekFrom::Start(0)).map_err(step("seek"))?;
    let mut back = Vec::with_capacity(SIZE);
    file.read_to_end(&mut back).map_err(step("read"))?;
    if Sha256::digest(&bytes) == Sha256::digest(&back) {
        Ok(())
    } else {
        Err(format!("expected the {SIZE} bytes that were written, found {} others", back.len()))
    }
}

/// What is read must come from the disk and not from memory; where that cannot be had, the test is weaker.
fn forget(file: &File) {
    _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_disk_passes_leaves_nothing_and_a_missing_one_is_said() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(check(dir.path()), Ok(()));
        assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 0);
        let why = check(&dir.path().join("gone")).expect_err("nothing there");
        assert!(why.starts_with("create: "), "{why}");
    }
}
