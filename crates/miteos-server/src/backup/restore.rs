//! An archive becomes a data folder: unpacked beside its place, checked against its manifest, and moved there whole.
//!
//! An archive may have been changed by anybody. So only names that a backup has are made, nothing is written through a
//! link, and what does not agree with the manifest to the byte is thrown away.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use miteos_core::content::Sha256;
use serde::Serialize;
use sha2::Digest;
use tar::EntryType;

use super::manifest::{self, Entry, Manifest};
use super::{BackupError, CHUNK_BYTES, Cancel, OnProgress, Progress, private_folder};
use crate::clock::Clock;
use crate::restored::{self, Marker, Unfinished};

/// What may stand at the top of a backup.
const TOP: [&str; 7] =
    ["miteos.db", "secret.key", "keys.json", "miteos.toml", "calls", "workspaces", "blobs"];
/// The longest name of a file in a backup (bytes).
const MAX_NAME_BYTES: usize = 64 * 1024;

/// A folder that a server can be started on.
#[derive(Debug, Clone, Serialize)]
pub struct Restored {
    pub data_dir: PathBuf,
    pub taken_at: String,
    pub made_by: String,
    pub tasks: u64,
    pub unfinished: u64,
    /// What becomes of the unfinished ones at the next start.
    pub unfinished_tasks: Unfinished,
    pub files: u64,
    pub has_master_key: bool,
    /// What the backup lacks already.
    pub missing_blobs: Vec<String>,
}

/// Makes a data folder of a backup. Nothing is there unless all of it is. Blocks.
pub fn restore(
    from: &Path,
    folder: &Path,
    unfinished: Unfinished,
    clock: &dyn Clock,
    cancel: &Cancel,
    on_progress: OnProgress<'_>,
) -> Result<Restored, BackupError> {
    refuse_used(folder)?;
    let (Some(place), Some(name)) = (folder.parent(), folder.file_name()) else {
        return Err(BackupError::NoPlace(folder.to_owned()));
    };
    std::fs::create_dir_all(place).map_err(BackupError::io("make", place))?;
    let staged = private_folder(&format!(".{}-restoring-", name.to_string_lossy()), place)?;
    let file = File::open(from).map_err(BackupError::io("read", from))?;
    let total_bytes = file.metadata().map_err(BackupError::io("read", from))?.len();
    let unpacking = Unpacking {
        from,
        to: staged.path(),
        cancel,
        on_progress,
        progress: Progress { done_bytes: 0, total_bytes },
        entries: Vec::new(),
        links: BTreeMap::new(),
    };
    let manifest = unpacking.run(file)?;
    check_database(from, staged.path(), &manifest)?;
    for name in ["calls", "workspaces", "blobs"] {
        let folder = staged.path().join(name);
        std::fs::create_dir_all(&folder).map_err(BackupError::io("make", folder))?;
    }
    let marker = Marker {
        taken_at: manifest.taken_at.clone(),
        restored_at: clock.now().to_string(),
        unfinished_tasks: unfinished,
    };
    restored::mark(staged.path(), &marker).map_err(BackupError::io("write into", staged.path()))?;
    sync_all(staged.path())?;
    cancel.check()?;
    // An empty folder in the way is replaced; one that has got something since is not.
    std::fs::rename(staged.path(), folder).map_err(|error| match error.kind() {
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
            BackupError::NotEmpty(folder.to_owned())
        }
        _ => BackupError::io("name", folder)(error),
    })?;
    // It is not there any more under its first name.
    let _moved = staged.keep();
    sync_folder(place)?;
    Ok(Restored {
        data_dir: folder.to_owned(),
        taken_at: manifest.taken_at,
        made_by: manifest.made_by,
        tasks: manifest.tasks,
        unfinished: manifest.unfinished,
        unfinished_tasks: unfinished,
        files: manifest.entries.len() as u64,
        has_master_key: manifest.has_master_key,
        missing_blobs: manifest.missing_blobs,
    })
}

