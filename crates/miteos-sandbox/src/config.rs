//! What the binary decides once: which backend, which folders, how many runs at a time.
//!
//! It does not know where these values come from.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Number of user ids, from [`SandboxConfig::drop_uid_base`] on, that a root server uses for its sandboxes. A
/// workspace always gets the same one, so that two workspaces rarely share an id.
pub const DROP_UID_COUNT: u32 = 512;

/// Which way of isolation to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendChoice {
    /// The first one that passes its self-test: namespaces, then bwrap. Refuses when none does.
    Auto,
    /// Namespaces made by this crate.
    Namespaces,
    /// The program bubblewrap, with the same policy.
    Bwrap,
    /// No isolation at all: programs are the server's own user, root included, and see the whole machine. Time, output and the end of the process tree are still enforced.
    None,
}

/// Everything the sandbox has to be told, resolved by the binary.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    pub backend: BackendChoice,
    /// A folder for this crate alone. It is made, swept at the start, and never shared between two servers.
    pub runtime_dir: PathBuf,
    /// The program that is started as the helper; it must call [`crate::run_helper_if_asked`] first in `main`.
    /// Normally the running program itself.
    pub helper: PathBuf,
    /// Folders, such as toolchains, that programs may read at the same path.
    pub read_only_binds: Vec<PathBuf>,
    /// Folders of the server's own, such as its data. Where one lies below a folder that programs may read, an empty
    /// one is seen in its place.
    pub hidden_folders: Vec<PathBuf>,
    /// Runs at the same time; more wait, up to a limit, and then are refused as busy.
    pub max_concurrent: usize,
    /// A server that runs as root starts its helpers as one of [`DROP_UID_COUNT`] user ids from here on.
    pub drop_uid_base: u32,
}
