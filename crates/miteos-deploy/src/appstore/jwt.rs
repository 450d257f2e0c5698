//! The token of App Store Connect: signed by us with the account's key, and valid for minutes. Knows nothing of calls.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::json;

use crate::config::AppstoreConfig;
use miteos_tools::secret::Secret;

/// How long a token is valid. Apple takes at most twenty minutes; an upload's calls are far apart, so each has its own.
const VALID_SECONDS: u64 = 10 * 60;
/// Dated back by this much, for a clock here that is a little ahead.
const BACK_SECONDS: u64 = 30;
const AUDIENCE: &str = "appstoreconnect-v1";
const BEGIN: &str = concat!("-----BEGIN PRIVATE", " KEY-----");
const END: &str = concat!("-----END PRIVATE", " KEY-----");

/// What is wrong with a private key. Nothing of the key is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("it is not the text of a .p8 file, which begins with {BEGIN}")]
    NotPem,
    #[error("it is no P-256 key; use the .p8 file that App Store Connect gave for this key id")]
    NotP256,
    #[error("the system gave no randomness to sign with")]
    NoRandomness,
}

/// Reads the text of a `.p8` file.
pub fn read_key(pem: &str) -> Result<EcdsaKeyPair, KeyError> {
    let body =
        pem.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END)).ok_or(KeyError::NotPem)?;
    // In JSON a pasted key often has its line ends as two letters.
    let body: String = body.replace("\\n", "").split_whitespace().collect();
    let der = BASE64_STANDARD.decode(body).map_err(|_| KeyError::NotPem)?;
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &SystemRandom::new())
        .map_err(|_| KeyError::NotP256)
}

/// A token for the next minutes.
pub(super) fn mint(config: &AppstoreConfig, now_ms: u64) -> Result<Secret, KeyError> {
    let key = read_key(config.private_key.reveal())?;
    let now = now_ms / 1000;
    let header = json!({ "alg": "ES256", "kid": config.key_id, "typ": "JWT" });
    let claims = json!({
        "iss": config.issuer_id,
        "iat": now.saturating_sub(BACK_SECONDS),
        "exp": now.saturating_add(VALID_SECONDS),
        "aud": AUDIENCE,
    });
    let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).map_err(|_| KeyError::NoRandomness)?;
    Ok(Secret::new(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature.as_ref()))))
}
