//! Netlify's API as far as deploys by digest need it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::server::{Asked, Provider, Reply, Standin, merged, not_found, sha1};

/// The token that is accepted.
pub const TOKEN: &str = "nfp_standin0123456789";
/// Names that somebody else has.
pub const TAKEN: &str = "taken";

#[derive(Default)]
pub struct Netlify {
    pub sites: BTreeMap<String, Site>,
    pub deploys: BTreeMap<String, Deploy>,
    /// Contents by SHA-1, kept for the whole account.
    pub contents: BTreeMap<String, usize>,
    /// Questions about a deploy before it moves on by one state.
    pub polls_per_state: u32,
    /// The state that deploys end in, in place of `ready`.
    pub ends_in: Option<&'static str>,
    /// Why a deploy failed, in other words than the usual ones.
    pub said: Option<String>,
    /// So many lists of deploys do not show the newest one yet.
    pub late_lists: u32,
    /// Where sites are said to be, in place of their own domains.
    pub shown_at: Option<String>,
    made: u64,
}

#[derive(Default)]
pub struct Site {
    pub name: String,
    pub published: Option<String>,
    pub locked: bool,
}

pub struct Deploy {
    pub site: String,
    pub title: String,
    pub state: &'static str,
    pub draft: bool,
    /// Path and SHA-1.
    pub files: BTreeMap<String, String>,
    pub required: BTreeSet<String>,
    pub cancelled: bool,
    created: u64,
    polls: u32,
}

impl Netlify {
    pub async fn start() -> std::io::Result<Standin<Self>> {
        Self::listen(0).await
    }

    pub async fn listen(port: u16) -> std::io::Result<Standin<Self>> {
        Standin::start(Self::default(), port).await
    }

