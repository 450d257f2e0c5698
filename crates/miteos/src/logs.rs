//! What the server logs, on stderr: lines for people on a terminal, JSON for everything else.

mod json;

use std::io::{self, IsTerminal};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{self, Settings};
use crate::failure::Failure;

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

impl Format {
    /// What was asked for, by flag or else by variable.
    pub fn asked(settings: &Settings, flag: Option<&str>) -> Result<Option<Self>, Failure> {
        let Some(word) = flag.map(str::to_owned).or_else(|| settings.get(config::LOG_FORMAT)) else {
            return Ok(None);
        };
        match word.to_lowercase().as_str() {
            "text" => Ok(Some(Self::Text)),
            "json" => Ok(Some(Self::Json)),
            _ => {
                Err(Failure::usage(format!("the log format is \"{word}\""))
                    .hint("text or json would be right"))
            }
        }
    }

    /// What a server's log is read by: a person at a terminal, or a program.
    pub fn of_stderr() -> Self {
        if io::stderr().is_terminal() { Self::Text } else { Self::Json }
    }
}

/// Sends the log to stderr, filtered by `MITEOS_LOG` or else by `default`.
pub fn to_stderr(settings: &Settings, default: &str, format: Format) -> Result<(), Failure> {
    let filter = settings.get(config::LOG).unwrap_or_else(|| default.to_owned());
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        Failure::usage(format!("{} is \"{filter}\": {error}", config::LOG))
            .hint("info would be right, or debug")
    })?;
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Format::Text => {
            let colours = io::stderr().is_terminal() && settings.get("NO_COLOR").is_none();
            fmt::layer().with_writer(io::stderr).with_ansi(colours).with_target(false).boxed()
        }
        Format::Json => json::Lines::new(io::stderr).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .try_init()
        .map_err(|error| Failure::usage(format!("logging cannot be set up: {error}")))
}
