//! The inner stage: takes every privilege away from itself, starts the program, waits for its end.
//!
//! In a sandbox it is process 1, so its own end ends everything. It keeps no right the program does not have, and
//! the program can neither read nor signal it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Failed, Step, landlock, seccomp};
use crate::handover;
use crate::spec::HOME_DIR;
use crate::sys::process::{self, Ended, ExecList, Reaped, Resource};
use crate::sys::{c_string, fd};
use crate::wire::{InnerMode, Plan, Report};

/// How often the entries of temporary file systems are counted where the mount itself has no limit.
const FILES_INTERVAL: Duration = Duration::from_millis(500);

/// Longest wait for a signal when nothing has to be counted.
const IDLE_INTERVAL: Duration = Duration::from_secs(3600);

/// Memory that may be locked.
const LOCKED_BYTES: u64 = 8 * 1024 * 1024;

/// How often, and after which pause, a program that is open for writing is tried again.
const BUSY_ATTEMPTS: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Exit code of a child that could not become the program; the report says why.
const NOT_STARTED: i32 = 127;

/// Entry for bubblewrap, which starts this binary inside: the plan, the report pipe and, for a proxy, the channel are
/// inherited descriptors.
pub(super) fn main(mut arguments: impl Iterator<Item = OsString>) -> ! {
    let mut number = || arguments.next()?.to_str()?.parse::<i32>().ok().filter(|number| *number > 2);
    let (Some(plan), Some(reports)) = (number(), number()) else { process::exit_now(2) };
    let (Ok(plan), Ok(reports)) = (fd::adopt(plan), fd::adopt(reports)) else { process::exit_now(2) };
    let channel = match number().map(fd::adopt).transpose() {
        Ok(channel) => channel.map(UnixStream::from),
        Err(_) => process::exit_now(2),
    };
    let mut reports = File::from(reports);
    let mut json = Vec::new();
    let plan: io::Result<Plan> = File::from(plan)
        .read_to_end(&mut json)
        .and_then(|_| serde_json::from_slice(&json).map_err(io::Error::other));
    match plan.step("read the plan") {
        Ok(plan) => run(&plan, reports, channel),
        Err(failed) => {
            let _ = reports.write_all(&failed.report().to_line());
            process::exit_now(1)
        }
    }
}

/// Locks itself down, runs the program, reports. The last step of every backend.
pub(super) fn run(plan: &Plan, mut reports: File, channel: Option<UnixStream>) -> ! {
    let report = offer_proxy(channel)
        .and_then(|()| lock_down(plan))
        .and_then(|()| start(plan, &reports))
        .map_or_else(|failed| Some(failed.report()), |program| wait(plan, program));
    if let Some(report) = report {
        // If the helper outside is gone, so is everybody who wants to know.
        let _ = reports.write_all(&report.to_line());
    }
    process::exit_now(0)
}

/// Binds the proxy's port before the program runs, so that it can never be somebody else's.
fn offer_proxy(channel: Option<UnixStream>) -> Result<(), Failed> {
    let Some(channel) = channel else { return Ok(()) };
    handover::listen_and_send(channel.as_fd()).step("listen for the proxy")
}

fn lock_down(plan: &Plan) -> Result<(), Failed> {
    process::new_session();
    process::set_umask(0o022);
    std::env::set_current_dir(plan.cwd.path()).map_err(|error| folder_missing(plan, error))?;
    fd::cloexec_from(3).step("close inherited files")?;
    process::block_child_signal().step("block SIGCHLD")?;
    set_limits(plan)?;
    process::set_no_new_privileges().step("set no_new_privs")?;
    if plan.mode == InnerMode::Bare {
        return Ok(());
    }
    process::drop_capabilities().step("drop capabilities")?;
    process::set_dumpable(false).step("become unreadable")?;
    landlock::restrict().step("apply Landlock")?;
    seccomp::install().step("install the system call filter")
}

fn folder_missing(plan: &Plan, error: io::Error) -> Failed {
    let detail = format!("cannot start in {}: {error}", plan.cwd.path().display());
    Failed { stage: "enter the folder".to_owned(), error: io::Error::new(error.kind(), detail) }
}

fn set_limits(plan: &Plan) -> Result<(), Failed> {
    let limits = &plan.limits;
    let mut wanted = vec![
        // One second between the signal that can be caught and the one that cannot.
        (Resource::Cpu, limits.cpu_s, limits.cpu_s + 1),
        (Resource::FileSize, limits.file_bytes, limits.file_bytes),
        (Resource::Data, limits.process_memory_bytes, limits.process_memory_bytes),
        (Resource::Core, 0, 0),
        (Resource::OpenFiles, limits.open_files, limits.open_files),
        (Resource::MessageQueues, 0, 0),
        (Resource::LockedMemory, LOCKED_BYTES, LOCKED_BYTES),
    ];
    if plan.mode != InnerMode::Bare {
        // Outside a user namespace this would count every process of the server's user.
        wanted.push((Resource::Processes, limits.processes, limits.processes));
    }
    for (resource, soft, hard) in wanted {
        process::set_limit(resource, soft, hard).step(&format!("limit {resource:?}"))?;
    }
    Ok(())
}

