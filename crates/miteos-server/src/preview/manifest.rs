//! What a site consists of: each path with its content, size and type. It never changes, and is itself a blob, so that
//! equal sites have the same one.

use std::collections::BTreeMap;
use std::sync::Arc;

use miteos_core::content::Sha256;
use miteos_deploy::Site;
use miteos_store::{Blobs, StoreError};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::media;
use super::recent::Recent;

/// How this version writes manifests. Every version that was ever written is read.
const VERSION: u32 = 1;
/// The biggest manifest (bytes).
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// All manifests together that are kept ready, as they are stored (bytes): in memory they take a few times as much.
const MAX_KEPT_BYTES: usize = 4 * MAX_BYTES;
/// Manifests that are read at once: a big one takes as long as a small build, and the machine has other work.
const READ_AT_ONCE: usize = 2;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    version: u32,
    pub files: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub sha256: Sha256,
    pub bytes: u64,
    #[serde(rename = "type")]
    pub media_type: String,
}

impl Manifest {
    pub fn of(site: &Site) -> Self {
        let entry = |file: &miteos_deploy::site::SiteFile| Entry {
            sha256: Sha256::from_digest(&file.digests.sha256),
            bytes: file.bytes,
            media_type: media::media_type(&file.path).to_owned(),
        };
        let files = site.files.iter().map(|file| (file.path.clone(), entry(file))).collect();
        Self { version: VERSION, files }
    }

    /// As it was stored; `None`: it is no list that this version knows.
    pub fn read(json: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(json).ok().filter(|read| read.version == VERSION)
    }

    pub fn bytes(&self) -> u64 {
        self.files.values().map(|entry| entry.bytes).sum()
    }

    /// The same bytes for the same site.
    pub fn to_json(&self) -> Vec<u8> {
        // Texts and numbers alone, which always serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Whether the site finds its way by itself: one page, and none that says that something is missing.
    pub fn is_single_page(&self) -> bool {
        let mut pages = self.files.iter().filter(|(_, entry)| entry.media_type == media::HTML);
        pages.next().is_some_and(|(path, _)| path == miteos_deploy::site::INDEX) && pages.next().is_none()
    }
}

/// Manifests that were read lately.
pub struct Manifests {
    kept: Recent<Sha256, Arc<Manifest>>,
    reading: Semaphore,
}

impl Default for Manifests {
    fn default() -> Self {
        Self { kept: Recent::new(MAX_KEPT_BYTES), reading: Semaphore::new(READ_AT_ONCE) }
    }
}

impl Manifests {
    /// The manifest with this hash.
    pub async fn read(&self, blobs: &Blobs, hash: &Sha256) -> Result<Arc<Manifest>, StoreError> {
        if let Some(known) = self.kept.get(hash) {
            return Ok(known);
        }
        // It is never closed. Of many who want the same one, the first reads it for all.
        let _turn = self.reading.acquire().await.ok();
        if let Some(known) = self.kept.get(hash) {
            return Ok(known);
        }
        let damaged = |why: String| StoreError::Damaged { what: format!("the manifest {hash}"), why };
        let json = blobs.get(hash).await?.ok_or_else(|| damaged("it is missing".to_owned()))?;
        let bytes = json.len();
        let read = tokio::task::spawn_blocking(move || serde_json::from_slice::<Manifest>(&json)).await;
        let read = read.map_err(|_| StoreError::Panicked { doing: "read a manifest" })?;
        let read = read.map_err(|error| damaged(error.to_string()))?;
        if read.version != VERSION {
            return Err(damaged(format!("it has version {}, and only {VERSION} is known", read.version)));
        }
        let read = Arc::new(read);
        self.kept.put(hash.clone(), Arc::clone(&read), bytes);
        Ok(read)
    }
}
