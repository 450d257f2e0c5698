//! Names of files in a workspace. Parsed once; what has this type has no `..`, no absolute start and no NUL.

use std::fmt;
use std::path::Path;

use super::PRIVATE;
use super::error::{TOO_LONG, WorkspaceError, shown};

/// Longer names are refused (bytes).
pub const MAX_NAME_BYTES: usize = 4096;
/// Longer parts of a name are refused (bytes); no common file system takes more.
const MAX_PART_BYTES: usize = 255;

/// A name relative to the workspace, its parts joined by `/`; empty for the workspace itself.
///
/// Unicode is kept as it is: two spellings of one letter are two names, and a letter that only looks like a dot is
/// a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// The name of a file. Refuses what could lead outside and what no file can be called.
    pub fn parse(text: &str) -> Result<Self, WorkspaceError> {
        let bad = |why| WorkspaceError::BadName { name: shown(text), why };
        if text.is_empty() {
            return Err(bad("it is empty; give one such as notes.txt"));
        }
        if text.len() > MAX_NAME_BYTES {
            return Err(bad("it is longer than 4096 bytes; shorten it"));
        }
        if text.starts_with('/') {
            return Err(bad("it is absolute; leave out the leading / to name a file of the workspace"));
        }
        if text.contains('\0') {
            return Err(bad("it has a NUL character; leave it out"));
        }
        for part in text.split('/') {
            match part {
                "" => {
                    return Err(bad(
                        "it has an empty part; write one / between two parts and none at the end",
                    ));
                }
                "." => return Err(bad("it has a part \".\"; leave that part out")),
                ".." => return Err(WorkspaceError::Outside { name: shown(text) }),
                _ if part.len() > MAX_PART_BYTES => return Err(bad(TOO_LONG)),
                _ => {}
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The name of a folder: as [`Name::parse`], but an empty text and `.` mean the whole workspace, and a final `/`
    /// does no harm.
    pub fn folder(text: &str) -> Result<Self, WorkspaceError> {
        match text {
            "" | "." | "./" => Ok(Self(String::new())),
            _ => Self::parse(text.strip_suffix('/').unwrap_or(text)),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the file is called without its folders.
    pub fn last(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    pub(super) fn path(&self) -> &Path {
        if self.0.is_empty() { Path::new(".") } else { Path::new(&self.0) }
    }

    pub(super) fn parent(&self) -> Option<&Path> {
        self.0.rsplit_once('/').map(|(folder, _)| Path::new(folder))
    }

    /// Refuses what lies in the server's folder, but for the outputs that are there to be read.
    pub(super) fn readable(&self) -> Result<(), WorkspaceError> {
        if !is_private(&self.0) || self.0 == super::OUTPUTS || self.0.starts_with(".miteos/outputs/") {
            return Ok(());
        }
        Err(WorkspaceError::Reserved { name: shown(&self.0) })
    }

    /// Refuses everything in the server's folder.
    pub(super) fn writable(&self) -> Result<(), WorkspaceError> {
        if is_private(&self.0) {
            return Err(WorkspaceError::Reserved { name: shown(&self.0) });
        }
        Ok(())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a path's first part is the server's folder. Case does not matter, since some file systems ignore it.
pub(super) fn is_private(path: &str) -> bool {
    path.split('/').next().is_some_and(|first| first.eq_ignore_ascii_case(PRIVATE))
}
