//! Looks at a workspace as a program may have left it: measures it, gives it to the sandbox's user, opens what was
//! closed to its owner.
//!
//! A program can put anything there, so no path is ever followed: folders are opened one by one below their
//! parent, links are never opened, other file systems are never entered, and no owner is changed of a file that
//! has a second name somewhere else.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid};

/// Deepest folder that is looked at; a deeper one counts as over the limit, since its content would not count. Each
/// level takes one open file, of which a server has often no more than 1024.
const MAX_DEPTH: usize = 64;

/// What the owner of a folder needs to do anything with it.
const OWNER_RIGHTS: u32 = 0o700;

/// How a folder is opened: as itself, never what a link leads to.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The unit of `st_blocks`.
const BLOCK_BYTES: u64 = 512;

const SETUID_AND_SETGID: u32 = 0o6000;

/// What a folder may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota {
    pub bytes: u64,
    pub files: u64,
    pub closed: Closed,
}

/// What to do about a folder whose mode keeps even its owner out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Before and after a run: those of this user are opened up, so that no program can make a workspace unusable.
    /// Somebody else's is left alone and counts for nothing.
    OpenedFor(u32),
    /// During a run it is a place to hide a full disk.
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
    let named = rustix::fs::open(folder, FOLDER | OFlags::PATH, Mode::empty())?;
    let mut found = rustix::fs::fstat(&named)?;
    if let Visit::GiveTo(id) = visit
        && (found.st_uid, found.st_gid) != (id, id)
    {
        chown_folder(&named, id)?;
        found.st_uid = id;
    }
    let mut walk = Walk { quota, visit, device: found.st_dev, bytes: 0, files: 0, folders: Vec::new() };
    if let Closed::OpenedFor(owner) = quota.closed {
        open_up(&named, &found, owner)?;
    }
    match rustix::fs::openat(&named, c".", FOLDER, Mode::empty()) {
        Ok(root) => walk.folders.push(Dir::new(root)?),
        Err(rustix::io::Errno::ACCESS) if quota.closed == Closed::OverLimit => {
            return Ok(Measured::Over(HIDDEN.to_owned()));
        }
        Err(error) => return Err(error.into()),
    }
    while let Some(mut entries) = walk.folders.pop() {
        let Some(entry) = entries.next() else { continue };
        walk.folders.push(entries);
        let entry = match entry {
            Ok(entry) => entry,
            // The program may remove the folder that is being read.
            Err(rustix::io::Errno::NOENT) => {
                walk.folders.pop();
                continue;
            }
            Err(error) => return Err(error.into()),
        };
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

/// What is said of a folder that cannot be looked into.
const HIDDEN: &str = "a folder that cannot be measured";

struct Walk {
    quota: Quota,
    visit: Visit,
    device: u64,
    bytes: u64,
    files: u64,
    /// The folders that are open, each in the one before it. One open file each.
    folders: Vec<Dir>,
}

impl Walk {
    fn look_at(&mut self, name: &CStr) -> io::Result<Option<String>> {
        let Some(parent) = self.folders.last() else { return Ok(None) };
        let parent = parent.fd()?;
        let found = match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => found,
            // The program may remove what was just listed.
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(rustix::io::Errno::ACCESS) => return Ok(self.hidden()),
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
        self.act(parent, name, &found)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::Directory || found.st_dev != self.device {
            return Ok(None);
        }
        if self.folders.len() >= MAX_DEPTH {
            return Ok(Some(format!("folders deeper than {MAX_DEPTH}")));
        }
        if let Closed::OpenedFor(owner) = self.quota.closed {
            ignore_gone(open_up_in(parent, name, owner))?;
        }
        match rustix::fs::openat(parent, name, FOLDER, Mode::empty()) {
            Ok(folder) => {
                self.folders.push(Dir::new(folder)?);
                Ok(None)
            }
            Err(rustix::io::Errno::ACCESS) => Ok(self.hidden()),
            // Gone, or replaced by something that is no folder, since it was looked at.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What it means that something cannot be looked at.
    fn hidden(&self) -> Option<String> {
        match self.quota.closed {
            Closed::OpenedFor(_) => None,
            Closed::OverLimit => Some(HIDDEN.to_owned()),
        }
    }

    fn act(&self, parent: impl AsFd, name: &CStr, found: &Stat) -> io::Result<()> {
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
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let changed = rustix::fs::openat(parent, name, flags, Mode::empty()).and_then(|file| {
                    let found = rustix::fs::fstat(&file)?;
                    match FileType::from_raw_mode(found.st_mode) {
                        FileType::RegularFile => set_mode(&file, found.st_mode & !SETUID_AND_SETGID),
                        _ => Ok(()),
                    }
                });
                ignore_gone(changed)
            }
        }
    }
}

fn ignore_gone(result: Result<(), rustix::io::Errno>) -> io::Result<()> {
    match result {
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => Ok(()),
        other => other.map_err(io::Error::from),
    }
}

/// Gives the owner of a folder the rights to it, if it is this user's and lacks one.
fn open_up(folder: &OwnedFd, found: &Stat, owner: u32) -> Result<(), rustix::io::Errno> {
    if found.st_uid != owner || found.st_mode & OWNER_RIGHTS == OWNER_RIGHTS {
        return Ok(());
    }
    set_mode(folder, found.st_mode | OWNER_RIGHTS)
}

/// As [`open_up`], by a name. Whatever else has the name by then is left alone.
fn open_up_in(parent: BorrowedFd<'_>, name: &CStr, owner: u32) -> Result<(), rustix::io::Errno> {
    let folder = match rustix::fs::openat(parent, name, FOLDER | OFlags::PATH, Mode::empty()) {
        // Somebody else's folder around it.
        Err(rustix::io::Errno::ACCESS) => return Ok(()),
        opened => opened?,
    };
    open_up(&folder, &rustix::fs::fstat(&folder)?, owner)
}

/// Changes the mode of exactly the file that is open, even where it is open by name only: by its path a program could
/// put a link in its place.
fn set_mode(file: &OwnedFd, mode: u32) -> Result<(), rustix::io::Errno> {
    rustix::fs::chmod(by_descriptor(file), Mode::from_raw_mode(mode & 0o7777))
}

fn chown_folder(folder: &OwnedFd, id: u32) -> Result<(), rustix::io::Errno> {
    rustix::fs::chown(by_descriptor(folder), Some(Uid::from_raw(id)), Some(Gid::from_raw(id)))
}

fn by_descriptor(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
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

    const WIDE: Quota = Quota { bytes: 1 << 40, files: 1000, closed: Closed::OverLimit };

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
    fn folders_closed_to_their_owner_are_opened_up() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::set_permissions(outside.path(), std::fs::Permissions::from_mode(0o500)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("a/b")).unwrap();
        std::fs::write(path("a/b/c"), "").unwrap();
        symlink(outside.path(), path("out")).unwrap();
        for name in ["a/b", "a", ""] {
            std::fs::set_permissions(path(name), std::fs::Permissions::from_mode(0o000)).unwrap();
        }
        let owner = crate::sys::process::effective_uid();
        let foreign = Quota { closed: Closed::OpenedFor(owner + 1), ..WIDE };
        let _ = walk(folder.path(), foreign, Visit::Measure);
        assert_eq!(std::fs::metadata(folder.path()).unwrap().mode() & 0o777, 0, "not that user's");
        let quota = Quota { closed: Closed::OpenedFor(owner), ..WIDE };
        let measured = walk(folder.path(), quota, Visit::Measure).unwrap();
        assert!(matches!(measured, Measured::Within { files: 4, .. }), "{measured:?}");
        for name in ["a/b", "a", ""] {
            assert_eq!(std::fs::metadata(path(name)).unwrap().mode() & 0o777, 0o700, "{name}");
        }
        assert_eq!(
            std::fs::metadata(outside.path()).unwrap().mode() & 0o777,
            0o500,
            "a link is not followed"
        );
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
