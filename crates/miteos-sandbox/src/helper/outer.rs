//! The outer helper: starts the sandbox, watches its memory, kills it, reports its end.
//!
//! Its stdin is the socket to the server. Whatever closes that socket (the run was cancelled, the server was
//! killed) ends the sandbox; nothing depends on which thread of the server started it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::{Failed, Step, bwrap, inner, namespaces, stage, tree};
use crate::handover::{self, First};
use crate::sys::{fd, process};
use crate::wire::{InnerMode, MAX_REPORT_BYTES, Method, Order, Report, read_frame};

/// How often the memory of the tree is added up.
const WATCH_INTERVAL_MS: i32 = 100;

/// The server ends a run at its time limit; this much later the helper does it by itself.
const WALL_SLACK: Duration = Duration::from_secs(10);

/// Pause between two looks while killed processes disappear.
const KILL_PAUSE: Duration = Duration::from_millis(2);

/// Number from which the helper's own descriptors start.
const FIRST_OWN_FD: i32 = 3;

/// A sandbox that was started: the pipe on which the inner stage reports, and where the proxy's socket comes from.
pub(super) struct Started {
    pub reports: OwnedFd,
    pub channel: Option<UnixStream>,
}

/// The two ends of the channel for the proxy's socket, where there is to be one: ours and the inner stage's.
pub(super) fn channel(order: &Order) -> io::Result<(Option<UnixStream>, Option<UnixStream>)> {
    Ok(match order.proxy {
        true => UnixStream::pair().map(|(ours, theirs)| (Some(ours), Some(theirs)))?,
        false => (None, None),
    })
}

pub(super) fn main() -> ! {
    // A helper without a socket to report on can only stop.
    let Ok(control) = take_over_control() else { process::exit_now(2) };
    let report = match start(&control) {
        Ok((order, started)) => watch(&order, started, &control),
        Err(failed) => failed.report(),
    };
    tree::kill_all_descendants(KILL_PAUSE);
    // The server may be gone; then nobody is left to tell.
    let sent = (&control).write_all(&report.to_line());
    process::exit_now(i32::from(sent.is_err()));
}

/// Moves the socket away from stdin and closes whatever else was inherited.
fn take_over_control() -> io::Result<UnixStream> {
    fd::close_from(FIRST_OWN_FD as u32)?;
    let control = fd::duplicate(0, FIRST_OWN_FD)?;
    Ok(UnixStream::from(control))
}

fn start(control: &UnixStream) -> Result<(Order, Started), Failed> {
    process::new_session();
    process::ignore_stop_signals();
    process::adopt_orphans().step("become the reaper of the sandbox")?;
    let (order, stdin) = read_frame(&mut &*control).step("read the order")?;
    give_stdin(&stdin).step("prepare stdin")?;
    // When the machine runs out of memory, the sandbox goes first. Not essential.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    let sources = stage::prepare(&order)?;
    let started = match &order.method {
        Method::Namespaces { proc } => namespaces::start(&order, &sources, *proc)?,
        Method::Bwrap { program, proc, features } => {
            bwrap::start(&order, &sources, &program.path(), *proc, *features)?
        }
        Method::None => start_bare(&order)?,
    };
    Ok((order, started))
}

/// Puts the bytes, or nothing, at stdin. A sealed memory file: it cannot be grown into a hiding place for memory.
fn give_stdin(bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return fd::place(File::open("/dev/null")?.as_fd(), 0);
    }
    let mut file = File::from(fd::memory_file(c"stdin")?);
    file.write_all(bytes)?;
    fd::seal(file.as_fd())?;
    let mut file = file;
    io::Seek::rewind(&mut file)?;
    fd::place(file.as_fd(), 0)
}

fn start_bare(order: &Order) -> Result<Started, Failed> {
    debug_assert_eq!(order.plan.mode, InnerMode::Bare);
    let (reports, writer) = pipe().step("make a pipe")?;
    match process::fork().step("fork")? {
        process::Side::Child => {
            drop(reports);
            inner::run(&order.plan, File::from(writer), None)
        }
        process::Side::Parent(_) => Ok(Started { reports, channel: None }),
    }
}