fn refuse_used(folder: &Path) -> Result<(), BackupError> {
    let mut listed = match std::fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(BackupError::io("list", folder)(error)),
    };
    if listed.next().is_none() {
        return Ok(());
    }
    if miteos_store::is_in_use(folder) {
        return Err(BackupError::InUse(folder.to_owned()));
    }
    Err(BackupError::NotEmpty(folder.to_owned()))
}

/// The database must be one, and the one that the manifest speaks of.
fn check_database(from: &Path, staged: &Path, manifest: &Manifest) -> Result<(), BackupError> {
    let found = miteos_store::look_through(&staged.join("miteos.db"))?;
    if (found.schema, found.tasks) != (manifest.schema, manifest.tasks) {
        let why = "its database is not the one that its manifest names".to_owned();
        return Err(BackupError::Broken { path: from.to_owned(), why });
    }
    Ok(())
}

/// An archive while it is read.
struct Unpacking<'a> {
    from: &'a Path,
    to: &'a Path,
    cancel: &'a Cancel,
    on_progress: OnProgress<'a>,
    progress: Progress,
    entries: Vec<Entry>,
    /// Links are made when every file is there, so that none is written through one.
    links: BTreeMap<PathBuf, PathBuf>,
}

impl Unpacking<'_> {
    fn run(mut self, file: File) -> Result<Manifest, BackupError> {
        let mut archive = tar::Archive::new(io::BufReader::with_capacity(CHUNK_BYTES, file));
        let mut told = None;
        let from = self.from;
        let broken = |error: io::Error| BackupError::Broken { path: from.to_owned(), why: error.to_string() };
        for entry in archive.entries().map_err(broken)? {
            self.cancel.check()?;
            let mut entry = entry.map_err(broken)?;
            if told.is_some() {
                return Err(self.broken("something stands behind its manifest"));
            }
            let name = entry.path().map_err(broken)?.into_owned();
            if name == Path::new(manifest::NAME) {
                told = Some(self.manifest(&mut entry)?);
                continue;
            }
            self.place(&name)?;
            match entry.header().entry_type() {
                EntryType::Directory => self.folder(&name)?,
                EntryType::Regular => self.file(&mut entry, &name)?,
                EntryType::Symlink => {
                    let target = entry.link_name().map_err(broken)?;
                    let target = target.ok_or_else(|| self.broken("a link in it leads nowhere"))?;
                    self.link(name, target.into_owned())?;
                }
                _ => return Err(self.broken("something in it is no file, folder or link")),
            }
        }
        let manifest = told.ok_or_else(|| self.broken("it ends before its manifest"))?;
        self.compare(&manifest)?;
        self.make_links()?;
        Ok(manifest)
    }

    fn broken(&self, why: &str) -> BackupError {
        BackupError::Broken { path: self.from.to_owned(), why: why.to_owned() }
    }

    fn manifest(&self, entry: &mut impl Read) -> Result<Manifest, BackupError> {
        /// Read first: the rest of a newer one may look different.
        #[derive(serde::Deserialize)]
        struct Form {
            form: u32,
        }
        let mut text = Vec::new();
        let read = entry.take(manifest::MAX_BYTES).read_to_end(&mut text);
        read.map_err(BackupError::io("read", self.from))?;
        let bad = |error: serde_json::Error| self.broken(&format!("its manifest cannot be read: {error}"));
        let form: Form = serde_json::from_slice(&text).map_err(bad)?;
        if form.form > manifest::FORM {
            return Err(BackupError::NewerForm { found: form.form, known: manifest::FORM });
        }
        serde_json::from_slice(&text).map_err(bad)
    }

    /// A name that a backup may hold: relative, without `..`, below one of the known names.
    fn place(&self, name: &Path) -> Result<(), BackupError> {
        let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
        let top = name.components().next().map(Component::as_os_str);
        let known = top.is_some_and(|top| TOP.iter().any(|known| top == *known));
        if plain && known && name.as_os_str().len() <= MAX_NAME_BYTES {
            return Ok(());
        }
        Err(self.broken(&format!("no backup holds {}", name.display())))
    }

    fn folder(&self, name: &Path) -> Result<(), BackupError> {
        let path = self.to.join(name);
        std::fs::create_dir_all(&path).map_err(BackupError::io("make", path))
    }

    fn file(&mut self, entry: &mut tar::Entry<'_, impl Read>, name: &Path) -> Result<(), BackupError> {
        let path = self.to.join(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(BackupError::io("make", folder))?;
        }
        let (bytes, mode) = (entry.size(), entry.header().mode().unwrap_or(0o600));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = |error| BackupError::io("write", &path)(error);
        let mut file = options.open(&path).map_err(written)?;
        let mut hasher = sha2::Sha256::new();
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            self.cancel.check()?;
            let read = entry.read(&mut buffer).map_err(BackupError::io("read", self.from))?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            file.write_all(&buffer[..read]).map_err(written)?;
            self.progress.done_bytes += read as u64;
            (self.on_progress)(self.progress);
        }
        if let Ok(seconds) = entry.header().mtime() {
            // A time that the disk does not take is no reason to lose the file.
            let _kept = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).map(|at| file.set_modified(at));
        }
        allow(&file, mode).map_err(written)?;
        file.sync_all().map_err(written)?;
        let sha256 = Sha256::from_digest(&hasher.finalize()).to_string();
        self.entries.push(Entry { path: name.to_string_lossy().into_owned(), bytes, sha256 });
        Ok(())
    }

    /// Links are files of workspaces. One that stood for a folder of the server, or for one that another link is made
    /// in, would lead out of the new folder.
    fn link(&mut self, name: PathBuf, target: PathBuf) -> Result<(), BackupError> {
        let parts: Vec<_> = name.components().collect();
        if parts.len() < 3 || !name.starts_with("workspaces") {
            return Err(self.broken(&format!("the link {} is in no workspace", name.display())));
        }
        let sha256 = Sha256::of(target.as_os_str().as_encoded_bytes()).to_string();
        self.entries.push(Entry { path: name.to_string_lossy().into_owned(), bytes: 0, sha256 });
        self.links.insert(name, target);
        Ok(())
    }

    fn compare(&self, manifest: &Manifest) -> Result<(), BackupError> {
        let different = self.entries.iter().zip(&manifest.entries).find(|(here, told)| here != told);
        if let Some((here, _)) = different {
            return Err(self.broken(&format!("{} is not what its manifest says", here.path)));
        }
        if self.entries.len() != manifest.entries.len() {
            let (here, told) = (self.entries.len(), manifest.entries.len());
            return Err(self.broken(&format!("it holds {here} files, and its manifest names {told}")));
        }
        Ok(())
    }

    fn make_links(&self) -> Result<(), BackupError> {
        for (name, target) in &self.links {
            if name.ancestors().skip(1).any(|above| self.links.contains_key(above)) {
                return Err(self.broken(&format!("the link {} lies behind another link", name.display())));
            }
            let path = self.to.join(name);
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(BackupError::io("make", folder))?;
            }
            make_link(target, &path).map_err(BackupError::io("make the link", path))?;
        }
        Ok(())
    }
}

#[cfg(unix)]
fn make_link(target: &Path, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, path)
}

#[cfg(not(unix))]
fn make_link(_target: &Path, _path: &Path) -> io::Result<()> {
    Err(io::Error::other("links of a workspace cannot be made on this system"))
}

#[cfg(unix)]
fn allow(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode & 0o777))
}

#[cfg(not(unix))]
fn allow(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// The names in every folder; the files themselves are synced as they are written.
fn sync_all(folder: &Path) -> Result<(), BackupError> {
    let listing = |error| BackupError::io("list", folder)(error);
    for entry in std::fs::read_dir(folder).map_err(listing)? {
        let entry = entry.map_err(listing)?;
        if entry.file_type().map_err(listing)?.is_dir() {
            sync_all(&entry.path())?;
        }
    }
    sync_folder(folder)
}

/// A name is on the disk only when its folder is.
#[cfg(unix)]
pub(super) fn sync_folder(folder: &Path) -> Result<(), BackupError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(BackupError::io("sync", folder))
}

#[cfg(not(unix))]
pub(super) fn sync_folder(_folder: &Path) -> Result<(), BackupError> {
    Ok(())
}
