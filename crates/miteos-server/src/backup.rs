//! Backups of a data folder: one archive, taken while a server goes on writing, and a folder made of it again.
//!
//! The archive is a plain tar file with the folder's own names, so that it can be read without this program. Its last
//! entry is the manifest, which names all others with their SHA-256: an archive without it was never finished. What a
//! server does with a folder that came out of one is in `restored.rs`; who asks and what is shown is not known here.

mod make;
mod manifest;
mod restore;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use miteos_store::StoreError;

pub use make::{Made, estimate, make};
pub use manifest::Manifest;
pub use restore::{Restored, restore};

/// What is read and written at once (bytes).
const CHUNK_BYTES: usize = 256 * 1024;
/// Names that an answer lists of what is missing or changed; the rest is counted.
const MAX_NAMES: usize = 100;

/// How far a copy is, in bytes of what is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub done_bytes: u64,
    pub total_bytes: u64,
}

/// Told now and then.
pub type OnProgress<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// Stops a copy; what it made is removed.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), BackupError> {
        if self.0.load(Ordering::Relaxed) { Err(BackupError::Cancelled) } else { Ok(()) }
    }
}

/// Why there is no backup, or no folder out of one.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("there is no data of a server in {}", .0.display())]
    NoData(PathBuf),
    #[error("{} is there already, and a backup overwrites nothing", .0.display())]
    Exists(PathBuf),
    #[error("{} lies in the data folder: a backup is to outlive what it is of", .0.display())]
    Inside(PathBuf),
    #[error("{} is not empty, and a backup is restored into an empty folder alone", .0.display())]
    NotEmpty(PathBuf),
    #[error("{} is the data folder of a server that runs", .0.display())]
    InUse(PathBuf),
    #[error("{} cannot be a data folder: it has no folder around it", .0.display())]
    NoPlace(PathBuf),
    #[error(
        "the backup is made by a newer version: its form is {found}, and this version knows up to {known}"
    )]
    NewerForm { found: u32, known: u32 },
    /// The archive is not what was written.
    #[error("{path} is no whole backup: {why}")]
    Broken { path: PathBuf, why: String },
    #[error("stopped")]
    Cancelled,
    #[error("cannot {doing} {}", .path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A folder that only its owner can enter, and that goes when it is dropped.
fn private_folder(prefix: &str, place: &Path) -> Result<tempfile::TempDir, BackupError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir_in(place).map_err(BackupError::io("write into", place))
}

impl BackupError {
    fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
