//! What the server logs, on stderr.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{self, Settings};
use crate::failure::Failure;

/// Sends the log to stderr, filtered by `MITEOS_LOG` or else by `default`.
pub fn to_stderr(settings: &Settings, default: &str) -> Result<(), Failure> {
    let filter = settings.get(config::LOG).unwrap_or_else(|| default.to_owned());
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        Failure::usage(format!("{} is \"{filter}\": {error}", config::LOG))
            .hint("info would be right, or debug")
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal() && settings.get("NO_COLOR").is_none())
        .with_target(false)
        .try_init()
        .map_err(|error| Failure::usage(format!("logging cannot be set up: {error}")))
}
