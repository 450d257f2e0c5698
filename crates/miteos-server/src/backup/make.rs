//! A data folder becomes an archive, beside a server that may go on writing into it.
//!
//! The order is what makes it whole: first the database, as of one commit; then what may only be newer than that. A blob
//! is on the disk before anything names it, and stays for a day after nothing does any more. Notes of calls and files of workspaces change; what
//! that means is in docs/backup.md. Within a workspace its own `.miteos/` comes last, because a receipt is written
//! before the file that it speaks of.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use miteos_core::content::Sha256;
use miteos_core::time::Timestamp;
use miteos_store::{BlobFile, DatabaseCopy};
use miteos_tools::workspace::{Found, Tree};
use serde::Serialize;
use sha2::Digest;
use tar::{EntryType, Header};

use super::manifest::{self, Entry, Manifest};
use super::{BackupError, CHUNK_BYTES, Cancel, MAX_NAMES, OnProgress, Progress, private_folder};
use crate::clock::Clock;

/// Files of the folder itself. Weights of local models are left out: they are fetched again by their checksum.
const FILES: [&str; 3] = ["secret.key", "keys.json", "miteos.toml"];
/// Folders of it that are copied file by file, as they are.
const FOLDERS: [&str; 2] = ["calls", "workspaces"];
/// What must not come before the rest of a workspace.
const LAST: &str = ".miteos";
/// Of folders. That of a server's data is closed to others.
const FOLDER_MODE: u32 = 0o755;
/// The deepest folder that is copied, below the data folder; what is deeper, no tool has made.
const MAX_DEPTH: usize = 256;

/// A finished backup.
#[derive(Debug, Clone, Serialize)]
pub struct Made {
    pub path: PathBuf,
    /// Of the archive.
    pub size_bytes: u64,
    pub taken_at: String,
    pub tasks: u64,
    pub unfinished: u64,
    pub blobs: u64,
    pub files: u64,
    pub has_master_key: bool,
    /// What the folder lacked or had damaged already; at most a hundred names.
    pub missing_blobs: Vec<String>,
    /// Files that changed while they were read; at most a hundred names.
    pub changed: Vec<String>,
    /// What is not in it: unreadable files, sockets and the like; at most a hundred names.
    pub left_out: Vec<String>,
}

/// Writes a backup of a data folder to a new file. The file appears when it is whole and on the disk. Blocks.
pub fn make(
    folder: &Path,
    to: &Path,
    clock: &dyn Clock,
    cancel: &Cancel,
    on_progress: OnProgress<'_>,
) -> Result<Made, BackupError> {
    let place = place(folder, to)?;
    let scratch = private_folder(".miteos-backup-", &place)?;
    let copy = scratch.path().join("miteos.db");
    let taken_at = clock.now();
    let database = miteos_store::copy_database(folder, &copy)?;
    cancel.check()?;
    let blobs = miteos_store::blob_files(folder)?;
    let total_bytes = estimate(folder);
    let mut file = tempfile::NamedTempFile::new_in(&place).map_err(BackupError::io("write into", &place))?;
    let out = io::BufWriter::with_capacity(CHUNK_BYTES, file.as_file_mut());
    let mut archive = Archive {
        tar: tar::Builder::new(out),
        to,
        cancel,
        on_progress,
        taken_at,
        progress: Progress { done_bytes: 0, total_bytes },
        entries: Vec::new(),
        changed: Vec::new(),
        left_out: Vec::new(),
    };
    archive.file(&copy, Path::new("miteos.db"), Mode::Private)?;
    drop(scratch);
    let damaged = archive.blobs(&blobs, &database.named)?;
    for name in FILES {
        archive.file(&folder.join(name), Path::new(name), Mode::Private)?;
    }
    for name in FOLDERS {
        let tree = Tree::open(&folder.join(name)).map_err(BackupError::io("open", folder.join(name)))?;
        if let Some(tree) = tree {
            archive.folder(&tree, Path::new(name), 0)?;
        }
    }
    let manifest = describe(&database, &blobs, damaged, &mut archive);
    archive.finish(&manifest)?;
    let size_bytes = persist(file, to, &place)?;
    Ok(made(manifest, to, size_bytes, blobs.len()))
}

/// About how many bytes a backup of a data folder takes. Blocks, as long as it takes to look at every file.
pub fn estimate(folder: &Path) -> u64 {
    let database = std::fs::metadata(folder.join("miteos.db")).map_or(0, |meta| meta.len());
    database + FOLDERS.iter().chain([&"blobs"]).map(|name| size_of(&folder.join(name), 0)).sum::<u64>()
}

/// The folder that the archive comes into; refuses what it must not be.
fn place(folder: &Path, to: &Path) -> Result<PathBuf, BackupError> {
    if !folder.join("miteos.db").is_file() {
        return Err(BackupError::NoData(folder.to_owned()));
    }
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let place = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let real = |path: &Path| path.canonicalize().map_err(BackupError::io("find", path));
    let (place, folder) = (real(place)?, real(folder)?);
    if place.starts_with(&folder) {
        return Err(BackupError::Inside(to.to_owned()));
    }
    Ok(place)
}