fn start(plan: &Plan, mut reports: &File) -> Result<process::Pid, Failed> {
    let Some((name, _)) = plan.program.split_first() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the program has no name")).step("start");
    };
    let path = plan.env.iter().find(|(key, _)| key.0 == "PATH").map(|(_, value)| value.0.clone());
    let candidates = candidates(Path::new(&name.0), &path.unwrap_or_default());
    let arguments = ExecList::new(plan.program.iter().map(|raw| &raw.0)).step("read the arguments")?;
    let environment = ExecList::new(plan.env.iter().map(|(key, value)| {
        let mut pair = key.0.clone();
        pair.push("=");
        pair.push(&value.0);
        pair
    }))
    .step("read the environment")?;
    match process::fork().step("fork the program")? {
        process::Side::Parent(program) => Ok(program),
        process::Side::Child => {
            process::reset_signals();
            let cause = execute(&candidates, &arguments, &environment);
            let _ = reports.write_all(&Report::Program { cause }.to_line());
            process::exit_now(NOT_STARTED)
        }
    }
}

/// Where the program may be: at its path, or in the folders of `PATH`.
fn candidates(name: &Path, path: &std::ffi::OsStr) -> Vec<PathBuf> {
    if name.as_os_str().as_bytes().contains(&b'/') {
        return vec![name.to_owned()];
    }
    std::env::split_paths(path)
        .filter(|folder| !folder.as_os_str().is_empty())
        .map(|folder| folder.join(name))
        .collect()
}

/// Executes a file. One that was just written may still be open in a process that somebody else forked at that
/// moment; that passes by itself.
fn execute_patiently(path: &Path, arguments: &ExecList, environment: &ExecList) -> io::Error {
    let mut error = process::execute(path, arguments, environment);
    for _ in 0..BUSY_ATTEMPTS {
        if error.raw_os_error() != Some(libc::ETXTBSY) {
            break;
        }
        std::thread::sleep(BUSY_PAUSE);
        error = process::execute(path, arguments, environment);
    }
    error
}

/// Tries each candidate; returns only when none could be executed, with the reason that tells most.
fn execute(candidates: &[PathBuf], arguments: &ExecList, environment: &ExecList) -> String {
    let mut telling = None;
    for candidate in candidates {
        let error = execute_patiently(candidate, arguments, environment);
        if error.raw_os_error() != Some(libc::ENOENT) || std::fs::symlink_metadata(candidate).is_ok() {
            telling.get_or_insert((candidate, error));
        }
    }
    let Some((program, error)) = telling else {
        return match candidates {
            [only] => format!("there is no file {} in the sandbox", only.display()),
            _ => "it is in none of the folders of PATH".to_owned(),
        };
    };
    let path = program.display();
    match error.raw_os_error() {
        Some(libc::ENOEXEC) => format!("{path} is neither a program nor a script with a first line `#!`"),
        Some(libc::EACCES) => {
            format!("{path} is not executable; a script needs `chmod +x` or its interpreter")
        }
        Some(libc::ENOENT) if !program.exists() => {
            format!("{path} is a link to a file that the sandbox does not show")
        }
        Some(libc::ENOENT) => format!("the interpreter that {path} asks for is not in the sandbox"),
        Some(libc::E2BIG) => "arguments and environment are too long together".to_owned(),
        _ => format!("{path}: {error}"),
    }
}

/// Collects every process that ends, until it is the program.
fn wait(plan: &Plan, program: process::Pid) -> Option<Report> {
    let watch_files = plan.mode == InnerMode::IsolatedWatchingFiles;
    loop {
        loop {
            match process::reap(false) {
                Ok(Reaped::One(pid, ended)) if pid == program => {
                    return Some(match ended {
                        Ended::Code(code) => Report::Code(code),
                        Ended::Signal(signal) => Report::Signal(signal),
                    });
                }
                Ok(Reaped::One(..)) => {}
                Ok(Reaped::NoneYet) => break,
                Ok(Reaped::NoChildren) => return None,
                Err(error) => return Some(Report::setup("wait for the program", &error)),
            }
        }
        if watch_files && too_many_files(plan.limits.tmp_files) {
            return Some(Report::TemporaryFilesLimit);
        }
        process::wait_for_child_signal(if watch_files { FILES_INTERVAL } else { IDLE_INTERVAL });
    }
}

fn too_many_files(limit: u64) -> bool {
    ["/tmp", "/dev/shm", HOME_DIR].into_iter().any(|folder| {
        // A home cache is on a disk, whose other files are none of our business: only tmpfs counts.
        rustix::fs::statfs(folder).is_ok_and(|found| {
            found.f_type == libc::TMPFS_MAGIC && found.f_files.saturating_sub(found.f_ffree) > limit
        })
    })
}

/// A plan as a descriptor that bubblewrap hands through.
pub(super) fn plan_file(plan: &Plan) -> io::Result<File> {
    let json = serde_json::to_vec(plan).map_err(io::Error::other)?;
    memory_file("plan", &json)
}

/// A sealed memory file with the given content, rewound.
pub(super) fn memory_file(name: &str, content: &[u8]) -> io::Result<File> {
    let mut file = File::from(fd::memory_file(&c_string(name)?)?);
    file.write_all(content)?;
    fd::seal(file.as_fd())?;
    io::Seek::rewind(&mut file)?;
    Ok(file)
}
