//! A copy of a workspace in a folder of the server's own, as it is at one moment or nearly so: for a build, which must
//! not change what agents work on. Links are copied as links and never followed.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use tokio_util::sync::CancellationToken;

use super::Workspace;
use super::error::{WorkspaceError, shown};
use super::name::{Name, is_private};
use super::read::{FileKind, kind_of, reading};
use super::write::room_for;

/// Deepest folder that is copied.
const MAX_DEPTH: usize = 64;

#[derive(Debug, Clone, Copy)]
pub struct SnapshotLimits {
    pub max_entries: usize,
    pub max_bytes: u64,
}

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub entries: usize,
    pub bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("the workspace has more than {limit} files and folders to copy; delete what is not needed")]
    TooMany { limit: usize },
    #[error("the workspace has more than {limit} bytes to copy; delete what is not needed")]
    TooLarge { limit: u64 },
    #[error("\"{name}\" lies deeper than {MAX_DEPTH} folders; move it up")]
    TooDeep { name: String },
    #[error("the copy was cancelled")]
    Cancelled,
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
}

impl Workspace {
    /// Copies everything but the server's own part and what `leave_out` names (it is asked for each name, a folder's
    /// before those in it) into the folder `into`, which is made. On an error what was copied stays there.
    pub fn snapshot(
        &self,
        into: &Path,
        limits: SnapshotLimits,
        leave_out: &mut dyn FnMut(&str, FileKind) -> bool,
        cancel: &CancellationToken,
    ) -> Result<Snapshot, SnapshotError> {
        let made = |source| WorkspaceError::Unusable { doing: "copy into", source };
        let target = make_folder(into).map_err(made)?;
        let from = self.dir()?.try_clone().map_err(made)?;
        let mut copy = Copy { limits, leave_out, cancel, done: Snapshot::default() };
        copy.folder(&from, &target, "", 0)?;
        Ok(copy.done)
    }
}

/// The folder must be new: nothing that lies there already is written through.
fn make_folder(path: &Path) -> io::Result<Dir> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = Dir::open_ambient_dir(parent, ambient_authority())?;
    parent.create_dir(name)?;
    parent.open_dir(name)
}

struct Copy<'a> {
    limits: SnapshotLimits,
    leave_out: &'a mut dyn FnMut(&str, FileKind) -> bool,
    cancel: &'a CancellationToken,
    done: Snapshot,
}

impl Copy<'_> {
    fn folder(&mut self, from: &Dir, into: &Dir, prefix: &str, depth: usize) -> Result<(), SnapshotError> {
        let unreadable =
            |error| WorkspaceError::io("read", if prefix.is_empty() { "." } else { prefix }, error);
        for entry in from.entries().map_err(unreadable)? {
            if self.cancel.is_cancelled() {
                return Err(SnapshotError::Cancelled);
            }
            let own = entry.map_err(unreadable)?.file_name();
            let name = match (prefix, own.to_string_lossy()) {
                ("", own) => own.into_owned(),
                (prefix, own) => format!("{prefix}/{own}"),
            };
            let own = Path::new(&own);
            // A program may have taken it away since it was listed.
            let Ok(found) = from.symlink_metadata(own) else { continue };
            let kind = kind_of(found.file_type());
            if is_private(&name) || (self.leave_out)(&name, kind) {
                continue;
            }
            self.done.entries += 1;
            if self.done.entries > self.limits.max_entries {
                return Err(SnapshotError::TooMany { limit: self.limits.max_entries });
            }
            let io = |error| WorkspaceError::io("copy", &name, error);
            match kind {
                FileKind::Folder if depth == MAX_DEPTH => {
                    return Err(SnapshotError::TooDeep { name: shown(&name) });
                }
                FileKind::Folder => {
                    let folder = from.open_dir(own).map_err(io)?;
                    into.create_dir(own).map_err(io)?;
                    let target = into.open_dir(own).map_err(io)?;
                    self.folder(&folder, &target, &name, depth + 1)?;
                }
                FileKind::File => self.file(from, into, own, &name)?,
                FileKind::Link => copy_link(from, into, own).map_err(io)?,
                FileKind::Special => {}
            }
        }
        Ok(())
    }

    fn file(&mut self, from: &Dir, into: &Dir, own: &Path, name: &str) -> Result<(), SnapshotError> {
        let io = |error| WorkspaceError::io("copy", name, error);
        let source = from.open_with(own, &reading()).map_err(io)?.into_std();
        let found = source.metadata().map_err(io)?;
        if !found.is_file() {
            // It was swapped since it was looked at.
            return Ok(());
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let mut target = into.open_with(own, &options).map_err(io)?.into_std();
        let shown_name = Name::parse(name)?;
        room_for(&target, found.len(), &shown_name)?;
        let left = self.limits.max_bytes - self.done.bytes;
        // One more than allowed, since it can grow while it is read.
        let copied = io::copy(&mut (&source).take(left.saturating_add(1)), &mut target).map_err(io)?;
        if copied > left {
            return Err(SnapshotError::TooLarge { limit: self.limits.max_bytes });
        }
        self.done.bytes += copied;
        keep_mode(&found, &target).map_err(io)?;
        Ok(())
    }
}

