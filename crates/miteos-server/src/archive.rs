//! Archives that hold a site, unpacked into an empty folder. It does not know what becomes of the folder.
//!
//! An archive comes from an agent, so nothing in it is trusted: not its sizes, not its names, not what it says its parts
//! are. Only plain files and folders with names that stay inside are made. There is no link on the way, since none is
//! made. How much is unpacked is limited by what the archive itself takes, so that a small one cannot fill the disk.

mod tar;
#[cfg(test)]
mod tests;
mod zip;

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use miteos_tools::workspace::{Name, has_room};
use tokio_util::sync::CancellationToken;

const MIB: u64 = 1024 * 1024;

/// The biggest archive (bytes).
pub const MAX_ARCHIVE_BYTES: u64 = 1024 * MIB;
/// Files and folders in it.
const MAX_ENTRIES: usize = 40_000;
/// All files together, unpacked (bytes).
const MAX_BYTES: u64 = 4 * 1024 * MIB;
/// Each byte of an archive may become so many, and the first ones so many more: texts shrink to a tenth or a twentieth,
/// and a bomb to a thousandth.
const MAX_RATIO: u64 = 100;
const FREE_BYTES: u64 = 16 * MIB;
/// Longest name (bytes).
const MAX_NAME_BYTES: usize = 1024;
/// What is copied at once (bytes).
const CHUNK_BYTES: usize = 64 * 1024;
/// What a Mac puts beside each file for itself.
const OF_THE_MAC: &str = "__MACOSX/";

/// How an archive is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Zip,
    TarGz,
}

impl Kind {
    /// By the name of the file.
    pub fn of(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        if name.ends_with(".zip") {
            return Some(Self::Zip);
        }
        (name.ends_with(".tar.gz") || name.ends_with(".tgz")).then_some(Self::TarGz)
    }
}

/// What was unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    pub files: usize,
    pub bytes: u64,
}

