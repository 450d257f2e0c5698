//! Calls that the self-test makes to see them refused.

#![allow(unsafe_code, reason = "system calls without a safe wrapper; each is checked")]

use super::{check, check_long};

/// `landlock_create_ruleset` with this flag answers with the version the kernel has.
const ASK_VERSION: libc::c_uint = 1;

/// The session keyring, and the operation that names it.
const SESSION_KEYRING: libc::c_long = -3;
const GET_KEYRING_ID: libc::c_long = 0;

pub(crate) fn new_user_namespace_fails() -> bool {
    // SAFETY: integer argument only. If it succeeds, this process ends soon after saying so.
    check(unsafe { libc::unshare(libc::CLONE_NEWUSER) }).is_err()
}

pub(crate) fn mount_fails() -> bool {
    super::mount::fresh("tmpfs", std::path::Path::new("/tmp"), "size=4k").is_err()
}

pub(crate) fn vsock_fails() -> bool {
    // SAFETY: integer arguments only; a descriptor that should not exist lives until this process ends.
    check(unsafe { libc::socket(libc::AF_VSOCK, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) }).is_err()
}

pub(crate) fn keyring_fails() -> bool {
    // SAFETY: integer arguments only.
    check_long(unsafe { libc::syscall(libc::SYS_keyctl, GET_KEYRING_ID, SESSION_KEYRING, 1) }).is_err()
}

pub(crate) fn has_landlock() -> bool {
    // SAFETY: with this flag the structure must be null and its size zero.
    check_long(unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, ASK_VERSION)
    })
    .is_ok()
}
