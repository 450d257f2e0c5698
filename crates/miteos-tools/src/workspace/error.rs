//! What can be wrong with an access to a workspace. Every text is fit for a model or a client: it has the name that
//! was given and what would be right, and nothing of the server's own paths.

use std::io;
use std::path::Path;

use super::name::MAX_NAME_BYTES;

/// How much of a name is repeated in an error.
const SHOWN_NAME_CHARS: usize = 200;

#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    #[error("\"{name}\" leads out of the workspace; give a name inside it, such as src/main.rs")]
    Outside { name: String },
    #[error("\"{name}\" cannot be a file's name: {why}")]
    BadName { name: String, why: &'static str },
    #[error(
        "\"{name}\" lies in .miteos/, which is the server's; choose another folder (only .miteos/outputs/ can be read)"
    )]
    Reserved { name: String },
    #[error("there is no \"{name}\" in the workspace; list_files shows what there is")]
    NotFound { name: String },
    #[error("\"{name}\" is a folder; give the name of a file in it")]
    IsDirectory { name: String },
    #[error("a part of \"{name}\" is a file, not a folder; choose another name")]
    NotDirectory { name: String },
    #[error("the folder \"{name}\" is not empty; delete the files in it first")]
    NotEmpty { name: String },
    #[error("\"{name}\" is a {kind}, not a plain file; only plain files can be used")]
    Special { name: String, kind: &'static str },
    #[error("\"{name}\" has {bytes} bytes; at most {limit} are taken here")]
    TooBig { name: String, bytes: u64, limit: u64 },
    #[error("\"{name}\" is not text in UTF-8")]
    NotText { name: String },
    #[error("there is no room left for \"{name}\"; delete files that are not needed")]
    NoRoom { name: String },
    #[error("could not {doing} \"{name}\"")]
    Io {
        doing: &'static str,
        name: String,
        #[source]
        source: io::Error,
    },
    #[error("could not {doing} the workspace's folder")]
    Unusable {
        doing: &'static str,
        #[source]
        source: io::Error,
    },
}

impl WorkspaceError {
    /// Sorts an error of the operating system. cap-std reports a way out as a refusal without a system error number.
    pub(super) fn io(doing: &'static str, name: impl AsRef<Path>, source: io::Error) -> Self {
        let name = shown(&name.as_ref().to_string_lossy());
        match source.kind() {
            io::ErrorKind::PermissionDenied if source.raw_os_error().is_none() => Self::Outside { name },
            io::ErrorKind::NotFound => Self::NotFound { name },
            io::ErrorKind::IsADirectory => Self::IsDirectory { name },
            io::ErrorKind::NotADirectory => Self::NotDirectory { name },
            io::ErrorKind::DirectoryNotEmpty => Self::NotEmpty { name },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoRoom { name },
            io::ErrorKind::InvalidFilename => Self::BadName { name, why: TOO_LONG },
            _ => Self::Io { doing, name, source },
        }
    }

    /// Whether the caller can do something about it; if not, the operator has to.
    pub fn is_callers(&self) -> bool {
        match self {
            Self::Io { .. } | Self::Unusable { .. } => false,
            Self::Outside { .. }
            | Self::BadName { .. }
            | Self::Reserved { .. }
            | Self::NotFound { .. }
            | Self::IsDirectory { .. }
            | Self::NotDirectory { .. }
            | Self::NotEmpty { .. }
            | Self::Special { .. }
            | Self::TooBig { .. }
            | Self::NotText { .. }
            | Self::NoRoom { .. } => true,
        }
    }
}

impl From<WorkspaceError> for crate::tool::ToolError {
    fn from(error: WorkspaceError) -> Self {
        if error.is_callers() {
            Self::Failed(error.to_string())
        } else {
            // The name is worth the model's while, the system's reason is the operator's.
            tracing::warn!(error = ?error, "a workspace access failed");
            Self::Failed(format!("{error}; try another name"))
        }
    }
}

pub(super) const TOO_LONG: &str = "one part of it is longer than 255 bytes; shorten it";
const _: () = assert!(MAX_NAME_BYTES == 4096, "the text of name.rs names this limit");

/// A name as it can stand in an error: short, and on one line.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(SHOWN_NAME_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
