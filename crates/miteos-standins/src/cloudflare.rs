//! Cloudflare's API as far as Workers of static files and direct uploads to Pages need it. Every answer is an envelope.

mod pages;
mod workers;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::server::{Asked, Provider, Reply, Standin};

pub use pages::{Deployment, Project};
pub use workers::{Version, Worker};

pub const TOKEN: &str = "cf_standin_0123456789abcdef";
pub const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";

/// When tokens say that they expire (seconds since 1970): in the year 2100.
const EXPIRES: u64 = 4_102_444_800;

pub struct Cloudflare {
    /// The account's name below workers.dev.
    pub subdomain: Option<String>,
    pub workers: BTreeMap<String, Worker>,
    pub projects: BTreeMap<String, Project>,
    /// Contents by hash: their size.
    pub contents: BTreeMap<String, usize>,
    /// So many uses of an upload's token are refused, as if it had expired.
    pub expire: u32,
    /// The stages that a deployment to Pages passes through.
    pub stages: Vec<(&'static str, &'static str)>,
    /// So many lists, of a Worker's versions or of a project's deployments, do not show the newest one yet.
    pub late_lists: u32,
    /// Files in one request of an upload session.
    pub bucket_files: usize,
    sessions: BTreeMap<String, workers::Session>,
    made: u64,
}

impl Cloudflare {
    pub async fn start() -> std::io::Result<Standin<Self>> {
        Self::listen(0).await
    }

    pub async fn listen(port: u16) -> std::io::Result<Standin<Self>> {
        let cloudflare = Self {
            subdomain: Some("test".to_owned()),
            workers: BTreeMap::new(),
            projects: BTreeMap::new(),
            contents: BTreeMap::new(),
            expire: 0,
            stages: vec![("queued", "active"), ("deploy", "active"), ("deploy", "success")],
            late_lists: 0,
            bucket_files: 2,
            sessions: BTreeMap::new(),
            made: 0,
        };
        Standin::start(cloudflare, port).await
    }

    fn id(&mut self) -> String {
        self.made += 1;
        format!("00000000-0000-4000-8000-{:012x}", self.made)
    }

    /// A token of an upload, in the form of those that say by themselves when they expire: some tools read that. Its last
    /// part, where others have a signature, tells what it is for.
    fn token(&mut self, what: &str) -> String {
        let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let head = part(json!({ "alg": "ES256", "typ": "JWT" }));
        let claims = part(json!({ "exp": EXPIRES, "max_file_count_allowed": 20_000 }));
        format!("{head}.{claims}.{what}-{}", self.id())
    }

    /// Whether a token of an upload is refused this time.
    fn has_expired(&mut self) -> bool {
        let expired = self.expire > 0;
        self.expire = self.expire.saturating_sub(1);
        expired
    }
}

/// Whether a token is for this.
fn is_for(token: &str, what: &str) -> bool {
    let last = token.rsplit('.').next().unwrap_or_default();
    last.strip_prefix(what).is_some_and(|rest| rest.starts_with('-'))
}

fn result(value: Value) -> Reply {
    result_with(200, value)
}

fn result_with(status: u16, value: Value) -> Reply {
    Reply::new(status, json!({ "success": true, "errors": [], "messages": [], "result": value }))
}

fn refused(status: u16, code: u32, message: &str) -> Reply {
    let errors = json!([{ "code": code, "message": message }]);
    Reply::new(status, json!({ "success": false, "errors": errors, "messages": [], "result": null }))
}

/// The page of a list that was asked for, of at most so many unless it says fewer.
fn page(asked: &Asked, all: Vec<Value>, most: usize) -> Vec<Value> {
    let number = |name: &str| asked.query(name).and_then(|text| text.parse::<usize>().ok());
    let size = number("per_page").unwrap_or(most).min(most);
    let before = number("page").unwrap_or(1).saturating_sub(1) * size;
    all.into_iter().skip(before).take(size).collect()
}

/// The name that Cloudflare's own tool gives a file.
fn hash_of(bytes: &[u8], path: &str) -> String {
    let own = path.rsplit('/').next().unwrap_or(path);
    let extension = own.rfind('.').filter(|at| *at > 0).map_or("", |at| &own[at + 1..]);
    let text = format!("{}{extension}", BASE64_STANDARD.encode(bytes));
    blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
}

impl Provider for Cloudflare {
    fn base_path(&self) -> &'static str {
        "/client/v4"
    }

    fn answer(&mut self, asked: &Asked) -> Reply {
        let segments = asked.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let Some(rest) = segments.strip_prefix(&["client", "v4"]) else {
            return refused(404, 7003, "Could not route to the requested path");
        };
        // These take the token of an upload and not the account's.
        match (asked.method.as_str(), rest) {
            ("POST", ["accounts", ACCOUNT, "workers", "assets", "upload"]) => {
                return self.upload_assets(asked);
            }
            ("POST", ["pages", "assets", what]) => return self.pages_assets(asked, what),
            _ => {}
        }
        if asked.bearer() != TOKEN {
            return refused(403, 10000, "Authentication error");
        }
        match rest {
            ["user"] => result(json!({ "id": "user-1", "email": "test@example.org" })),
            ["accounts"] => result(json!([{ "id": ACCOUNT, "name": "Test" }])),
            ["memberships"] => result(json!([{ "id": "m", "account": { "id": ACCOUNT, "name": "Test" } }])),
            ["accounts", ACCOUNT, "workers", more @ ..] => self.workers(asked, more),
            ["accounts", ACCOUNT, "pages", "projects", more @ ..] => self.pages(asked, more),
            ["accounts", _, ..] => refused(403, 10000, "Authentication error"),
            _ => refused(404, 7003, "Could not route to the requested path"),
        }
    }
}