    fn id(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}-{:08x}", self.made)
    }

    fn user() -> Value {
        json!({ "id": "user-1", "full_name": "Test Person", "email": "test@example.org", "slug": "test" })
    }

    fn find_site(&self, id: &str) -> Option<String> {
        let by_name = |(key, site): (&String, &Site)| {
            let domain = format!("{}.netlify.app", site.name);
            (key == id || domain == id).then(|| key.clone())
        };
        self.sites.iter().find_map(by_name)
    }

    fn site_json(&self, id: &str) -> Value {
        let site = &self.sites[id];
        let host = format!("{}.netlify.app", site.name);
        let mut value = json!({
            "id": id,
            "site_id": id,
            "name": site.name,
            "url": format!("http://{host}"),
            "ssl_url": self.shown_at.clone().unwrap_or_else(|| format!("https://{host}")),
            "admin_url": format!("https://app.netlify.com/sites/{}", site.name),
            "account_slug": "test",
            "account_name": "Test",
            "account_id": "account-1",
            "state": "current",
            "build_settings": {},
        });
        if let Some(published) = &site.published {
            let deploy = self.deploy_json(published);
            value["published_deploy"] = merged(deploy, json!({ "locked": site.locked }));
        }
        value
    }

    fn deploy_json(&self, id: &str) -> Value {
        let deploy = &self.deploys[id];
        let said = self.said.as_deref().unwrap_or("Deploy failed: a plugin said no");
        let name = &self.sites[&deploy.site].name;
        json!({
            "id": id,
            "site_id": deploy.site,
            "state": deploy.state,
            "name": name,
            "title": deploy.title,
            "draft": deploy.draft,
            "required": deploy.required,
            "required_functions": [],
            "url": format!("http://{name}.netlify.app"),
            "ssl_url": self.shown_at.clone().unwrap_or_else(|| format!("https://{name}.netlify.app")),
            "deploy_url": format!("http://{id}--{name}.netlify.app"),
            "deploy_ssl_url": format!("https://{id}--{name}.netlify.app"),
            "admin_url": format!("https://app.netlify.com/sites/{name}"),
            "created_at": format!("2026-01-01T00:{:02}:{:02}.000Z", deploy.created / 60, deploy.created % 60),
            "error_message": if deploy.state == "error" { said } else { "" },
        })
    }

    fn create_site(&mut self, asked: &Asked) -> Reply {
        let body = asked.json().unwrap_or(Value::Null);
        let name = body.get("name").and_then(Value::as_str).map(str::to_owned);
        let name = name.unwrap_or_else(|| format!("random-{}", self.made));
        let taken = name == TAKEN || self.sites.values().any(|site| site.name == name);
        if taken {
            let errors = json!({ "name": ["must be unique"] });
            return Reply::new(422, json!({ "code": 422, "message": "Validation Failed", "errors": errors }));
        }
        let id = self.id("site");
        self.sites.insert(id.clone(), Site { name, ..Site::default() });
        Reply::new(201, self.site_json(&id))
    }

    /// The files of a body, taken into the deploy.
    fn take_files(&mut self, id: &str, body: &Value) -> Result<(), Reply> {
        let invalid = |message: &str| Reply::new(422, json!({ "code": 422, "message": message }));
        let Some(files) = body.get("files").and_then(Value::as_object) else { return Ok(()) };
        let mut taken = BTreeMap::new();
        for (path, sha) in files {
            let sha = sha.as_str().unwrap_or_default();
            if sha.len() != 40 || !sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(invalid("files must be named by their SHA-1"));
            }
            if path.contains(['#', '?']) {
                return Err(invalid("paths cannot hold # or ?"));
            }
            taken.insert(format!("/{}", path.trim_start_matches('/')), sha.to_owned());
        }
        let required = taken.values().filter(|sha| !self.contents.contains_key(*sha)).cloned().collect();
        let is_async = body.get("async") == Some(&Value::Bool(true));
        if let Some(deploy) = self.deploys.get_mut(id) {
            deploy.files = taken;
            deploy.required = required;
            deploy.state = match (is_async, deploy.required.is_empty()) {
                (true, _) => "preparing",
                (false, true) => "processing",
                (false, false) => "uploading",
            };
        }
        Ok(())
    }

    fn create_deploy(&mut self, site: &str, asked: &Asked) -> Reply {
        let Some(body) = asked.json() else {
            return Reply::new(400, json!({ "code": 400, "message": "the body is no JSON" }));
        };
        let id = self.id("deploy");
        let title = asked.query("title").or(body.get("title").and_then(Value::as_str)).unwrap_or_default();
        let deploy = Deploy {
            site: site.to_owned(),
            title: title.to_owned(),
            state: "new",
            draft: body.get("draft") == Some(&Value::Bool(true)),
            files: BTreeMap::new(),
            required: BTreeSet::new(),
            cancelled: false,
            created: self.made,
            polls: 0,
        };
        self.deploys.insert(id.clone(), deploy);
        if let Err(reply) = self.take_files(&id, &body) {
            self.deploys.remove(&id);
            return reply;
        }
        Reply::ok(self.deploy_json(&id))
    }

    /// One state further, as time would do it.
    fn move_on(&mut self, id: &str) {
        let ends_in = self.ends_in;
        let per_state = self.polls_per_state;
        let Some(deploy) = self.deploys.get_mut(id) else { return };
        deploy.polls += 1;
        if deploy.polls <= per_state {
            return;
        }
        deploy.polls = 0;
        deploy.state = match deploy.state {
            "preparing" if deploy.required.is_empty() => "processing",
            "preparing" => "prepared",
            "uploaded" => "processing",
            "processing" => ends_in.unwrap_or("ready"),
            other => other,
        };
        if deploy.state == "ready" && !deploy.draft {
            let site = deploy.site.clone();
            if let Some(site) = self.sites.get_mut(&site).filter(|site| !site.locked) {
                site.published = Some(id.to_owned());
            }
        }
    }

    fn upload(&mut self, id: &str, path: &str, asked: &Asked) -> Reply {
        let said =
            |status: u16, message: &str| Reply::new(status, json!({ "code": status, "message": message }));
        let Some(deploy) = self.deploys.get_mut(id) else { return said(404, "Not Found") };
        if asked.header("content-type") != "application/octet-stream" {
            return said(415, "Unsupported Media Type");
        }
        if !matches!(deploy.state, "prepared" | "uploading") {
            return said(422, "the deploy takes no files in this state");
        }
        let Some(expected) = deploy.files.get(&format!("/{path}")) else { return said(404, "Not Found") };
        let sha = sha1(&asked.body);
        if *expected != sha {
            return said(422, "Digest does not match");
        }
        deploy.state = "uploading";
        deploy.required.remove(&sha);
        self.contents.insert(sha.clone(), asked.body.len());
        if deploy.required.is_empty() {
            deploy.state = "uploaded";
        }
        Reply::ok(json!({
            "id": path, "path": format!("/{path}"), "sha": sha, "size": asked.body.len(),
            "mime_type": "application/octet-stream", "deploy_id": id,
        }))
    }

    fn list_sites(&self, asked: &Asked) -> Reply {
        let wanted = asked.query("name");
        let found = self.sites.iter().filter(|(_, site)| wanted.is_none_or(|name| site.name.contains(name)));
        Reply::ok(found.map(|(id, _)| self.site_json(id)).collect::<Vec<_>>().into())
    }

    fn list_deploys(&mut self, site: &str) -> Reply {
        let mut found: Vec<_> = self.deploys.iter().filter(|(_, deploy)| deploy.site == site).collect();
        found.sort_by_key(|(_, deploy)| std::cmp::Reverse(deploy.created));
        let late = self.late_lists > 0 && !found.is_empty();
        let found = found.into_iter().skip(usize::from(late));
        let list = Reply::ok(found.map(|(id, _)| self.deploy_json(id)).collect::<Vec<_>>().into());
        self.late_lists -= u32::from(late);
        list
    }

    fn of_site(&mut self, asked: &Asked, id: &str, rest: &[&str]) -> Reply {
        let Some(site) = self.find_site(id) else { return not_found(&asked.path) };
        match (asked.method.as_str(), rest) {
            ("GET", []) => Reply::ok(self.site_json(&site)),
            ("DELETE", []) => {
                self.sites.remove(&site);
                Reply::new(204, Value::Null)
            }
            ("GET", ["deploys"]) => self.list_deploys(&site),
            ("POST", ["deploys"]) => self.create_deploy(&site, asked),
            ("GET", ["deploys", deploy]) if self.deploys.contains_key(*deploy) => {
                self.move_on(deploy);
                Reply::ok(self.deploy_json(deploy))
            }
            ("PUT", ["deploys", deploy]) if self.deploys.contains_key(*deploy) => {
                match self.take_files(deploy, &asked.json().unwrap_or(Value::Null)) {
                    Ok(()) => Reply::ok(self.deploy_json(deploy)),
                    Err(reply) => reply,
                }
            }
            ("POST", ["deploys", deploy, "restore"]) if self.deploys.contains_key(*deploy) => {
                if let Some(site) = self.sites.get_mut(&site) {
                    site.published = Some((*deploy).to_owned());
                }
                Reply::new(201, self.deploy_json(deploy))
            }
            _ => not_found(&asked.path),
        }
    }
}

