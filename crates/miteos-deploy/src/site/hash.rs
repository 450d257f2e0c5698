//! The hashes that providers know a file by, made in one pass over its bytes. Knows nothing of files.
//!
//! SHA-1 is Netlify's and Vercel's, SHA-256 our own, and the third is the one of Cloudflare's own tool: BLAKE3 over the
//! Base64 text of the bytes and the name's extension, cut to 32 hex digits. The provider takes it as an opaque name
//! and keeps the content type with it, so the extension has to be in it; the same formula shares what others uploaded.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::digest;
use sha2::Digest as _;

/// Bytes that are turned into Base64 at once: a multiple of three, so that the pieces join without padding.
const BASE64_PIECE: usize = 48 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    pub sha1: [u8; 20],
    pub sha256: [u8; 32],
    /// The first half of the BLAKE3 of the Base64 text and the extension.
    pub blake3_named: [u8; 16],
}

impl Digests {
    /// Of a file that only this server serves: no provider asks for the others.
    pub(super) fn of_ours(sha256: [u8; 32]) -> Self {
        Self { sha1: [0; 20], sha256, blake3_named: [0; 16] }
    }

    pub fn sha1_hex(&self) -> String {
        hex::encode(self.sha1)
    }

    pub fn sha256_hex(&self) -> String {
        hex::encode(self.sha256)
    }

    pub fn blake3_hex(&self) -> String {
        hex::encode(self.blake3_named)
    }
}

/// Takes the bytes piece by piece.
pub(super) enum Hasher {
    At(Box<Work>),
    /// Somebody else hashes them.
    Idle,
}

impl Hasher {
    pub fn new() -> Self {
        Self::At(Box::new(Work::new()))
    }

    pub fn idle() -> Self {
        Self::Idle
    }

    pub fn update(&mut self, bytes: &[u8]) {
        if let Self::At(work) = self {
            work.update(bytes);
        }
    }

    /// `path` gives the extension.
    pub fn finish(self, path: &str) -> Digests {
        match self {
            Self::At(work) => work.finish(path),
            Self::Idle => Digests::of_ours([0; 32]),
        }
    }
}

pub(super) struct Work {
    sha1: digest::Context,
    sha256: sha2::Sha256,
    blake3: blake3::Hasher,
    /// Fewer than three bytes that wait for the rest of their group.
    rest: Vec<u8>,
    text: String,
}

impl Work {
    fn new() -> Self {
        Self {
            sha1: digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            sha256: sha2::Sha256::new(),
            blake3: blake3::Hasher::new(),
            rest: Vec::with_capacity(3),
            text: String::new(),
        }
    }

    fn update(&mut self, mut bytes: &[u8]) {
        self.sha1.update(bytes);
        self.sha256.update(bytes);
        if !self.rest.is_empty() {
            let taken = bytes.len().min(3 - self.rest.len());
            self.rest.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.rest.len() < 3 {
                return;
            }
            let group = std::mem::take(&mut self.rest);
            self.base64(&group);
        }
        let whole = bytes.len() - bytes.len() % 3;
        for piece in bytes[..whole].chunks(BASE64_PIECE) {
            self.base64(piece);
        }
        self.rest.extend_from_slice(&bytes[whole..]);
    }

    fn base64(&mut self, bytes: &[u8]) {
        self.text.clear();
        BASE64_STANDARD.encode_string(bytes, &mut self.text);
        self.blake3.update(self.text.as_bytes());
    }

    fn finish(mut self, path: &str) -> Digests {
        let rest = std::mem::take(&mut self.rest);
        self.base64(&rest);
        self.blake3.update(extension(path).as_bytes());
        let mut sha1 = [0; 20];
        sha1.copy_from_slice(self.sha1.finish().as_ref());
        let mut named = [0; 16];
        named.copy_from_slice(&self.blake3.finalize().as_bytes()[..16]);
        Digests { sha1, sha256: self.sha256.finalize().into(), blake3_named: named }
    }
}

/// The last part after a dot of the file's own name, as Node's `path.extname` has it: a name that only begins with a
/// dot has none.
fn extension(path: &str) -> &str {
    let own = path.rsplit('/').next().unwrap_or(path);
    match own.rfind('.') {
        Some(at) if at > 0 => &own[at + 1..],
        Some(_) | None => "",
    }
}

/// The digests of bytes that are at hand.
pub fn hash_bytes(path: &str, bytes: &[u8]) -> Digests {
    let mut hasher = Hasher::new();
    hasher.update(bytes);
    hasher.finish(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_providers_own_tools() {
        let png = hash_bytes("a/b.png", b"foobar");
        assert_eq!(png.blake3_hex(), "2082190357cfd3617ccfe04f340c6247");
        assert_eq!(hash_bytes("x.txt", b"foobar").blake3_hex(), "1a98fb08af91aca4a7df1764a2c4ddb0");
        assert_eq!(png.sha1_hex(), "8843d7f92416211de9ebb963ff4ce28125932878");
        assert_eq!(png.sha256_hex(), "c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2");
    }

    #[test]
    fn extensions_are_nodes() {
        for (path, extension_of) in [
            ("a.png", "png"),
            ("a.tar.gz", "gz"),
            (".nojekyll", ""),
            ("x.d/file", ""),
            ("a.", ""),
            (".a.b", "b"),
            ("_headers", ""),
        ] {
            assert_eq!(extension(path), extension_of, "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn pieces_make_no_difference(bytes in proptest::collection::vec(0_u8.., 0..300), cuts in proptest::collection::vec(0_usize..300, 0..6)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut hasher = Hasher::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                hasher.update(&bytes[from..cut]);
                from = cut;
            }
            proptest::prop_assert_eq!(hasher.finish("x.bin"), hash_bytes("x.bin", &bytes));
            let text = format!("{}bin", BASE64_STANDARD.encode(&bytes));
            let whole = blake3::hash(text.as_bytes()).to_hex();
            proptest::prop_assert_eq!(hash_bytes("x.bin", &bytes).blake3_hex(), &whole[..32]);
        }
    }
}