/// A script stays a script.
#[cfg(unix)]
fn keep_mode(found: &std::fs::Metadata, target: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = found.permissions().mode() & 0o777 | 0o600;
    target.set_permissions(std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn keep_mode(_found: &std::fs::Metadata, _target: &File) -> io::Result<()> {
    Ok(())
}

/// Leads where the original leads, in the copy: whoever follows it there is held back by the handle of the copy's
/// folder, or by the sandbox.
#[cfg(unix)]
fn copy_link(from: &Dir, into: &Dir, own: &Path) -> io::Result<()> {
    into.symlink_contents(from.read_link_contents(own)?, own)
}

#[cfg(not(unix))]
fn copy_link(_from: &Dir, _into: &Dir, _own: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SnapshotLimits = SnapshotLimits { max_entries: 100, max_bytes: 1000 };

    struct Place {
        folder: tempfile::TempDir,
        workspace: Workspace,
    }

    impl Place {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let root = folder.path().join("ws");
            let workspace = Workspace::create(root.clone()).unwrap();
            for (name, text) in files {
                std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
                std::fs::write(root.join(name), text).unwrap();
            }
            Self { folder, workspace }
        }

        fn copy(&self, limits: SnapshotLimits) -> Result<Snapshot, SnapshotError> {
            let mut leave_out = |name: &str, _| name.ends_with("node_modules") || name.ends_with(".env");
            let cancel = CancellationToken::new();
            self.workspace.snapshot(&self.folder.path().join("copy"), limits, &mut leave_out, &cancel)
        }
    }

    #[test]
    fn everything_is_copied_but_what_is_left_out_and_what_is_ours() {
        let place = Place::new(&[
            ("a.txt", "one"),
            ("src/b.js", "two"),
            ("src/.env", "SECRET"),
            ("node_modules/x/index.js", "no"),
            (".miteos/outputs/o.txt", "no"),
            (".hidden", "kept"),
        ]);
        let root = place.workspace.root();
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(root.join("a.txt"), std::fs::Permissions::from_mode(0o6755)).unwrap();
        std::os::unix::fs::symlink("../../etc/passwd", root.join("out")).unwrap();
        std::os::unix::fs::symlink("/etc", root.join("src/etc")).unwrap();
        let done = place.copy(LIMITS).unwrap();
        assert_eq!(done, Snapshot { entries: 6, bytes: 10 });
        let copy = place.folder.path().join("copy");
        assert_eq!(std::fs::read_to_string(copy.join("src/b.js")).unwrap(), "two");
        assert_eq!(std::fs::metadata(copy.join("a.txt")).unwrap().permissions().mode() & 0o7777, 0o755);
        assert_eq!(std::fs::read_link(copy.join("out")).unwrap(), Path::new("../../etc/passwd"));
        assert_eq!(std::fs::read_link(copy.join("src/etc")).unwrap(), Path::new("/etc"));
        for gone in ["src/.env", "node_modules", ".miteos"] {
            assert!(std::fs::symlink_metadata(copy.join(gone)).is_err(), "{gone}");
        }
        // Never over what lies there.
        assert!(matches!(place.copy(LIMITS), Err(SnapshotError::Workspace(_))));
    }

    #[test]
    fn it_has_limits_and_can_be_cancelled() {
        let files = [("a", "12345"), ("b", "12345")];
        let few = SnapshotLimits { max_entries: 1, ..LIMITS };
        assert!(matches!(Place::new(&files).copy(few), Err(SnapshotError::TooMany { limit: 1 })));
        let small = SnapshotLimits { max_bytes: 9, ..LIMITS };
        assert!(matches!(Place::new(&files).copy(small), Err(SnapshotError::TooLarge { limit: 9 })));
        assert_eq!(Place::new(&files).copy(SnapshotLimits { max_bytes: 10, ..LIMITS }).unwrap().bytes, 10);
        let deep = "d/".repeat(65) + "x";
        assert!(matches!(Place::new(&[(&deep, "")]).copy(LIMITS), Err(SnapshotError::TooDeep { .. })));
        let place = Place::new(&files);
        let cancel = CancellationToken::new();
        cancel.cancel();
        let into = place.folder.path().join("copy");
        let cancelled = place.workspace.snapshot(&into, LIMITS, &mut |_, _| false, &cancel);
        assert!(matches!(cancelled, Err(SnapshotError::Cancelled)));
    }
}
