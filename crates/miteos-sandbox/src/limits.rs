//! How much a run may use. It does not know who enforces which number; the comment at each field says so.

use serde::{Deserialize, Serialize};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// Limits of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Real time from start to end. The server kills the whole tree.
    pub wall_ms: u64,
    /// Processor seconds of one process (RLIMIT_CPU).
    pub cpu_s: u64,
    /// Anonymous and shared memory of the whole tree, looked at every 100 ms by the outer helper.
    pub memory_bytes: u64,
    /// Data of one process (RLIMIT_DATA). Not address space: runtimes reserve far more than they use.
    pub process_memory_bytes: u64,
    /// Processes and threads (RLIMIT_NPROC, counted in the sandbox's own user namespace).
    pub processes: u64,
    /// Open files of one process (RLIMIT_NOFILE).
    pub open_files: u64,
    /// Size of one file (RLIMIT_FSIZE).
    pub file_bytes: u64,
    /// What a run may add to the workspace, looked at every two seconds.
    pub workspace_bytes: u64,
    /// Size of the workspace, whoever filled it, looked at before the start and every two seconds.
    pub workspace_total_bytes: u64,
    /// Entries in the workspace, looked at as its size.
    pub workspace_files: u64,
    /// Size of `/tmp` (tmpfs).
    pub tmp_bytes: u64,
    /// Entries in `/tmp` and in a temporary home (tmpfs; with bwrap looked at every half second).
    pub tmp_files: u64,
    /// Size of a temporary home (tmpfs), or of the home cache where there is one, looked at as the workspace's.
    pub home_bytes: u64,
    /// Size of `/dev/shm` (tmpfs).
    pub shm_bytes: u64,
    /// Bytes of each of stdout and stderr that are kept: the first half and the last half.
    pub output_kept_bytes: usize,
    /// Bytes of stdout and stderr together after which the run is killed.
    pub output_read_bytes: u64,
}

impl Limits {
    /// A few lines of Python or JavaScript.
    pub const fn snippet() -> Self {
        Self {
            wall_ms: 30_000,
            cpu_s: 30,
            memory_bytes: GIB,
            process_memory_bytes: GIB,
            processes: 128,
            open_files: 1024,
            file_bytes: 256 * MIB,
            workspace_bytes: 2 * GIB,
            workspace_total_bytes: 32 * GIB,
            workspace_files: 200_000,
            tmp_bytes: 256 * MIB,
            tmp_files: 65_536,
            home_bytes: 256 * MIB,
            shm_bytes: 64 * MIB,
            output_kept_bytes: 256 * 1024,
            output_read_bytes: 4 * MIB,
        }
    }

    /// A command of a person or an agent.
    pub const fn shell() -> Self {
        Self {
            wall_ms: 120_000,
            cpu_s: 120,
            output_kept_bytes: 1024 * 1024,
            output_read_bytes: 8 * MIB,
            ..Self::snippet()
        }
    }

    /// A build with a package manager.
    pub const fn build() -> Self {
        Self {
            wall_ms: 600_000,
            cpu_s: 600,
            memory_bytes: 4 * GIB,
            process_memory_bytes: 4 * GIB,
            processes: 256,
            open_files: 4096,
            file_bytes: GIB,
            home_bytes: 2 * GIB,
            output_kept_bytes: 1024 * 1024,
            output_read_bytes: 32 * MIB,
            ..Self::snippet()
        }
    }
}
