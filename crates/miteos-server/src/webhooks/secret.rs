//! The secret of a webhook, as Standard Webhooks has it: how it is written, and how it signs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::clock::random;

/// What every secret begins with.
const PREFIX: &str = "whsec_";
/// Of a secret that is made here (bytes).
const MADE_BYTES: usize = 32;
/// Of a secret that comes from outside (bytes).
const MIN_BYTES: usize = 24;
const MAX_BYTES: usize = 64;

#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// The text is not repeated: it may be a secret that is mistyped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "secret must be whsec_ and then base64 of {MIN_BYTES} to {MAX_BYTES} bytes; leave it out to have one made"
)]
pub struct InvalidSecret;

impl Secret {
    pub fn generate() -> Self {
        let mut bytes = vec![0_u8; MADE_BYTES];
        random(&mut bytes);
        Self(bytes)
    }

    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let coded = text.strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        let bytes = STANDARD.decode(coded).map_err(|_| InvalidSecret)?;
        if (MIN_BYTES..=MAX_BYTES).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(InvalidSecret) }
    }

    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As the receiver configures it.
    pub fn text(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// One part of the header `webhook-signature`: HMAC-SHA256 over `id.timestamp.body`.
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        // HMAC takes keys of every length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(secret.text(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }

    #[test]
    fn secrets_have_a_form_and_a_length() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for good in [24, 25, 32, 64] {
            assert_eq!(Secret::parse(&of(good)).unwrap().bytes().len(), good);
        }
        let unpadded = of(25).trim_end_matches('=').to_owned();
        for bad in ["", "whsec_", "whsec_!!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &of(23), &of(65), &unpadded]
        {
            let error = Secret::parse(bad).unwrap_err().to_string();
            assert!(error.contains("24 to 64") && !error.contains("MfKQ"), "{bad}");
        }
        let made = Secret::generate();
        assert_ne!(made, Secret::generate());
        assert_eq!(Secret::parse(&made.text()).unwrap(), made);
        assert_eq!(format!("{made:?}"), "***");
    }
}
