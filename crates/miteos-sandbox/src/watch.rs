//! The folders of a run before, during and after it: how big they are, how full their disk is, who owns them.
//!
//! It knows nothing of processes. What it finds is a reason to end a run, or not to start one.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::SandboxError;
use crate::spec::RunSpec;
use crate::sys::process::effective_uid;
use crate::workspace::{Closed, Measured, Quota, Visit, walk};

/// How often the folders are measured during a run.
const INTERVAL: Duration = Duration::from_secs(2);

/// So many measurements in a row may fail. A folder that changes while it is gone through can fail one; a program
/// must not be able to fail them all.
const MAX_FAILURES: u32 = 3;

/// A disk is running full when less than one part in so many is free, at least and at most so many bytes of it. The
/// least is what a fast disk can take between two looks.
const FLOOR_PARTS: u64 = 20;
const LEAST_FLOOR_BYTES: u64 = 1 << 30;
const MOST_FLOOR_BYTES: u64 = 8 << 30;

/// Measures the folders of a run and makes them usable for it.
///
/// # Errors
///
/// When one is over its limit already, or cannot be measured.
pub(crate) async fn prepare(spec: &RunSpec, user: Option<u32>) -> Result<Quotas, SandboxError> {
    let limits = &spec.limits;
    let visit = user.map_or(Visit::Measure, Visit::GiveTo);
    let owner = user.unwrap_or_else(effective_uid);
    let workspace = (spec.workspace.clone(), limits.workspace_total_bytes, limits.workspace_bytes);
    let home = spec.home_cache.clone().map(|home| (home, limits.home_bytes, limits.home_bytes));
    let mut folders = Vec::new();
    for (path, most, more) in [Some(workspace), home].into_iter().flatten() {
        let quota = Quota { bytes: most, files: limits.workspace_files, closed: Closed::OpenedFor(owner) };
        let place = path.clone();
        let measured = blocking(move || {
            let measured = walk(&place, quota, visit)?;
            Ok((measured, room(&place)?))
        });
        match measured.await {
            Ok((Measured::Within { bytes, .. }, room)) => {
                let quota = Quota { bytes: bytes.saturating_add(more).min(most), ..quota };
                folders.push(Folder { path, quota, before: bytes, room, may_hide: more });
            }
            Ok((Measured::Over(what), _)) => {
                return Err(SandboxError::WorkspaceFull { workspace: path, what });
            }
            Err(error) => {
                let detail =
                    format!("{}: {error}; it must be an existing folder and no link", path.display());
                return Err(SandboxError::setup("look at the workspace", detail));
            }
        }
    }
    Ok(Quotas { folders, owner })
}

/// What the folders of one run may come to.
#[derive(Debug)]
pub(crate) struct Quotas {
    folders: Vec<Folder>,
    /// The user that the program runs as.
    owner: u32,
}

#[derive(Clone, Debug)]
struct Folder {
    path: PathBuf,
    quota: Quota,
    /// What was in it before the run (bytes).
    before: u64,
    /// The room on its disk before the run.
    room: Room,
    /// What the run may take of that without showing it, when the disk runs full (bytes).
    may_hide: u64,
}

/// A disk's size and what is free of it for an ordinary user (bytes).
#[derive(Clone, Copy, Debug)]
struct Room {
    size: u64,
    free: u64,
}

impl Quotas {
    /// Ends only when a folder is over its limit, hides its size, or fills the disk.
    pub(crate) async fn exceeded(&self) {
        let mut failures = 0;
        loop {
            tokio::time::sleep(INTERVAL).await;
            let folders = self.folders.clone();
            match blocking(move || over(&folders)).await {
                Ok(Some(what)) => {
                    tracing::debug!(what, "a program's folders are over their limit");
                    return;
                }
                Ok(None) => failures = 0,
                Err(error) => {
                    tracing::debug!(%error, "cannot measure a workspace during a run");
                    failures += 1;
                    if failures >= MAX_FAILURES {
                        return;
                    }
                }
            }
        }
    }

    /// After a run: takes privilege bits from files, the second wall behind the system call filter, and opens up
    /// what the program has closed, so that the server's other tools can use it.
    pub(crate) async fn tidy(&self) {
        for folder in &self.folders {
            let path = folder.path.clone();
            let closed = Closed::OpenedFor(self.owner);
            let quota = Quota { bytes: u64::MAX, files: u64::MAX, closed };
            if let Err(error) = blocking(move || walk(&path, quota, Visit::TakePrivilegeBits)).await {
                tracing::warn!(folder = %folder.path.display(), %error, "cannot look through a workspace after a run");
            }
        }
    }
}

fn over(folders: &[Folder]) -> io::Result<Option<String>> {
    for folder in folders {
        let quota = Quota { closed: Closed::OverLimit, ..folder.quota };
        match walk(&folder.path, quota, Visit::Measure)? {
            Measured::Over(what) => return Ok(Some(what)),
            Measured::Within { bytes, .. } => {
                if fills_the_disk(folder, bytes, room(&folder.path)?) {
                    return Ok(Some("the disk is running full".to_owned()));
                }
            }
        }
    }
    Ok(None)
}

/// Open files without a name take room and are in no walk, so only the disk shows them, and the disk does not say
/// whose they are. While there is room, nobody is blamed. When it runs out, each run ends that was there while more
/// was lost than it may take and shows: the server's journal is on this disk too. That can be a run beside the
/// guilty one; it is told so, and the next starts from the room that is left.
fn fills_the_disk(folder: &Folder, bytes: u64, now: Room) -> bool {
    // On a small disk, or one that was nearly full before, the run may take half of what there was.
    let floor = (now.size / FLOOR_PARTS).clamp(LEAST_FLOOR_BYTES, MOST_FLOOR_BYTES).min(folder.room.free / 2);
    let lost = folder.room.free.saturating_sub(now.free);
    let shown = bytes.saturating_sub(folder.before);
    now.free < floor && lost.saturating_sub(shown) > folder.may_hide
}

fn room(folder: &std::path::Path) -> io::Result<Room> {
    let found = rustix::fs::statvfs(folder)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok(Room { size: bytes(found.f_blocks), free: bytes(found.f_bavail) })
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn folder(free: u64) -> Folder {
        let quota = Quota { bytes: 2 * GIB, files: 1000, closed: Closed::OverLimit };
        let room = Room { size: 100 * GIB, free };
        Folder { path: "/".into(), quota, before: GIB, room, may_hide: 2 * GIB }
    }

    #[test]
    fn only_a_run_that_may_be_guilty_of_a_full_disk_ends() {
        let full = |start: u64, bytes: u64, free: u64| {
            fills_the_disk(&folder(start), bytes, Room { size: 100 * GIB, free })
        };
        assert!(full(50 * GIB, GIB, GIB / 2), "it has taken nearly all and shows nothing");
        assert!(!full(50 * GIB, GIB, 6 * GIB), "there is still room");
        assert!(!full(2 * GIB, GIB, GIB / 2), "it cannot have taken more than it may");
        assert!(!full(GIB / 2, GIB, GIB / 4), "the disk was nearly full before");
        assert!(!full(4 * GIB, 3 * GIB, GIB / 2), "what it took is in the workspace and measured there");
    }
}
