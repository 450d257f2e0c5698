//! Direct uploads to Pages: contents by hash, deployments that pass through stages.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{Cloudflare, is_for, page, refused, result};
use crate::form;
use crate::server::{Asked, Reply};

/// The longest commit message (bytes).
const MAX_MESSAGE_BYTES: usize = 384;

/// The most deployments on one page of their list.
const MAX_PAGE: usize = 25;

pub struct Project {
    pub branch: String,
    pub deployments: Vec<Deployment>,
    pub live: Option<String>,
}

pub struct Deployment {
    pub id: String,
    pub branch: String,
    pub commit_hash: String,
    pub message: String,
    /// Path and hash.
    pub manifest: BTreeMap<String, String>,
    /// Names of the files of rules.
    pub rules: Vec<String>,
    polls: usize,
}

impl Cloudflare {
    /// Makes a project, as its owner would.
    pub fn make_project(&mut self, name: &str) {
        let project = Project { branch: "main".to_owned(), deployments: Vec::new(), live: None };
        self.projects.insert(name.to_owned(), project);
    }

    pub(super) fn pages(&mut self, asked: &Asked, rest: &[&str]) -> Reply {
        let (method, body) = (asked.method.as_str(), asked.json().unwrap_or(Value::Null));
        if let ("POST", []) = (method, rest) {
            let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
            self.make_project(name);
            return result(project_json(name, &self.projects[name]));
        }
        let Some((name, rest)) = rest.split_first() else {
            let all = self.projects.iter().map(|(name, project)| project_json(name, project));
            return result(all.collect::<Vec<_>>().into());
        };
        if !self.projects.contains_key(*name) {
            return refused(
                404,
                8_000_007,
                "Project not found. The specified project name does not match any.",
            );
        }
        match (method, rest) {
            ("GET", []) => result(project_json(name, &self.projects[*name])),
            ("GET", ["upload-token"]) => {
                let jwt = self.token("pages");
                result(json!({ "jwt": jwt }))
            }
            ("GET", ["deployments"]) => {
                let late = self.late_lists > 0 && !self.projects[*name].deployments.is_empty();
                self.late_lists -= u32::from(late);
                let list = self.projects[*name].deployments.iter().rev().skip(usize::from(late));
                let all = list.map(|one| self.pages_json(name, one)).collect();
                result(page(asked, all, MAX_PAGE).into())
            }
            ("POST", ["deployments"]) => self.deploy_pages(asked, name),
            (_, ["deployments", id, more @ ..]) => self.pages_deployment(asked, name, id, more),
            _ => refused(404, 7003, "Could not route to the requested path"),
        }
    }

    fn pages_json(&self, name: &str, one: &Deployment) -> Value {
        let (stage, status) = self.stages.get(one.polls).or(self.stages.last()).copied().unwrap_or_default();
        let short = one.id.rsplit('-').next().map(|end| &end[end.len() - 8..]).unwrap_or_default();
        json!({
            "id": one.id,
            "short_id": short,
            "project_name": name,
            "environment": if one.branch == self.projects[name].branch { "production" } else { "preview" },
            "url": format!("https://{short}.{name}.pages.dev"),
            "aliases": null,
            "created_on": "2026-01-01T00:00:00Z",
            "latest_stage": { "name": stage, "status": status },
            "deployment_trigger": {
                "type": "ad_hoc",
                "metadata": { "branch": one.branch, "commit_hash": one.commit_hash, "commit_message": one.message },
            },
        })
    }

    fn pages_deployment(&mut self, asked: &Asked, name: &str, id: &str, rest: &[&str]) -> Reply {
        let stages = self.stages.clone();
        let Some(project) = self.projects.get_mut(name) else {
            return refused(404, 8_000_007, "Project not found");
        };
        let Some(at) = project.deployments.iter().position(|one| one.id == id) else {
            return refused(404, 8_000_009, "Deployment not found");
        };
        match (asked.method.as_str(), rest) {
            ("GET", []) => {
                let one = &mut project.deployments[at];
                one.polls += 1;
                let done = stages.get(one.polls).or(stages.last()) == Some(&("deploy", "success"));
                if done && one.branch == project.branch {
                    project.live = Some(id.to_owned());
                }
                result(self.pages_json(name, &self.projects[name].deployments[at]))
            }
            ("GET", ["history", "logs"]) => result(
                json!({ "total": 2, "data": [{ "line": "Uploading..." }, { "line": "Failed: no space" }] }),
            ),
            ("POST", ["rollback"]) => {
                project.live = Some(id.to_owned());
                result(self.pages_json(name, &self.projects[name].deployments[at]))
            }
            ("DELETE", []) => {
                if asked.query("force") != Some("true") {
                    return refused(400, 8_000_035, "an aliased deployment needs force");
                }
                project.deployments.remove(at);
                result(Value::Null)
            }
            _ => refused(405, 10405, "Method not allowed"),
        }
    }

