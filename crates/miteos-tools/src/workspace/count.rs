//! How many files a workspace has, without walking all of them each time: what was counted holds as long as no folder
//! has changed since.
//!
//! A folder changes when something in it is made, removed or renamed, whoever does it, and the file system notes when.
//! That note (the time of the inode's change) cannot be set by programs, so nothing in the sandbox can hide a change.

use cap_std::fs::Dir;
use miteos_core::time::Timestamp;

use super::Workspace;
use super::error::WorkspaceError;
use super::name::Name;
use super::read::FileKind;
use super::walk::Go;

/// A workspace with more folders is counted anew each time.
const MAX_FOLDERS: usize = 4_096;
/// A count is only kept if every folder has been quiet for this long (ms): file systems note times in steps, the
/// coarsest of them of two seconds, so that of two changes in one step the second one leaves no trace.
const QUIET_MS: u64 = 3_000;

/// What was counted, and how to see whether it still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    pub files: u64,
    /// Empty if the count cannot be used again.
    folders: Vec<(String, Stamp)>,
}

impl Counted {
    /// How many folders are remembered with it.
    pub fn folders(&self) -> usize {
        self.folders.len()
    }
}

/// A folder as the file system knows it. It has another one after every change in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Stamp {
    #[cfg(unix)]
    fn of(metadata: &cap_std::fs::Metadata) -> Option<Self> {
        use cap_std::fs::MetadataExt;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            seconds: metadata.ctime(),
            nanoseconds: metadata.ctime_nsec(),
        })
    }

    #[cfg(not(unix))]
    fn of(_: &cap_std::fs::Metadata) -> Option<Self> {
        None
    }

    fn is_quiet(&self, now: Timestamp) -> bool {
        let since = u64::try_from(self.seconds).unwrap_or(u64::MAX).saturating_mul(1_000);
        since.saturating_add(1_000 + QUIET_MS) <= now.millis()
    }
}

impl Workspace {
    /// The number of files, as far as a walk goes. `known` is what was counted before; it is given back if it holds.
    /// `now` is the machine's own time, since it is compared with that of its file system.
    pub fn count(&self, known: Option<&Counted>, now: Timestamp) -> Result<Counted, WorkspaceError> {
        if let Some(known) = known
            && self.holds(known)?
        {
            return Ok(known.clone());
        }
        let mut files = 0;
        let mut folders = Some(Vec::new());
        let missed = self.walk_through(
            &Name::folder("")?,
            &mut |entry| {
                files += u64::from(entry.kind == FileKind::File);
                Go::On
            },
            &mut |name, dir| {
                let stamp = stamp(dir).filter(|stamp| stamp.is_quiet(now));
                match (&mut folders, stamp) {
                    (Some(seen), Some(stamp)) if seen.len() < MAX_FOLDERS => {
                        seen.push((name.to_owned(), stamp));
                    }
                    _ => folders = None,
                }
            },
        )?;
        Ok(Counted { files, folders: folders.filter(|_| !missed).unwrap_or_default() })
    }

    /// Whether every folder is as it was.
    fn holds(&self, known: &Counted) -> Result<bool, WorkspaceError> {
        let dir = self.dir()?;
        let same = |(name, stamp): &(String, Stamp)| {
            let found = match name.as_str() {
                "" | "." => dir.dir_metadata(),
                name => dir.symlink_metadata(name),
            };
            found.ok().and_then(|metadata| Stamp::of(&metadata)) == Some(*stamp)
        };
        Ok(!known.folders.is_empty() && known.folders.iter().all(same))
    }
}

fn stamp(dir: &Dir) -> Option<Stamp> {
    dir.dir_metadata().ok().and_then(|metadata| Stamp::of(&metadata))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A time at which everything that was done so far has been quiet for long.
    fn later() -> Timestamp {
        Timestamp::from_millis(u64::MAX)
    }

    fn made() -> (tempfile::TempDir, Workspace) {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("ws");
        fs::create_dir_all(root.join("a/b")).unwrap();
        for name in ["one", "a/two", "a/b/three"] {
            fs::write(root.join(name), "x").unwrap();
        }
        let workspace = Workspace::open(root).unwrap();
        (temp, workspace)
    }

    #[test]
    fn every_way_to_change_the_number_is_seen() {
        let (_temp, workspace) = made();
        let root = workspace.root().to_owned();
        let mut known = workspace.count(None, later()).unwrap();
        assert_eq!((known.files, known.folders()), (3, 3));
        type Change<'a> = (&'a dyn Fn(), u64);
        let changes: &[Change<'_>] = &[
            (&|| fs::write(root.join("a/b/four"), "x").unwrap(), 4),
            (&|| fs::rename(root.join("a/b"), root.join("c")).unwrap(), 4),
            (&|| fs::remove_file(root.join("c/four")).unwrap(), 3),
            (&|| fs::write(root.join("one"), "another content").unwrap(), 3),
            (&|| fs::create_dir_all(root.join("d/e/f")).unwrap(), 3),
            (&|| fs::write(root.join("d/e/f/five"), "x").unwrap(), 4),
            (&|| fs::remove_dir_all(root.join("d")).unwrap(), 3),
            (&|| fs::create_dir(root.join(".miteos")).unwrap(), 3),
            (&|| fs::create_dir(root.join(".miteos/outputs")).unwrap(), 3),
            (&|| fs::write(root.join(".miteos/outputs/call.txt"), "x").unwrap(), 4),
        ];
        for (nth, (change, files)) in changes.iter().enumerate() {
            change();
            known = workspace.count(Some(&known), later()).unwrap();
            assert_eq!(known.files, *files, "after change {nth}");
            assert_eq!(known.files, workspace.size().unwrap().0);
        }
    }

    #[test]
    fn a_count_that_holds_is_not_made_again() {
        let (_temp, workspace) = made();
        let mut known = workspace.count(None, later()).unwrap();
        known.files = 77;
        assert_eq!(workspace.count(Some(&known), later()).unwrap().files, 77);
        fs::write(workspace.root().join("a/b/new"), "x").unwrap();
        assert_eq!(workspace.count(Some(&known), later()).unwrap().files, 4);
    }

    #[test]
    fn what_has_just_changed_is_not_relied_upon() {
        let (_temp, workspace) = made();
        let young = Timestamp::from_millis(1_000);
        let mut known = workspace.count(None, young).unwrap();
        assert_eq!((known.files, known.folders()), (3, 0));
        known.files = 77;
        assert_eq!(workspace.count(Some(&known), young).unwrap().files, 3);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_workspace_is_no_folder_of_it() {
        let (temp, workspace) = made();
        let outside = temp.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("x"), "x").unwrap();
        std::os::unix::fs::symlink(&outside, workspace.root().join("link")).unwrap();
        let known = workspace.count(None, later()).unwrap();
        assert_eq!((known.files, known.folders()), (3, 3));
        let root = workspace.root();
        fs::rename(root.join("a"), temp.path().join("a")).unwrap();
        std::os::unix::fs::symlink(temp.path().join("a"), root.join("a")).unwrap();
        assert_eq!(workspace.count(Some(&known), later()).unwrap().files, 1);
    }
}