/// A pipe closed at exec.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    Ok((reader.into(), writer.into()))
}

/// Waits for the end: the program's own, a limit, or the server's wish.
fn watch(order: &Order, started: Started, control: &UnixStream) -> Report {
    let Started { reports: source, mut channel } = started;
    let limits = &order.plan.limits;
    let deadline = Instant::now() + Duration::from_millis(limits.wall_ms) + WALL_SLACK;
    let mut reports = Reports::new(&source);
    let mut next_look = Instant::now();
    loop {
        let watched = [Some(control.as_fd()), Some(source.as_fd()), channel.as_ref().map(AsFd::as_fd)];
        let ready = match fd::poll(watched, WATCH_INTERVAL_MS) {
            Ok(ready) => ready,
            Err(error) => return Report::setup("watch the sandbox", &error),
        };
        let [server, inner, socket] = ready;
        // Before the report: a program that ends at once was still to have its proxy.
        if socket.readable || socket.closed {
            if let Some(channel) = channel.take()
                && let Err(error) = pass_on(&channel, control)
            {
                return Report::setup("hand out the proxy's socket", &error);
            }
            continue;
        }
        if inner.readable || inner.closed {
            match reports.read() {
                Some(report) => return report,
                None if reports.ended => return end_without_report(),
                None => {}
            }
        }
        // The only thing the server ever sends after its order is the wish to end.
        if server.readable || server.closed || Instant::now() >= deadline {
            return Report::Killed;
        }
        if Instant::now() >= next_look {
            if tree::descendants_hold_more_than(limits.memory_bytes) {
                return Report::MemoryLimit;
            }
            next_look = Instant::now() + Duration::from_millis(WATCH_INTERVAL_MS as u64);
        }
    }
}

/// Gives the server the socket that the inner stage has made. Without one there is a report that says why.
fn pass_on(channel: &UnixStream, control: &UnixStream) -> io::Result<()> {
    match handover::receive(channel.as_fd())? {
        First::Socket(socket) => handover::send(control.as_fd(), socket.as_fd()),
        First::Byte(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "something else came")),
        First::End => Ok(()),
    }
}

/// The inner stage died without a word: killed by the kernel for want of memory, or bubblewrap refused.
fn end_without_report() -> Report {
    match process::reap(true) {
        Ok(process::Reaped::One(_, process::Ended::Signal(signal))) => Report::Signal(signal),
        Ok(process::Reaped::One(_, process::Ended::Code(code))) => Report::Setup {
            stage: "start the inner stage".to_owned(),
            detail: format!("it ended with code {code}; its message is in stderr"),
            errno: None,
        },
        Ok(process::Reaped::NoneYet | process::Reaped::NoChildren) => Report::Signal(libc::SIGKILL),
        Err(error) => Report::setup("wait for the inner stage", &error),
    }
}

/// Reads report lines from the inner stage; the first one counts.
struct Reports<'a> {
    source: BorrowedFd<'a>,
    line: Vec<u8>,
    ended: bool,
}

impl<'a> Reports<'a> {
    fn new(source: &'a OwnedFd) -> Self {
        Self { source: source.as_fd(), line: Vec::new(), ended: false }
    }

    fn read(&mut self) -> Option<Report> {
        let mut buffer = [0_u8; 4096];
        let got = match self
            .source
            .try_clone_to_owned()
            .map(File::from)
            .and_then(|mut file| file.read(&mut buffer))
        {
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return None,
            Err(_) => 0,
        };
        self.ended = got == 0 || self.line.len() + got > MAX_REPORT_BYTES;
        self.line.extend_from_slice(&buffer[..got]);
        let end = self.line.iter().position(|byte| *byte == b'\n')?;
        serde_json::from_slice(&self.line[..end]).ok()
    }
}
