//! Where recordings lie: an object store, a directory now, S3 by configuration once its feature is compiled in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::wire::{IncidentId, KioskId};

/// Why the archive did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The configured place cannot be used.
    #[error("archive {location:?}: {why}")]
    Location {
        /// As configured.
        location: String,
        /// Why.
        why: String,
    },
    /// The object store says no.
    #[error("archive: {0}")]
    Store(#[from] object_store::Error),
}

/// The archive. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Archive {
    objects: Arc<dyn ObjectStore>,
    /// Where it lies, if that is on this machine.
    directory: Option<PathBuf>,
}

impl Archive {
    /// Opens the archive: a directory (made if missing), or a URL that names an object store.
    ///
    /// # Errors
    /// [`ArchiveError::Location`] says what cannot be used.
    pub fn open(location: &str) -> Result<Self, ArchiveError> {
        let bad = |why: String| ArchiveError::Location { location: location.to_owned(), why };
        match location.split_once("://") {
            None => Self::directory(Path::new(location)).map_err(bad),
            Some(("file", path)) => Self::directory(Path::new(path)).map_err(bad),
            Some(_) => {
                let url = url::Url::parse(location).map_err(|e| bad(e.to_string()))?;
                let (store, prefix) = object_store::parse_url(&url).map_err(|e| bad(e.to_string()))?;
                Ok(Self { objects: Arc::new(PrefixStore::new(store, prefix)), directory: None })
            }
        }
    }

    fn directory(path: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(path).map_err(|e| e.to_string())?;
        // Without syncs a receipt would promise what a power cut can take back.
        let store = LocalFileSystem::new_with_prefix(path).map_err(|e| e.to_string())?.with_fsync(true);
        Ok(Self { objects: Arc::new(store), directory: Some(path.to_owned()) })
    }

    /// Bytes free where it lies; none where nobody can tell.
    #[must_use]
    pub fn free(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(self.directory.as_ref()?).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// The name of a fragment. Its hash is part of it, so that other bytes under a taken index never
    /// overwrite what has a receipt.
    #[must_use]
    pub fn name(kiosk: &KioskId, incident: IncidentId, index: u64, sha256: &str) -> String {
        let short = sha256.get(..16).unwrap_or(sha256);
        format!("recordings/{kiosk}/{incident}/{index:06}-{short}.frag")
    }

    /// Puts an object, whole and durable when it returns.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn put(&self, name: &str, bytes: Bytes) -> Result<(), ArchiveError> {
        self.objects.put(&object_store::path::Path::from(name), bytes.into()).await?;
        Ok(())
    }

    /// An object's bytes.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn get(&self, name: &str) -> Result<Bytes, ArchiveError> {
        Ok(self.objects.get(&object_store::path::Path::from(name)).await?.bytes().await?)
    }

    /// Removes an object no row points to.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn remove(&self, name: &str) -> Result<(), ArchiveError> {
        Ok(self.objects.delete(&object_store::path::Path::from(name)).await?)
    }

    /// Where a directory's object lies, for tests of an archive that has lost something.
    #[must_use]
    pub fn file(directory: &Path, name: &str) -> PathBuf {
        directory.join(name)
    }
}