/// The archive gets its name when all of it is on the disk.
fn persist(file: tempfile::NamedTempFile, to: &Path, place: &Path) -> Result<u64, BackupError> {
    let written = |doing| BackupError::io(doing, to);
    file.as_file().sync_all().map_err(written("write"))?;
    let size = file.as_file().metadata().map_err(written("write"))?.len();
    match file.persist_noclobber(to) {
        Ok(_) => {}
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(BackupError::Exists(to.to_owned()));
        }
        Err(error) => return Err(written("name")(error.error)),
    }
    super::restore::sync_folder(place)?;
    Ok(size)
}

fn describe<W: Write>(
    database: &DatabaseCopy,
    blobs: &[BlobFile],
    damaged: Vec<String>,
    archive: &mut Archive<'_, W>,
) -> Manifest {
    let here = |named: &Sha256| blobs.binary_search_by(|blob| blob.sha256.cmp(named)).is_ok();
    let mut missing_blobs: Vec<String> =
        database.named.iter().filter(|named| !here(named)).map(ToString::to_string).collect();
    missing_blobs.extend(damaged);
    Manifest {
        form: manifest::FORM,
        made_by: env!("CARGO_PKG_VERSION").to_owned(),
        taken_at: archive.taken_at.to_string(),
        schema: database.schema,
        tasks: database.tasks,
        unfinished: database.unfinished,
        has_master_key: archive.entries.iter().any(|entry| entry.path == "secret.key"),
        missing_blobs,
        changed: std::mem::take(&mut archive.changed),
        left_out: std::mem::take(&mut archive.left_out),
        entries: std::mem::take(&mut archive.entries),
    }
}

fn made(manifest: Manifest, to: &Path, size_bytes: u64, blobs: usize) -> Made {
    let some = |mut names: Vec<String>| {
        names.truncate(MAX_NAMES);
        names
    };
    Made {
        path: to.to_owned(),
        size_bytes,
        taken_at: manifest.taken_at,
        tasks: manifest.tasks,
        unfinished: manifest.unfinished,
        blobs: blobs as u64,
        files: manifest.entries.len() as u64,
        has_master_key: manifest.has_master_key,
        missing_blobs: some(manifest.missing_blobs),
        changed: some(manifest.changed),
        left_out: some(manifest.left_out),
    }
}

/// Who may read a file once it is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Its owner.
    Private,
    /// Whoever may now.
    AsItIs,
}

/// The archive while it is written.
struct Archive<'a, W: Write> {
    tar: tar::Builder<W>,
    to: &'a Path,
    cancel: &'a Cancel,
    on_progress: OnProgress<'a>,
    taken_at: Timestamp,
    progress: Progress,
    entries: Vec<Entry>,
    changed: Vec<String>,
    left_out: Vec<String>,
}

