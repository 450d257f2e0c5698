//! Runs a program with limits and without the rest of the machine, or refuses.
//!
//! It knows programs, folders, limits and the Linux kernel. It does not know tasks, agents, models or HTTP, and
//! it has no opinion on what is worth running. The order of the modules is the order of a run: configuration and
//! probe, the run as the server sees it, then what the helper process does on the other side.
//!
//! A run has three processes of ours. The *server* starts a copy of its own binary, the *outer helper*, and
//! talks to it over one socket: when the socket closes, for whatever reason, everything is killed. The outer
//! helper builds the namespaces, or starts bubblewrap to do so, and watches the memory of the tree. Inside, the
//! *inner stage* is process 1: it takes every privilege away from itself, starts the program and reports its end.
//!
//! A run that may reach hosts has no network either. The inner stage binds one port of the sandbox's own loopback and
//! hands the listening socket out; the server accepts there, as a proxy for listed hosts, until the run ends.

mod config;
mod egress;
mod error;
mod limits;
mod spec;
mod status;

#[cfg(target_os = "linux")]
mod capture;
#[cfg(target_os = "linux")]
mod handover;
#[cfg(target_os = "linux")]
mod mend;
#[cfg(target_os = "linux")]
mod probe;
#[cfg(target_os = "linux")]
mod proxy;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
mod sandbox;
#[cfg(target_os = "linux")]
mod watch;
#[cfg(target_os = "linux")]
mod wire;
#[cfg(target_os = "linux")]
mod workspace;

#[cfg(target_os = "linux")]
mod helper;
#[cfg(target_os = "linux")]
mod sys;

#[cfg(not(target_os = "linux"))]
mod elsewhere;

pub use config::{BackendChoice, DROP_UID_COUNT, SandboxConfig};
pub use egress::{
    AllowList, Dial, DialError, Dialing, Egress, EgressLimits, HostPort, InvalidHost, MAX_HOSTS,
};
pub use error::SandboxError;
pub use limits::Limits;
pub use spec::{
    Captured, Exit, HOME_DIR, MAX_STDIN_BYTES, Network, OutputChunk, PROXY_URL, ReadOnly, RunOutcome,
    RunSpec, SYSTEM_PATH, Stream, WORKSPACE_DIR,
};
pub use status::{Attempt, Backend, ProcVariant, State, Status};

#[cfg(target_os = "linux")]
pub use helper::run_helper_if_asked;
#[cfg(target_os = "linux")]
pub use sandbox::{Owner, Sandbox};

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Owner, Sandbox, run_helper_if_asked};
