//! The backend bubblewrap: its own program builds the same file system from arguments, then starts our inner
//! stage as process 1.
//!
//! It can work where our own namespaces cannot: distributions allow user namespaces by a program's path.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::namespaces::{ETC_ENTRIES, ETC_FILES, HOST_NAME, INNER_ID, PRIVATE_KEYS, SYSTEM_FOLDERS};
use super::outer::{Started, channel, pipe};
use super::stage::Sources;
use super::{Failed, Step, inner};
use crate::spec::{HOME_DIR, WORKSPACE_DIR};
use crate::status::ProcVariant;
use crate::sys::fd;
use crate::sys::process::{self, ExecList};
use crate::wire::{BwrapFeatures, INNER_ARGUMENT, INNER_BINARY, Order, Report};

/// Exit code of the child that could not become bubblewrap.
const NOT_STARTED: i32 = 127;

pub(super) fn start(
    order: &Order,
    sources: &Sources,
    program: &Path,
    proc: ProcVariant,
    features: BwrapFeatures,
) -> Result<Started, Failed> {
    let (reports, writer) = pipe().step("make a pipe")?;
    let mut writer = File::from(writer);
    let (ours, theirs) = channel(order).step("make a channel")?;
    match process::fork().step("fork bubblewrap")? {
        process::Side::Parent(_) => Ok(Started { reports, channel: ours }),
        process::Side::Child => {
            drop((reports, ours));
            let inherited = Inherited { reports: &writer, channel: theirs.as_ref() };
            let failed = match become_bwrap(order, sources, program, (proc, features), inherited) {
                Ok(never) => match never {},
                Err(failed) => failed,
            };
            let line = Report::setup(&failed.stage, &failed.error).to_line();
            // If nobody reads any more there is nobody to tell.
            let _ = io::Write::write_all(&mut writer, &line);
            process::exit_now(NOT_STARTED)
        }
    }
}

/// What the inner stage gets through bubblewrap.
struct Inherited<'a> {
    reports: &'a File,
    channel: Option<&'a UnixStream>,
}

fn become_bwrap(
    order: &Order,
    sources: &Sources,
    program: &Path,
    (proc, features): (ProcVariant, BwrapFeatures),
    inherited: Inherited<'_>,
) -> Result<std::convert::Infallible, Failed> {
    process::die_with_parent().step("tie to the helper")?;
    let plan = inner::plan_file(&order.plan).step("write the plan")?;
    fd::keep_across_exec(plan.as_fd()).step("keep the plan")?;
    fd::keep_across_exec(inherited.reports.as_fd()).step("keep the report pipe")?;
    let channel = inherited.channel.map(|channel| fd::keep_across_exec(channel.as_fd()).map(|()| channel));
    let channel = channel.transpose().step("keep the channel")?;

    let mut arguments = Arguments::new(program, features);
    let files = arguments.all(order, sources, proc).step("write the made-up files")?;
    arguments.add([OsStr::new("--"), OsStr::new(INNER_BINARY), OsStr::new(INNER_ARGUMENT)]);
    arguments.add([plan.as_raw_fd().to_string(), inherited.reports.as_raw_fd().to_string()]);
    arguments.add(channel.map(|channel| channel.as_raw_fd().to_string()));

    let list = ExecList::new(&arguments.list).step("write the arguments")?;
    let environment = ExecList::new(std::iter::empty::<&OsStr>()).step("write the environment")?;
    process::reset_signals();
    let error = process::execute(program, &list, &environment);
    drop(files);
    Err(error).step("execute bubblewrap")
}

struct Arguments {
    list: Vec<OsString>,
    features: BwrapFeatures,
}

impl Arguments {
    fn new(program: &Path, features: BwrapFeatures) -> Self {
        Self { list: vec![program.as_os_str().to_owned()], features }
    }

    fn add<T: AsRef<OsStr>>(&mut self, arguments: impl IntoIterator<Item = T>) {
        self.list.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
    }

