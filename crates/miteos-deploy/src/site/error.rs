//! Why a folder cannot be published. Every text is fit for a model or a client.

use miteos_tools::WorkspaceError;

/// How many names an error repeats.
pub(super) const MAX_SHOWN_NAMES: usize = 10;

#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error(
        "there is nothing to publish in {folder}; build the site first, or name the folder that has its files"
    )]
    Empty { folder: String },
    #[error("{folder} has no index.html at its top, so visitors would be shown nothing; {hint}")]
    NoIndex { folder: String, hint: String },
    #[error("{path} has {bytes} bytes; this target takes files of at most {limit}")]
    FileTooLarge { path: String, bytes: u64, limit: u64 },
    #[error("{folder} has {bytes} bytes; this target takes at most {limit}")]
    TooLarge { folder: String, bytes: u64, limit: u64 },
    #[error("{folder} has more than {limit} files, which this target does not take; publish fewer")]
    TooManyFiles { folder: String, limit: usize },
    #[error("the link {path} leads out of the folder; put the file itself there")]
    LinkLeaves { path: String },
    #[error("{path} cannot be published: {why}")]
    BadName { path: String, why: &'static str },
    /// Names only; what was found is not repeated.
    #[error(
        "the folder holds what looks like secrets, and everything in it would be public: {}; take it out",
        shown(names)
    )]
    Secrets { names: Vec<String> },
    #[error("{path} changed while it was read; publish when nothing writes to the folder")]
    Changed { path: String },
    #[error("the folder cannot be read")]
    Unreadable(#[source] WorkspaceError),
    #[error("{path} cannot be read")]
    Io {
        path: String,
        #[source]
        source: std::io::Error,
    },
}

fn shown(names: &[String]) -> String {
    let mut text = names.iter().take(MAX_SHOWN_NAMES).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > MAX_SHOWN_NAMES {
        text.push_str(&format!(" and {} more", names.len() - MAX_SHOWN_NAMES));
    }
    text
}
