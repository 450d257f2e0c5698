//! Looks at a workspace as a program may have left it: measures it, gives it to the sandbox's user.
//!
//! A program can put anything there, so no path is ever followed: folders are opened one by one below their
//! parent, links are never opened, other file systems are never entered, and no owner is changed of a file that
//! has a second name somewhere else.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid};

/// Deepest folder that is looked at; a deeper one counts as over the limit, since its content would not count.
const MAX_DEPTH: usize = 128;

/// The unit of `st_blocks`.
const BLOCK_BYTES: u64 = 512;

const SETUID_AND_SETGID: u32 = 0o6000;

/// What a folder may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota {
    pub bytes: u64,
    pub files: u64,
    pub unreadable: Unreadable,
}

/// What a folder that cannot be read means. Before a run it may be somebody's honest work; during a run it is a
/// place to hide a full disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Tolerated,
    OverLimit,
}

/// What to do with each entry besides counting it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Visit {
    Measure,
    /// Gives every entry to this user and group.
    GiveTo(u32),
    /// Takes setuid and setgid bits from files. The filter refuses to set them; this is the second wall.
    TakePrivilegeBits,
}

/// Result of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Measured {
    Within { bytes: u64, files: u64 },
    Over(String),
}

/// Walks a folder; stops as soon as it is over its quota.
pub(crate) fn walk(folder: &Path, quota: Quota, visit: Visit) -> io::Result<Measured> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = rustix::fs::open(folder, flags, Mode::empty())?;
    let found = rustix::fs::fstat(&root)?;
    if let Visit::GiveTo(id) = visit
        && (found.st_uid, found.st_gid) != (id, id)
    {
        rustix::fs::fchown(&root, Some(Uid::from_raw(id)), Some(Gid::from_raw(id)))?;
    }
    let mut walk = Walk { quota, visit, device: found.st_dev, bytes: 0, files: 0, folders: Vec::new() };
    walk.enter(root)?;
    while let Some((fd, mut entries)) = walk.folders.pop() {
        let Some(entry) = entries.next() else { continue };
        walk.folders.push((fd, entries));
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if let Some(over) = walk.look_at(name)? {
            return Ok(Measured::Over(over));
        }
    }
    Ok(Measured::Within { bytes: walk.bytes, files: walk.files })
}

struct Walk {
    quota: Quota,
    visit: Visit,
    device: u64,
    bytes: u64,
    files: u64,
    folders: Vec<(OwnedFd, Dir)>,
}

impl Walk {
    fn enter(&mut self, folder: OwnedFd) -> io::Result<()> {
        let entries = Dir::read_from(&folder)?;
        self.folders.push((folder, entries));
        Ok(())
    }