/// Why an archive is refused. Every text is fit for a client.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("the archive has {bytes} bytes; at most {MAX_ARCHIVE_BYTES} are taken")]
    TooLarge { bytes: u64 },
    #[error("the archive holds more than {MAX_ENTRIES} files and folders; put fewer into it")]
    TooMany,
    #[error(
        "the archive would unpack to more than {limit} bytes, which this server does not take from one of its size"
    )]
    TooMuch { limit: u64 },
    #[error("the archive cannot be read: {0}")]
    Broken(&'static str),
    #[error("the archive holds {name}, which cannot be unpacked: {why}")]
    BadEntry { name: String, why: &'static str },
    #[error("unpacking was cancelled")]
    Canceled,
    /// For the operator.
    #[error("the archive cannot be unpacked here")]
    Io(#[source] io::Error),
}

/// Unpacks an archive into a folder that is there and empty. What was made is the caller's to remove, whatever came of
/// it. Blocks.
pub fn unpack(
    kind: Kind,
    archive: &File,
    into: &Path,
    cancel: &CancellationToken,
) -> Result<Unpacked, ArchiveError> {
    let bytes = archive.metadata().map_err(ArchiveError::Io)?.len();
    if bytes > MAX_ARCHIVE_BYTES {
        return Err(ArchiveError::TooLarge { bytes });
    }
    let limit = (bytes.saturating_mul(MAX_RATIO) + FREE_BYTES).min(MAX_BYTES);
    let mut sink = Sink {
        into,
        cancel,
        limit,
        entries: 0,
        done: Unpacked { files: 0, bytes: 0 },
        names: BTreeSet::new(),
    };
    match kind {
        Kind::Zip => zip::read(archive, bytes, &mut sink)?,
        Kind::TarGz => tar::read(archive, &mut sink)?,
    }
    Ok(sink.done)
}

/// What is made of an archive's entries, and how much.
struct Sink<'a> {
    into: &'a Path,
    cancel: &'a CancellationToken,
    /// All files together (bytes).
    limit: u64,
    entries: usize,
    done: Unpacked,
    /// Of the files that were made: some disks take two spellings for one name.
    names: BTreeSet<String>,
}

impl Sink<'_> {
    /// Counts an entry, whatever it is.
    fn count(&mut self) -> Result<(), ArchiveError> {
        if self.cancel.is_cancelled() {
            return Err(ArchiveError::Canceled);
        }
        self.entries += 1;
        if self.entries > MAX_ENTRIES { Err(ArchiveError::TooMany) } else { Ok(()) }
    }

    /// Whether so many bytes more may come.
    fn room_for(&self, bytes: u64) -> Result<(), ArchiveError> {
        let fits = self.done.bytes.checked_add(bytes).is_some_and(|sum| sum <= self.limit);
        if fits { Ok(()) } else { Err(ArchiveError::TooMuch { limit: self.limit }) }
    }

    /// A folder. Those of files are made with them, so an empty one is all that is left out.
    fn folder(&mut self, name: &str) -> Result<(), ArchiveError> {
        match name.trim_start_matches("./").trim_end_matches('/') {
            "" | "." => Ok(()),
            name => checked(name).map(drop),
        }
    }

    /// A file with what the reader yields, which must be as much as was said. The reader's own errors are the archive's.
    fn file(&mut self, name: &str, bytes: u64, reader: &mut dyn Read) -> Result<(), ArchiveError> {
        if name.starts_with(OF_THE_MAC) {
            return Ok(());
        }
        let name = checked(name.trim_start_matches("./"))?;
        self.room_for(bytes)?;
        let bad = |why| ArchiveError::BadEntry { name: shown(name.as_str()), why };
        if !self.names.insert(name.as_str().to_lowercase()) {
            return Err(bad("it holds it twice"));
        }
        // The name has no part that leads up or elsewhere, and there is no link below the folder.
        let path = self.into.join(name.as_str());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| made(error, bad))?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let mut file = options.open(&path).map_err(|error| made(error, bad))?;
        if !has_room(&file, bytes) {
            return Err(ArchiveError::Io(io::ErrorKind::StorageFull.into()));
        }
        let copied = self.copy(reader, &mut file, bytes)?;
        if copied != bytes {
            return Err(bad("it has not the size that the archive says"));
        }
        self.done.files += 1;
        self.done.bytes += copied;
        Ok(())
    }

    /// Copies at most one byte more than was said.
    fn copy(&self, reader: &mut dyn Read, file: &mut File, bytes: u64) -> Result<u64, ArchiveError> {
        let mut reader = reader.take(bytes.saturating_add(1));
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut copied = 0_u64;
        loop {
            if self.cancel.is_cancelled() {
                return Err(ArchiveError::Canceled);
            }
            let read = reader
                .read(&mut buffer)
                .map_err(|_| ArchiveError::Broken("what is packed in it is damaged"))?;
            if read == 0 {
                return Ok(copied);
            }
            file.write_all(&buffer[..read]).map_err(ArchiveError::Io)?;
            copied += read as u64;
        }
    }
}

/// A file where a folder has to be, or the other way round, is the archive's doing; the rest is the disk's.
fn made(error: io::Error, bad: impl Fn(&'static str) -> ArchiveError) -> ArchiveError {
    match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => {
            bad("it is a file and a folder at once")
        }
        io::ErrorKind::InvalidFilename => bad("no file can be called so"),
        _ => ArchiveError::Io(error),
    }
}

fn checked(name: &str) -> Result<Name, ArchiveError> {
    let bad = |why| ArchiveError::BadEntry { name: shown(name), why };
    if name.len() > MAX_NAME_BYTES {
        return Err(bad("its name is too long"));
    }
    if name.chars().any(|c| c.is_control() || c == '\\') {
        return Err(bad("its name has a backslash or a control character"));
    }
    Name::parse(name)
        .map_err(|_| bad("its name is absolute, leads out of the archive, or no file can be called so"))
}

/// A name as an error may repeat it.
fn shown(name: &str) -> String {
    const MAX_CHARS: usize = 120;
    name.chars().take(MAX_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
