//! What opens a preview that is not public: a link that was signed, and the cookie that it is exchanged for. Both are
//! bound to the deployment, an end, and the version of its links, so that a new version makes all of them worthless.

use miteos_core::time::Timestamp;
use miteos_store::PreviewRow;

use crate::secrets::{MasterKey, Purpose};

/// Of the address.
pub const PARAMETER: &str = "t";
/// Longer texts are no token (bytes).
const MAX_TOKEN_BYTES: usize = 128;

/// What a token is for; one is no good as the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Link,
    Cookie,
}

impl Use {
    fn purpose(self) -> Purpose {
        match self {
            Self::Link => Purpose::PreviewLink,
            Self::Cookie => Purpose::PreviewCookie,
        }
    }
}

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It opens the preview until then.
    Good(Timestamp),
    /// It was good once.
    Ended,
    /// It was not made here, not for this preview, or was altered.
    Wrong,
}

/// A token that opens the preview until `end`.
pub fn sign(master: &MasterKey, of: Use, row: &PreviewRow, end: Timestamp) -> String {
    let message = message(row, row.link_version, end);
    format!("{}.{}.{}", end.millis(), row.link_version, master.sign(of.purpose(), &message))
}

/// Reads a token. Whether it was signed is found out in constant time, and before anything else is said of it.
pub fn read(master: &MasterKey, of: Use, row: &PreviewRow, token: &str, now: Timestamp) -> Told {
    let Some((end, version, signature)) = parts(token) else { return Told::Wrong };
    let end = Timestamp::from_millis(end);
    if !master.verify(of.purpose(), &message(row, version, end), signature) {
        return Told::Wrong;
    }
    if version == row.link_version && now < end { Told::Good(end) } else { Told::Ended }
}

fn parts(token: &str) -> Option<(u64, u64, &str)> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let (end, rest) = token.split_once('.')?;
    let (version, signature) = rest.split_once('.')?;
    Some((end.parse().ok()?, version.parse().ok()?, signature))
}

fn message(row: &PreviewRow, version: u64, end: Timestamp) -> String {
    format!("{}/{version}/{}", row.deployment, end.millis())
}
