//! The backend of our own: namespaces and mounts by system calls, no other program needed.
//!
//! The new process is number 1 in its pid namespace from the start and stays it; the program is its child.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::outer::{Started, channel, pipe};
use super::stage::Sources;
use super::{Failed, Step, inner};
use crate::spec::{HOME_DIR, WORKSPACE_DIR};
use crate::status::ProcVariant;
use crate::sys::mount::{self, NO_DEV, NO_EXEC, NO_SUID, READ_ONLY};
use crate::sys::process;
use crate::wire::{INNER_BINARY, Order};

/// User and group that a program sees itself as.
pub(super) const INNER_ID: u32 = 1000;

/// The host name inside.
pub(super) const HOST_NAME: &str = "sandbox";

/// Size of the root's own tmpfs: mount points and a few made-up files.
const ROOT_OPTIONS: &str = "size=1m,nr_inodes=16384,mode=755";

/// Folders of the host that every program needs, read-only. Those that are links on the host stay links. What is
/// installed beside the system, below `/opt`, often lies there with its settings: the operator lists what programs
/// may see of it.
pub(crate) const SYSTEM_FOLDERS: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// What covers a folder of the server's: nothing can be put there.
const COVER_OPTIONS: &str = "size=4k,nr_inodes=1,mode=555";

/// Folders of [`ETC_ENTRIES`] with keys of the machine's services; programs find them empty.
pub(super) const PRIVATE_KEYS: [&str; 2] = ["ssl/private", "pki/tls/private"];

/// What programs need from `/etc`; nothing else of it is visible.
pub(super) const ETC_ENTRIES: [&str; 15] = [
    "ssl",
    "ca-certificates",
    "pki",
    "alternatives",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "nsswitch.conf",
    "mime.types",
    "services",
    "protocols",
    "fonts",
    "crypto-policies",
    "gai.conf",
];

/// Files of `/etc` that are made up.
pub(super) const ETC_FILES: [(&str, &str); 6] = [
    (
        "passwd",
        "root:x:0:0:root:/nonexistent:/bin/false\nsandbox:x:1000:1000:sandbox:/home/sandbox:/bin/sh\n",
    ),
    ("group", "root:x:0:\nsandbox:x:1000:\n"),
    ("hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n"),
    ("hostname", "sandbox\n"),
    ("resolv.conf", "# no network\n"),
    ("machine-id", "00000000000000000000000000000000\n"),
];

const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

const DEVICE_LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Parts of `/proc` that can change the machine.
const PROC_READ_ONLY: [&str; 5] = ["sys", "sysrq-trigger", "irq", "bus", "fs"];

/// Parts of `/proc` that tell about the machine's insides; they are covered.
const PROC_HIDDEN: [&str; 8] =
    ["kcore", "keys", "key-users", "kallsyms", "kmsg", "timer_list", "sched_debug", "acpi"];

pub(super) fn start(order: &Order, sources: &Sources, proc: ProcVariant) -> Result<Started, Failed> {
    let (reports, writer) = pipe().step("make a pipe")?;
    let (go_reader, go_writer) = pipe().step("make a pipe")?;
    let (ours, theirs) = channel(order).step("make a channel")?;
    let ids = process::own_ids();
    match process::clone_namespaces().step("make namespaces")? {
        process::Side::Child => {
            drop((reports, go_writer, ours));
            let built = wait_for_parent(go_reader).and_then(|()| build(order, sources, proc, ids));
            child(order, built, File::from(writer), theirs)
        }
        process::Side::Parent(_) => {
            File::from(go_writer).write_all(b"g").step("start the inner stage")?;
            Ok(Started { reports, channel: ours })
        }
    }
}

fn child(order: &Order, built: Result<(), Failed>, mut reports: File, channel: Option<UnixStream>) -> ! {
    match built {
        Ok(()) => inner::run(&order.plan, reports, channel),
        Err(failed) => {
            // If nobody reads any more there is nobody to tell.
            let _ = reports.write_all(&failed.report().to_line());
            process::exit_now(1)
        }
    }
}

/// Asks to be killed with the parent, then waits for its word: if it died before the first took effect, the pipe
/// is closed and this process ends by itself.
fn wait_for_parent(go: OwnedFd) -> Result<(), Failed> {
    process::die_with_parent().step("tie to the helper")?;
    File::from(go).read_exact(&mut [0]).step("wait for the helper")
}

