//! The local model: weights on this machine, run inside this process.
//!
//! Everything but [`engine`] is built always; the engine, which compiles llama.cpp, with the feature `embedded-llm`.
//! It does not know the configuration: folders and ids come from outside.

#[cfg(any(test, feature = "embedded-llm"))]
#[cfg_attr(not(feature = "embedded-llm"), allow(dead_code, reason = "only tests use it without the engine"))]
mod block;
pub mod catalog;
#[cfg(any(test, feature = "embedded-llm"))]
#[cfg_attr(not(feature = "embedded-llm"), allow(dead_code, reason = "only tests use it without the engine"))]
mod describe;
#[cfg(feature = "embedded-llm")]
mod engine;
#[cfg(any(test, feature = "embedded-llm"))]
#[cfg_attr(not(feature = "embedded-llm"), allow(dead_code, reason = "only tests use it without the engine"))]
mod grammar;
mod installed;
#[cfg(any(test, feature = "embedded-llm"))]
#[cfg_attr(not(feature = "embedded-llm"), allow(dead_code, reason = "only tests use it without the engine"))]
mod prompt;
mod provider;
pub mod pull;
#[cfg(any(test, feature = "embedded-llm"))]
#[cfg_attr(not(feature = "embedded-llm"), allow(dead_code, reason = "only tests use it without the engine"))]
mod repeat;
#[cfg(any(test, feature = "embedded-llm"))]
#[cfg_attr(not(feature = "embedded-llm"), allow(dead_code, reason = "only tests use it without the engine"))]
mod sampling;
#[cfg(any(test, feature = "embedded-llm"))]
#[cfg_attr(not(feature = "embedded-llm"), allow(dead_code, reason = "only tests use it without the engine"))]
mod schema;
#[cfg(any(test, feature = "embedded-llm"))]
#[cfg_attr(not(feature = "embedded-llm"), allow(dead_code, reason = "only tests use it without the engine"))]
mod stream;

pub use catalog::LocalModel;
pub use installed::{InstalledModel, installed};
pub use provider::{IS_BUILT_IN, provider};
pub use pull::{Origin, Progress, PullError, PullSource, PulledModel, Step, pull};

/// The provider's name in `provider/model`.
pub const PROVIDER: &str = "local";