impl Provider for Netlify {
    fn base_path(&self) -> &'static str {
        "/api/v1"
    }

    fn answer(&mut self, asked: &Asked) -> Reply {
        if asked.bearer() != TOKEN {
            return Reply::new(401, json!({ "code": 401, "message": "Access Denied" }));
        }
        let segments = asked.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let Some(rest) = segments.strip_prefix(&["api", "v1"]) else { return not_found(&asked.path) };
        match (asked.method.as_str(), rest) {
            ("GET", ["user"]) => Reply::ok(Self::user()),
            ("GET", ["accounts"]) => {
                Reply::ok(json!([{ "id": "account-1", "slug": "test", "name": "Test", "default": true }]))
            }
            ("GET", ["sites"]) => self.list_sites(asked),
            ("POST", ["sites"] | [_, "sites"]) => self.create_site(asked),
            (_, ["sites", id, more @ ..]) => self.of_site(asked, id, more),
            ("GET", ["deploys", id]) if self.deploys.contains_key(*id) => {
                self.move_on(id);
                Reply::ok(self.deploy_json(id))
            }
            ("POST", ["deploys", id, "cancel"]) if self.deploys.contains_key(*id) => {
                let Some(deploy) = self.deploys.get_mut(*id).filter(|deploy| deploy.state != "ready") else {
                    return Reply::new(422, json!({ "code": 422, "message": "the deploy is over" }));
                };
                deploy.state = "error";
                deploy.cancelled = true;
                Reply::new(201, self.deploy_json(id))
            }
            ("PUT", ["deploys", id, "files", path @ ..]) => self.upload(id, &path.join("/"), asked),
            _ => not_found(&asked.path),
        }
    }
}
