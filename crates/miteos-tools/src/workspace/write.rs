//! Writing: always a whole new file that takes the old one's place, so that no reader sees half of it and no link or
//! hard link is written through.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::{Dir, OpenOptions};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::Workspace;
use super::error::{WorkspaceError, shown};
use super::name::{Name, is_private};
use super::remove::remove_tree;

/// How often another temporary name is tried when one is taken.
const MAX_TEMPORARY_TRIES: u32 = 1000;
/// The piece in which [`Workspace::copy_in`] copies (bytes).
const COPY_BYTES: usize = 64 * 1024;

/// Nothing is written when less than this is free on the disk (bytes): what agents and clients store must leave room for
/// the journal of all tasks.
const LEAST_FREE_BYTES: u64 = 512 * 1024 * 1024;
/// The free room is looked at anew after so many bytes.
const LOOK_EVERY_BYTES: u64 = 64 * 1024 * 1024;

/// Makes temporary names differ within this process; the process id makes them differ between processes.
static NEXT: AtomicU64 = AtomicU64::new(0);

impl Workspace {
    /// Puts a file there, in place of an older one, its folders made as needed. Either the whole of it is there
    /// afterwards or nothing has changed.
    pub fn write(&self, name: &Name, content: &[u8]) -> Result<(), WorkspaceError> {
        self.may_write(name)?;
        let mut staged = self.stage(name)?;
        staged.write(content)?;
        staged.put(self, name)
    }

    /// As [`Workspace::write`], from a stream of at most `max_bytes`; gives the number of bytes.
    pub async fn copy_in<R>(&self, name: &Name, reader: R, max_bytes: u64) -> Result<u64, WorkspaceError>
    where
        R: AsyncRead + Send,
    {
        let (workspace, target) = (self.clone(), name.clone());
        let staged = blocking(name, move || {
            workspace.may_write(&target)?;
            workspace.stage(&target)
        })
        .await?;
        let io = |e| WorkspaceError::io("write", name.as_str(), e);
        let mut out = tokio::fs::File::from_std(staged.file.try_clone().map_err(io)?);
        let mut reader = std::pin::pin!(reader.take(max_bytes.saturating_add(1)));
        let mut buffer = vec![0; COPY_BYTES];
        let (mut total, mut looked_at) = (0, 0);
        loop {
            let read = reader.read(&mut buffer).await.map_err(io)?;
            if read == 0 {
                break;
            }
            total += read as u64;
            if total > max_bytes {
                return Err(WorkspaceError::TooBig {
                    name: shown(name.as_str()),
                    bytes: total,
                    limit: max_bytes,
                });
            }
            out.write_all(&buffer[..read]).await.map_err(io)?;
            if total - looked_at >= LOOK_EVERY_BYTES {
                looked_at = total;
                room_for(&staged.file, 0, name)?;
            }
        }
        out.flush().await.map_err(io)?;
        let (workspace, target) = (self.clone(), name.clone());
        blocking(name, move || staged.put(&workspace, &target)).await?;
        Ok(total)
    }

    /// Whether a copy of this file can be stored on the disk that it lies on.
    pub fn may_copy(&self, name: &Name, file: &File) -> Result<(), WorkspaceError> {
        let bytes = file.metadata().map_err(|e| WorkspaceError::io("read", name.as_str(), e))?.len();
        room_for(file, bytes, name)
    }

    /// Removes a file, a link (not what it points to) or an empty folder.
    pub fn delete(&self, name: &Name) -> Result<(), WorkspaceError> {
        self.may_write(name)?;
        let io = |e| WorkspaceError::io("delete", name.as_str(), e);
        let metadata = self.dir()?.symlink_metadata(name.path()).map_err(io)?;
        if metadata.is_dir() {
            self.dir()?.remove_dir(name.path())
        } else {
            self.dir()?.remove_file(name.path())
        }
        .map_err(io)
    }

    /// Removes a folder with everything in it; links in it are removed, not followed.
    pub fn delete_tree(&self, name: &Name) -> Result<(), WorkspaceError> {
        self.may_write(name)?;
        let io = |e| WorkspaceError::io("delete", name.as_str(), e);
        if !self.dir()?.symlink_metadata(name.path()).map_err(io)?.is_dir() {
            return Err(io(std::io::ErrorKind::NotADirectory.into()));
        }
        remove_tree(self.dir()?, name.path()).map_err(io)
    }

