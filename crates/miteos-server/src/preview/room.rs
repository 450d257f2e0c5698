//! The room that the previews of one account may take: what is stored, and what is on its way. A site has its room before
//! its bytes are stored, so that many at once do not pass the limit together.
//!
//! What is on its way is known to this process alone. Nobody else has the data folder, and after a crash whatever is taken
//! up again asks for its room anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use miteos_core::content::Sha256;
use miteos_core::ids::DeploymentId;
use miteos_store::{Scope, Store, StoreError};

use super::Owner;

/// What previews may take up.
pub struct Rooms {
    /// For the previews of one account in one world (bytes).
    limit: u64,
    /// Held from a look at what is taken until something is taken: one at a time looks and takes.
    turn: tokio::sync::Mutex<()>,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    by_deployment: HashMap<DeploymentId, One>,
    /// Tells the rooms of one deployment apart.
    next: u64,
}

struct One {
    scope: Scope,
    bytes: u64,
    no: u64,
}

/// The room of a site on its way; given back when it is dropped. A later one of the same deployment takes its place.
pub struct Room {
    taken: Arc<Mutex<Taken>>,
    deployment: DeploymentId,
    no: u64,
}

/// What is to be stored.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    pub bytes: u64,
    /// What the site consists of; `None`: its files were not read yet.
    pub manifest: Option<&'a Sha256>,
}

/// There is not enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoRoom {
    pub needed: u64,
    /// By other previews, shown or on their way.
    pub used: u64,
    pub limit: u64,
}

impl Rooms {
    pub fn new(limit: u64) -> Self {
        Self { limit, turn: tokio::sync::Mutex::default(), taken: Arc::default() }
    }

    /// What the previews of an account may take up (bytes).
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes room for a site, before any of its bytes is stored.
    pub async fn take(
        &self,
        store: &Store,
        owner: Owner,
        wish: Wish<'_>,
    ) -> Result<Result<Room, NoRoom>, StoreError> {
        let _turn = self.turn.lock().await;
        let bytes = match self.look(store, owner, wish).await? {
            Ok(bytes) => bytes,
            Err(none) => return Ok(Err(none)),
        };
        let mut taken = lock(&self.taken);
        taken.next += 1;
        let no = taken.next;
        taken.by_deployment.insert(owner.deployment, One { scope: owner.scope(), bytes, no });
        Ok(Ok(Room { taken: Arc::clone(&self.taken), deployment: owner.deployment, no }))
    }

    /// Stores that a site is shown, which takes the place of its room: whoever looks sees one of them. What it was equal to
    /// may be gone by now, so it is looked at once more.
    pub async fn settle<T>(
        &self,
        (store, owner, wish): (&Store, Owner, Wish<'_>),
        room: Room,
        publish: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<Result<T, NoRoom>, StoreError> {
        let _turn = self.turn.lock().await;
        let shown = match self.look(store, owner, wish).await? {
            Ok(_) => Ok(publish.await?),
            Err(none) => Err(none),
        };
        drop(room);
        Ok(shown)
    }

    /// What a site needs, if there is so much. One that is equal to a site which is shown needs nothing.
    async fn look(
        &self,
        store: &Store,
        owner: Owner,
        wish: Wish<'_>,
    ) -> Result<Result<u64, NoRoom>, StoreError> {
        let (scope, own) = (owner.scope(), Some(owner.deployment));
        let stored = store.preview_bytes(scope, own, None).await?;
        let is_shown = match wish.manifest {
            Some(manifest) => store.preview_bytes(scope, own, Some(manifest.clone())).await? < stored,
            None => false,
        };
        let on_their_way: u64 = {
            let taken = lock(&self.taken);
            let others = taken.by_deployment.iter().filter(|(id, _)| **id != owner.deployment);
            others.filter(|(_, one)| one.scope == scope).map(|(_, one)| one.bytes).sum()
        };
        let used = stored.saturating_add(on_their_way);
        let needed = if is_shown { 0 } else { wish.bytes };
        match needed > 0 && used.saturating_add(needed) > self.limit {
            true => Ok(Err(NoRoom { needed, used, limit: self.limit })),
            false => Ok(Ok(needed)),
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if taken.by_deployment.get(&self.deployment).is_some_and(|one| one.no == self.no) {
            taken.by_deployment.remove(&self.deployment);
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}
