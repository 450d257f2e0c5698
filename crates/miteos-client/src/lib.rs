//! The Rust SDK of Miteos: the HTTP contract as typed calls.
//!
//! It retries what may be retried, resumes what was cut, and says plainly what it could not do. It knows the
//! wire types and HTTP, and nothing of how a server works inside.

#![forbid(unsafe_code)]

mod agents;
mod approvals;
mod client;
mod deliverables;
mod deployments;
mod error;
mod health;
mod keys;
mod link;
mod multipart;
mod previews;
mod progress;
mod retry;
mod sse;
mod stream;
mod tasks;
mod webhooks;
mod workspaces;

pub use client::{Builder, Client, is_same_server, is_this_machine};
pub use deployments::{DeploymentNews, DeploymentStream};
pub use error::ClientError;
pub use miteos_api as api;
pub use multipart::{Upload, UploadSource};
pub use retry::RetryPolicy;
pub use stream::EventStream;
