//! A folder of files as it will be published: walked once, checked, measured and hashed, before any provider is asked
//! anything. Knows no provider and makes no call; reads only through the handle of the workspace.
//!
//! What is published is what was hashed: the files are opened again for each upload, and one that has changed since is
//! never uploaded whole (see `body`).

mod error;
mod hash;
mod names;
mod scan;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use miteos_tools::workspace::{Name, Workspace};

pub use error::SiteError;
pub use hash::{Digests, hash_bytes};
pub use names::{Suspicion, suspicion};
pub use scan::{Examination, Examined, Survey, Surveyed, Unhashed, scan, survey};

/// The page that a visitor of the root is shown.
pub const INDEX: &str = "index.html";

/// What a folder may hold. Each target has its own; see [`crate::target::TargetKind::limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteLimits {
    pub max_files: usize,
    pub max_file_bytes: u64,
    pub max_total_bytes: u64,
}

/// Whether a page at the root is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    Required,
    Optional,
}

/// Where a file's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file of the workspace.
    Disk(Name),
    /// Made by us, such as a provider's configuration.
    Made(Bytes),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteFile {
    /// Below the site's root, with forward slashes and without one in front.
    pub path: String,
    pub bytes: u64,
    pub digests: Digests,
    pub source: Source,
}

/// A folder's files, sorted by path.
#[derive(Clone)]
pub struct Site {
    pub files: Vec<SiteFile>,
    /// Names of what was left out, and why; for the log.
    pub left_out: Vec<String>,
    workspace: Workspace,
}

impl Site {
    pub fn new(workspace: Workspace, files: Vec<SiteFile>, left_out: Vec<String>) -> Self {
        Self { files, left_out, workspace }
    }

    pub fn total_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    pub fn get(&self, path: &str) -> Option<&SiteFile> {
        let found = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        self.files.get(found)
    }

    /// The whole site as one hash: equal for equal paths and contents, whatever the machine.
    pub fn digest(&self) -> String {
        use sha2::Digest as _;
        let mut hash = sha2::Sha256::new();
        for file in &self.files {
            // A path holds no NUL, so no two sites write the same bytes.
            hash.update(file.path.as_bytes());
            hash.update([0]);
            hash.update(file.digests.sha256);
        }
        hex::encode(hash.finalize())
    }

    /// The same site with files of ours added; one of the same path is replaced.
    pub fn with_made(mut self, made: impl IntoIterator<Item = (String, Bytes)>) -> Self {
        for (path, bytes) in made {
            let digests = hash_bytes(&path, &bytes);
            let file = SiteFile { bytes: bytes.len() as u64, digests, source: Source::Made(bytes), path };
            match self.files.binary_search_by(|other| other.path.cmp(&file.path)) {
                Ok(at) => self.files[at] = file,
                Err(at) => self.files.insert(at, file),
            }
        }
        self
    }

    /// The same files below other paths; `None` leaves a file out.
    pub fn renamed(mut self, rename: impl Fn(&str) -> Option<String>) -> Self {
        let files = std::mem::take(&mut self.files);
        self.files = files
            .into_iter()
            .filter_map(|file| Some(SiteFile { path: rename(&file.path)?, ..file }))
            .collect();
        self.files.sort_by(|a, b| a.path.cmp(&b.path));
        self
    }

    /// One file for each different content, keyed by what `key` makes of it. Providers take each content once.
    pub fn by_content(&self, key: impl Fn(&Digests) -> String) -> BTreeMap<String, &SiteFile> {
        self.files.iter().map(|file| (key(&file.digests), file)).collect()
    }
}

/// What is handed to a target.
#[derive(Clone)]
pub enum Artifact {
    /// A folder of files.
    Site(Arc<Site>),
    /// An app for the App Store, ready and signed.
    Ipa(Arc<crate::appstore::Ipa>),
    /// A project of Expo, for its tool.
    Project(Arc<crate::expo::Project>),
    /// The files are not there any more, or are not needed: what needs none can be done.
    Gone,
}