impl<W: Write> Archive<'_, W> {
    /// All blobs; gives those whose bytes do not have their name. They are kept as they are. One that is named and has
    /// gone since it was listed counts among them; one that nothing names was collected meanwhile.
    fn blobs(&mut self, blobs: &[BlobFile], named: &BTreeSet<Sha256>) -> Result<Vec<String>, BackupError> {
        let mut damaged = Vec::new();
        for blob in blobs {
            let (start, rest) = blob.sha256.as_str().split_at(2);
            let name: PathBuf = ["blobs", "sha256", start, rest].iter().collect();
            let before = self.entries.len();
            self.file(&blob.path, &name, Mode::Private)?;
            let right = match self.entries.get(before) {
                Some(entry) => entry.sha256 == blob.sha256.as_str(),
                None => !named.contains(&blob.sha256),
            };
            if !right {
                damaged.push(blob.sha256.to_string());
            }
        }
        Ok(damaged)
    }

    /// One file; one that is not there any more is left out.
    fn file(&mut self, from: &Path, name: &Path, mode: Mode) -> Result<(), BackupError> {
        match File::open(from) {
            Ok(file) => self.bytes(&file, name, mode),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(BackupError::io("read", from)(error)),
        }
    }

    fn bytes(&mut self, file: &File, name: &Path, mode: Mode) -> Result<(), BackupError> {
        self.cancel.check()?;
        let before = file.metadata().map_err(BackupError::io("read", name))?;
        let mut header = self.header(EntryType::Regular);
        header.set_mode(match mode {
            Mode::Private => 0o600,
            Mode::AsItIs => permissions(&before),
        });
        if let Some(since) = before.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()) {
            header.set_mtime(since.as_secs());
        }
        header.set_size(before.len());
        let mut steady = Steady {
            from: file,
            left: before.len(),
            short: false,
            hasher: sha2::Sha256::new(),
            cancel: self.cancel,
            on_progress: &mut *self.on_progress,
            progress: &mut self.progress,
        };
        let written = self.tar.append_data(&mut header, name, &mut steady);
        let (short, hasher) = (steady.short, steady.hasher);
        self.cancel.check()?;
        written.map_err(BackupError::io("copy", name))?;
        let path = name.to_string_lossy().into_owned();
        if short || has_changed(&before, file) {
            self.changed.push(path.clone());
        }
        let sha256 = Sha256::from_digest(&hasher.finalize()).to_string();
        self.entries.push(Entry { path, bytes: before.len(), sha256 });
        Ok(())
    }

    /// A folder with everything in it.
    fn folder(&mut self, tree: &Tree, name: &Path, depth: usize) -> Result<(), BackupError> {
        self.cancel.check()?;
        let mut header = self.header(EntryType::Directory);
        header.set_mode(FOLDER_MODE);
        header.set_size(0);
        let written = self.tar.append_data(&mut header, name, io::empty());
        written.map_err(BackupError::io("write", self.to))?;
        let mut names = tree.names().map_err(BackupError::io("list", name))?;
        // Sorted already, and the sort is stable.
        names.sort_by_key(|name| name == LAST);
        for inner in names {
            let name = name.join(&inner);
            match tree.look(&inner).map_err(BackupError::io("read", &name))? {
                Found::Folder(tree) if depth < MAX_DEPTH => self.folder(&tree, &name, depth + 1)?,
                Found::File(file) => self.bytes(&file, &name, Mode::AsItIs)?,
                Found::Link(target) => self.link(&target, &name)?,
                Found::Gone => {}
                Found::Folder(_) | Found::Other | Found::Closed => {
                    self.left_out.push(name.to_string_lossy().into_owned());
                }
            }
        }
        Ok(())
    }

    fn link(&mut self, target: &Path, name: &Path) -> Result<(), BackupError> {
        let mut header = self.header(EntryType::Symlink);
        header.set_mode(0o777);
        header.set_size(0);
        let written = self.tar.append_link(&mut header, name, target);
        written.map_err(BackupError::io("write", self.to))?;
        let sha256 = Sha256::of(target.as_os_str().as_encoded_bytes()).to_string();
        self.entries.push(Entry { path: name.to_string_lossy().into_owned(), bytes: 0, sha256 });
        Ok(())
    }

    fn header(&self, kind: EntryType) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mtime(self.taken_at.millis() / 1_000);
        header
    }

    fn finish(mut self, manifest: &Manifest) -> Result<(), BackupError> {
        let failed = |error| BackupError::io("write", self.to)(error);
        let text = serde_json::to_vec(manifest).map_err(|error| failed(error.into()))?;
        let mut header = Header::new_gnu();
        header.set_mode(0o600);
        header.set_size(text.len() as u64);
        self.tar.append_data(&mut header, manifest::NAME, text.as_slice()).map_err(failed)?;
        let mut out = self.tar.into_inner().map_err(failed)?;
        out.flush().map_err(failed)
    }
}

/// About how much is in a folder; only for the bar.
fn size_of(folder: &Path, depth: usize) -> u64 {
    let Ok(listed) = std::fs::read_dir(folder) else { return 0 };
    let sizes = listed.flatten().map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() && depth < MAX_DEPTH => size_of(&entry.path(), depth + 1),
        Ok(meta) if meta.is_file() => meta.len(),
        Ok(_) | Err(_) => 0,
    });
    sizes.sum()
}

#[cfg(unix)]
fn permissions(meta: &Metadata) -> u32 {
    // Never a bit that gives a program its owner's rights.
    std::os::unix::fs::MetadataExt::mode(meta) & 0o777
}

#[cfg(not(unix))]
fn permissions(meta: &Metadata) -> u32 {
    if meta.permissions().readonly() { 0o444 } else { 0o644 }
}

fn has_changed(before: &Metadata, file: &File) -> bool {
    let after = file.metadata();
    after.is_ok_and(|after| after.len() != before.len() || after.modified().ok() != before.modified().ok())
}

/// Exactly so many bytes of a file, whatever happens to it meanwhile: what it lacks in the end are zeros.
struct Steady<'a> {
    from: &'a File,
    left: u64,
    short: bool,
    hasher: sha2::Sha256,
    cancel: &'a Cancel,
    on_progress: &'a mut (dyn FnMut(Progress) + Send),
    progress: &'a mut Progress,
}

impl Read for Steady<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(io::Error::other)?;
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let Some(buffer) = buffer.get_mut(..wanted).filter(|buffer| !buffer.is_empty()) else { return Ok(0) };
        let mut read = if self.short { 0 } else { self.from.read(buffer)? };
        if read == 0 {
            self.short = true;
            buffer.fill(0);
            read = buffer.len();
        }
        self.hasher.update(&buffer[..read]);
        self.left -= read as u64;
        self.progress.done_bytes += read as u64;
        (self.on_progress)(*self.progress);
        Ok(read)
    }
}
