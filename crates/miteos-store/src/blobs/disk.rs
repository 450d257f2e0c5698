//! The disk that blobs lie on. What clients and agents store must leave room for the journal of all tasks.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::StoreError;

pub(super) struct Disk {
    pub(super) folder: PathBuf,
    pub(super) keeps_free_bytes: u64,
}

impl Disk {
    /// Whether there is room for more. Where the system does not say, there is.
    #[cfg(unix)]
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let Ok(disk) = rustix::fs::statvfs(&self.folder) else { return Ok(()) };
        if disk.f_bavail.saturating_mul(disk.f_frsize) >= self.keeps_free_bytes {
            return Ok(());
        }
        let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
        Err(StoreError::DiskFull { doing: "store a file", source: Arc::new(source) })
    }

    #[cfg(not(unix))]
    pub(super) fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
