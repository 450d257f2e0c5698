//! What a site consists of: each path with its content, size and type. It never changes, and is itself a blob, so that
//! equal sites have the same one.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use miteos_core::content::Sha256;
use miteos_deploy::Site;
use miteos_store::{Blobs, StoreError};
use serde::{Deserialize, Serialize};

use super::media;

/// How this version writes manifests. Every version that was ever written is read.
const VERSION: u32 = 1;
/// The biggest manifest (bytes).
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Paths of all manifests together that are kept ready.
const MAX_KEPT_PATHS: usize = 50_000;

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
#[derive(Default)]
pub struct Manifests {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_hash: HashMap<Sha256, (u64, Arc<Manifest>)>,
    paths: usize,
    /// Counts uses, so that the one that was used longest ago is known.
    uses: u64,
}

impl Manifests {
    /// The manifest with this hash.
    pub async fn read(&self, blobs: &Blobs, hash: &Sha256) -> Result<Arc<Manifest>, StoreError> {
        if let Some(known) = self.known(hash) {
            return Ok(known);
        }
        let damaged = |why: String| StoreError::Damaged { what: format!("the manifest {hash}"), why };
        let json = blobs.get(hash).await?.ok_or_else(|| damaged("it is missing".to_owned()))?;
        let read: Manifest = serde_json::from_slice(&json).map_err(|error| damaged(error.to_string()))?;
        if read.version != VERSION {
            return Err(damaged(format!("it has version {}, and only {VERSION} is known", read.version)));
        }
        let read = Arc::new(read);
        self.keep(hash.clone(), Arc::clone(&read));
        Ok(read)
    }

    fn known(&self, hash: &Sha256) -> Option<Arc<Manifest>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let now = kept.uses;
        let (used, manifest) = kept.by_hash.get_mut(hash)?;
        *used = now;
        Some(Arc::clone(manifest))
    }

    fn keep(&self, hash: Sha256, manifest: Arc<Manifest>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.paths += manifest.files.len();
        kept.uses += 1;
        let now = kept.uses;
        if let Some((_, twin)) = kept.by_hash.insert(hash, (now, manifest)) {
            kept.paths -= twin.files.len();
        }
        // At least the newest stays, however big it is.
        while kept.paths > MAX_KEPT_PATHS && kept.by_hash.len() > 1 {
            let oldest = kept.by_hash.iter().min_by_key(|(_, (used, _))| *used).map(|(hash, _)| hash.clone());
            let Some((_, gone)) = oldest.and_then(|hash| kept.by_hash.remove(&hash)) else { return };
            kept.paths -= gone.files.len();
        }
    }
}