    /// Everything before the program; the returned files must stay open until bubblewrap has read them.
    fn all(&mut self, order: &Order, sources: &Sources, proc: ProcVariant) -> io::Result<Vec<File>> {
        self.namespaces(proc);
        for folder in SYSTEM_FOLDERS {
            match std::fs::read_link(folder) {
                Ok(link) => self.add([OsStr::new("--symlink"), link.as_os_str(), OsStr::new(folder)]),
                Err(_) => self.add(["--ro-bind-try", folder, folder]),
            }
        }
        let files = self.etc()?;
        match proc {
            ProcVariant::Fresh => self.add(["--proc", "/proc"]),
            ProcVariant::Shared => self.add(["--ro-bind", "/proc", "/proc"]),
        }
        let limits = &order.plan.limits;
        self.add(["--dev", "/dev"]);
        self.temporary("/dev/shm", limits.shm_bytes, "1777");
        self.add(["--remount-ro", "/dev"]);
        self.temporary("/tmp", limits.tmp_bytes, "1777");
        self.add(["--dir", "/run", "--dir", "/var", "--symlink", "../tmp", "/var/tmp"]);
        for (source, seen_at) in &sources.read_only {
            self.bind("--ro-bind", source, seen_at);
        }
        for folder in order.hidden_folders.iter().map(crate::wire::Raw::path) {
            // Elsewhere there is nothing to cover, and nowhere to mount.
            let shown = SYSTEM_FOLDERS.iter().any(|shown| folder.starts_with(shown))
                || sources.read_only.iter().any(|(_, seen_at)| folder.starts_with(seen_at));
            if shown && folder.is_dir() {
                self.add([OsStr::new("--tmpfs"), folder.as_os_str()]);
                self.add([OsStr::new("--remount-ro"), folder.as_os_str()]);
            }
        }
        if let Some(binary) = &sources.own_binary {
            self.bind("--ro-bind", binary, Path::new(INNER_BINARY));
        }
        self.bind("--bind", &sources.workspace, Path::new(WORKSPACE_DIR));
        match &sources.home_cache {
            Some(home) => self.bind("--bind", home, Path::new(HOME_DIR)),
            None => self.temporary(HOME_DIR, limits.home_bytes, "0700"),
        }
        self.add(["--remount-ro", "/", "--chdir", "/"]);
        Ok(files)
    }

    fn namespaces(&mut self, proc: ProcVariant) {
        self.add(["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]);
        self.add(["--unshare-cgroup-try", "--as-pid-1", "--die-with-parent", "--new-session"]);
        self.add(["--cap-drop", "ALL"]);
        let id = INNER_ID.to_string();
        self.add(["--uid", &id, "--gid", &id]);
        if self.features.disable_userns {
            self.add(["--disable-userns"]);
        }
        // Containers that share their /proc do not allow another host name either.
        if proc == ProcVariant::Fresh {
            self.add(["--hostname", HOST_NAME]);
        }
    }

    fn etc(&mut self) -> io::Result<Vec<File>> {
        self.add(["--dir", "/etc"]);
        for name in ETC_ENTRIES {
            let path = Path::new("/etc").join(name);
            if path.exists() {
                self.bind("--ro-bind", &path, &path);
            }
        }
        for keys in PRIVATE_KEYS {
            let keys = format!("/etc/{keys}");
            if Path::new(&keys).is_dir() {
                self.add(["--tmpfs", &keys, "--remount-ro", &keys]);
            }
        }
        let mut files = Vec::new();
        for (name, text) in ETC_FILES {
            let file = inner::memory_file(name, text.as_bytes())?;
            fd::keep_across_exec(file.as_fd())?;
            self.add(["--file", &file.as_raw_fd().to_string(), &format!("/etc/{name}")]);
            files.push(file);
        }
        Ok(files)
    }

    fn temporary(&mut self, target: &str, bytes: u64, mode: &str) {
        if self.features.perms {
            self.add(["--perms", mode]);
        }
        if self.features.size {
            self.add(["--size", &bytes.to_string()]);
        }
        self.add(["--tmpfs", target]);
    }

    fn bind(&mut self, option: &str, source: &Path, target: &Path) {
        self.add([OsStr::new(option), source.as_os_str(), target.as_os_str()]);
    }
}
