//! The server's master key and what is signed with it. Never leaves the process but into its own file.

use std::io;
use std::path::Path;

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
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::ApiKey => "api-key",
        }
    }
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
}
