//! Processes: fork, namespaces, identity, limits, privileges, signals, exec.
//!
//! `fork` and `clone_namespaces` are sound only in a process with one thread, which every helper is: it is
//! entered before `main` starts a runtime, and starts no thread itself.

#![allow(unsafe_code, reason = "system calls without a safe wrapper; each is checked")]

use std::ffi::CString;
use std::io;
use std::ptr;
use std::time::Duration;

use super::{c_string, check, check_long};

pub(crate) type Pid = libc::pid_t;

/// Which side of a fork the caller is on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Child,
    Parent(Pid),
}

/// How a child process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Code(i32),
    Signal(i32),
}

/// Result of asking for ended children.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reaped {
    One(Pid, Ended),
    NoneYet,
    NoChildren,
}

pub(crate) fn fork() -> io::Result<Side> {
    // SAFETY: the caller is a helper with a single thread, so the child may do anything the parent may.
    let pid = check(unsafe { libc::fork() })?;
    Ok(if pid == 0 { Side::Child } else { Side::Parent(pid) })
}

/// Forks into new user, mount, pid, network, ipc, uts and cgroup namespaces.
pub(crate) fn clone_namespaces() -> io::Result<Side> {
    let flags = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP
        | libc::SIGCHLD;
    // SAFETY: without CLONE_VM and with a null stack this is a fork; the caller has a single thread. The last
    // three arguments are unused with these flags, so their order, which differs by architecture, is no matter.
    let pid = check_long(unsafe { libc::syscall(libc::SYS_clone, libc::c_long::from(flags), 0, 0, 0, 0) })?;
    Ok(if pid == 0 { Side::Child } else { Side::Parent(pid as Pid) })
}

/// Gives this process a mount namespace of its own.
pub(crate) fn unshare_mounts() -> io::Result<()> {
    // SAFETY: integer argument only.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS) }).map(drop)
}

pub(crate) fn effective_uid() -> u32 {
    // SAFETY: cannot fail.
    unsafe { libc::geteuid() }
}

pub(crate) fn own_ids() -> (u32, u32) {
    // SAFETY: cannot fail.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

pub(crate) fn own_pid() -> Pid {
    // SAFETY: cannot fail.
    unsafe { libc::getpid() }
}

/// Becomes the user and group `id` for ever, without any supplementary group.
pub(crate) fn become_user(id: u32) -> io::Result<()> {
    // SAFETY: an empty list needs no memory.
    check(unsafe { libc::setgroups(0, ptr::null()) })?;
    // SAFETY: integer arguments only.
    check(unsafe { libc::setresgid(id, id, id) })?;
    // SAFETY: integer arguments only.
    check(unsafe { libc::setresuid(id, id, id) })?;
    // A successful answer is not enough for the step everything else stands on.
    if own_ids() == (id, id) { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EPERM)) }
}

fn prctl(option: libc::c_int, value: libc::c_ulong) -> io::Result<libc::c_int> {
    // SAFETY: only used with options that take integers.
    check(unsafe { libc::prctl(option, value, 0, 0, 0) })
}

/// Whether other processes of the same user may read this one's memory and `/proc` entries.
pub(crate) fn set_dumpable(dumpable: bool) -> io::Result<()> {
    prctl(libc::PR_SET_DUMPABLE, libc::c_ulong::from(dumpable)).map(drop)
}

pub(crate) fn set_no_new_privileges() -> io::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1).map(drop)
}

/// Orphaned descendants become children of this process instead of init's.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    prctl(libc::PR_SET_CHILD_SUBREAPER, 1).map(drop)
}

/// This process is killed when its parent dies. The parent has a single thread, so its thread's end is its end.
pub(crate) fn die_with_parent() -> io::Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong).map(drop)
}

/// Whether this process holds CAP_SYS_ADMIN, which it needs to prepare mounts before it drops to another user.
pub(crate) fn has_admin_capability() -> bool {
    const CAP_SYS_ADMIN: u32 = 21;
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| {
        status
            .lines()
            .find_map(|line| line.strip_prefix("CapEff:"))
            .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .is_some_and(|mask| mask & (1 << CAP_SYS_ADMIN) != 0)
    })
}

/// Gives up every capability: bounding, ambient, inheritable, permitted and effective set.
pub(crate) fn drop_capabilities() -> io::Result<()> {
    // Without CAP_SETPCAP (inside bwrap, which has done it already) the bounding set cannot be changed; the end
    // of the known capabilities shows as EINVAL.
    for capability in 0..64 {
        if prctl(libc::PR_CAPBSET_DROP, capability).is_err() {
            break;
        }
    }
    // SAFETY: integer arguments only. Kernels without ambient capabilities have none to clear.
    unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) };

    #[repr(C)]
    struct Header {
        version: u32,
        pid: libc::c_int,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header { version: VERSION_3, pid: 0 };
    let nothing = [0_u32; 6];
    // SAFETY: version 3 reads two structures of three words each, which is what `nothing` holds.
    check_long(unsafe { libc::syscall(libc::SYS_capset, &raw const header, nothing.as_ptr()) }).map(drop)
}

/// Resources whose limit is set; names as in `setrlimit`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Resource {
    Cpu,
    FileSize,
    Data,
    Core,
    Processes,
    OpenFiles,
    MessageQueues,
    LockedMemory,
}