fn build(order: &Order, sources: &Sources, proc: ProcVariant, ids: (u32, u32)) -> Result<(), Failed> {
    map_ids(ids).step("map user ids")?;
    mount::make_private().step("make mounts private")?;
    // In containers without this right the name of the container stays; it tells nothing.
    let _ = process::set_host_name(HOST_NAME);
    process::loopback_up().step("bring loopback up")?;

    let root = &sources.root_point;
    mount::fresh("tmpfs", root, ROOT_OPTIONS).step("mount the root")?;
    system_folders(root)?;
    etc(root)?;
    devices(root, order)?;
    process_files(root, proc)?;
    private_folders(root, order, sources)?;
    mount::enter_root(root).step("enter the new root")?;
    mount::add_attributes(Path::new("/"), READ_ONLY | NO_SUID | NO_DEV, false).step("make the root read-only")
}

/// One id of the outside is [`INNER_ID`] inside; no other exists.
fn map_ids((user, group): (u32, u32)) -> io::Result<()> {
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{INNER_ID} {user} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{INNER_ID} {group} 1"))
}

fn system_folders(root: &Path) -> Result<(), Failed> {
    for folder in SYSTEM_FOLDERS {
        let path = Path::new(folder);
        let Ok(metadata) = std::fs::symlink_metadata(path) else { continue };
        if metadata.is_symlink() {
            std::fs::read_link(path)
                .and_then(|link| std::os::unix::fs::symlink(link, inside(root, path)))
                .step(&format!("link {folder}"))?;
        } else if metadata.is_dir() {
            bind_read_only(root, path, path)?;
        }
    }
    Ok(())
}

fn etc(root: &Path) -> Result<(), Failed> {
    let etc = root.join("etc");
    std::fs::create_dir(&etc).step("make /etc")?;
    for name in ETC_ENTRIES {
        let path = Path::new("/etc").join(name);
        // A file this user cannot see is none that programs could use.
        if path.exists() {
            bind_read_only(root, &path, &path)?;
        }
    }
    for (name, text) in ETC_FILES {
        std::fs::write(etc.join(name), text).step("write /etc")?;
    }
    for keys in PRIVATE_KEYS {
        let keys = etc.join(keys);
        if keys.is_dir() {
            mount::fresh("tmpfs", &keys, COVER_OPTIONS).step("cover the machine's private keys")?;
        }
    }
    Ok(())
}

fn devices(root: &Path, order: &Order) -> Result<(), Failed> {
    let dev = root.join("dev");
    std::fs::create_dir(&dev).step("make /dev")?;
    for name in DEVICES {
        let target = dev.join(name);
        std::fs::write(&target, "")
            .and_then(|()| mount::bind(&Path::new("/dev").join(name), &target))
            .and_then(|()| mount::add_attributes(&target, NO_SUID | NO_EXEC, false))
            .step(&format!("show /dev/{name}"))?;
    }
    for (name, target) in DEVICE_LINKS {
        std::os::unix::fs::symlink(target, dev.join(name)).step("link in /dev")?;
    }
    let limits = &order.plan.limits;
    temporary(&dev.join("shm"), limits.shm_bytes, limits.tmp_files, "1777")?;
    // Pseudo terminals are a comfort for a few programs; without the file system they see none.
    let pts = dev.join("pts");
    std::fs::create_dir(&pts).step("make /dev/pts")?;
    let _ = mount::fresh_special("devpts", &pts, "newinstance,ptmxmode=0666,mode=620");
    Ok(())
}

fn process_files(root: &Path, variant: ProcVariant) -> Result<(), Failed> {
    let proc = root.join("proc");
    std::fs::create_dir(&proc).step("make /proc")?;
    match variant {
        ProcVariant::Fresh => mount::fresh_special("proc", &proc, "").step("mount /proc")?,
        ProcVariant::Shared => mount::bind(Path::new("/proc"), &proc)
            .and_then(|()| mount::add_attributes(&proc, READ_ONLY | NO_SUID | NO_EXEC, true))
            .step("show the shared /proc")?,
    }
    if variant == ProcVariant::Fresh {
        // A second wall behind the system call filter: no user namespaces below this one.
        let _ = std::fs::write(proc.join("sys/user/max_user_namespaces"), "0");
        for name in PROC_READ_ONLY {
            let path = proc.join(name);
            if path.exists() {
                mount::bind(&path, &path)
                    .and_then(|()| mount::add_attributes(&path, READ_ONLY, true))
                    .step(&format!("protect /proc/{name}"))?;
            }
        }
    }
    for name in PROC_HIDDEN {
        let path = proc.join(name);
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        let covered = if metadata.is_dir() {
            mount::fresh("tmpfs", &path, COVER_OPTIONS)
        } else {
            mount::bind(Path::new("/dev/null"), &path)
        };
        covered.step(&format!("cover /proc/{name}"))?;
    }
    Ok(())
}

