//! File descriptors: duplicate, poll, memory files, closing everything inherited.

#![allow(unsafe_code, reason = "system calls without a safe wrapper; each is checked")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::{check, check_long};

/// Not in every libc: the flag of `close_range` that marks instead of closing.
const CLOSE_RANGE_CLOEXEC: libc::c_uint = 1 << 2;

/// What `poll` found on one descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ready {
    pub readable: bool,
    pub closed: bool,
}

/// Waits until one of the descriptors can be read or was closed by its other side.
pub(crate) fn poll<const N: usize>(
    fds: [Option<BorrowedFd<'_>>; N],
    timeout_ms: i32,
) -> io::Result<[Ready; N]> {
    let mut polled = fds.map(|fd| libc::pollfd {
        fd: fd.map_or(-1, |fd| fd.as_raw_fd()),
        events: libc::POLLIN,
        revents: 0,
    });
    // SAFETY: the array is valid for its whole length during the call; negative descriptors are skipped.
    let returned = unsafe { libc::poll(polled.as_mut_ptr(), N as libc::nfds_t, timeout_ms) };
    match check(returned) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok([Ready::default(); N]),
        Err(error) => return Err(error),
    }
    Ok(polled.map(|entry| Ready {
        readable: entry.revents & libc::POLLIN != 0,
        closed: entry.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0,
    }))
}

/// A copy of `fd` with a number of at least `lowest`, closed at exec.
pub(crate) fn duplicate(fd: RawFd, lowest: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl has no memory effects; the kernel checks the descriptor.
    let copy = check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, lowest) })?;
    // SAFETY: the kernel has just made this descriptor for us; nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Puts a copy of `fd` at the number `target`, open across exec; what was there is closed.
pub(crate) fn place(fd: BorrowedFd<'_>, target: RawFd) -> io::Result<()> {
    // SAFETY: only used for 0, 1 and 2, which no Rust value of the helper owns.
    check(unsafe { libc::dup2(fd.as_raw_fd(), target) }).map(drop)
}

/// Keeps the descriptor open across exec.
pub(crate) fn keep_across_exec(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: fcntl has no memory effects.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0) }).map(drop)
}

/// Takes over a descriptor that the process was started with. `number` must not be owned by anything else.
pub(crate) fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl has no memory effects; it fails for a number that is not open.
    check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: it is open, and the callers pass numbers given to this process by its parent, once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Closes every descriptor from `first` on. Only for the first moments of a helper, before it owns any.
pub(crate) fn close_from(first: libc::c_uint) -> io::Result<()> {
    match close_range(first, 0) {
        Err(error) if error.raw_os_error() == Some(libc::ENOSYS) => {
            for number in open_numbers(first)? {
                // SAFETY: at this point of the helper's life no Rust value owns a descriptor from `first` on.
                unsafe { libc::close(number) };
            }
            Ok(())
        }
        other => other,
    }
}

/// Marks every descriptor from `first` on as closed at exec.
pub(crate) fn cloexec_from(first: libc::c_uint) -> io::Result<()> {
    match close_range(first, CLOSE_RANGE_CLOEXEC) {
        // Kernels before 5.11 do not know the flag or the call.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) => {
            for number in open_numbers(first)? {
                // SAFETY: fcntl has no memory effects; a number closed meanwhile only gives an error.
                unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
            }
            Ok(())
        }
        other => other,
    }
}

fn close_range(first: libc::c_uint, flags: libc::c_uint) -> io::Result<()> {
    // SAFETY: a raw call with integer arguments only.
    check_long(unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, flags) }).map(drop)
}

fn open_numbers(first: libc::c_uint) -> io::Result<Vec<RawFd>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd")? {
        if let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok())
            && i64::from(number) >= i64::from(first)
        {
            numbers.push(number);
        }
    }
    Ok(numbers)
}

/// A file in memory, closed at exec, that can be sealed.
pub(crate) fn memory_file(name: &std::ffi::CStr) -> io::Result<OwnedFd> {
    // SAFETY: the name is a valid C string.
    let fd =
        check(unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) })?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes a memory file unchangeable for ever, for everyone who holds it.
pub(crate) fn seal(fd: BorrowedFd<'_>) -> io::Result<()> {
    let seals = libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL;
    // SAFETY: fcntl has no memory effects.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) }).map(drop)
}
