//! The lock of a data folder: one server at a time. The operating system lets it go when the process ends,
//! however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::error::StoreError;

/// How much of a lock file is read to find the holder's process number (bytes).
const MAX_HOLDER_BYTES: u64 = 32;

/// Held as long as the value lives.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Locks the file beside the database; the database need not exist yet.
    pub(crate) fn take(database: &Path) -> Result<Self, StoreError> {
        let path = database.with_extension("lock");
        let failed =
            |source: std::io::Error| StoreError::io("open the lock file", path.display().to_string(), source);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse { path: database.to_owned(), holder: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // The number only helps people; the lock is what counts.
        file.set_len(0).and_then(|()| file.rewind()).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }

    /// Whether somebody holds it. What cannot be asked is not held.
    pub(crate) fn is_held(database: &Path) -> bool {
        let file = OpenOptions::new().read(true).write(true).open(database.with_extension("lock"));
        file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(MAX_HOLDER_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