fn private_folders(root: &Path, order: &Order, sources: &Sources) -> Result<(), Failed> {
    let limits = &order.plan.limits;
    temporary(&root.join("tmp"), limits.tmp_bytes, limits.tmp_files, "1777")?;
    std::fs::create_dir(root.join("run")).step("make /run")?;
    std::fs::create_dir(root.join("var")).step("make /var")?;
    std::os::unix::fs::symlink("../tmp", root.join("var/tmp")).step("link /var/tmp")?;

    for (source, seen_at) in &sources.read_only {
        bind_read_only(root, source, seen_at)?;
    }
    for folder in &order.hidden_folders {
        cover(root, &folder.path())?;
    }
    if let Some(binary) = &sources.own_binary {
        bind_read_only(root, binary, Path::new(INNER_BINARY))?;
    }
    writable(root, &sources.workspace, WORKSPACE_DIR)?;
    match &sources.home_cache {
        Some(home) => writable(root, home, HOME_DIR),
        None => temporary(&inside(root, Path::new(HOME_DIR)), limits.home_bytes, limits.tmp_files, "700"),
    }
}

/// Covers a folder of the server's where it would be seen, at the end of whatever shows it.
fn cover(root: &Path, folder: &Path) -> Result<(), Failed> {
    let target = inside(root, folder);
    if !target.is_dir() {
        return Ok(());
    }
    contained(root, &target)
        .and_then(|()| mount::fresh("tmpfs", &target, COVER_OPTIONS))
        .and_then(|()| mount::add_attributes(&target, READ_ONLY, false))
        .step(&format!("cover {}", folder.display()))
}

fn temporary(target: &Path, bytes: u64, files: u64, mode: &str) -> Result<(), Failed> {
    std::fs::create_dir_all(target)
        .and_then(|()| mount::fresh("tmpfs", target, &format!("size={bytes},nr_inodes={files},mode={mode}")))
        .step(&format!("mount {}", target.display()))
}

fn writable(root: &Path, source: &Path, seen_at: &str) -> Result<(), Failed> {
    let target = inside(root, Path::new(seen_at));
    std::fs::create_dir_all(&target)
        .and_then(|()| mount::bind(source, &target))
        .and_then(|()| mount::add_attributes(&target, NO_SUID | NO_DEV, true))
        .step(&format!("show {seen_at}"))
}

fn bind_read_only(root: &Path, source: &Path, seen_at: &Path) -> Result<(), Failed> {
    let target = inside(root, seen_at);
    let stage = format!("show {}", seen_at.display());
    let metadata = std::fs::metadata(source).step(&stage)?;
    let parent = target.parent().unwrap_or(root);
    contained(root, parent)
        .and_then(|()| std::fs::create_dir_all(parent))
        .and_then(|()| match metadata.is_dir() {
            true => std::fs::create_dir_all(&target),
            false => std::fs::write(&target, ""),
        })
        .and_then(|()| mount::bind(source, &target))
        .and_then(|()| mount::add_attributes(&target, READ_ONLY | NO_SUID | NO_DEV, true))
        .step(&stage)
}

/// Refuses a place that a link in the new root leads out of it: until the root is entered, links mean the host.
fn contained(root: &Path, path: &Path) -> io::Result<()> {
    let root = std::fs::canonicalize(root)?;
    let existing = path.ancestors().find(|ancestor| std::fs::symlink_metadata(ancestor).is_ok());
    match existing.map(std::fs::canonicalize).transpose()? {
        Some(found) if found.starts_with(&root) => Ok(()),
        Some(_) | None => Err(io::Error::other("a link leads out of the sandbox's root")),
    }
}

/// An absolute path of the sandbox, below the root that is being built.
fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}
