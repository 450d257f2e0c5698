//! Text that may be too big for the journal: then it lies in the blob store and only its ends are kept here.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longer texts are stored as blobs (bytes).
pub const MAX_INLINE_BYTES: usize = 8 * 1024;
/// How much of a stored text is kept at each end (bytes).
pub const KEPT_END_BYTES: usize = 2 * 1024;

/// The SHA-256 of a blob, in lower-case hexadecimal.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256(String);

impl TryFrom<String> for Sha256 {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a SHA-256 is 64 lower-case hexadecimal digits")
    }
}

impl From<Sha256> for String {
    fn from(hash: Sha256) -> Self {
        hash.0
    }
}

impl Sha256 {
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest;
        Self::from_digest(&sha2::Sha256::digest(bytes))
    }

    pub fn from_digest(digest: &[u8]) -> Self {
        use fmt::Write;
        let mut text = String::with_capacity(64);
        for byte in digest {
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// `None` unless the text is 64 lower-case hexadecimal digits, so that it can be part of a path.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text: whole, or its two ends and where the rest is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    Inline(String),
    Stored {
        sha256: Sha256,
        bytes: u64,
        head: String,
        tail: String,
        /// Where an agent can read it, relative to its workspace.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
    },
}

impl Content {
    pub fn empty() -> Self {
        Self::Inline(String::new())
    }

    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Inline(text) if text.is_empty())
    }

    /// Makes the journal's form of a text that has been stored as a blob.
    pub fn stored(text: &str, path: Option<String>) -> Self {
        Self::Stored {
            sha256: Sha256::of(text.as_bytes()),
            bytes: text.len() as u64,
            head: text[..floor_boundary(text, KEPT_END_BYTES)].to_owned(),
            tail: text[ceil_boundary(text, text.len().saturating_sub(KEPT_END_BYTES))..].to_owned(),
            path,
        }
    }

    /// Whether a text of this size has to be stored.
    pub fn must_store(text: &str) -> bool {
        text.len() > MAX_INLINE_BYTES
    }

    pub fn bytes(&self) -> u64 {
        match self {
            Self::Inline(text) => text.len() as u64,
            Self::Stored { bytes, .. } => *bytes,
        }
    }

    /// The text as a reader with little room sees it: whole, or both ends with a note of what lies between.
    pub fn abridged(&self) -> String {
        match self {
            Self::Inline(text) => text.clone(),
            Self::Stored { bytes, head, tail, path, .. } => {
                let left_out = bytes.saturating_sub((head.len() + tail.len()) as u64);
                let place = match path {
                    Some(path) => format!("; the whole is in {path}"),
                    None => String::new(),
                };
                format!("{head}\n[… {left_out} of {bytes} bytes left out{place} …]\n{tail}")
            }
        }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Inline(text.to_owned())
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Inline(text)
    }
}

/// The greatest character boundary at or below `at`.
pub fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The least character boundary at or above `at`.
pub fn ceil_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_kept_on_character_boundaries() {
        let text = "é".repeat(10_000);
        assert!(Content::must_store(&text));
        let content = Content::stored(&text, Some(".miteos/outputs/x.txt".into()));
        let shown = content.abridged();
        assert!(
            shown.contains("15904 of 20000 bytes left out; the whole is in .miteos/outputs/x.txt"),
            "{}",
            &shown[4000..4200]
        );
        let json = serde_json::to_string(&content).unwrap();
        assert_eq!(serde_json::from_str::<Content>(&json).unwrap(), content);
        assert_eq!(serde_json::from_str::<Content>("\"plain\"").unwrap(), Content::from("plain"));
    }

    #[test]
    fn a_digest_is_only_hexadecimal() {
        assert!(Sha256::parse(Sha256::of(b"").as_str()).is_some());
        assert!(Sha256::parse("../../etc/passwd").is_none());
    }
}
