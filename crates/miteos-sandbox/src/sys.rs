//! The system calls that neither the standard library nor rustix offers in a safe form.
//!
//! This is the only place of the project with `unsafe`. Each function wraps one call, checks its result and
//! keeps no state. Nothing here knows why a call is made: the order of the calls is the business of `helper`.

pub(crate) mod attempts;
pub(crate) mod fd;
pub(crate) mod mount;
pub(crate) mod process;

use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;

/// Turns the C convention "-1 and errno" into a result.
fn check(returned: libc::c_int) -> io::Result<libc::c_int> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

/// As [`check`], for raw system calls, which return a long.
fn check_long(returned: libc::c_long) -> io::Result<libc::c_long> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

/// A C string; an inner NUL byte is refused, as the kernel would cut the text there.
pub(crate) fn c_string(text: impl AsRef<OsStr>) -> io::Result<CString> {
    CString::new(text.as_ref().as_bytes())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the text contains a NUL byte"))
}