/// Sets soft and hard limit, or leaves the present hard limit where that is already lower.
pub(crate) fn set_limit(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let which = match resource {
        Resource::Cpu => libc::RLIMIT_CPU,
        Resource::FileSize => libc::RLIMIT_FSIZE,
        Resource::Data => libc::RLIMIT_DATA,
        Resource::Core => libc::RLIMIT_CORE,
        Resource::Processes => libc::RLIMIT_NPROC,
        Resource::OpenFiles => libc::RLIMIT_NOFILE,
        Resource::MessageQueues => libc::RLIMIT_MSGQUEUE,
        Resource::LockedMemory => libc::RLIMIT_MEMLOCK,
    };
    let mut present = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is valid for writing.
    check(unsafe { libc::getrlimit(which, &raw mut present) })?;
    let hard = hard.min(present.rlim_max);
    let wanted = libc::rlimit { rlim_cur: soft.min(hard), rlim_max: hard };
    // SAFETY: the structure is valid for reading.
    check(unsafe { libc::setrlimit(which, &raw const wanted) }).map(drop)
}

/// Leaves the terminal and the process group of whoever started this process. Harmless for a session leader.
pub(crate) fn new_session() {
    // SAFETY: no arguments; the only error is that it already leads a session or group.
    unsafe { libc::setsid() };
}

pub(crate) fn set_host_name(name: &str) -> io::Result<()> {
    // SAFETY: pointer and length describe the same text.
    check(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) }).map(drop)
}

/// Brings the loopback interface of this network namespace up.
pub(crate) fn loopback_up() -> io::Result<()> {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    // SAFETY: integer arguments only.
    let socket = check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the kernel has just made this descriptor for us.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: all-zero is a valid value of this plain C structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (target, byte) in request.ifr_name.iter_mut().zip(*b"lo") {
        *target = byte as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads the name and the flags of the structure.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) }).map(drop)
}

pub(crate) fn kill(pid: Pid) {
    if pid > 0 {
        // SAFETY: integer arguments only; a process that is already gone is what we want.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
}

/// Collects one ended child; with `wait` it blocks until there is one.
pub(crate) fn reap(wait: bool) -> io::Result<Reaped> {
    let mut status = 0;
    let options = if wait { 0 } else { libc::WNOHANG };
    loop {
        // SAFETY: `status` is valid for writing.
        match check(unsafe { libc::waitpid(-1, &raw mut status, options) }) {
            Ok(0) => return Ok(Reaped::NoneYet),
            Ok(pid) if libc::WIFEXITED(status) => {
                return Ok(Reaped::One(pid, Ended::Code(libc::WEXITSTATUS(status))));
            }
            Ok(pid) if libc::WIFSIGNALED(status) => {
                return Ok(Reaped::One(pid, Ended::Signal(libc::WTERMSIG(status))));
            }
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(Reaped::NoChildren),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Blocks SIGCHLD, so that [`wait_for_child_signal`] sees every one.
pub(crate) fn block_child_signal() -> io::Result<()> {
    let set = signal_set(&[libc::SIGCHLD]);
    // SAFETY: the set is initialised; the old mask is not asked for.
    check(unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) }).map(drop)
}

/// Sleeps until a child has ended or the time is over.
pub(crate) fn wait_for_child_signal(timeout: Duration) {
    let set = signal_set(&[libc::SIGCHLD]);
    let time = libc::timespec {
        tv_sec: timeout.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(timeout.subsec_nanos()),
    };
    // SAFETY: set and time are initialised; the signal's details are not asked for.
    unsafe { libc::sigtimedwait(&raw const set, ptr::null_mut(), &raw const time) };
}

fn signal_set(signals: &[libc::c_int]) -> libc::sigset_t {
    // SAFETY: sigemptyset initialises the set before it is used.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        set
    }
}

/// Gives every signal its default action and unblocks all: Rust programs ignore SIGPIPE, others expect it.
pub(crate) fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL is no function of ours; numbers that cannot be set only give an error.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let none = signal_set(&[]);
    // SAFETY: the set is initialised.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut()) };
}

/// Ignores the signals by which a terminal or a service manager stops the server: the server decides alone when
/// a run ends.
pub(crate) fn ignore_stop_signals() {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
        // SAFETY: SIG_IGN is no function of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

pub(crate) fn set_umask(mask: u32) {
    // SAFETY: cannot fail.
    unsafe { libc::umask(mask as libc::mode_t) };
}

/// Argument and environment lists in the form `execve` wants.
pub(crate) struct ExecList {
    _texts: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl ExecList {
    pub fn new<T: AsRef<std::ffi::OsStr>>(texts: impl IntoIterator<Item = T>) -> io::Result<Self> {
        let texts = texts.into_iter().map(c_string).collect::<io::Result<Vec<_>>>()?;
        let pointers = texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect();
        Ok(Self { _texts: texts, pointers })
    }
}

/// Replaces this process. Returns only on failure.
pub(crate) fn execute(program: &std::path::Path, arguments: &ExecList, environment: &ExecList) -> io::Error {
    match c_string(program) {
        Ok(program) => {
            // SAFETY: the lists end with a null pointer and their texts live as long as the lists.
            unsafe {
                libc::execve(program.as_ptr(), arguments.pointers.as_ptr(), environment.pointers.as_ptr());
            }
            io::Error::last_os_error()
        }
        Err(error) => error,
    }
}

/// Ends this process at once, without running anything registered for its end.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: never returns.
    unsafe { libc::_exit(code) }
}