    pub(super) fn pages_assets(&mut self, asked: &Asked, what: &str) -> Reply {
        if !is_for(asked.bearer(), "pages") {
            return refused(401, 10000, "Authentication error");
        }
        if self.has_expired() {
            return refused(401, 8_000_013, "Authorization failed");
        }
        let body = asked.json().unwrap_or(Value::Null);
        let hashes = body.get("hashes").and_then(Value::as_array);
        match (what, hashes) {
            ("check-missing", Some(hashes)) => {
                let known =
                    |hash: &&Value| hash.as_str().is_some_and(|hash| self.contents.contains_key(hash));
                result(hashes.iter().filter(|hash| !known(hash)).cloned().collect::<Vec<_>>().into())
            }
            ("upsert-hashes", Some(_)) => result(Value::Null),
            ("upload", _) => self.pages_upload(&body),
            _ => refused(400, 8_000_000, "An unknown error occurred."),
        }
    }

    fn pages_upload(&mut self, body: &Value) -> Reply {
        let Some(files) = body.as_array() else { return refused(400, 8_000_001, "a list is expected") };
        for file in files {
            let word = |key: &str| file.get(key).and_then(Value::as_str);
            let bytes = word("value").and_then(|value| BASE64_STANDARD.decode(value).ok());
            let typed = file.pointer("/metadata/contentType").and_then(Value::as_str).is_some();
            let (Some(key), Some(bytes), true) = (word("key"), bytes, typed) else {
                return refused(400, 8_000_001, "a file is not right");
            };
            if key.len() != 32 || file.get("base64") != Some(&Value::Bool(true)) {
                return refused(400, 8_000_001, "a file is not right");
            }
            self.contents.insert(key.to_owned(), bytes.len());
        }
        result(json!({ "successful_key_count": files.len(), "unsuccessful_keys": [] }))
    }

    fn deploy_pages(&mut self, asked: &Asked, name: &str) -> Reply {
        let Some(fields) = form::read(asked.header("content-type"), &asked.body) else {
            return refused(400, 8_000_001, "the body is no form");
        };
        let field = |wanted: &str| {
            let found = fields.iter().find(|field| field.name == wanted);
            found.map(|field| String::from_utf8_lossy(&field.body).into_owned())
        };
        let manifest =
            field("manifest").and_then(|text| serde_json::from_str::<BTreeMap<String, String>>(&text).ok());
        let Some(manifest) = manifest else { return refused(400, 8_000_001, "the manifest is missing") };
        let unknown =
            manifest.iter().any(|(path, hash)| !path.starts_with('/') || !self.contents.contains_key(hash));
        let message = field("commit_message").unwrap_or_default();
        if unknown || message.len() > MAX_MESSAGE_BYTES {
            return refused(400, 8_000_001, "the manifest names files that were not uploaded");
        }
        let rules: Vec<String> =
            fields.iter().filter(|field| field.filename.is_some()).map(|field| field.name.clone()).collect();
        let deployment = Deployment {
            id: self.id(),
            branch: field("branch").unwrap_or_default(),
            commit_hash: field("commit_hash").unwrap_or_default(),
            message,
            manifest,
            rules,
            polls: 0,
        };
        if fields.iter().filter(|field| field.name == "branch").count() != 1 {
            return refused(400, 8_000_001, "the branch is not given once");
        }
        let Some(project) = self.projects.get_mut(name) else {
            return refused(404, 8_000_007, "Project not found");
        };
        project.deployments.push(deployment);
        let at = self.projects[name].deployments.len() - 1;
        result(self.pages_json(name, &self.projects[name].deployments[at]))
    }
}

fn project_json(name: &str, project: &Project) -> Value {
    json!({
        "id": format!("id-{name}"),
        "name": name,
        "subdomain": format!("{name}.pages.dev"),
        "production_branch": project.branch,
        "domains": [format!("{name}.pages.dev")],
        "deployment_configs": { "preview": {}, "production": {} },
    })
}
