//! Getting a folder of files to a deploy provider: what a folder may hold, how it is built, and the targets, each a
//! row of steps that a journal can drive. Knows nothing of the server, of its journal, of HTTP servers or of agents.
//!
//! The one promise: whoever keeps the [`State`] that each step hands out, and asks again with it after a crash, never
//! deploys twice and never loses a deployment.

#![forbid(unsafe_code)]

pub mod appstore;
mod body;
pub mod build;
mod call;
mod cloudflare;
mod config;
pub mod detect;
mod drive;
mod error;
pub mod expo;
mod look;
mod netlify;
pub mod site;
mod state;
pub mod target;
mod upload;
mod vercel;

pub use call::{Bases, Clock, Pace};
pub use config::{Config, ConfigError, ExpoAction, ExpoSettings};
pub use drive::{Keeper, drive};
pub use error::{DeployError, ErrorKind, Retry};
pub use site::{Artifact, Site, SiteError};
pub use state::{Release, State, Step, Visibility};
pub use target::{Advance, Environment, Job, Line, Next, Order, Target, TargetKind, Tools, Verified, open};
