//! The server's master key, and what is signed and sealed with it. Never leaves the process but into its own file.

use std::io;
use std::path::Path;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::clock::random;

/// Shortest accepted master key (bytes).
const MIN_KEY_BYTES: usize = 16;

/// What a signature is for; one made for one purpose is no good for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Download,
    /// An API key whose answer may be asked for again.
    ApiKey,
    /// A link that opens a preview.
    PreviewLink,
    /// What such a link is exchanged for.
    PreviewCookie,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::ApiKey => "api-key",
            Self::PreviewLink => "preview-link",
            Self::PreviewCookie => "preview-cookie",
        }
    }
}

/// What a sealed value is. Each kind has a key of its own, derived from the master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// The secret that signs what is sent to a webhook.
    WebhookSecret,
    /// What opens an account with a deploy provider.
    DeployCredentials,
    /// A stored answer that shows a secret once.
    Answer,
}

impl Sealed {
    fn as_str(self) -> &'static str {
        match self {
            Self::WebhookSecret => "webhook secret",
            Self::DeployCredentials => "deploy credentials",
            Self::Answer => "stored answer",
        }
    }
}

/// The first byte of a sealed value: how the rest is made.
const SEAL_VERSION: u8 = 1;
/// Of the nonce behind it. It is so long that random ones never repeat.
const NONCE_BYTES: usize = 24;

/// A sealed value that cannot be opened with this key, or not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a stored secret ({}) cannot be opened: the master key is not the one it was sealed with, or it is damaged",
    .what.as_str()
)]
pub struct CannotOpen {
    what: Sealed,
}

#[derive(Clone)]
pub struct MasterKey(Vec<u8>);

impl MasterKey {
    /// # Errors
    /// A text saying what would be right.
    pub fn from_text(text: &str) -> Result<Self, String> {
        let key = text.trim().as_bytes();
        if key.len() < MIN_KEY_BYTES {
            return Err(format!("MITEOS_SECRET_KEY has {} bytes; use at least {MIN_KEY_BYTES}", key.len()));
        }
        Ok(Self(key.to_vec()))
    }

    /// The key of a data folder, made on the first start.
    pub fn of_folder(folder: &Path) -> io::Result<Self> {
        let path = folder.join("secret.key");
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                return Self::from_text(&text).map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut bytes = [0_u8; 32];
        random(&mut bytes);
        let text = hex::encode(bytes);
        write_private(&path, text.as_bytes())?;
        Ok(Self(text.into_bytes()))
    }

    fn mac(&self, purpose: Purpose, message: &str) -> Option<Hmac<Sha256>> {
        // HMAC takes keys of every length.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(purpose.as_str().as_bytes());
        mac.update(&[0]);
        mac.update(message.as_bytes());
        Some(mac)
    }

    /// Encrypts and binds to its owner: the value can be opened for the same kind and owner alone, so that one that
    /// is moved to another row is worth nothing.
    pub fn seal(&self, what: Sealed, owner: &str, plain: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        let mut nonce = [0_u8; NONCE_BYTES];
        random(&mut nonce);
        let payload = Payload { msg: plain, aad: owner.as_bytes() };
        let boxed = self.cipher(what)?.encrypt(&XNonce::from(nonce), payload);
        let boxed = boxed.map_err(|_| CannotOpen { what })?;
        Ok([&[SEAL_VERSION], nonce.as_slice(), boxed.as_slice()].concat())
    }

    /// The value that was sealed for this owner.
    pub fn open(&self, what: Sealed, owner: &str, sealed: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        let refused = CannotOpen { what };
        let Some((&SEAL_VERSION, rest)) = sealed.split_first() else { return Err(refused) };
        let Some((nonce, boxed)) = rest.split_first_chunk::<NONCE_BYTES>() else { return Err(refused) };
        let payload = Payload { msg: boxed, aad: owner.as_bytes() };
        self.cipher(what)?.decrypt(&XNonce::from(*nonce), payload).map_err(|_| refused)
    }

    fn cipher(&self, what: Sealed) -> Result<XChaCha20Poly1305, CannotOpen> {
        let refused = CannotOpen { what };
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).map_err(|_| refused)?;
        mac.update(b"seal");
        mac.update(&[0]);
        mac.update(what.as_str().as_bytes());
        XChaCha20Poly1305::new_from_slice(&mac.finalize().into_bytes()).map_err(|_| refused)
    }

    /// The signature in hexadecimal.
    pub fn sign(&self, purpose: Purpose, message: &str) -> String {
        self.mac(purpose, message).map(|mac| hex::encode(mac.finalize().into_bytes())).unwrap_or_default()
    }

    /// Compares in constant time.
    pub fn verify(&self, purpose: Purpose, message: &str, signature: &str) -> bool {
        let Ok(bytes) = hex::decode(signature) else { return false };
        self.mac(purpose, message).is_some_and(|mac| mac.verify_slice(&bytes).is_ok())
    }
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    let writing = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&writing)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&writing, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_good_for_its_message_alone() {
        let key = MasterKey::from_text("0123456789abcdef").unwrap();
        let signature = key.sign(Purpose::Download, "a");
        assert!(key.verify(Purpose::Download, "a", &signature));
        assert!(!key.verify(Purpose::Download, "b", &signature));
        assert!(!key.verify(Purpose::Download, "a", &signature[2..]));
        assert!(!key.verify(Purpose::Download, "a", "zz"));
        let other = MasterKey::from_text("0123456789abcdeg").unwrap();
        assert!(!other.verify(Purpose::Download, "a", &signature));
        assert!(MasterKey::from_text("short").is_err());
    }

    #[test]
    fn a_sealed_value_is_opened_by_its_key_for_its_owner_alone() {
        let key = MasterKey::from_text("0123456789abcdef").unwrap();
        let sealed = key.seal(Sealed::WebhookSecret, "wh_1", b"hush").unwrap();
        assert!(!sealed.windows(4).any(|part| part == b"hush"));
        assert_ne!(sealed, key.seal(Sealed::WebhookSecret, "wh_1", b"hush").unwrap());
        assert_eq!(key.open(Sealed::WebhookSecret, "wh_1", &sealed).unwrap(), b"hush");
        assert!(key.open(Sealed::WebhookSecret, "wh_2", &sealed).is_err());
        assert!(key.open(Sealed::Answer, "wh_1", &sealed).is_err());
        let other = MasterKey::from_text("0123456789abcdeg").unwrap();
        let error = other.open(Sealed::WebhookSecret, "wh_1", &sealed).unwrap_err();
        assert!(error.to_string().contains("master key"), "{error}");
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert!(key.open(Sealed::WebhookSecret, "wh_1", &bent).is_err(), "byte {at}");
            assert!(key.open(Sealed::WebhookSecret, "wh_1", &sealed[..at]).is_err(), "cut at {at}");
        }
        let empty = key.seal(Sealed::Answer, "", b"").unwrap();
        assert_eq!(key.open(Sealed::Answer, "", &empty).unwrap(), b"");
    }
}
