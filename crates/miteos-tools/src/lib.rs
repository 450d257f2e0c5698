//! The tools of Miteos: what agents can do, the one door to a workspace's files and the one client for outgoing
//! calls. Knows nothing of tasks' states, of storage or of HTTP servers.

#![forbid(unsafe_code)]

mod builtin;
mod calls;
pub mod http;
mod page;
pub mod registry;
mod sandboxed;
pub mod search;
pub mod secret;
pub mod services;
#[cfg(test)]
mod testing;
pub mod tool;
pub mod workspace;

pub use calls::{forget, presume_started};
pub use registry::Registry;
pub use services::{Blobs, CodeRunner, Memory, Services};
pub use tool::{
    Circumstances, Needs, Published, Settled, Tool, ToolContext, ToolEffect, ToolError, ToolOutput,
};
pub use workspace::{Workspace, WorkspaceError};
