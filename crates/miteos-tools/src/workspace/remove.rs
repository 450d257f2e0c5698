//! Removing trees, however deep, wide or locked up a program has made them. Knows nothing of what is removed.
//!
//! Nothing here calls itself for a folder in a folder: a program can nest them deeper than a stack is long. From a
//! certain depth on a folder is moved up to the top and removed from there, so that few folders are open at once.

use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::Workspace;
use super::error::WorkspaceError;
use super::sweep;

/// So many folders in each other are open at once; one below them is moved to the top first.
const MAX_OPEN: usize = 64;
/// How often the top is gone through anew: once for each folder that was moved there, and for what a program still
/// puts in. What is left after that is left, with an error.
const MAX_PASSES: usize = 1_000_000;
/// How many names are tried for a folder that is moved to the top.
const MAX_NAMES: u64 = 1000;

impl Workspace {
    /// Removes a workspace's folder with everything in it, for ever. `Ok` when there is none.
    pub fn remove(root: &Path) -> Result<(), WorkspaceError> {
        let unusable = |source| WorkspaceError::Unusable { doing: "remove", source };
        let (Some(parent), Some(name)) = (root.parent(), root.file_name()) else {
            return Err(unusable(io::Error::from(ErrorKind::InvalidInput)));
        };
        sweep::forget(root);
        let removed = Dir::open_ambient_dir(parent, ambient_authority())
            .and_then(|parent| remove_tree(&parent, Path::new(name)));
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(unusable(error)),
            _ => Ok(()),
        }
    }
}

/// Removes what has this name, and if it is a folder everything in it. Links are removed, not followed.
pub(super) fn remove_tree(parent: &Dir, name: &Path) -> io::Result<()> {
    if !parent.symlink_metadata(name)?.is_dir() {
        return parent.remove_file(name);
    }
    let mut remover = Remover { top: open(parent, name)?, next: 0, progress: 0, trouble: None };
    for _ in 0..MAX_PASSES {
        remover.pass()?;
        match parent.remove_dir(name) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty && remover.progress > 0 => {}
            Err(error) => return Err(remover.trouble.unwrap_or(error)),
            Ok(()) => return Ok(()),
        }
    }
    Err(remover.trouble.unwrap_or_else(|| ErrorKind::DirectoryNotEmpty.into()))
}

struct Remover {
    top: Dir,
    /// The number in the next name for a folder that is moved to the top.
    next: u64,
    /// What was removed or moved in this pass.
    progress: u64,
    /// The first thing that could not be removed, and why.
    trouble: Option<io::Error>,
}

/// A folder below the top that is being emptied.
struct Level {
    dir: Dir,
    name: OsString,
    left: Vec<OsString>,
}

impl Remover {
    /// Goes through the top once; folders that are moved there meanwhile are left to the next pass.
    fn pass(&mut self) -> io::Result<()> {
        self.progress = 0;
        let mut left = names(&self.top)?;
        let mut levels: Vec<Level> = Vec::new();
        loop {
            let next = levels.last_mut().map_or(&mut left, |level| &mut level.left).pop();
            match next {
                Some(name) => {
                    let (dir, depth) = (levels.last().map_or(&self.top, |level| &level.dir), levels.len());
                    let done = enter(&self.top, dir, &name, depth, &mut self.next);
                    match done {
                        Ok(Step::Entered(dir, left)) => levels.push(Level { dir, name, left }),
                        Ok(Step::Done) => self.progress += 1,
                        Err(error) => self.note(error),
                    }
                }
                None => {
                    let Some(empty) = levels.pop() else { return Ok(()) };
                    let dir = levels.last().map_or(&self.top, |level| &level.dir);
                    match dir.remove_dir(&empty.name) {
                        Ok(()) => self.progress += 1,
                        Err(error) => self.note(error),
                    }
                }
            }
        }
    }

    /// What is gone already is no trouble, and a folder that is not empty has its trouble inside.
    fn note(&mut self, error: io::Error) {
        if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) {
            self.trouble.get_or_insert(error);
        }
    }
}

enum Step {
    /// Removed, or moved to the top.
    Done,
    Entered(Dir, Vec<OsString>),
}

fn enter(top: &Dir, dir: &Dir, name: &OsStr, depth: usize, next: &mut u64) -> io::Result<Step> {
    if !dir.symlink_metadata(name)?.is_dir() {
        return dir.remove_file(name).map(|()| Step::Done);
    }
    let folder = open(dir, Path::new(name))?;
    if depth < MAX_OPEN {
        let left = names(&folder)?;
        return Ok(Step::Entered(folder, left));
    }
    let mut last = ErrorKind::AlreadyExists.into();
    for _ in 0..MAX_NAMES {
        *next += 1;
        match dir.rename(name, top, format!(".removed-{next}")) {
            Ok(()) => return Ok(Step::Done),
            // The name is taken by something that is no empty folder.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty | ErrorKind::NotADirectory
                ) =>
            {
                last = error;
            }
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn names(dir: &Dir) -> io::Result<Vec<OsString>> {
    dir.entries()?.map(|entry| entry.map(|entry| entry.file_name())).collect()
}

/// Opens a folder that is about to be emptied. One whose mode forbids that is opened up, if it is ours.
fn open(parent: &Dir, name: &Path) -> io::Result<Dir> {
    open_up(parent, name)?;
    parent.open_dir(name)
}

#[cfg(unix)]
fn open_up(parent: &Dir, name: &Path) -> io::Result<()> {
    use cap_std::fs::{MetadataExt as _, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    let mode = parent.symlink_metadata(name)?.mode();
    if mode & super::OWNER_RIGHTS == super::OWNER_RIGHTS {
        return Ok(());
    }
    let wanted = std::fs::Permissions::from_mode(mode & 0o7777 | super::OWNER_RIGHTS);
    match parent.set_permissions(name, Permissions::from_std(wanted)) {
        // Somebody else's: it may still be emptied by a server that is root, and if not the next step says so.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

#[cfg(not(unix))]
fn open_up(_parent: &Dir, _name: &Path) -> io::Result<()> {
    Ok(())
}