    /// Refuses the server's folder, named as it is or reached through a link, and ways out.
    pub(crate) fn may_write(&self, name: &Name) -> Result<(), WorkspaceError> {
        name.writable()?;
        let Some(parent) = name.parent() else { return Ok(()) };
        match self.dir()?.canonicalize(parent) {
            Ok(real) if is_private(&real.to_string_lossy()) => {
                Err(WorkspaceError::Reserved { name: shown(name.as_str()) })
            }
            Ok(_) => Ok(()),
            Err(error) => match WorkspaceError::io("write", name.as_str(), error) {
                // The folder is still to be made.
                WorkspaceError::NotFound { .. } => Ok(()),
                other => Err(other),
            },
        }
    }

    /// A new, empty file that is not yet seen under any name callers know.
    pub(super) fn stage(&self, name: &Name) -> Result<Staged, WorkspaceError> {
        let dir = self.private("tmp")?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        for _ in 0..MAX_TEMPORARY_TRIES {
            let temporary = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            match dir.open_with(&temporary, &options) {
                Ok(file) => {
                    let file = file.into_std();
                    self.give_away(&file);
                    if let Err(full) = room_for(&file, 0, name) {
                        let _ = dir.remove_file(&temporary);
                        return Err(full);
                    }
                    return Ok(Staged { dir, temporary, file, placed: false });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(WorkspaceError::io("write", name.as_str(), error)),
            }
        }
        let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        Err(WorkspaceError::Unusable { doing: "find a temporary name in", source })
    }
}

pub(super) fn room_for(file: &File, bytes: u64, name: &Name) -> Result<(), WorkspaceError> {
    if has_room(file, bytes) { Ok(()) } else { Err(WorkspaceError::NoRoom { name: shown(name.as_str()) }) }
}

/// Whether the disk that holds `file` has room for so many bytes more and stays usable for the server.
#[cfg(unix)]
pub fn has_room(file: &File, bytes: u64) -> bool {
    let Ok(disk) = rustix::fs::fstatvfs(file) else { return true };
    disk.f_bavail.saturating_mul(disk.f_frsize) >= bytes.saturating_add(LEAST_FREE_BYTES)
}

#[cfg(not(unix))]
pub fn has_room(_file: &File, _bytes: u64) -> bool {
    true
}

/// A file that is being written. Dropped before it was put in place, it is gone.
pub(super) struct Staged {
    dir: Dir,
    temporary: String,
    file: File,
    placed: bool,
}

impl Staged {
    pub(super) fn write(&mut self, content: &[u8]) -> Result<(), WorkspaceError> {
        self.file.write_all(content).map_err(|e| WorkspaceError::io("write", &self.temporary, e))
    }

    /// Takes the name, in place of what has it now. The bytes are on the disk before the name is.
    pub(super) fn put(mut self, workspace: &Workspace, name: &Name) -> Result<(), WorkspaceError> {
        if let Some(parent) = name.parent() {
            workspace.make_folders(parent)?;
        }
        let io = |e| WorkspaceError::io("write", name.as_str(), e);
        if let Ok(old) = workspace.dir()?.symlink_metadata(name.path()) {
            if old.is_dir() {
                return Err(WorkspaceError::IsDirectory { name: shown(name.as_str()) });
            }
            self.keep_mode(&old);
        }
        self.file.sync_data().map_err(io)?;
        self.dir.rename(&self.temporary, workspace.dir()?, name.path()).map_err(io)?;
        self.placed = true;
        Ok(())
    }

    /// A script stays a script: the new file may be run if the old one could.
    #[cfg(unix)]
    fn keep_mode(&self, old: &cap_std::fs::Metadata) {
        use cap_std::fs::MetadataExt as _;
        use std::os::unix::fs::PermissionsExt as _;
        if !old.is_file() {
            return;
        }
        let mode = std::fs::Permissions::from_mode(old.mode() & 0o777);
        if let Err(error) = self.file.set_permissions(mode) {
            tracing::debug!(%error, "a workspace file's mode could not be kept");
        }
    }

    #[cfg(not(unix))]
    fn keep_mode(&self, _old: &cap_std::fs::Metadata) {}
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.placed {
            let _ = self.dir.remove_file(Path::new(&self.temporary));
        }
    }
}

async fn blocking<T, F>(name: &Name, work: F) -> Result<T, WorkspaceError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, WorkspaceError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(WorkspaceError::io("write", name.as_str(), std::io::Error::other(error))),
    }
}
