//! The Miteos server: HTTP in front, the journal behind, and between them an engine that drives every task to its
//! end. One process, one data folder.

#![forbid(unsafe_code)]

pub mod backup;
pub mod config;
pub mod server;

mod archive;
mod clock;
mod collection;
mod connections;
mod deployments;
mod engine;
mod errors;
mod feed;
mod folder;
mod followed;
mod housekeeping;
mod http;
mod keys;
mod limits;
mod listener;
mod metrics;
mod preview;
mod project;
mod prompts;
mod restored;
mod rows;
mod runner;
mod secrets;
mod serve;
mod services;
mod sign_in;
mod summary;
mod tasks;
mod tier;
mod traces;
mod views;
mod webhooks;

/// The sandbox, for the binary: its helper runs first thing in `main`.
pub mod sandbox;

pub use clock::{Clock, Ids, SystemClock};
pub use config::{
    Config, DeploySettings, MetricsConfig, PageFile, PreviewConfig, PreviewHosts, StreamTimes, TraceConfig,
};
pub use deployments::{
    BuildError, BuildJob, Builder, BuiltFolder, Changes, Place, PublishError, PublishJob, Published,
    Publisher, TakeInError, TakeInJob, TakenIn, damaged as damaged_deployments,
};
pub use http::openapi::text as openapi;
pub use http::operations::{Access, Operation, Takes, operations};
pub use keys::{BootstrapKeys, KEYS_FILE};
pub use metrics::{Described, Kind, METRICS};
pub use miteos_deploy::build::Registries;
pub use miteos_models as models;
pub use miteos_store::{CrashHook, FaultHook, is_in_use};
pub use miteos_tools::{
    http::{EgressPolicy, Names, SystemNames},
    search::SearchConfig,
};
pub use restored::Unfinished;
pub use server::{Followers, Server, StartError};
