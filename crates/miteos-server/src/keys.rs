//! API keys: how they are made, recognised and, on the first start, handed to the owner.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use miteos_core::ids::{AccountId, KeyId};
use miteos_core::time::Timestamp;
use miteos_store::{AccountRow, KeyRow, Store, StoreError};
use sha2::Digest;

use crate::clock::{Clock, Ids, random};
use crate::secrets::write_private;

/// Characters of a key that lists show.
const SHOWN: usize = 14;
/// Longest key that is looked up (bytes).
const MAX_KEY_BYTES: usize = 200;
/// The file that the local command line finds the first keys in.
pub const KEYS_FILE: &str = "keys.json";

/// The keys of the first start: shown once, and kept in the data folder.
#[derive(Clone)]
pub struct BootstrapKeys {
    pub live: String,
    pub test: String,
}

/// A new secret: 160 bits behind a prefix that says which world it opens.
pub fn new_secret(live: bool) -> String {
    let mut bytes = [0_u8; 20];
    random(&mut bytes);
    format!("{}{}", prefix(live), hex::encode(bytes))
}

fn prefix(live: bool) -> &'static str {
    if live { "mt_live_" } else { "mt_test_" }
}

pub fn hash(secret: &str) -> Vec<u8> {
    sha2::Sha256::digest(secret.as_bytes()).to_vec()
}

/// The key, if it is one and still opens anything.
pub async fn find(store: &Store, secret: &str, now: Timestamp) -> Result<Option<KeyRow>, StoreError> {
    let looks_right =
        secret.len() <= MAX_KEY_BYTES && (secret.starts_with("mt_live_") || secret.starts_with("mt_test_"));
    if !looks_right {
        return Ok(None);
    }
    let row = store.key_by_hash(&hash(secret)).await?;
    Ok(row.filter(|key| key.opens_at(now)))
}

#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error("MITEOS_BOOTSTRAP_KEY must begin with mt_live_ and have 20 to {MAX_KEY_BYTES} characters")]
    BadKey,
    #[error("could not write {KEYS_FILE} into the data folder")]
    Write(#[source] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// On an empty store: one account with a live and a test key, all scopes, no limits. Later: nothing.
///
/// The file is written before the rows, and the live key is the last row: a crash in between makes new keys at the
/// next start.
pub async fn bootstrap(
    store: &Store,
    folder: &Path,
    live: Option<&str>,
    clock: &dyn Clock,
    ids: &Ids,
) -> Result<Option<BootstrapKeys>, BootstrapError> {
    let owner = store.accounts(None, 1).await?.into_iter().next();
    if let Some(owner) = &owner {
        let both =
            !store.keys(owner.id, true).await?.is_empty() && !store.keys(owner.id, false).await?.is_empty();
        if both {
            return Ok(None);
        }
    }
    if live.is_some_and(|key| !key.starts_with("mt_live_") || key.len() < 20 || key.len() > MAX_KEY_BYTES) {
        return Err(BootstrapError::BadKey);
    }
    let keys =
        BootstrapKeys { live: live.map_or_else(|| new_secret(true), str::to_owned), test: new_secret(false) };
    let file = BTreeMap::from([("live", &keys.live), ("test", &keys.test)]);
    let text = serde_json::to_vec_pretty(&file).map_err(|e| BootstrapError::Write(e.into()))?;
    write_private(&folder.join(KEYS_FILE), &text).map_err(BootstrapError::Write)?;
    let now = clock.now();
    let account = owner.as_ref().map_or_else(|| AccountId(ids.ulid(now)), |owner| owner.id);
    let row = |secret: &str, live: bool| KeyRow {
        id: KeyId(ids.ulid(now)),
        account,
        live,
        name: "first start".to_owned(),
        hash: hash(secret),
        prefix: secret.chars().take(SHOWN).collect(),
        scopes: vec!["*".to_owned()],
        tier: "enterprise".to_owned(),
        created_at: now,
        expires_at: None,
        revoked_at: None,
    };
    let rows = [row(&keys.test, false), row(&keys.live, true)];
    if owner.is_none() {
        store.insert_account(AccountRow { id: account, name: "owner".to_owned(), created_at: now }).await?;
    }
    for key in rows {
        store.insert_key(key, None).await?;
    }
    Ok(Some(keys))
}
