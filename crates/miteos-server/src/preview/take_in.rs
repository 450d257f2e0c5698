//! Taking a site's files in: each is read once, and on the way it is looked through, hashed and stored. What is published
//! later is in the store already.

use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt};
use miteos_deploy::SiteError;
use miteos_deploy::site::{Examined, Survey};
use miteos_store::StoreError;
use tokio::io::AsyncReadExt;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::manifest::MAX_BYTES as MAX_MANIFEST_BYTES;
use super::publish::{BUFFERS_KIB, PARALLEL, list, room_for};
use super::room::Wish;
use super::{Owner, Previews, publisher};
use crate::deployments::{Passing, PublishError, TakeInError, TakenIn};

impl Previews {
    /// Reads the files of a folder into the store, if there is room for them.
    pub async fn take_in_site(
        &self,
        owner: Owner,
        survey: Survey,
        cancel: &CancellationToken,
    ) -> Result<TakenIn, TakeInError> {
        let wish = Wish { bytes: survey.total_bytes(), manifest: None };
        let room = self.take_room(owner, wish).await.map_err(refused)?;
        let hold = self.inner.store.blobs().hold();
        let survey = Arc::new(survey);
        let taken = tokio::select! {
            biased;
            () = cancel.cancelled() => return Err(TakeInError::Cancelled),
            taken = self.take_in_all(&survey) => taken?,
        };
        let survey = Arc::into_inner(survey).ok_or(StoreError::Panicked { doing: "take in a site" })?;
        let workspace = survey.workspace().clone();
        let site = survey.site(workspace, taken)?;
        let (_, list) = list(site.clone()).await?;
        // One that cannot be listed cannot be shown, and is refused there.
        let manifest = match list.len() <= MAX_MANIFEST_BYTES {
            true => Some(self.inner.store.blobs().put_bytes(&list).await?.sha256),
            false => None,
        };
        Ok(TakenIn { site, manifest, hold: Some(hold), room: Some(room) })
    }

    async fn take_in_all(&self, survey: &Arc<Survey>) -> Result<Vec<Examined>, TakeInError> {
        let room = Semaphore::new(BUFFERS_KIB);
        let mut waiting = 0..survey.files.len();
        let mut under_way = FuturesUnordered::new();
        let mut taken = Vec::with_capacity(survey.files.len());
        loop {
            while under_way.len() < PARALLEL
                && let Some(n) = waiting.next()
            {
                under_way.push(self.take_in_one(survey, n, &room));
            }
            match under_way.next().await {
                Some(one) => taken.push(one?),
                None => return Ok(taken),
            }
        }
    }

    async fn take_in_one(
        &self,
        survey: &Arc<Survey>,
        n: usize,
        room: &Semaphore,
    ) -> Result<Examined, TakeInError> {
        let chosen = Arc::clone(survey);
        let opened = tokio::task::spawn_blocking(move || chosen.open(&chosen.files[n])).await;
        let (opened, bytes) = opened.map_err(|_| StoreError::Panicked { doing: "open a file" })??;
        // There is room for what was chosen, and for no more.
        if bytes > survey.files[n].bytes {
            return Err(SiteError::Changed { path: survey.files[n].path.clone() }.into());
        }
        // The semaphore is never closed, so there always is room in the end.
        let _room = room.acquire_many(room_for(bytes)).await.ok();
        let mut passing = Passing::new(opened, survey.examination_without_hashes());
        // One more byte shows that the file has grown; one that grows for ever has no end to wait for.
        let reader = (&mut passing).take(bytes.saturating_add(1));
        let blob = self.inner.store.blobs().put_reader(reader).await?;
        let file = &survey.files[n];
        let changed = || SiteError::Changed { path: file.path.clone() };
        let mut sha256 = [0; 32];
        hex::decode_to_slice(blob.sha256.as_str(), &mut sha256).map_err(|_| changed())?;
        let examined = passing.looked_at.finish(&file.path, file.name.clone(), bytes, sha256)?;
        Ok(examined)
    }
}

/// The same refusal as of one that is published.
fn refused(error: super::SiteError) -> TakeInError {
    match publisher::told(error) {
        PublishError::Cancelled => TakeInError::Cancelled,
        PublishError::Refused(failure) => TakeInError::Refused(failure),
        PublishError::Store(error) => TakeInError::Store(error),
    }
}
