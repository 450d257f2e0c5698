//! What the probe found, for the health page, `doctor` and the text of a refusal.

use serde::{Deserialize, Serialize};

/// A way of isolation that can be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    Namespaces,
    Bwrap,
}

impl Backend {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Bwrap => "bwrap",
        }
    }
}

/// Which `/proc` a program sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcVariant {
    /// Its own: only the processes of the sandbox.
    Fresh,
    /// That of the container the server runs in, read-only: process names are visible, nothing else of them.
    Shared,
}

/// One backend that was tried and why it cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub backend: Backend,
    pub proc: ProcVariant,
    pub reason: String,
    pub mend: String,
}

/// Whether programs can be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    Isolated {
        backend: Backend,
        proc: ProcVariant,
        /// User ids that programs run as when the server is root, first and last; otherwise the server's own.
        dropped_uids: Option<(u32, u32)>,
        /// Protections of the full list that this machine does not offer.
        missing_layers: Vec<String>,
    },
    /// The operator chose to run without isolation.
    Unsandboxed,
    Unavailable {
        reason: String,
        mend: String,
    },
}

/// The probe's result and the load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    #[serde(flatten)]
    pub state: State,
    /// How each limit is enforced here, or that it is not.
    pub limits: Vec<String>,
    /// Backends that failed before the chosen one, or all of them.
    pub failed: Vec<Attempt>,
    pub probe_ms: u64,
    pub max_concurrent: usize,
    pub running: usize,
    pub waiting: usize,
}
