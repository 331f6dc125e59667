//! What full self-tests leave behind (ports [`Proof`], [`Trends`]): small files in the store's directory, replaced
//! whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::warn;

use super::soon;
use crate::durable::{self, Like};
use crate::kiosk::ports::{Doing, Proof, Trends};
use crate::kiosk::selftest::sound::Trend;
use crate::wire::selftest::LastTest;

/// The last result.
const PROOF: &str = "selftest.json";
/// What was measured of loudspeaker and microphone.
const TREND: &str = "sound-path.json";
/// Only the kiosk and its technicians read them.
const MODE: u32 = 0o640;

/// The last full self-test's result.
pub struct ProofFile(PathBuf);

impl ProofFile {
    /// In `dir`, which need not be there yet.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self(dir.join(PROOF))
    }
}

impl Proof for ProofFile {
    fn last(&self) -> Option<LastTest> {
        let path = self.0.clone();
        soon(move || read(&path)).flatten()
    }

    fn keep(&self, last: &LastTest) {
        let (path, last) = (self.0.clone(), last.clone());
        // Once a night: a thread of its own is the simplest that never holds up the shell.
        let spawned = std::thread::Builder::new().name("proof".into()).spawn(move || {
            if let Err(error) = write(&path, &last) {
                warn!(path = %path.display(), %error, "the self-test's result is not kept");
            }
        });
        if let Err(error) = spawned {
            warn!(%error, "the self-test's result is not kept");
        }
    }
}

/// What full self-tests measured of loudspeaker and microphone.
pub struct TrendFile(PathBuf);

impl TrendFile {
    /// In `dir`, which need not be there yet.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self(dir.join(TREND))
    }

    /// What was kept.
    #[must_use]
    pub fn last(&self) -> Trend {
        let path = self.0.clone();
        soon(move || read(&path)).flatten().unwrap_or_default()
    }
}

impl Trends for TrendFile {
    fn read(&self) -> Doing<Trend> {
        let path = self.0.clone();
        let reading = tokio::task::spawn_blocking(move || read(&path).unwrap_or_default());
        Box::pin(async move { reading.await.unwrap_or_default() })
    }

    fn keep(&self, trend: Trend) -> Doing<Result<(), String>> {
        let path = self.0.clone();
        let writing = tokio::task::spawn_blocking(move || write(&path, &trend));
        Box::pin(async move { writing.await.map_err(|why| why.to_string())?.map_err(|why| why.to_string()) })
    }
}

/// What a file holds; one that is not there or cannot be read holds nothing.
fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    match fs::read(path).and_then(|bytes| serde_json::from_slice(&bytes).map_err(io::Error::from)) {
        Ok(kept) => Some(kept),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            warn!(path = %path.display(), %error, "what a self-test has kept is not used");
            None
        }
    }
}

fn write(path: &Path, kept: &impl Serialize) -> io::Result<()> {
    durable::replace(path, &serde_json::to_vec(kept)?, Like::file(path, MODE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kiosk::selftest::sound::Measure;

    #[test]
    fn what_was_kept_is_found_and_a_torn_file_is_none() {
        let dir = tempfile::tempdir().expect("a directory");
        let proof = ProofFile::new(dir.path());
        assert_eq!(proof.last(), None);
        let last = LastTest { ended_wall_us: 7, good: true, failed: vec![], why: None };
        write(&proof.0, &last).expect("written");
        assert_eq!(proof.last(), Some(last));
        fs::write(&proof.0, "{\"ended").expect("written");
        assert_eq!(proof.last(), None);
    }

    #[tokio::test]
    async fn a_trend_is_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = TrendFile::new(dir.path());
        assert_eq!(file.last(), Trend::default());
        let trend = Trend(vec![Measure { wall_us: 7, level_db: -31.5, delay_ms: 42.25 }]);
        file.keep(trend.clone()).await.expect("kept");
        assert_eq!((file.read().await, file.last()), (trend.clone(), trend));
        let gone = TrendFile::new(&dir.path().join("gone"));
        gone.keep(Trend::default()).await.expect_err("there is no such directory");
    }
}
