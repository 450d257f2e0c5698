//! From root to an ordinary user, before any namespace of the sandbox exists.
//!
//! A sandbox made by uid 0 does not hold: files below `/proc/sys` are guarded by the user id alone, and limits on
//! processes do not apply. So the helper of a root server becomes another user first. The folders it needs may
//! lie below folders that this user cannot enter (a data folder with mode 0700, `/root`); with CAP_SYS_ADMIN they
//! are mounted at a reachable place, in a mount namespace that only this helper has.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Failed, Step};
use crate::sys::{mount, process};
use crate::wire::{Method, Order};

/// Where things are for the user that the helper has become.
pub(super) struct Sources {
    pub workspace: PathBuf,
    pub home_cache: Option<PathBuf>,
    /// Source and the path at which it is to be seen.
    pub read_only: Vec<(PathBuf, PathBuf)>,
    /// Only where the order shows it.
    pub own_binary: Option<PathBuf>,
    pub root_point: PathBuf,
}

/// Folders of the host, one of which is covered with the helper's mounts. Every user can enter them, and the
/// helper needs nothing from them.
const STAGE_POINTS: [&str; 3] = ["/run", "/mnt", "/tmp"];

/// The stage holds only mount points.
const STAGE_OPTIONS: &str = "size=1m,nr_inodes=4096,mode=755";

pub(super) fn prepare(order: &Order) -> Result<Sources, Failed> {
    if matches!(order.method, Method::None) {
        return plain(order);
    }
    let Some(user) = order.become_user else {
        if process::effective_uid() == 0 {
            let refused = io::Error::new(io::ErrorKind::PermissionDenied, "a sandbox is never made as root");
            return Err(refused).step("choose a user");
        }
        return plain(order);
    };
    let sources = if process::has_admin_capability() { staged(order)? } else { plain(order)? };
    process::become_user(user).step("become the sandbox user")?;
    // Otherwise the files of this process below /proc still belong to root, and it could not map its own ids.
    process::set_dumpable(true).step("own the files below /proc/self")?;
    Ok(sources)
}

/// The paths as they are.
fn plain(order: &Order) -> Result<Sources, Failed> {
    Ok(Sources {
        workspace: order.workspace.path(),
        home_cache: order.home_cache.as_ref().map(crate::wire::Raw::path),
        read_only: order.read_only.iter().map(|(source, seen_at)| (source.path(), seen_at.path())).collect(),
        own_binary: order.show_binary.then(own_binary).transpose()?,
        root_point: order.root_point.path(),
    })
}

/// The path of this program. It is gone when an upgrade replaced it under a running server.
fn own_binary() -> Result<PathBuf, Failed> {
    let path = std::fs::read_link("/proc/self/exe").step("find the own program")?;
    let replaced = || io::Error::new(io::ErrorKind::NotFound, "it was replaced; restart the server");
    if path.exists() { Ok(path) } else { Err(replaced()).step("find the own program") }
}

/// The same folders, mounted where everybody can reach them. Runs as root.
fn staged(order: &Order) -> Result<Sources, Failed> {
    process::unshare_mounts().step("unshare mounts before dropping root")?;
    mount::make_private().step("make mounts private")?;

    // Opened before the stage covers anything, and never through a link at the end of the path.
    let workspace = open(&order.workspace.path(), true).step("open the workspace")?;
    let home = match &order.home_cache {
        Some(home) => Some(open(&home.path(), true).step("open the home cache")?),
        None => None,
    };
    let mut read_only = Vec::new();
    for (source, seen_at) in &order.read_only {
        let source = source.path();
        let opened = open(&source, false).step(&format!("open {}", source.display()))?;
        read_only.push((opened, seen_at.path()));
    }
    // By its path: what /proc/self/exe names belongs to the mounts of before, which cannot be mounted here.
    let binary = match order.show_binary {
        true => Some(open(&own_binary()?, false).step("open the own program")?),
        false => None,
    };

    let stage = STAGE_POINTS
        .iter()
        .map(Path::new)
        .find(|path| path.is_dir())
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "none of /run, /mnt, /tmp is a folder"))
        .step("find a place for mounts")?;
    mount::fresh("tmpfs", stage, STAGE_OPTIONS).step("mount the stage")?;
    let show = |file: &std::fs::File, name: &str, folder: bool| -> Result<PathBuf, Failed> {
        let target = stage.join(name);
        let made = if folder { std::fs::create_dir(&target) } else { std::fs::write(&target, "") };
        made.and_then(|()| mount::bind(&by_descriptor(file), &target)).step(&format!("stage {name}"))?;
        Ok(target)
    };
    let mut staged_binds = Vec::new();
    for (number, (file, seen_at)) in read_only.iter().enumerate() {
        let folder = file.metadata().is_ok_and(|metadata| metadata.is_dir());
        staged_binds.push((show(file, &format!("bind{number}"), folder)?, seen_at.clone()));
    }
    let root_point = stage.join("root");
    std::fs::create_dir(&root_point).step("make the root point")?;
    Ok(Sources {
        workspace: show(&workspace, "workspace", true)?,
        home_cache: home.as_ref().map(|home| show(home, "home", true)).transpose()?,
        read_only: staged_binds,
        own_binary: binary.as_ref().map(|binary| show(binary, "helper", false)).transpose()?,
        root_point,
    })
}

/// Names a file without being able to read it. With `ours` it must be a folder and no link.
fn open(path: &Path, ours: bool) -> io::Result<std::fs::File> {
    let mut flags = libc::O_PATH | libc::O_CLOEXEC;
    if ours {
        flags |= libc::O_NOFOLLOW | libc::O_DIRECTORY;
    }
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn by_descriptor(file: &std::fs::File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}
