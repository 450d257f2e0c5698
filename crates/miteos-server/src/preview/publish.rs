//! Publishing: a site's files become blobs, its paths a manifest, and that is what the preview shows from then on. A
//! file whose content is there already, as after it was taken in, is not read again.
//!
//! It can be done again with the same site at any time: after a crash in the middle nothing is shown yet, and what was
//! stored is found.

use std::collections::BTreeMap;

use futures::stream::{self, FuturesUnordered, StreamExt, TryStreamExt};
use miteos_core::content::Sha256;
use miteos_deploy::Site;
use miteos_deploy::site::{SiteFile, SiteLimits, Source};
use miteos_store::{BlobRef, PreviewRow, PreviewSite, StoreError};
use miteos_tools::WorkspaceError;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::manifest::{MAX_BYTES as MAX_MANIFEST_BYTES, Manifest};
use super::room::{NoRoom, Room, Wish};
use super::{Owner, Previews, route};

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// What a site may hold to be previewed.
pub const LIMITS: SiteLimits =
    SiteLimits { max_files: 20_000, max_file_bytes: GIB, max_total_bytes: 4 * GIB };

/// Files that are stored side by side: most of the time of a small one is the disk's.
pub(super) const PARALLEL: usize = 16;
/// What all of them together may hold in memory (KiB).
pub(super) const BUFFERS_KIB: usize = 16 * 1024;
/// What the biggest of them holds at most, because then it streams (KiB).
const MAX_BUFFER_KIB: u64 = 8 * 1024;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub row: PreviewRow,
    pub url: String,
    pub manifest_sha256: Sha256,
    pub files: u64,
    pub bytes: u64,
    /// What was not there before; of equal files, one counts.
    pub new_files: u64,
    pub new_bytes: u64,
}

/// What was stored that had not been there.
#[derive(Debug, Clone, Copy, Default)]
struct New {
    files: u64,
    bytes: u64,
}

/// Why a site was not published. Nothing is shown that was not shown before.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error("{path} changed after it had been checked; publish when nothing writes to the folder")]
    Changed { path: String },
    #[error("{path} cannot be published: {why}")]
    BadPath { path: String, why: route::BadPath },
    #[error("{path} cannot be published: its name begins with a dot, or a folder's that it lies in")]
    Hidden { path: String },
    #[error(
        "the names of the files take {bytes} bytes, at most {MAX_MANIFEST_BYTES} are taken; publish fewer files"
    )]
    TooManyNames { bytes: usize },
    #[error("{}", told(.0))]
    NoRoom(NoRoom),
    #[error("{path} cannot be read")]
    Unreadable {
        path: String,
        #[source]
        source: WorkspaceError,
    },
    #[error("the preview was deleted, so nothing can be published to it")]
    Deleted,
    #[error("publishing was cancelled")]
    Canceled,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is missing, and what would be right.
pub(super) fn told(none: &NoRoom) -> String {
    let NoRoom { needed, used, limit } = none;
    format!(
        "the site needs {needed} bytes, the account's other previews have {used}, and all of them may have {limit}; delete \
         previews that nobody needs (GET /v1/previews lists them), or let the owner of the server raise MITEOS_PREVIEW_MAX_MIB"
    )
}

/// What a file of this size takes of the memory for all (KiB).
pub(super) fn room_for(bytes: u64) -> u32 {
    u32::try_from((bytes / 1024 + 1).min(MAX_BUFFER_KIB)).unwrap_or(1)
}

/// Whether a file may be shown under its path.
fn check(path: &str) -> Result<(), SiteError> {
    route::check(path).map_err(|why| SiteError::BadPath { path: path.to_owned(), why })?;
    if route::is_hidden(path) {
        return Err(SiteError::Hidden { path: path.to_owned() });
    }
    Ok(())
}

/// The list of a site's files, and as it is stored.
pub(super) async fn list(site: Site) -> Result<(Manifest, Vec<u8>), StoreError> {
    let made = tokio::task::spawn_blocking(move || {
        let manifest = Manifest::of(&site);
        let json = manifest.to_json();
        (manifest, json)
    });
    made.await.map_err(|_| StoreError::Panicked { doing: "list the files of a site" })
}

