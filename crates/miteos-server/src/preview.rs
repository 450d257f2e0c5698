//! Previews: sites that agents made, shown by this server itself, each at an origin of its own.
//!
//! What agents write is not trusted: a preview must not be able to act as the person who looks at it. So the preview host
//! has its own listener with no operation of the API on it, each preview has a host name that nobody can guess, and
//! nothing is read from the disk by a name that came with a request: publishing makes an immutable manifest of paths,
//! whose files are blobs, and a request is looked up in it.
//!
//! It knows the store and a site's files, and nothing of deployments but their ids.

mod address;
mod admission;
mod gzip;
mod headers;
mod host;
mod links;
mod listener;
mod manifest;
mod media;
mod pace;
mod pages;
mod publish;
mod publisher;
mod recent;
mod room;
mod route;
mod take_in;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::http::HeaderValue;
use miteos_core::ids::{AccountId, DeploymentId, ShareId};
use miteos_core::time::Timestamp;
use miteos_store::{PreviewRow, Scope, Store, StoreError, Visibility};

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::secrets::MasterKey;

pub use address::{Hosts, mint_label};
pub use host::router;
pub use listener::PreviewHost;
#[cfg(test)]
use publish::Shown;
pub use publish::{LIMITS, SiteError};
pub use room::Room;

use gzip::Packed;
use links::Pass;
use manifest::Manifests;
use pace::Pace;
use room::Rooms;

/// How long a link works unless asked otherwise (ms): seven days.
pub const DEFAULT_LINK_LIVES_MS: u64 = 7 * 24 * 3600 * 1000;
/// What the previews of one account in one world may take up unless configured otherwise (bytes): 10 GiB.
pub const DEFAULT_MAX_BYTES: u64 = 10 * 1024 * 1024 * 1024;

/// What previews are made of.
pub struct Parts {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub master: MasterKey,
    /// Where the preview host is seen.
    pub hosts: Hosts,
    /// Origins whose pages may show a preview in a frame, besides the preview itself.
    pub framers: Vec<String>,
    pub metrics: Arc<Metrics>,
    /// What the previews of one account in one world may take up (bytes).
    pub max_bytes: u64,
    /// How long a new preview is shown (ms); `None`: until somebody ends it.
    pub lives_ms: Option<u64>,
}

/// A handle on the previews; clones share it.
#[derive(Clone)]
pub struct Previews {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    master: MasterKey,
    hosts: Hosts,
    /// Who may put a preview into a frame, as a policy.
    framing: HeaderValue,
    manifests: Manifests,
    packed: Packed,
    pace: Pace,
    metrics: Arc<Metrics>,
    rooms: Rooms,
    lives_ms: Option<u64>,
}

/// Whose a new preview is.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    pub deployment: DeploymentId,
    pub account: AccountId,
    pub live: bool,
}

impl Owner {
    fn scope(self) -> Scope {
        Scope { account: self.account, live: self.live }
    }
}

/// An address that opens a preview until some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub url: String,
    pub expires_at: Timestamp,
}

impl Previews {
    pub fn new(parts: Parts) -> Self {
        let Parts { store, clock, master, hosts, framers, metrics, max_bytes, lives_ms } = parts;
        let inner = Inner {
            store,
            clock,
            master,
            hosts,
            framing: headers::framing(&framers),
            manifests: Manifests::default(),
            packed: Packed::default(),
            pace: Pace::default(),
            metrics,
            rooms: Rooms::new(max_bytes),
            lives_ms,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Where a preview is seen, with a slash at the end. Whoever is told will look, so it is no guess then.
    pub fn url(&self, row: &PreviewRow) -> String {
        self.inner.pace.found(&row.label);
        self.inner.hosts.url(&row.label)
    }

    /// How the addresses of previews look.
    pub fn pattern(&self) -> String {
        self.inner.hosts.url("*")
    }

    /// What the previews of one account in one world may take up (bytes).
    pub fn max_bytes(&self) -> u64 {
        self.inner.rooms.limit()
    }

    /// A link that opens a preview until then, or until it ends itself, as long as the store has it.
    pub fn link(&self, row: &PreviewRow, id: ShareId, asked: Timestamp) -> Link {
        let expires_at = row.expires_at.map_or(asked, |end| end.min(asked));
        let pass = Pass { end: expires_at, link: Some(id) };
        let token = links::sign(&self.inner.master, links::Use::Link, row, pass);
        Link { url: format!("{}?{}={token}", self.url(row), links::PARAMETER), expires_at }
    }

    /// A preview of the test world: a page that says that nothing was published.
    pub async fn publish_stub(&self, owner: Owner) -> Result<PreviewRow, StoreError> {
        self.inner.store.publish_preview(self.new_row(owner)).await
    }

    /// Whether the host of a request is one that previews are seen at. The API does not answer there.
    pub fn is_preview_host(&self, host: &str) -> bool {
        self.inner.hosts.label(host).is_some()
    }

    fn new_row(&self, owner: Owner) -> PreviewRow {
        let now = self.inner.clock.now();
        PreviewRow {
            deployment: owner.deployment,
            label: address::mint_label(),
            account: owner.account,
            live: owner.live,
            site: None,
            visibility: Visibility::Public,
            single_page: false,
            link_version: 1,
            created_at: now,
            expires_at: self.inner.lives_ms.map(|lives| now.plus_ms(lives)),
            deleted_at: None,
        }
    }
}
