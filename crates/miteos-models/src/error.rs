//! What can go wrong with a model, named by who has to react.
//!
//! `ModelError::message` is for users: it holds no key, no address of a private server and no body of an answer that
//! was not checked for keys. The cause, for logs, is the source.

use std::error::Error;

use miteos_core::money::Usage;

use crate::name::ModelName;

/// What the caller should do about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Too many requests or an overloaded provider: wait, then again.
    RateLimited { retry_after_ms: Option<u64> },
    /// The network, a time-out, a 5xx, a cut stream: again, perhaps on another model.
    Transient { retry_after_ms: Option<u64> },
    /// The conversation does not fit the model's window: shorten it.
    TooLong,
    /// The provider's policy forbids this content: the same again will be refused again.
    Refused,
    /// The key is missing, wrong or not allowed to use this model: the operator has to act.
    Auth,
    /// The request is wrong or the account is out of credit: no use to repeat it.
    Fatal,
}

impl ErrorKind {
    /// Whether the same call may succeed later.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Transient { .. } => true,
            Self::TooLong | Self::Refused | Self::Auth | Self::Fatal => false,
        }
    }

    /// How long the provider asked to wait, in milliseconds.
    pub fn retry_after_ms(self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after_ms } | Self::Transient { retry_after_ms } => retry_after_ms,
            Self::TooLong | Self::Refused | Self::Auth | Self::Fatal => None,
        }
    }
}

/// A call that gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    pub kind: ErrorKind,
    /// For users: says what failed and, where it is known, what would mend it.
    pub message: String,
    /// The provider had the request and gave no clear refusal: it may bill what it did.
    pub may_be_billed: bool,
    /// What it has cost all the same: a provider bills an answer that broke off. `None`: nothing that is known of.
    pub usage: Option<Usage>,
    /// Whether `usage` is, at least in part, a guess (on the high side) and not the provider's own count.
    pub usage_is_guess: bool,
    /// For logs.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl ModelError {
    /// An error without a cause.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, message, may_be_billed: false, usage: None, usage_is_guess: false, source: None }
    }

    /// The same of a call that the provider had begun, or may have.
    pub fn perhaps_billed(mut self, may_be_billed: bool) -> Self {
        self.may_be_billed = may_be_billed;
        self
    }

    /// The same with what the call has cost.
    pub fn with_usage(mut self, usage: Usage, is_guess: bool) -> Self {
        self.usage = Some(usage);
        self.usage_is_guess = is_guess;
        self
    }

    /// The same with its cause, which only logs show.
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// There is no model to work with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "no model is configured: set a provider's key (for example ANTHROPIC_API_KEY or OPENAI_API_KEY), or start Ollama, \
     LM Studio or a llama.cpp server on this machine, or get the local model with `miteos model pull`"
)]
pub struct NoModel;

/// A model name whose provider cannot be used here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownModel {
    #[error("model {name}: there is no provider {:?}; the known ones are {known}", name.provider())]
    Provider { name: ModelName, known: String },
    #[error("model {name}: provider {:?} is not configured; {mend}", name.provider())]
    NotConfigured { name: ModelName, mend: String },
    #[error("model {name}: provider {:?} has no such model; it has {has}", name.provider())]
    Model { name: ModelName, has: String },
}