impl Previews {
    /// Publishes a site. The same deployment keeps its address however often it is published.
    pub async fn publish_site(
        &self,
        owner: Owner,
        site: &Site,
        cancel: &CancellationToken,
    ) -> Result<Shown, SiteError> {
        // From the first look whether a file is there, until the preview names it.
        let _hold = self.inner.store.blobs().hold();
        site.files.iter().try_for_each(|file| check(&file.path))?;
        let (manifest, json) = list(site.clone()).await?;
        if json.len() > MAX_MANIFEST_BYTES {
            return Err(SiteError::TooManyNames { bytes: json.len() });
        }
        let hash = Sha256::of(&json);
        let wish = Wish { bytes: manifest.bytes(), manifest: Some(&hash) };
        let room = self.take_room(owner, wish).await?;
        let new = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(SiteError::Canceled),
            stored = self.store_files(site) => stored?,
        };
        let kept = self.inner.store.blobs().put_bytes(&json).await?;
        self.show(owner, &manifest, kept.sha256, (new, room)).await
    }

    /// Publishes what was taken in, by its list. `None`: not all of it is there any more.
    pub async fn publish_listed(
        &self,
        owner: Owner,
        manifest: &Sha256,
        cancel: &CancellationToken,
    ) -> Result<Option<Shown>, SiteError> {
        let blobs = self.inner.store.blobs();
        let _hold = blobs.hold();
        let json = match blobs.get(manifest).await {
            Ok(Some(json)) => json,
            Ok(None) | Err(StoreError::Damaged { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let read = tokio::task::spawn_blocking(move || Manifest::read(&json)).await;
        let read = read.map_err(|_| StoreError::Panicked { doing: "read a manifest" })?;
        let Some(listed) = read else { return Ok(None) };
        let wish = Wish { bytes: listed.bytes(), manifest: Some(manifest) };
        let room = self.take_room(owner, wish).await?;
        listed.files.keys().try_for_each(|path| check(path))?;
        let contents: BTreeMap<Sha256, u64> =
            listed.files.values().map(|entry| (entry.sha256.clone(), entry.bytes)).collect();
        let held = stream::iter(contents)
            .map(|(sha256, bytes)| async move { blobs.holds(&BlobRef { sha256, bytes }).await })
            .buffer_unordered(PARALLEL)
            .try_all(std::future::ready);
        let all = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(SiteError::Canceled),
            all = held => all?,
        };
        if !all {
            return Ok(None);
        }
        self.show(owner, &listed, manifest.clone(), (New::default(), room)).await.map(Some)
    }

    /// From now on the deployment's address shows these files, which are all there.
    async fn show(
        &self,
        owner: Owner,
        manifest: &Manifest,
        sha256: Sha256,
        (new, room): (New, Room),
    ) -> Result<Shown, SiteError> {
        let (files, bytes) = (manifest.files.len() as u64, manifest.bytes());
        let wish = Wish { bytes, manifest: Some(&sha256) };
        let shown = PreviewSite { manifest: sha256.clone(), files, bytes };
        let single_page = manifest.is_single_page();
        let row = PreviewRow { site: Some(shown), single_page, ..self.new_row(owner) };
        let store = &self.inner.store;
        let settled = self.inner.rooms.settle((store, owner, wish), room, store.publish_preview(row)).await?;
        let row = settled.map_err(SiteError::NoRoom)?;
        if row.deleted_at.is_some() {
            return Err(SiteError::Deleted);
        }
        let url = self.url(&row);
        let New { files: new_files, bytes: new_bytes } = new;
        Ok(Shown { row, url, manifest_sha256: sha256, files, bytes, new_files, new_bytes })
    }

    /// Room for a site's bytes, before any of them is stored.
    pub(super) async fn take_room(&self, owner: Owner, wish: Wish<'_>) -> Result<Room, SiteError> {
        self.inner.rooms.take(&self.inner.store, owner, wish).await?.map_err(SiteError::NoRoom)
    }

    /// Stores what is not there yet, each content once; says how much that was.
    async fn store_files(&self, site: &Site) -> Result<New, SiteError> {
        let contents = site.by_content(|digests| digests.sha256_hex());
        let room = Semaphore::new(BUFFERS_KIB);
        let mut waiting = contents.into_values();
        let mut under_way = FuturesUnordered::new();
        let mut new = New::default();
        loop {
            while under_way.len() < PARALLEL
                && let Some(file) = waiting.next()
            {
                under_way.push(self.store_file(site, file, &room));
            }
            match under_way.next().await {
                Some(stored) => {
                    let stored = stored?;
                    new.files += stored.files;
                    new.bytes += stored.bytes;
                }
                None => return Ok(new),
            }
        }
    }

    async fn store_file(&self, site: &Site, file: &SiteFile, room: &Semaphore) -> Result<New, SiteError> {
        let blobs = self.inner.store.blobs();
        let named = BlobRef { sha256: Sha256::from_digest(&file.digests.sha256), bytes: file.bytes };
        if blobs.holds(&named).await? {
            return Ok(New::default());
        }
        // The semaphore is never closed, so there always is room in the end.
        let _room = room.acquire_many(room_for(file.bytes)).await.ok();
        let is_it = match &file.source {
            Source::Made(bytes) => blobs.put_named(&named, &bytes[..]).await?,
            Source::Disk(name) => {
                let (workspace, name) = (site.workspace().clone(), name.clone());
                let opened = tokio::task::spawn_blocking(move || workspace.open_file(&name)).await;
                let opened = opened.map_err(|_| StoreError::Panicked { doing: "open a file" })?;
                let unreadable = |source| SiteError::Unreadable { path: file.path.clone(), source };
                let (opened, _) = opened.map_err(unreadable)?;
                blobs.put_named(&named, tokio::fs::File::from_std(opened)).await?
            }
        };
        match is_it {
            true => Ok(New { files: 1, bytes: file.bytes }),
            false => Err(SiteError::Changed { path: file.path.clone() }),
        }
    }
}
