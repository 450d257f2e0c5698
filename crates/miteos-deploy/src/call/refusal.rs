//! A provider's "no": its status, its own code and words, and which of our kinds it is. The general rules stand here;
//! what a provider means by its codes stands with the provider.

use serde_json::Value;

use super::{name_of, wait};
use crate::error::{DeployError, ErrorKind};
use crate::target::TargetKind;

/// Where a provider limits requests and does not say until when (milliseconds).
const DEFAULT_WAIT_MS: u64 = 5_000;

pub(crate) struct Refusal {
    pub target: TargetKind,
    pub status: u16,
    /// The provider's own word or number for it.
    pub code: String,
    /// The provider's words, cleaned before anybody sees them.
    pub said: String,
    /// In a box, so that results stay small.
    pub body: Box<Value>,
    pub kind: ErrorKind,
    pub wait_ms: Option<u64>,
    /// When it was answered (milliseconds since 1970).
    pub now_ms: u64,
    /// What would be right, where it is known better than the kind knows it.
    pub mend: Option<&'static str>,
}

impl Refusal {
    pub fn new(target: TargetKind, status: u16, body: Value, wait_ms: Option<u64>, now_ms: u64) -> Self {
        let until_ms = now_ms.saturating_add(wait_ms.unwrap_or(DEFAULT_WAIT_MS));
        let kind = match status {
            401 => ErrorKind::BadCredentials,
            403 => ErrorKind::Forbidden,
            404 | 410 => ErrorKind::NotFound,
            402 => ErrorKind::Quota,
            413 => ErrorKind::RejectedFile,
            429 => ErrorKind::RateLimited { until_ms },
            // It says when it will be back.
            503 if wait_ms.is_some() => ErrorKind::RateLimited { until_ms },
            408 | 425 | 500..=599 => ErrorKind::Unavailable,
            _ => ErrorKind::Rejected,
        };
        Self {
            target,
            status,
            code: String::new(),
            said: String::new(),
            body: Box::new(body),
            kind,
            wait_ms,
            now_ms,
            mend: None,
        }
    }

    /// Takes the end of a limit from the body, where no header tells it: seconds from now, or a Unix time.
    pub fn limited_until(&mut self, reset: Option<f64>) {
        let wait_ms = reset.and_then(|reset| wait::number_ms(reset, self.now_ms));
        if let (ErrorKind::RateLimited { .. }, None, Some(wait_ms)) = (self.kind, self.wait_ms, wait_ms) {
            self.wait_ms = Some(wait_ms);
            self.kind = ErrorKind::RateLimited { until_ms: self.now_ms.saturating_add(wait_ms) };
        }
    }

    /// Whether the same call may succeed in a moment.
    pub fn may_pass(&self) -> bool {
        match self.kind {
            ErrorKind::Unavailable | ErrorKind::RateLimited { .. } => true,
            ErrorKind::Config
            | ErrorKind::BadCredentials
            | ErrorKind::Forbidden
            | ErrorKind::NotFound
            | ErrorKind::NameTaken
            | ErrorKind::Quota
            | ErrorKind::RejectedFile
            | ErrorKind::FileChanged
            | ErrorKind::ProviderFailed
            | ErrorKind::Rejected
            | ErrorKind::Network
            | ErrorKind::TimedOut
            | ErrorKind::Cancelled => false,
        }
    }

    pub fn into_error(self) -> DeployError {
        let (what, mend) = self.texts();
        let mut message = format!("{} {what} (status {}", name_of(self.target), self.status);
        if !self.code.is_empty() {
            message.push_str(&format!(", {}", self.code));
        }
        message.push(')');
        if !self.said.is_empty() {
            message.push_str(&format!(": {}", self.said.trim_end_matches('.')));
        }
        let mend = self.mend.unwrap_or(mend);
        if !mend.is_empty() {
            message.push_str(&format!("; {mend}"));
        }
        DeployError::new(self.kind, message)
    }

    fn texts(&self) -> (&'static str, &'static str) {
        match self.kind {
            ErrorKind::BadCredentials => (
                "does not accept the credentials",
                "make a new token and store it in the deploy configuration",
            ),
            ErrorKind::Forbidden => (
                "does not allow this with these credentials",
                "give the token the permissions that docs/deploy-targets.md names",
            ),
            ErrorKind::NotFound => {
                ("does not have what the configuration names", "check the ids in the deploy configuration")
            }
            ErrorKind::NameTaken => ("has this name already", "choose another"),
            ErrorKind::Quota => (
                "takes no more on this account",
                "raise the account's plan or wait until its allowance is renewed",
            ),
            ErrorKind::RateLimited { .. } => {
                ("takes no more requests now", "the deployment goes on when it takes the next")
            }
            ErrorKind::RejectedFile => ("does not take a file", "change or leave out the file"),
            ErrorKind::Unavailable => ("has a fault of its own", "try again later"),
            ErrorKind::ProviderFailed => ("could not finish the deployment", ""),
            ErrorKind::Config
            | ErrorKind::FileChanged
            | ErrorKind::Rejected
            | ErrorKind::Network
            | ErrorKind::TimedOut
            | ErrorKind::Cancelled => ("does not accept the request", ""),
        }
    }
}
