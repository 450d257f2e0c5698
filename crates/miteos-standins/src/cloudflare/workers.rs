//! Workers of static files: upload sessions, versions and the name below workers.dev.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{Cloudflare, hash_of, is_for, page, refused, result, result_with};
use crate::form;
use crate::server::{Asked, Reply};

/// The longest tag of a version (bytes).
const MAX_TAG_BYTES: usize = 100;
/// The most versions on one page of their list.
const MAX_PAGE: usize = 25;

#[derive(Default)]
pub struct Worker {
    pub versions: Vec<Version>,
    /// Which version is live.
    pub live: Option<String>,
    pub enabled: bool,
}

pub struct Version {
    pub id: String,
    pub tag: String,
    pub message: String,
    /// Path and hash.
    pub assets: BTreeMap<String, String>,
    pub config: Value,
}

pub(super) struct Session {
    worker: String,
    /// Path, hash and size.
    manifest: BTreeMap<String, (String, u64)>,
    missing: BTreeSet<String>,
}

impl Cloudflare {
    pub(super) fn workers(&mut self, asked: &Asked, rest: &[&str]) -> Reply {
        match (asked.method.as_str(), rest) {
            ("GET", ["subdomain"]) => match &self.subdomain {
                Some(subdomain) => result(json!({ "subdomain": subdomain })),
                None => refused(404, 10007, "You do not have a workers.dev subdomain"),
            },
            ("PUT", ["subdomain"]) => {
                let wanted = asked.json().and_then(|body| body.get("subdomain")?.as_str().map(str::to_owned));
                self.subdomain = wanted;
                result(json!({ "subdomain": self.subdomain }))
            }
            ("POST", ["scripts", name, "assets-upload-session"]) => self.session(asked, name),
            ("PUT", ["scripts", name]) => self.put(asked, name),
            (_, ["scripts" | "services" | "workers", name, more @ ..]) => self.worker(asked, name, more),
            _ => refused(404, 7003, "Could not route to the requested path"),
        }
    }

    fn worker(&mut self, asked: &Asked, name: &str, rest: &[&str]) -> Reply {
        let Some(worker) = self.workers.get_mut(name) else {
            return refused(404, 10007, "This Worker does not exist on your account.");
        };
        match (asked.method.as_str(), rest) {
            ("GET", []) => result(json!({
                "id": name, "name": name, "tags": [],
                "subdomain": { "enabled": worker.enabled, "previews_enabled": worker.enabled },
                "default_environment": { "environment": "production", "script": { "last_deployed_from": "api" } },
            })),
            ("GET", ["versions"]) => {
                let late = self.late_lists > 0 && !worker.versions.is_empty();
                self.late_lists -= u32::from(late);
                let seen = worker.versions.iter().rev().skip(usize::from(late));
                result(json!({ "items": page(asked, seen.map(version_json).collect(), MAX_PAGE) }))
            }
            ("GET", ["deployments"]) => {
                let versions = json!([{ "version_id": worker.live, "percentage": 100 }]);
                result(
                    json!({ "deployments": [{ "id": "d", "strategy": "percentage", "versions": versions }] }),
                )
            }
            ("POST", ["deployments"]) => {
                let body = asked.json().unwrap_or(Value::Null);
                let wanted =
                    body.pointer("/versions/0/version_id").and_then(Value::as_str).unwrap_or_default();
                let known = worker.versions.iter().any(|version| version.id == wanted);
                if !known || body.pointer("/versions/0/percentage") != Some(&json!(100)) {
                    return refused(400, 10021, "invalid versions");
                }
                worker.live = Some(wanted.to_owned());
                result(json!({ "id": "d", "strategy": "percentage" }))
            }
            ("POST", ["subdomain"]) => {
                let enabled = asked.json().and_then(|body| body.get("enabled")?.as_bool());
                let Some(enabled) = enabled else { return refused(400, 10001, "enabled is missing") };
                worker.enabled = enabled;
                result(json!({ "enabled": enabled, "previews_enabled": enabled }))
            }
            ("GET", ["subdomain"]) => {
                result(json!({ "enabled": worker.enabled, "previews_enabled": worker.enabled }))
            }
            ("GET", _) => result(json!([])),
            _ => refused(405, 10405, "Method not allowed"),
        }
    }

