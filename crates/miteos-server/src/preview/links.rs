//! What opens a preview that is not public: a link that was signed, and the cookie that it is exchanged for. Both are
//! bound to the deployment, an end, the version of its links, so that a new version makes all of them worthless, and the
//! link itself, so that it can be taken back alone. Whether a link was taken back is not known here.

use miteos_core::ids::ShareId;
use miteos_core::time::Timestamp;
use miteos_store::PreviewRow;

use crate::secrets::{MasterKey, Purpose};

/// Of the address.
pub const PARAMETER: &str = "t";
/// Longer texts are no token (bytes).
const MAX_TOKEN_BYTES: usize = 192;

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

/// What a good token opens a preview with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    pub end: Timestamp,
    /// The link, as lists show it. `None`: it was made by a version that had no lists.
    pub link: Option<ShareId>,
}

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    Good(Pass),
    /// It was good once.
    Ended,
    /// It was not made here, not for this preview, or was altered.
    Wrong,
}

/// A token that opens the preview.
pub fn sign(master: &MasterKey, of: Use, row: &PreviewRow, pass: Pass) -> String {
    let (end, version) = (pass.end.millis(), row.link_version);
    let signature = master.sign(of.purpose(), &message(row, pass, version));
    match pass.link {
        Some(link) => format!("{end}.{version}.{link}.{signature}"),
        None => format!("{end}.{version}.{signature}"),
    }
}

/// Reads a token. Whether it was signed is found out in constant time, and before anything else is said of it.
pub fn read(master: &MasterKey, of: Use, row: &PreviewRow, token: &str, now: Timestamp) -> Told {
    let Some((pass, version, signature)) = parts(token) else { return Told::Wrong };
    if !master.verify(of.purpose(), &message(row, pass, version), signature) {
        return Told::Wrong;
    }
    if version == row.link_version && now < pass.end { Told::Good(pass) } else { Told::Ended }
}

fn parts(token: &str) -> Option<(Pass, u64, &str)> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let (said, signature) = token.rsplit_once('.')?;
    let mut said = said.split('.');
    let (end, version) = (said.next()?.parse().ok()?, said.next()?.parse().ok()?);
    let link = said.next().map(str::parse).transpose().ok()?;
    let pass = Pass { end: Timestamp::from_millis(end), link };
    said.next().is_none().then_some((pass, version, signature))
}

fn message(row: &PreviewRow, pass: Pass, version: u64) -> String {
    let (deployment, end) = (row.deployment, pass.end.millis());
    match pass.link {
        Some(link) => format!("{deployment}/{version}/{end}/{link}"),
        None => format!("{deployment}/{version}/{end}"),
    }
}
