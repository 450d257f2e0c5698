//! API keys: how they are made, recognised and, on the first start, handed to the owner.

mod ring;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use miteos_core::ids::{AccountId, KeyId};
use miteos_store::{AccountRow, KeyRow, Store, StoreError};
use sha2::Digest;

pub use ring::Keyring;

use crate::clock::{Clock, Ids, random};
use crate::secrets::{MasterKey, Purpose, write_private};

/// Characters of a key that lists show.
const SHOWN: usize = 14;
/// Of a SHA-256.
const HASH_BYTES: usize = 32;
/// Random bytes of a key.
const SECRET_BYTES: usize = 20;
/// Shortest key that may be the first one (bytes): others could be guessed.
const MIN_KEY_BYTES: usize = 20;
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
    let mut bytes = [0_u8; SECRET_BYTES];
    random(&mut bytes);
    format!("{}{}", prefix(live), hex::encode(bytes))
}

/// A secret that can be told again as long as its seed is known to the server, and to nobody without the master key.
pub fn derived_secret(master: &MasterKey, live: bool, id: KeyId, seed: &str) -> String {
    let mac = master.sign(Purpose::ApiKey, &format!("{id}/{seed}"));
    format!("{}{}", prefix(live), mac.chars().take(2 * SECRET_BYTES).collect::<String>())
}

/// The first characters of a key, by which people tell keys apart.
pub fn shown(secret: &str) -> String {
    secret.chars().take(SHOWN).collect()
}

fn prefix(live: bool) -> &'static str {
    if live { "mt_live_" } else { "mt_test_" }
}

/// What is stored of a key. It has too many random bits to be guessed from its hash, however fast that is made.
pub fn hash(secret: &str) -> [u8; HASH_BYTES] {
    sha2::Sha256::digest(secret.as_bytes()).into()
}

#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error(
        "MITEOS_BOOTSTRAP_KEY must begin with mt_live_ and have {MIN_KEY_BYTES} to {MAX_KEY_BYTES} characters"
    )]
    BadKey,
    #[error("could not write {KEYS_FILE} into the data folder")]
    Write(#[source] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether a key from outside may be the first one.
pub fn check_live(key: &str) -> Result<(), BootstrapError> {
    if !key.starts_with("mt_live_") || key.len() < MIN_KEY_BYTES || key.len() > MAX_KEY_BYTES {
        return Err(BootstrapError::BadKey);
    }
    Ok(())
}

/// On an empty store: one account with a live and a test key, all scopes, no limits. Later: nothing, whatever became of
/// the keys, since a key that comes back would open what its revocation closed.
///
/// The file is written before the rows, which come all at once: a crash in between makes new keys at the next start.
pub async fn bootstrap(
    store: &Store,
    folder: &Path,
    live: Option<&str>,
    clock: &dyn Clock,
    ids: &Ids,
) -> Result<Option<BootstrapKeys>, BootstrapError> {
    if !store.accounts(None, 1).await?.is_empty() {
        return Ok(None);
    }
    live.map(check_live).transpose()?;
    let keys =
        BootstrapKeys { live: live.map_or_else(|| new_secret(true), str::to_owned), test: new_secret(false) };
    let file = BTreeMap::from([("live", &keys.live), ("test", &keys.test)]);
    let text = serde_json::to_vec_pretty(&file).map_err(|e| BootstrapError::Write(e.into()))?;
    write_private(&folder.join(KEYS_FILE), &text).map_err(BootstrapError::Write)?;
    let now = clock.now();
    let account = AccountId(ids.ulid(now));
    let row = |secret: &str, live: bool| KeyRow {
        id: KeyId(ids.ulid(now)),
        account,
        live,
        name: "first start".to_owned(),
        hash: hash(secret).to_vec(),
        prefix: shown(secret),
        scopes: vec!["*".to_owned()],
        tier: "enterprise".to_owned(),
        created_at: now,
        expires_at: None,
        revoked_at: None,
        requests_per_minute: None,
    };
    let rows = vec![row(&keys.test, false), row(&keys.live, true)];
    let owner = AccountRow { id: account, name: "owner".to_owned(), created_at: now };
    store.insert_account_with(owner, rows).await?;
    Ok(Some(keys))
}
