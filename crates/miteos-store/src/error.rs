//! What can go wrong in storage. Not found is no error: it is `Ok(None)`.
//!
//! `Display` never repeats the text of the source; a log prints the chain.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use crate::idempotency::IdempotencyRow;

/// The private cause of a storage error. Shared, because one failed commit answers many callers.
pub type Cause = Arc<dyn Error + Send + Sync + 'static>;

/// Storage refused or failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// For the operator. After a write fails this way its outcome is unknown: read before writing again.
    #[error("the database failed to {doing}")]
    Database { doing: &'static str, source: Cause },
    /// For the operator: nothing was written.
    #[error("the disk is full: cannot {doing}; free some space in the data folder")]
    DiskFull { doing: &'static str, source: Cause },
    /// For the operator: files, locks and blobs.
    #[error("cannot {doing} {what}")]
    Io { doing: &'static str, what: String, source: Cause },
    /// For the operator: another server owns the folder.
    #[error("the data folder of {} is in use by another server{}; stop that one or choose another folder", path.display(), holder_text(*.holder))]
    InUse { path: PathBuf, holder: Option<u32> },
    /// For the operator: this binary is older than the data.
    #[error(
        "the database has schema {found}, but this version knows only up to {known}; install the newer version again"
    )]
    NewerSchema { found: i64, known: i64 },
    /// For the operator: what was read is not what was written.
    #[error("{what} is damaged: {why}")]
    Damaged { what: String, why: String },
    /// For the caller: a name or id that exists already.
    #[error("{what} \"{name}\" exists already")]
    Exists { what: &'static str, name: String },
    /// For the caller: a thing that the write refers to does not exist.
    #[error("{what} {name} does not exist")]
    Missing { what: &'static str, name: String },
    /// For the caller: over a limit.
    #[error("{what} is too large: {actual}, allowed are {limit}")]
    TooLarge { what: &'static str, actual: u64, limit: u64 },
    /// For the caller: the same idempotency key was used before; nothing was written.
    #[error("the idempotency key \"{}\" was used before", .0.name)]
    Repeated(Box<IdempotencyRow>),
    /// For the programmer: the arguments contradict each other.
    #[error("refused to {doing}: {why}")]
    Invalid { doing: &'static str, why: String },
    /// For the programmer: a write or read panicked; it was rolled back and nothing else was touched.
    #[error("failed to {doing}: the operation panicked")]
    Panicked { doing: &'static str },
    /// The store has been closed, or its writer stopped.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// Names the operation in an error that came from the database.
    pub(crate) fn during(mut self, name: &'static str) -> Self {
        match &mut self {
            Self::Database { doing, .. } | Self::DiskFull { doing, .. } => *doing = name,
            Self::Io { .. }
            | Self::InUse { .. }
            | Self::NewerSchema { .. }
            | Self::Damaged { .. }
            | Self::Exists { .. }
            | Self::Missing { .. }
            | Self::TooLarge { .. }
            | Self::Repeated(_)
            | Self::Invalid { .. }
            | Self::Panicked { .. }
            | Self::Closed => {}
        }
        self
    }

    pub(crate) fn io(
        doing: &'static str,
        what: impl Into<String>,
        source: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self::Io { doing, what: what.into(), source: Arc::new(source) }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> Self {
        let doing = "answer";
        match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::DiskFull { doing, source: Arc::new(source) },
            _ => Self::Database { doing, source: Arc::new(source) },
        }
    }
}

/// Why an append was not committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// Somebody else appended first, or created the task first: load again and decide again.
    #[error("the log is at version {actual_version}, not at the expected one")]
    Conflict { actual_version: u64 },
    /// Storage refused or failed; see there which errors leave the outcome unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for AppendError {
    fn from(source: rusqlite::Error) -> Self {
        Self::Store(source.into())
    }
}

/// What the writer needs of an error: to make one from a storage error, and to name the operation in it.
pub(crate) trait Failure: From<StoreError> + Send + 'static {
    fn during(self, doing: &'static str) -> Self;
}

impl Failure for StoreError {
    fn during(self, doing: &'static str) -> Self {
        StoreError::during(self, doing)
    }
}

impl Failure for AppendError {
    fn during(self, doing: &'static str) -> Self {
        match self {
            Self::Store(error) => Self::Store(error.during(doing)),
            Self::Conflict { actual_version } => Self::Conflict { actual_version },
        }
    }
}

fn holder_text(holder: Option<u32>) -> String {
    holder.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}
