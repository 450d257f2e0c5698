//! Reading: what a name stands for, whole small files, and big ones as a stream.

use std::fs::File;
use std::io::Read;

use cap_std::fs::{FileType, Metadata, OpenOptions};
use miteos_core::time::Timestamp;

use super::error::{WorkspaceError, shown};
use super::name::{Name, is_private};
use super::{OUTPUTS, Workspace};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    File,
    Folder,
    Link,
    /// Neither file nor folder nor link: a pipe, a socket, a device.
    Special,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileInfo {
    pub kind: FileKind,
    pub bytes: u64,
    pub modified: Timestamp,
}

impl FileInfo {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let modified = metadata
            .modified()
            .ok()
            .and_then(|at| at.into_std().duration_since(std::time::UNIX_EPOCH).ok())
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        let kind = kind_of(metadata.file_type());
        let bytes = if kind == FileKind::File { metadata.len() } else { 0 };
        Self { kind, bytes, modified: Timestamp::from_millis(modified) }
    }
}

pub(super) fn kind_of(file_type: FileType) -> FileKind {
    if file_type.is_file() {
        FileKind::File
    } else if file_type.is_dir() {
        FileKind::Folder
    } else if file_type.is_symlink() {
        FileKind::Link
    } else {
        FileKind::Special
    }
}

impl Workspace {
    /// What the name stands for, links followed as far as they stay inside.
    pub fn stat(&self, name: &Name) -> Result<FileInfo, WorkspaceError> {
        self.may_read(name)?;
        let metadata =
            self.dir()?.metadata(name.path()).map_err(|e| WorkspaceError::io("look at", name.as_str(), e))?;
        Ok(FileInfo::of(&metadata))
    }

    /// A file, open for reading, and what was known of it when it was opened. Pipes, sockets and devices are refused
    /// and never waited for.
    pub fn open_file(&self, name: &Name) -> Result<(File, FileInfo), WorkspaceError> {
        self.may_read(name)?;
        // Looked at first, since opening a device can do something; then again through the handle, since it can have
        // been swapped in between.
        self.stat_file(name)?;
        let file = self
            .dir()?
            .open_with(name.path(), &reading())
            .map_err(|e| WorkspaceError::io("open", name.as_str(), e))?;
        let metadata = file.metadata().map_err(|e| WorkspaceError::io("look at", name.as_str(), e))?;
        let info = FileInfo::of(&metadata);
        plain(name, info.kind, metadata.file_type())?;
        Ok((file.into_std(), info))
    }

    /// A whole file of at most `max_bytes`.
    pub fn read(&self, name: &Name, max_bytes: u64) -> Result<Vec<u8>, WorkspaceError> {
        let (file, info) = self.open_file(name)?;
        let too_big = |bytes| WorkspaceError::TooBig { name: shown(name.as_str()), bytes, limit: max_bytes };
        if info.bytes > max_bytes {
            return Err(too_big(info.bytes));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(info.bytes).unwrap_or(0));
        // One more than allowed, since the file can grow while it is read.
        file.take(max_bytes.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|e| WorkspaceError::io("read", name.as_str(), e))?;
        if bytes.len() as u64 > max_bytes {
            return Err(too_big(bytes.len() as u64));
        }
        Ok(bytes)
    }

    /// A whole text file of at most `max_bytes`.
    pub fn read_text(&self, name: &Name, max_bytes: u64) -> Result<String, WorkspaceError> {
        String::from_utf8(self.read(name, max_bytes)?)
            .map_err(|_| WorkspaceError::NotText { name: shown(name.as_str()) })
    }

    /// What has the name itself: a link is a link.
    pub(crate) fn kind(&self, name: &Name) -> Result<FileKind, WorkspaceError> {
        let found = self.dir()?.symlink_metadata(name.path());
        let found = found.map_err(|e| WorkspaceError::io("look at", name.as_str(), e))?;
        Ok(kind_of(found.file_type()))
    }

    /// The name without links in it, of something that is there and may be written.
    pub(crate) fn real_name(&self, name: &Name) -> Result<Name, WorkspaceError> {
        name.writable()?;
        let real = self
            .dir()?
            .canonicalize(name.path())
            .map_err(|e| WorkspaceError::io("open", name.as_str(), e))?;
        let Some(real) = real.to_str() else {
            return Err(WorkspaceError::NotText { name: shown(name.as_str()) });
        };
        if is_private(real) {
            return Err(WorkspaceError::Reserved { name: shown(name.as_str()) });
        }
        Name::folder(real)
    }

    fn stat_file(&self, name: &Name) -> Result<(), WorkspaceError> {
        let metadata =
            self.dir()?.metadata(name.path()).map_err(|e| WorkspaceError::io("open", name.as_str(), e))?;
        plain(name, kind_of(metadata.file_type()), metadata.file_type())
    }

    /// The server's folder stays hidden, by its name and through links.
    fn may_read(&self, name: &Name) -> Result<(), WorkspaceError> {
        name.readable()?;
        if let Ok(real) = self.dir()?.canonicalize(name.path()) {
            let real = real.to_string_lossy();
            if is_private(&real) && !real.starts_with(OUTPUTS) {
                return Err(WorkspaceError::Reserved { name: shown(name.as_str()) });
            }
        }
        Ok(())
    }
}

fn plain(name: &Name, kind: FileKind, file_type: FileType) -> Result<(), WorkspaceError> {
    let name = || shown(name.as_str());
    match kind {
        FileKind::File => Ok(()),
        FileKind::Folder => Err(WorkspaceError::IsDirectory { name: name() }),
        FileKind::Link => Err(WorkspaceError::Outside { name: name() }),
        FileKind::Special => Err(WorkspaceError::Special { name: name(), kind: special(file_type) }),
    }
}

#[cfg(unix)]
fn special(file_type: FileType) -> &'static str {
    use cap_std::fs::FileTypeExt;
    if file_type.is_fifo() {
        "named pipe"
    } else if file_type.is_socket() {
        "socket"
    } else {
        "device"
    }
}

#[cfg(not(unix))]
fn special(_file_type: FileType) -> &'static str {
    "special file"
}

/// Opens for reading; a pipe that was swapped in for a file must not hold the opener until somebody writes.
#[cfg(unix)]
pub(super) fn reading() -> OpenOptions {
    use cap_std::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits().cast_signed());
    options
}

#[cfg(not(unix))]
pub(super) fn reading() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    options
}
