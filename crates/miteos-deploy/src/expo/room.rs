//! The folders of one run of the tool: a home and a place for temporary files that are its own, and the project as it may
//! see it. All of it is gone when the run is over. Blocks, but for the removal.

use std::io::{self, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

use miteos_tools::Workspace;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::runner::{EXPORT_DIR, Folder, RunnerError};
use crate::site::{Site, SiteFile, Source};

const HOME: &str = "home";
const TEMPORARY: &str = "tmp";
const PROJECT: &str = "project";
const PROGRAMS: &str = "programs";
/// Read at once (bytes).
const PIECE: usize = 64 * 1024;

/// Removed when it is dropped.
pub(super) struct Room {
    root: PathBuf,
    /// Where the tool is started.
    pub project: PathBuf,
}

impl Room {
    /// Makes the folders, and copies what is to be published: every byte of it is what was hashed.
    pub fn make(below: &Path, folder: &Folder) -> Result<Self, RunnerError> {
        let root = below.join(name().map_err(failed)?);
        // From here on what was made is removed again.
        let room = Self { project: root.join(PROJECT), root };
        std::fs::create_dir_all(below).map_err(failed)?;
        std::fs::create_dir(&room.root).map_err(failed)?;
        for name in [HOME, TEMPORARY, PROJECT] {
            std::fs::create_dir(room.root.join(name)).map_err(failed)?;
        }
        match folder {
            // A project is copied by whoever runs the tool there.
            Folder::Empty | Folder::Source(_) => {}
            Folder::Named(app) => room.name_project(&app.json())?,
            Folder::Export(app, site) => {
                room.name_project(&app.json())?;
                export(site, &room.project.join(EXPORT_DIR))?;
            }
        }
        Ok(room)
    }

    pub fn home(&self) -> PathBuf {
        self.root.join(HOME)
    }

    pub fn temporary(&self) -> PathBuf {
        self.root.join(TEMPORARY)
    }

    /// Where links to the owner's programs are made. It is not there yet.
    pub fn programs(&self) -> PathBuf {
        self.root.join(PROGRAMS)
    }

    /// The least that makes a folder a project for the tool.
    fn name_project(&self, app: &serde_json::Value) -> Result<(), RunnerError> {
        let package = json!({ "name": "app", "version": "0.0.0", "private": true });
        for (file, value) in [("app.json", app), ("package.json", &package)] {
            std::fs::write(self.project.join(file), value.to_string()).map_err(failed)?;
        }
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let root = std::mem::take(&mut self.root);
        let remove = move || {
            if let Err(error) = Workspace::remove(&root) {
                tracing::warn!(%error, folder = %root.display(), "the folder of a run could not be removed");
            }
        };
        // A site can have thousands of files.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// A name that no other run has.
fn name() -> io::Result<String> {
    Ok(format!("run-{:016x}", getrandom::u64().map_err(io::Error::other)?))
}

fn failed(error: io::Error) -> RunnerError {
    RunnerError::Machine { why: format!("its folder cannot be made ({error})") }
}

fn export(site: &Site, into: &Path) -> Result<(), RunnerError> {
    for file in &site.files {
        let below = Path::new(&file.path);
        if !below.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(RunnerError::Changed { path: file.path.clone() });
        }
        let to = into.join(below);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut to = std::fs::File::create_new(&to).map_err(failed)?;
        match &file.source {
            Source::Made(bytes) => to.write_all(bytes).map_err(failed)?,
            Source::Disk(name) => {
                let changed = || RunnerError::Changed { path: file.path.clone() };
                let (mut from, _) = site.workspace().open_file(name).map_err(|_| changed())?;
                if !copied(&mut from, &mut to, file).map_err(failed)? {
                    return Err(changed());
                }
            }
        }
    }
    Ok(())
}

/// Whether the copy is what was hashed.
fn copied(from: &mut std::fs::File, to: &mut std::fs::File, file: &SiteFile) -> io::Result<bool> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    // One more, so that a file that has grown is noticed, and one that grows for ever is not copied for ever.
    let mut from = from.take(file.bytes.saturating_add(1));
    let mut bytes = 0_u64;
    loop {
        let read = from.read(&mut piece)?;
        if read == 0 {
            return Ok(bytes == file.bytes && hash.finalize()[..] == file.digests.sha256);
        }
        bytes += read as u64;
        hash.update(&piece[..read]);
        to.write_all(&piece[..read])?;
    }
}
