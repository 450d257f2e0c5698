//! What can go wrong with a deployment, named by who has to react. One vocabulary for all providers.
//!
//! `DeployError::message` is for users: it holds no credential, and of a provider's own words only a short, cleaned
//! piece. The cause, for logs, is the source.

use std::error::Error;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The configuration or the order cannot work as it is.
    Config,
    /// The token is wrong or has expired.
    BadCredentials,
    /// The token is right and may not do this.
    Forbidden,
    /// The site, project, account or app is not there.
    NotFound,
    /// The name, or the build's number, is used already.
    NameTaken,
    /// The account's allowance is used up.
    Quota,
    /// Too many requests; the provider takes the next at this time (milliseconds since 1970).
    RateLimited {
        until_ms: u64,
    },
    /// The provider does not take this file.
    RejectedFile,
    /// A file was changed after it had been hashed.
    FileChanged,
    /// The provider took the deployment and it failed there.
    ProviderFailed,
    /// The provider does not accept the request for a reason that none of the others names.
    Rejected,
    /// The provider has a fault of its own.
    Unavailable,
    /// The provider could not be reached, or the connection broke.
    Network,
    /// The provider did not finish within the time for it.
    TimedOut,
    Cancelled,
}

/// Whether the same step may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Not as things are.
    Never,
    /// Soon, after a pause of the caller's choice.
    Soon,
    /// Not before this time (milliseconds since 1970).
    At { ms: u64 },
}

impl ErrorKind {
    /// The stable word for logs and clients.
    pub fn code(self) -> &'static str {
        match self {
            Self::Config => "config_invalid",
            Self::BadCredentials => "bad_credentials",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::NameTaken => "name_taken",
            Self::Quota => "quota",
            Self::RateLimited { .. } => "rate_limited",
            Self::RejectedFile => "rejected_file",
            Self::FileChanged => "file_changed",
            Self::ProviderFailed => "provider_failed",
            Self::Rejected => "provider_rejected",
            Self::Unavailable => "provider_unavailable",
            Self::Network => "network",
            Self::TimedOut => "timeout",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn retry(self) -> Retry {
        match self {
            Self::RateLimited { until_ms } => Retry::At { ms: until_ms },
            Self::Unavailable | Self::Network => Retry::Soon,
            Self::Config
            | Self::BadCredentials
            | Self::Forbidden
            | Self::NotFound
            | Self::NameTaken
            | Self::Quota
            | Self::RejectedFile
            | Self::FileChanged
            | Self::ProviderFailed
            | Self::Rejected
            | Self::TimedOut
            | Self::Cancelled => Retry::Never,
        }
    }
}

/// A step that was not done.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct DeployError {
    pub kind: ErrorKind,
    /// For users: what failed and what would be right.
    pub message: String,
    /// For logs.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl DeployError {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(crate) fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "the deployment was cancelled")
    }

    /// The step does not fit the state: a state of another version or another target.
    pub(crate) fn lost(what: &str) -> Self {
        Self::new(ErrorKind::Config, format!("the stored state has no {what}; start a new deployment"))
    }
}
