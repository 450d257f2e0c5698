//! The last entry of a backup: what is in it. It does not know how it is written or read.

use serde::{Deserialize, Serialize};

/// The manifest's own name in the archive.
pub const NAME: &str = "manifest.json";
/// The form of archives that this version makes, and the newest that it reads.
pub const FORM: u32 = 1;
/// The longest manifest that is read (bytes): about two million files.
pub const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// How the archive is made; see [`FORM`].
    pub form: u32,
    /// The version of the program that made it.
    pub made_by: String,
    /// When the database was copied, RFC 3339.
    pub taken_at: String,
    /// The version of the database's schema.
    pub schema: i64,
    pub tasks: u64,
    /// Tasks that were not over.
    pub unfinished: u64,
    /// Whether `secret.key` is in it. If not, the server had its master key from `MITEOS_SECRET_KEY`.
    pub has_master_key: bool,
    /// Blobs that the database names and that were missing or damaged in the folder already.
    #[serde(default)]
    pub missing_blobs: Vec<String>,
    /// Files that changed while they were read; they may be half old and half new.
    #[serde(default)]
    pub changed: Vec<String>,
    /// What is not in it: files that could not be read, sockets and the like.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// Everything in the archive but this, in its order.
    pub entries: Vec<Entry>,
}

/// One file or link. Folders are not listed: they hold nothing that could be damaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// With what is no text replaced.
    pub path: String,
    pub bytes: u64,
    /// Of the file's bytes, or of the name that a link leads to.
    pub sha256: String,
}
