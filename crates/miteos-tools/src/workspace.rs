//! The one door to a workspace's folder. No name, link or race leads outside of it: every access goes through a
//! handle of the folder, never through a joined path. Knows nothing of tasks, agents or what the files mean.
//!
//! The calls block and belong on a blocking thread; [`Workspace::copy_in`] alone is async. Names use forward slashes.
//! Below `.miteos/` lies what the server keeps there: callers read `.miteos/outputs/` and write nothing.
//!
//! Code in the sandbox writes the same folder, as another user when the server is root. Nothing found here is
//! therefore trusted: not a type, not a size, not a name. What the server writes is given to the folder's owner.

mod count;
mod error;
mod name;
mod private;
mod read;
mod remove;
mod snapshot;
mod sweep;
mod tree;
mod walk;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder};

pub use count::Counted;
pub use error::WorkspaceError;
pub use name::{MAX_NAME_BYTES, Name};
pub use read::{FileInfo, FileKind};
pub use snapshot::{Snapshot, SnapshotError, SnapshotLimits};
pub use tree::{Found, Tree};
pub(crate) use walk::Go;
pub use walk::{Entry, Listing, WalkLimits};
pub use write::has_room;

/// The server's own folder inside a workspace.
pub(crate) const PRIVATE: &str = ".miteos";
/// Where big tool results lie, for agents to read.
pub const OUTPUTS: &str = ".miteos/outputs";

/// What the owner of a folder needs to do anything with it.
#[cfg(unix)]
const OWNER_RIGHTS: u32 = 0o700;

/// So many workspaces can be written by tools at once without waiting for each other by chance.
const TURNS: usize = 64;

/// Read-then-write steps of one workspace take turns. In the process, since a lock in the folder could be held by the
/// code that runs in it.
static WRITERS: [Mutex<()>; TURNS] = [const { Mutex::new(()) }; TURNS];

/// A folder that tasks work in. Cheap to clone.
#[derive(Clone)]
pub struct Workspace {
    inner: Arc<Inner>,
}

struct Inner {
    /// Set when the folder is opened.
    dir: OnceLock<Dir>,
    root: PathBuf,
}

impl Workspace {
    /// Opens a folder that is there. The first time in a process it is tidied.
    pub fn open(root: PathBuf) -> Result<Self, WorkspaceError> {
        let dir = open_dir(&root)?;
        Ok(Self { inner: Arc::new(Inner { dir: OnceLock::from(dir), root }) })
    }

    /// Opens the folder, making it first if it is not there.
    pub fn create(root: PathBuf) -> Result<Self, WorkspaceError> {
        let workspace = Self::on_demand(root);
        workspace.dir()?;
        Ok(workspace)
    }

    /// The folder, made and opened when it is first used: a tool that needs no file costs no system call, and one
    /// that does opens it on the blocking thread that it works on.
    pub fn on_demand(root: PathBuf) -> Self {
        Self { inner: Arc::new(Inner { dir: OnceLock::new(), root }) }
    }

    /// Where the folder lies: for the sandbox that binds it, not for joining names to it. It is there once anything
    /// else was asked of the workspace.
    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// Waits until no other tool of this process changes the workspace. Only on a blocking thread, and only for a step.
    pub(crate) fn take_turn(&self) -> MutexGuard<'static, ()> {
        use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&self.inner.root);
        let turn = usize::try_from(hash % TURNS as u64).unwrap_or(0);
        // Nothing is left half done in memory by a thread that failed.
        WRITERS[turn].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dir(&self) -> Result<&Dir, WorkspaceError> {
        if let Some(dir) = self.inner.dir.get() {
            return Ok(dir);
        }
        let root = &self.inner.root;
        Dir::create_ambient_dir_all(root, ambient_authority())
            .map_err(|source| WorkspaceError::Unusable { doing: "make", source })?;
        let dir = open_dir(root)?;
        Ok(self.inner.dir.get_or_init(|| dir))
    }

    /// Makes every folder of the path that is not there, and gives it to the workspace's owner.
    fn make_folders(&self, folder: &Path) -> Result<(), WorkspaceError> {
        let mut so_far = PathBuf::new();
        for part in folder.components() {
            so_far.push(part);
            match self.dir()?.create_dir_with(&so_far, &DirBuilder::new()) {
                Ok(()) => {
                    // Opened for reading, since a handle that only names a folder cannot be given away.
                    if let Ok(made) = self.dir()?.open_with(&so_far, &read::reading()) {
                        self.give_away(&made.into_std());
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(WorkspaceError::io("make the folder", &so_far, error)),
            }
        }
        Ok(())
    }

    /// Gives a new file or folder to the owner of the workspace's folder. When the server is root the sandbox runs
    /// as that owner and has to be able to change what the server wrote; for anybody else it changes nothing.
    #[cfg(unix)]
    fn give_away(&self, file: &std::fs::File) {
        use std::os::unix::fs::MetadataExt as _;

        use cap_std::fs::MetadataExt as _;
        let Ok(dir) = self.dir() else { return };
        let (Ok(root), Ok(own)) = (dir.dir_metadata(), file.metadata()) else { return };
        if (root.uid(), root.gid()) == (own.uid(), own.gid()) {
            return;
        }
        if let Err(error) = std::os::unix::fs::fchown(file, Some(root.uid()), Some(root.gid())) {
            tracing::debug!(%error, "a workspace file could not be given to the workspace's owner");
        }
    }

    #[cfg(not(unix))]
    fn give_away(&self, _file: &std::fs::File) {}
}

/// Opens a workspace's folder, usable and, the first time in a process, tidied.
fn open_dir(root: &Path) -> Result<Dir, WorkspaceError> {
    let dir = sweep::open_up(root)
        .and_then(|()| Dir::open_ambient_dir(root, ambient_authority()))
        .map_err(|source| WorkspaceError::Unusable { doing: "open", source })?;
    sweep::first(root, &dir);
    Ok(dir)
}

#[cfg(test)]
mod tests;
