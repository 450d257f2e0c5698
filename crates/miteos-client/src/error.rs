//! What can go wrong in a call, by who must react. Callers of this crate match on [`ClientError`].

use std::time::Duration;

use reqwest::StatusCode;

/// A call that did not work.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No answer came, after every retry. Whether the call took effect is not known, but repeating it with
    /// the same idempotency key is safe.
    #[error("cannot reach the server at {url}")]
    Unreachable { url: String, source: Option<reqwest::Error> },
    /// The server answered with an error. `detail` is its own sentence.
    #[error("{detail}")]
    Api { status: u16, detail: String, request_id: Option<String>, retry_after: Option<Duration> },
    /// The answer was none that the contract knows: not a Miteos server, or one of another time.
    #[error("the server's answer makes no sense: {what}")]
    Protocol { what: String },
    /// The call could not be put together: a bad address or name.
    #[error("{what}")]
    Invalid { what: String },
    /// A local file could not be read or written.
    #[error("cannot {doing}")]
    Local { doing: String, source: std::io::Error },
}

impl ClientError {
    pub(crate) fn protocol(what: impl Into<String>) -> Self {
        Self::Protocol { what: what.into() }
    }

    pub(crate) fn local(doing: impl Into<String>, source: std::io::Error) -> Self {
        Self::Local { doing: doing.into(), source }
    }

    /// The HTTP status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { status, .. } => Some(*status),
            Self::Unreachable { .. } | Self::Protocol { .. } | Self::Invalid { .. } | Self::Local { .. } => {
                None
            }
        }
    }

    /// Whether the same call may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Api { status, .. } => *status == StatusCode::TOO_MANY_REQUESTS.as_u16() || *status >= 500,
            Self::Protocol { .. } | Self::Invalid { .. } | Self::Local { .. } => false,
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api { retry_after, .. } => *retry_after,
            Self::Unreachable { .. } | Self::Protocol { .. } | Self::Invalid { .. } | Self::Local { .. } => {
                None
            }
        }
    }
}
