//! Tidying a workspace once in the life of a process, before anything else is done in it: what a crash left half
//! written is removed, and a folder that a program has made unusable for a server of its own user is opened up.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use cap_std::fs::Dir;

use super::error::WorkspaceError;
use super::remove::remove_tree;
use super::{PRIVATE, Workspace};

/// The workspaces that this process has used. Until the first use of one has swept it, others wait for that.
static SWEPT: LazyLock<Mutex<HashMap<PathBuf, Arc<OnceLock<()>>>>> = LazyLock::new(Mutex::default);

/// The workspace is gone; one with its name is a new one.
pub(super) fn forget(root: &Path) {
    SWEPT.lock().unwrap_or_else(PoisonError::into_inner).remove(root);
}

impl Workspace {
    /// Removes files that a crash left half written. Only while nothing writes to the workspace.
    pub fn sweep(&self) -> Result<(), WorkspaceError> {
        sweep(self.dir()?).map_err(|source| WorkspaceError::Unusable { doing: "sweep", source })
    }
}

/// Folders of the private one whose files live no longer than a call: files half written, scripts that run.
const SHORT_LIVED: [&str; 2] = ["tmp", "run"];

fn sweep(dir: &Dir) -> io::Result<()> {
    SHORT_LIVED.iter().try_for_each(|name| match remove_tree(dir, Path::new(&format!("{PRIVATE}/{name}"))) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    })
}

/// Sweeps before the first use by this process. No upload can be under way then: each begins with a use.
pub(super) fn first(root: &Path, dir: &Dir) {
    let once = {
        let mut swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(swept.entry(root.to_owned()).or_default())
    };
    once.get_or_init(|| {
        if let Err(error) = sweep(dir) {
            tracing::warn!(%error, "what a crash may have left in a workspace could not be removed");
        }
    });
}

/// Opens the folder up if a program that runs as the server's own user has taken the rights to it away.
#[cfg(unix)]
pub(super) fn open_up(root: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let found = std::fs::symlink_metadata(root)?;
    let lacks = found.mode() & super::OWNER_RIGHTS != super::OWNER_RIGHTS;
    if !found.is_dir() || !lacks {
        return Ok(());
    }
    let mode = found.mode() & 0o7777 | super::OWNER_RIGHTS;
    std::fs::set_permissions(root, std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
pub(super) fn open_up(_root: &Path) -> io::Result<()> {
    Ok(())
}
