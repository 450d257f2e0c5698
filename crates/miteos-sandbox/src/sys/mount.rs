//! Mounts: bind, tmpfs, read-only, pivot.

#![allow(unsafe_code, reason = "system calls without a safe wrapper; each is checked")]

use std::io;
use std::path::Path;
use std::ptr;

use super::{c_string, check, check_long};

/// Attributes of a mount that the sandbox sets; they are only ever added, never removed.
pub(crate) const READ_ONLY: u64 = 0x1;
pub(crate) const NO_SUID: u64 = 0x2;
pub(crate) const NO_DEV: u64 = 0x4;
pub(crate) const NO_EXEC: u64 = 0x8;

const AT_RECURSIVE: libc::c_uint = 0x8000;

#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Takes the mounts of this namespace out of every peer group, so that nothing reaches the host.
pub(crate) fn make_private() -> io::Result<()> {
    raw_mount(None, Path::new("/"), None, libc::MS_REC | libc::MS_PRIVATE, None)
}

/// Mounts `source` with everything below it at `target`.
pub(crate) fn bind(source: &Path, target: &Path) -> io::Result<()> {
    raw_mount(Some(source), target, None, libc::MS_BIND | libc::MS_REC, None)
}

/// Mounts a new file system, `nosuid,nodev`.
pub(crate) fn fresh(kind: &str, target: &Path, options: &str) -> io::Result<()> {
    raw_mount(Some(Path::new(kind)), target, Some(kind), libc::MS_NOSUID | libc::MS_NODEV, Some(options))
}

/// Mounts a new file system that holds device nodes (devpts) or pseudo files (proc): `nosuid,noexec`.
pub(crate) fn fresh_special(kind: &str, target: &Path, options: &str) -> io::Result<()> {
    raw_mount(Some(Path::new(kind)), target, Some(kind), libc::MS_NOSUID | libc::MS_NOEXEC, Some(options))
}

fn raw_mount(
    source: Option<&Path>,
    target: &Path,
    kind: Option<&str>,
    flags: libc::c_ulong,
    options: Option<&str>,
) -> io::Result<()> {
    let source = source.map(c_string).transpose()?;
    let target = c_string(target)?;
    let kind = kind.map(c_string).transpose()?;
    let options = options.map(c_string).transpose()?;
    let pointer = |text: &Option<std::ffi::CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
    // SAFETY: every pointer is null or a C string that lives until the end of this function.
    check(unsafe {
        libc::mount(pointer(&source), target.as_ptr(), pointer(&kind), flags, pointer(&options).cast())
    })
    .map(drop)
}

/// Adds attributes to the mount at `target`, and with `recursive` to every mount below it.
pub(crate) fn add_attributes(target: &Path, attributes: u64, recursive: bool) -> io::Result<()> {
    let path = c_string(target)?;
    let wanted = MountAttr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = if recursive { AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string and the structure has the size that is passed with it.
    let returned = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const wanted,
            size_of::<MountAttr>(),
        )
    };
    match check_long(returned) {
        Ok(_) => Ok(()),
        // Kernels before 5.12, and container filters that do not know the call.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
            remount(target, attributes, recursive)
        }
        Err(error) => Err(error),
    }
}

/// The old way of [`add_attributes`]: one remount for each mount, with the flags it already has.
fn remount(target: &Path, attributes: u64, recursive: bool) -> io::Result<()> {
    let mut done = false;
    for (point, present) in mount_points()? {
        if point == target || (recursive && point.starts_with(target)) {
            let flags = libc::MS_REMOUNT | libc::MS_BIND | present | classic_flags(attributes);
            raw_mount(None, &point, None, flags, None)?;
            done = true;
        }
    }
    if done { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EINVAL)) }
}

fn classic_flags(attributes: u64) -> libc::c_ulong {
    [
        (READ_ONLY, libc::MS_RDONLY),
        (NO_SUID, libc::MS_NOSUID),
        (NO_DEV, libc::MS_NODEV),
        (NO_EXEC, libc::MS_NOEXEC),
    ]
    .into_iter()
    .filter(|(attribute, _)| attributes & attribute != 0)
    .fold(0, |flags, (_, flag)| flags | flag)
}

/// Mount points of this namespace with the flags that a remount has to keep.
fn mount_points() -> io::Result<Vec<(std::path::PathBuf, libc::c_ulong)>> {
    let text = std::fs::read("/proc/self/mountinfo")?;
    let mut points = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b' ').skip(4);
        let (Some(point), Some(options)) = (fields.next(), fields.next()) else { continue };
        let flags = options.split(|byte| *byte == b',').fold(0, |flags, option| {
            flags
                | match option {
                    b"ro" => libc::MS_RDONLY,
                    b"nosuid" => libc::MS_NOSUID,
                    b"nodev" => libc::MS_NODEV,
                    b"noexec" => libc::MS_NOEXEC,
                    b"noatime" => libc::MS_NOATIME,
                    b"nodiratime" => libc::MS_NODIRATIME,
                    b"relatime" => libc::MS_RELATIME,
                    _ => 0,
                }
        });
        points.push((unescape(point), flags));
    }
    Ok(points)
}

/// Undoes the octal escapes (`\040` for a space) of mountinfo.
fn unescape(field: &[u8]) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let octal = (*first == b'\\')
            .then(|| tail.get(..3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    std::ffi::OsString::from_vec(bytes).into()
}

/// Makes the current directory the root, and drops the old root with everything below it.
pub(crate) fn enter_root(new_root: &Path) -> io::Result<()> {
    std::env::set_current_dir(new_root)?;
    let here = c".";
    // SAFETY: both arguments are C strings.
    check_long(unsafe { libc::syscall(libc::SYS_pivot_root, here.as_ptr(), here.as_ptr()) })?;
    // The old root is now stacked on the new one: unmounting "." takes it away.
    // SAFETY: the argument is a C string.
    check(unsafe { libc::umount2(here.as_ptr(), libc::MNT_DETACH) })?;
    std::env::set_current_dir("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_escapes_are_undone() {
        assert_eq!(unescape(br"/a\040b\134c"), Path::new(r"/a b\c"));
        assert_eq!(unescape(br"/plain\9"), Path::new(r"/plain\9"));
    }
}
