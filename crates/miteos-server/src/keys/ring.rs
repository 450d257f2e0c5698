//! Keys as they are recognised while the server runs: looked up by hash, remembered for a moment, and forgotten at
//! once when they are revoked. It does not know what a key may do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use miteos_core::ids::KeyId;
use miteos_core::time::Timestamp;
use miteos_store::{KeyRow, RevokedKey, Store, StoreError};

use super::{HASH_BYTES, MAX_KEY_BYTES, hash};

/// How long a key is remembered without looking again (ms). A revocation in this process does not wait for it.
const REMEMBERED_MS: u64 = 30_000;
/// Keys remembered at once; with more, the old ones are forgotten first.
const MAX_REMEMBERED: usize = 10_000;

type Hash = [u8; HASH_BYTES];

/// All keys of the store, as requests ask for them.
pub struct Keyring {
    store: Store,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    rows: HashMap<Hash, (Arc<KeyRow>, Timestamp)>,
    /// Counts revocations: what was read before one is not remembered after it.
    revocations: u64,
}

impl Keyring {
    pub fn new(store: Store) -> Self {
        Self { store, known: Arc::default() }
    }

    /// The key of this secret, if it is one and still opens anything.
    pub async fn find(&self, secret: &str, now: Timestamp) -> Result<Option<Arc<KeyRow>>, StoreError> {
        let looks_right = secret.len() <= MAX_KEY_BYTES
            && (secret.starts_with("mt_live_") || secret.starts_with("mt_test_"));
        if !looks_right {
            return Ok(None);
        }
        let digest = hash(secret);
        let row = match self.remembered(&digest, now) {
            Some(row) => row,
            None => match self.look_up(digest, now).await? {
                Some(row) => row,
                None => return Ok(None),
            },
        };
        Ok(Some(row).filter(|key| key.expires_at.is_none_or(|at| at > now)))
    }

    fn remembered(&self, digest: &Hash, now: Timestamp) -> Option<Arc<KeyRow>> {
        let known = self.known();
        let (row, read_at) = known.rows.get(digest)?;
        // A clock that was set back makes it older, not younger.
        let young = now >= *read_at && now.since(*read_at) < REMEMBERED_MS;
        (young && same(&row.hash, digest)).then(|| Arc::clone(row))
    }

    async fn look_up(&self, digest: Hash, now: Timestamp) -> Result<Option<Arc<KeyRow>>, StoreError> {
        let before = self.known().revocations;
        let found = self.store.key_by_hash(&digest).await?;
        let Some(row) = found.filter(|row| row.revoked_at.is_none() && same(&row.hash, &digest)) else {
            return Ok(None);
        };
        let row = Arc::new(row);
        let mut known = self.known();
        if known.revocations == before {
            if known.rows.len() >= MAX_REMEMBERED {
                known.rows.retain(|_, (_, read_at)| now.since(*read_at) < REMEMBERED_MS);
            }
            if known.rows.len() < MAX_REMEMBERED {
                known.rows.insert(digest, (Arc::clone(&row), now));
            }
        }
        Ok(Some(row))
    }

    /// Revokes a key, for the next request already, and to the end even if the caller goes away. Streams it has opened
    /// are for the caller to end.
    pub async fn revoke(&self, key: KeyId, now: Timestamp) -> Result<RevokedKey, StoreError> {
        let (store, known) = (self.store.clone(), Arc::clone(&self.known));
        let revoking = tokio::spawn(async move {
            let revoked = store.revoke_key(key, now).await;
            // Whatever the store says of it: a write that failed may have been made.
            let mut known = locked(&known);
            known.revocations += 1;
            known.rows.retain(|_, (row, _)| row.id != key);
            revoked
        });
        revoking.await.unwrap_or(Err(StoreError::Panicked { doing: "revoke a key" }))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        locked(&self.known)
    }
}

fn locked(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Compares without telling by its time how much was the same.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b))) == 0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use miteos_core::ids::AccountId;
    use miteos_store::StoreConfig;
    use tokio::sync::Notify;
    use ulid::Ulid;

    use super::*;

    fn row(secret: &str, expires_at: Option<Timestamp>) -> KeyRow {
        KeyRow {
            id: KeyId(Ulid::from_parts(1, u128::from(secret.len() as u64))),
            account: AccountId(Ulid::from_parts(1, 1)),
            live: false,
            name: "k".into(),
            hash: hash(secret).to_vec(),
            prefix: "mt_test_".into(),
            scopes: vec!["*".into()],
            tier: "free".into(),
            created_at: Timestamp::from_millis(1),
            expires_at,
            revoked_at: None,
            requests_per_minute: None,
        }
    }

    #[tokio::test]
    async fn a_remembered_key_is_forgotten_when_it_is_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(StoreConfig::in_folder(folder.path())).await.unwrap();
        let ring = Arc::new(Keyring::new(store.clone()));
        let at = Timestamp::from_millis;
        store.insert_key(row("mt_test_a", Some(at(100))), None).await.unwrap();
        assert!(ring.find("mt_test_b", at(5)).await.unwrap().is_none());
        assert!(ring.find("mt_else_a", at(5)).await.unwrap().is_none());
        let key = ring.find("mt_test_a", at(5)).await.unwrap().unwrap();
        assert!(ring.find("mt_test_a", at(99)).await.unwrap().is_some());
        assert!(ring.find("mt_test_a", at(100)).await.unwrap().is_none(), "remembered, and expired");
        assert_eq!(ring.revoke(key.id, at(6)).await.unwrap(), RevokedKey::Revoked);
        assert!(ring.find("mt_test_a", at(7)).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_leaves_no_key_open() {
        let folder = tempfile::tempdir().unwrap();
        let (held, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (holding, released) = (Arc::clone(&held), Arc::clone(&release));
        let runtime = tokio::runtime::Handle::current();
        let mut config = StoreConfig::in_folder(folder.path());
        // The second write is the revocation: it waits in the store until the test lets it go.
        config.fault = Some(Arc::new(move |n| {
            if n == 2 {
                holding.notify_one();
                runtime.block_on(released.notified());
            }
            None
        }));
        let store = Store::open(config).await.unwrap();
        let ring = Arc::new(Keyring::new(store.clone()));
        let at = Timestamp::from_millis;
        store.insert_key(row("mt_test_a", None), None).await.unwrap();
        let key = ring.find("mt_test_a", at(5)).await.unwrap().unwrap();
        let caller = tokio::spawn({
            let ring = Arc::clone(&ring);
            async move { ring.revoke(key.id, at(6)).await }
        });
        held.notified().await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        release.notify_one();
        let forgotten = async {
            while ring.find("mt_test_a", at(7)).await.unwrap().is_some() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), forgotten).await.expect("it opens nothing any more");
    }

    #[test]
    fn equality_is_of_all_bytes() {
        assert!(same(b"abc", b"abc"));
        assert!(!same(b"abc", b"abd") && !same(b"abc", b"ab") && !same(b"xbc", b"abc"));
    }
}
