//! Raw system calls for attacks. The caller passes numbers and addresses of memory that outlives the call.

#![allow(unsafe_code, reason = "attacks make the calls that no library makes")]

use std::io;

/// Any system call.
pub fn call<const N: usize>(number: libc::c_long, arguments: [usize; N]) -> io::Result<i64> {
    let mut all = [0_usize; 6];
    for (slot, argument) in all.iter_mut().zip(arguments) {
        *slot = argument;
    }
    let [a, b, c, d, e, f] = all;
    // SAFETY: attacks only pass numbers and addresses of values that live until the call returns.
    let returned = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned as i64) }
}

/// Whether this is the child of a fork. The program has one thread.
pub fn fork() -> io::Result<Option<i32>> {
    // SAFETY: single-threaded.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        child => Ok(Some(child)),
    }
}

pub fn exit(code: i32) -> ! {
    // SAFETY: never returns.
    unsafe { libc::_exit(code) }
}

pub fn wait(child: i32) -> io::Result<i32> {
    let mut status = 0;
    // SAFETY: the status is valid for writing.
    let got = unsafe { libc::waitpid(child, &raw mut status, 0) };
    if got < 0 { Err(io::Error::last_os_error()) } else { Ok(status) }
}

pub fn ignore_signals() {
    for signal in 1..31 {
        // SAFETY: SIG_IGN is no function of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

pub fn sleep_for_ever() -> ! {
    loop {
        std::thread::sleep(std::time::Duration::from_secs(3600));
    }
}

/// Shared memory of this process and its children, touched page by page.
pub fn shared_memory(bytes: usize) -> io::Result<()> {
    let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
    // SAFETY: a new mapping at an address of the kernel's choice.
    let at =
        unsafe { libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
    if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}