    fn look_at(&mut self, name: &std::ffi::CStr) -> io::Result<Option<String>> {
        let Some((parent, _)) = self.folders.last() else { return Ok(None) };
        let found = match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => found,
            // The program may remove what was just listed.
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        self.files += 1;
        self.bytes = self.bytes.saturating_add(found.st_blocks.max(0) as u64 * BLOCK_BYTES);
        if self.files > self.quota.files {
            return Ok(Some(format!("more than {} files", self.quota.files)));
        }
        if self.bytes > self.quota.bytes {
            return Ok(Some(format!("more than {} bytes", self.quota.bytes)));
        }
        self.act(parent.as_fd(), name, &found)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::Directory || found.st_dev != self.device {
            return Ok(None);
        }
        if self.folders.len() >= MAX_DEPTH {
            return Ok(Some(format!("folders deeper than {MAX_DEPTH}")));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(parent, name, flags, Mode::empty()) {
            Ok(folder) => self.enter(folder).map(|()| None),
            Err(rustix::io::Errno::ACCESS) => Ok(match self.quota.unreadable {
                Unreadable::Tolerated => None,
                Unreadable::OverLimit => Some("a folder that cannot be measured".to_owned()),
            }),
            // Gone, or replaced by something that is no folder, since it was looked at.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn act(&self, parent: impl AsFd, name: &std::ffi::CStr, found: &Stat) -> io::Result<()> {
        let kind = FileType::from_raw_mode(found.st_mode);
        match self.visit {
            Visit::Measure => Ok(()),
            Visit::GiveTo(id) => {
                // A second name may be outside the workspace, for example in a store of files.
                let shared = kind != FileType::Directory && found.st_nlink > 1;
                if (found.st_uid, found.st_gid) == (id, id) || shared {
                    return Ok(());
                }
                let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
                let changed =
                    rustix::fs::chownat(parent, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW);
                ignore_gone(changed)
            }
            Visit::TakePrivilegeBits => {
                let privileged = kind == FileType::RegularFile && found.st_mode & SETUID_AND_SETGID != 0;
                if !privileged {
                    return Ok(());
                }
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let changed = rustix::fs::openat(parent, name, flags, Mode::empty()).and_then(|file| {
                    let mode = Mode::from_raw_mode(found.st_mode & 0o7777 & !SETUID_AND_SETGID);
                    rustix::fs::fchmod(file, mode)
                });
                ignore_gone(changed)
            }
        }
    }
}

fn ignore_gone(result: Result<(), rustix::io::Errno>) -> io::Result<()> {
    match result {
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::LOOP) => Ok(()),
        other => other.map_err(io::Error::from),
    }
}

/// A number below `count` that is always the same for a path (FNV-1a).
pub(crate) fn slot(path: &Path, count: u32) -> u32 {
    use std::os::unix::ffi::OsStrExt;
    let hash = path.as_os_str().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash % u64::from(count.max(1))) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    const WIDE: Quota = Quota { bytes: 1 << 40, files: 1000, unreadable: Unreadable::OverLimit };

    #[test]
    fn links_are_counted_and_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("big"), vec![1; 100_000]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        symlink(outside.path(), folder.path().join("out")).unwrap();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        std::fs::write(folder.path().join("sub/file"), "x").unwrap();
        let Measured::Within { bytes, files } = walk(folder.path(), WIDE, Visit::Measure).unwrap() else {
            panic!("over the quota")
        };
        assert_eq!(files, 3);
        assert!(bytes < 100_000, "{bytes}");
    }

    #[test]
    fn a_link_in_place_of_the_workspace_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        symlink("/etc", folder.path().join("ws")).unwrap();
        assert!(walk(&folder.path().join("ws"), WIDE, Visit::Measure).is_err());
    }

    #[test]
    fn too_many_files_and_too_deep_folders_are_over() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..5 {
            std::fs::write(folder.path().join(number.to_string()), "").unwrap();
        }
        let quota = Quota { files: 4, ..WIDE };
        assert!(matches!(walk(folder.path(), quota, Visit::Measure).unwrap(), Measured::Over(_)));

        let deep = folder.path().join("d/".repeat(MAX_DEPTH + 1));
        std::fs::create_dir_all(&deep).unwrap();
        assert!(matches!(walk(folder.path(), WIDE, Visit::Measure).unwrap(), Measured::Over(_)));
    }

    #[test]
    fn privilege_bits_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tool");
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o6755)).unwrap();
        walk(folder.path(), WIDE, Visit::TakePrivilegeBits).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().mode() & 0o7777, 0o755);
    }

    #[test]
    fn a_file_with_a_name_elsewhere_keeps_its_owner() {
        if crate::sys::process::effective_uid() != 0 {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let workspace = folder.path().join("ws");
        std::fs::create_dir(&workspace).unwrap();
        std::fs::write(folder.path().join("store"), "").unwrap();
        std::fs::hard_link(folder.path().join("store"), workspace.join("linked")).unwrap();
        std::fs::write(workspace.join("own"), "").unwrap();
        symlink(folder.path().join("store"), workspace.join("link")).unwrap();
        walk(&workspace, WIDE, Visit::GiveTo(64_001)).unwrap();
        let owner = |path: &Path| std::fs::symlink_metadata(path).unwrap().uid();
        assert_eq!(owner(&workspace), 64_001);
        assert_eq!(owner(&workspace.join("own")), 64_001);
        assert_eq!(owner(&workspace.join("link")), 64_001);
        assert_eq!(owner(&folder.path().join("store")), 0);
    }
}
