//! Language models: one trait, the providers behind it, the price table, the scripted model of test mode.
//!
//! This crate makes one attempt on one model and says how it went. It does not know tasks, retries, fallbacks,
//! budgets or storage: whoever calls it decides what follows from an error's kind.

#![forbid(unsafe_code)]

mod call;
mod cloud;
mod config;
mod discover;
mod env;
mod error;
mod known;
pub mod local;
mod models;
mod name;
mod prices;
mod provider;
pub mod scripted;
mod stated;

pub use call::{Answer, CallRef, Delta, Finish, Message, Messages, Request, RequestedCall, ToolChoice};
pub use cloud::{
    CALL_TIMEOUT, CONNECT_TIMEOUT, FIRST_BYTE_TIMEOUT, IDLE_TIMEOUT, LOCAL_FIRST_BYTE_TIMEOUT,
    MAX_ANSWER_BYTES, MAX_STREAM_BYTES,
};
pub use config::{Endpoint, ModelsConfig, Override, Secret};
pub use discover::{Found, discover_local_servers};
pub use env::{FALLBACK_MODELS, MODEL, OLLAMA_HOST, OPENAI_BASE_URL, PLANNER_MODEL, config_from_env};
pub use error::{ErrorKind, ModelError, NoModel, UnknownModel};
pub use models::{
    LOCAL_PROVIDER, LOCAL_WINDOW_TOKENS, ListedModel, ModelInfo, Models, UNKNOWN_OUTPUT_TOKENS,
    UNKNOWN_WINDOW_TOKENS,
};
pub use name::{InvalidModelName, ModelName};
pub use provider::{Offered, Provider};