    fn session(&mut self, asked: &Asked, name: &str) -> Reply {
        let body = asked.json().unwrap_or(Value::Null);
        let Some(entries) = body.get("manifest").and_then(Value::as_object) else {
            return refused(400, 10001, "the manifest is missing");
        };
        let mut manifest = BTreeMap::new();
        for (path, entry) in entries {
            let hash = entry.get("hash").and_then(Value::as_str).unwrap_or_default();
            let size = entry.get("size").and_then(Value::as_u64);
            let (Some(size), true) = (size, path.starts_with('/') && hash.len() == 32) else {
                return refused(400, 10001, "a file of the manifest is not right");
            };
            manifest.insert(path.clone(), (hash.to_owned(), size));
        }
        let hashes: BTreeSet<String> = manifest.values().map(|(hash, _)| hash.clone()).collect();
        let missing: BTreeSet<String> =
            hashes.into_iter().filter(|hash| !self.contents.contains_key(hash)).collect();
        let list: Vec<&String> = missing.iter().collect();
        let buckets: Vec<Value> = list.chunks(self.bucket_files).map(|bucket| json!(bucket)).collect();
        let done = missing.is_empty();
        let jwt = self.token(if done { "complete" } else { "session" });
        self.sessions.insert(jwt.clone(), Session { worker: name.to_owned(), manifest, missing });
        result(json!({ "jwt": jwt, "buckets": buckets }))
    }

    pub(super) fn upload_assets(&mut self, asked: &Asked) -> Reply {
        let jwt = asked.bearer().to_owned();
        if self.has_expired() || !is_for(&jwt, "session") || !self.sessions.contains_key(&jwt) {
            return refused(401, 10410, "the upload's token is not valid");
        }
        if asked.query("base64") != Some("true") {
            return refused(400, 10001, "base64 must be true");
        }
        let Some(fields) = form::read(asked.header("content-type"), &asked.body) else {
            return refused(400, 10001, "the body is no form");
        };
        for field in fields {
            let bytes = BASE64_STANDARD.decode(&field.body);
            let session = &self.sessions[&jwt];
            let known = session.manifest.iter().find(|(_, (hash, _))| *hash == field.name);
            let (Ok(bytes), Some((path, (hash, size)))) = (bytes, known) else {
                return refused(400, 10001, "a part is not Base64 or not of this session");
            };
            let named = field.filename.as_deref() == Some(hash.as_str());
            if !named || field.content_type.is_none() {
                return refused(400, 10001, "a part has no file name or type");
            }
            if bytes.len() as u64 != *size || hash_of(&bytes, path) != *hash {
                return refused(400, 10413, "a part is not the file of the manifest");
            }
            let hash = hash.clone();
            self.contents.insert(hash.clone(), bytes.len());
            if let Some(session) = self.sessions.get_mut(&jwt) {
                session.missing.remove(&hash);
            }
        }
        if !self.sessions[&jwt].missing.is_empty() {
            return result_with(202, json!({}));
        }
        let complete = self.token("complete");
        let session = &self.sessions[&jwt];
        let session = Session {
            worker: session.worker.clone(),
            manifest: session.manifest.clone(),
            missing: BTreeSet::new(),
        };
        self.sessions.insert(complete.clone(), session);
        result_with(201, json!({ "jwt": complete }))
    }

    fn put(&mut self, asked: &Asked, name: &str) -> Reply {
        let fields = form::read(asked.header("content-type"), &asked.body).unwrap_or_default();
        let [metadata] = fields.as_slice() else {
            return refused(400, 10001, "one part metadata is expected");
        };
        if metadata.name != "metadata" || asked.query("excludeScript") != Some("true") {
            return refused(400, 10001, "one part metadata is expected");
        }
        let Ok(value) = serde_json::from_slice::<Value>(&metadata.body) else {
            return refused(400, 10001, "the metadata is no JSON");
        };
        let jwt = value.pointer("/assets/jwt").and_then(Value::as_str).unwrap_or_default();
        let session = self.sessions.get(jwt).filter(|one| is_for(jwt, "complete") && one.worker == name);
        let Some(session) = session else {
            return refused(400, 10001, "the token of the assets is not complete");
        };
        let assets = session.manifest.iter().map(|(path, (hash, _))| (path.clone(), hash.clone())).collect();
        let date = value.get("compatibility_date").and_then(Value::as_str).unwrap_or_default();
        if date.len() != 10 {
            return refused(400, 10021, "compatibility_date is missing");
        }
        let note = |key: &str| {
            let found = value.get("annotations").and_then(|notes| notes.get(key)).and_then(Value::as_str);
            found.unwrap_or_default().to_owned()
        };
        let tag = note("workers/tag");
        if tag.len() > MAX_TAG_BYTES {
            return refused(400, 10001, "the tag is too long");
        }
        let config = value.pointer("/assets/config").cloned().unwrap_or_else(|| json!({}));
        let message = note("workers/message");
        let id = self.id();
        let worker = self.workers.entry(name.to_owned()).or_default();
        worker.live = Some(id.clone());
        worker.versions.push(Version { id: id.clone(), tag, message, assets, config });
        result(json!({
            "id": name, "etag": "e", "deployment_id": id.replace('-', ""), "startup_time_ms": 1, "entry_point": null,
        }))
    }
}

fn version_json(version: &Version) -> Value {
    json!({
        "id": version.id,
        "number": 1,
        "metadata": { "created_on": "2026-01-01T00:00:00Z", "source": "api" },
        "annotations": { "workers/tag": version.tag, "workers/message": version.message },
    })
}
