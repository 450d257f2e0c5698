//! Vercel's API as far as deployments by file hashes need it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::server::{Asked, Provider, Reply, Standin, sha1};

pub const TOKEN: &str = "vcp_standin0123456789";
pub const TEAM: &str = "team_test";

#[derive(Default)]
pub struct Vercel {
    pub contents: BTreeMap<String, usize>,
    pub deployments: BTreeMap<String, Deployment>,
    /// Name and id.
    pub projects: BTreeMap<String, String>,
    /// Which deployment each project shows.
    pub production: BTreeMap<String, String>,
    /// What deployments pass through; the last stays.
    pub states: Vec<&'static str>,
    /// Questions for which a ready deployment has no names yet.
    pub polls_without_alias: u32,
    /// So many lists of deployments do not show the newest one yet.
    pub late_lists: u32,
    /// Whether the names cannot be given.
    pub alias_fails: bool,
    made: u64,
}

pub struct Deployment {
    pub project: String,
    pub meta: Value,
    pub files: Vec<(String, String)>,
    pub production: bool,
    pub cancelled: bool,
    pub prebuilt: bool,
    created: u64,
    polls: usize,
}

impl Vercel {
    pub async fn start() -> std::io::Result<Standin<Self>> {
        Self::listen(0).await
    }

    pub async fn listen(port: u16) -> std::io::Result<Standin<Self>> {
        let states = vec!["QUEUED", "BUILDING", "READY"];
        Standin::start(Self { states, ..Self::default() }, port).await
    }

    fn state(&self, deployment: &Deployment) -> &'static str {
        if deployment.cancelled {
            return "CANCELED";
        }
        self.states.get(deployment.polls).or(self.states.last()).copied().unwrap_or("READY")
    }

    fn deployment_json(&self, id: &str) -> Value {
        let one = &self.deployments[id];
        let state = self.state(one);
        let late = one.polls < self.states.len() + self.polls_without_alias as usize;
        let aliased = state == "READY" && !self.alias_fails && (self.polls_without_alias == 0 || !late);
        let name = &one.project;
        let alias = if one.production { json!([format!("{name}.vercel.app")]) } else { json!([]) };
        let mut value = json!({
            "id": id,
            "uid": id,
            "name": name,
            "url": format!("{name}-{}.vercel.app", id.trim_start_matches("dpl_")),
            "readyState": state,
            "state": state,
            "status": state,
            "alias": if aliased { alias } else { json!([]) },
            "aliasAssigned": aliased,
            "aliasError": if self.alias_fails { json!({ "code": "x", "message": "the name is used elsewhere" }) } else { Value::Null },
            "inspectorUrl": format!("https://vercel.com/test/{name}/{id}"),
            "projectId": self.projects.get(name),
            "meta": one.meta,
            "target": if one.production { json!("production") } else { Value::Null },
            "createdAt": one.created,
            "created": one.created,
            "creator": { "uid": "user-1", "username": "test" },
            "public": false,
            "isInConcurrentBuildsQueue": false,
            "type": "LAMBDAS",
            "version": 2,
            "regions": [],
            "routes": null,
            "build": { "env": [] },
            "env": [],
        });
        if state == "ERROR" {
            value["errorMessage"] = json!("Command \"build\" exited with 1");
            value["errorCode"] = json!("BUILD_FAILED");
            value["errorStep"] = json!("buildStep");
        }
        value
    }

    fn create(&mut self, asked: &Asked) -> Reply {
        let Some(body) = asked.json() else { return refused(400, "bad_request", "Invalid JSON") };
        let Some(files) = body.get("files").and_then(Value::as_array).filter(|files| !files.is_empty())
        else {
            return refused(400, "bad_request", "`files` should be an array with files");
        };
        let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 100 || !name.chars().all(fits) {
            return refused(400, "bad_request", "`name` is invalid");
        }
        if body.get("target").is_some_and(|target| target != "production" && target != "staging") {
            return refused(400, "bad_request", "`target` should be one of production, staging");
        }
        let mut taken = Vec::new();
        let mut missing = Vec::new();
        for file in files {
            let word = |key: &str| file.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (path, sha) = (word("file"), word("sha"));
            if path.is_empty() || path.starts_with('/') || sha.len() != 40 {
                return refused(400, "bad_request", "a file needs `file` and `sha`");
            }
            match self.contents.get(&sha) {
                None if !missing.contains(&sha) => missing.push(sha.clone()),
                Some(size) if file.get("size") != Some(&json!(size)) => {
                    return refused(400, "bad_request", "`size` does not match the file");
                }
                Some(_) | None => {}
            }
            taken.push((path, sha));
        }
        if !missing.is_empty() {
            let error = json!({ "code": "missing_files", "message": "Missing files", "missing": missing });
            return Reply::new(400, json!({ "error": error }));
        }
        // What `project` names counts before `name`.
        let wanted = body.get("project").and_then(Value::as_str).unwrap_or(name);
        let known = self.projects.iter().find(|(key, id)| *key == wanted || *id == wanted);
        let name = match known {
            Some((key, _)) => key.clone(),
            None if wanted.starts_with("prj_") => return refused(404, "not_found", "Project not found"),
            None => name.to_owned(),
        };
        let name = name.as_str();
        self.made += 1;
        let id = format!("dpl_{:08x}", self.made);
        let project = format!("prj_{name}");
        self.projects.entry(name.to_owned()).or_insert(project);
        let deployment = Deployment {
            project: name.to_owned(),
            meta: body.get("meta").cloned().unwrap_or_else(|| json!({})),
            files: taken,
            production: body.get("target") == Some(&json!("production")),
            cancelled: false,
            prebuilt: asked.query("prebuilt") == Some("1"),
            created: self.made,
            polls: 0,
        };
        self.deployments.insert(id.clone(), deployment);
        Reply::ok(self.deployment_json(&id))
    }

    fn upload(&mut self, asked: &Asked) -> Reply {
        let digest = [asked.header("x-vercel-digest"), asked.header("x-now-digest")];
        let digest = digest.into_iter().find(|digest| !digest.is_empty()).unwrap_or_default();
        if asked.header("content-type") != "application/octet-stream" {
            return refused(400, "bad_request", "Invalid content type");
        }
        if asked.header("content-length") != asked.body.len().to_string() {
            return refused(400, "bad_request", "Missing content length");
        }
        let sha = sha1(&asked.body);
        if digest != sha {
            return refused(400, "sha_mismatch", "The digest does not match the file");
        }
        self.contents.insert(sha, asked.body.len());
        Reply::ok(json!({ "urls": [] }))
    }

    fn list(&mut self, asked: &Asked) -> Reply {
        let wanted: Vec<_> =
            asked.query.iter().filter_map(|(key, value)| Some((key.strip_prefix("meta-")?, value))).collect();
        let fits = |one: &Deployment| {
            wanted
                .iter()
                .all(|(key, value)| one.meta.get(*key).and_then(Value::as_str) == Some(value.as_str()))
        };
        let mut found: Vec<_> = self.deployments.iter().filter(|(_, one)| fits(one)).collect();
        found.sort_by_key(|(_, one)| std::cmp::Reverse(one.created));
        let late = self.late_lists > 0 && !found.is_empty();
        let found = found.into_iter().skip(usize::from(late));
        let list: Vec<_> = found.map(|(id, _)| self.deployment_json(id)).collect();
        self.late_lists -= u32::from(late);
        Reply::ok(
            json!({ "deployments": list, "pagination": { "count": list.len(), "next": null, "prev": null } }),
        )
    }

    fn poll(&mut self, id: &str) -> Reply {
        if let Some(one) = self.deployments.get_mut(id) {
            one.polls += 1;
        }
        let value = self.deployment_json(id);
        let one = &self.deployments[id];
        if value["readyState"] == "READY" && value["aliasAssigned"] == true && one.production {
            self.production.insert(one.project.clone(), id.to_owned());
        }
        Reply::ok(value)
    }

    fn project(&mut self, asked: &Asked, name: &str) -> Reply {
        let found = self.projects.iter().find(|(key, id)| *key == name || *id == name);
        match found {
            Some((name, id)) => Reply::ok(json!({ "id": id, "name": name, "accountId": TEAM, "link": null })),
            None => refused(404, "not_found", &format!("Project not found: {}", asked.path)),
        }
    }
}

fn refused(status: u16, code: &str, message: &str) -> Reply {
    Reply::new(status, json!({ "error": { "code": code, "message": message } }))
}

impl Provider for Vercel {
    fn answer(&mut self, asked: &Asked) -> Reply {
        if asked.bearer() != TOKEN {
            let error = json!({ "code": "forbidden", "message": "Not authorized", "invalidToken": true });
            return Reply::new(403, json!({ "error": error }));
        }
        if asked.query("teamId").is_some_and(|team| team != TEAM) {
            return refused(
                403,
                "forbidden",
                "Not authorized: Trying to access resource under another scope",
            );
        }
        let segments = asked.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (asked.method.as_str(), segments.as_slice()) {
            ("GET", ["v2", "user"]) => {
                let user = json!({ "id": "user-1", "uid": "user-1", "username": "test", "email": "test@example.org", "version": "northstar", "defaultTeamId": TEAM });
                Reply::ok(json!({ "user": user }))
            }
            ("GET", ["teams" | "v1" | "v2", ..]) if segments.contains(&"teams") => {
                let team = json!({ "id": TEAM, "slug": "test", "name": "Test" });
                if segments.last() == Some(&TEAM) {
                    Reply::ok(team)
                } else {
                    Reply::ok(
                        json!({ "teams": [team], "pagination": { "count": 1, "next": null, "prev": null } }),
                    )
                }
            }
            ("GET", ["v6", "deployments"]) => self.list(asked),
            ("POST", ["v13", "deployments"]) => self.create(asked),
            ("POST", ["v2", "files"]) => self.upload(asked),
            ("GET", ["v13", "deployments", id]) if self.deployments.contains_key(*id) => self.poll(id),
            (
                "GET",
                ["v3" | "v2", "deployments", _, "events"] | ["v3", "now", "deployments", _, "events"],
            ) => Reply::ok(json!([])),
            ("PATCH", ["v12", "deployments", id, "cancel"]) if self.deployments.contains_key(*id) => {
                if self.state(&self.deployments[*id]) == "READY" {
                    return refused(400, "bad_request", "The deployment is READY and cannot be canceled");
                }
                if let Some(one) = self.deployments.get_mut(*id) {
                    one.cancelled = true;
                }
                Reply::ok(self.deployment_json(id))
            }
            ("GET", ["v9", "projects", name]) => self.project(asked, name),
            ("POST", ["v9" | "v10" | "v11", "projects"]) => {
                let name = asked
                    .json()
                    .and_then(|body| body.get("name")?.as_str().map(str::to_owned))
                    .unwrap_or_default();
                let id = format!("prj_{name}");
                self.projects.insert(name.clone(), id.clone());
                Reply::ok(json!({ "id": id, "name": name, "accountId": TEAM }))
            }
            ("POST", ["v1", "projects", project, "rollback", id]) if self.deployments.contains_key(*id) => {
                let name = self.projects.iter().find(|(key, id)| key == project || id == project);
                let Some((name, _)) = name else { return refused(404, "not_found", "Project not found") };
                self.production.insert(name.clone(), (*id).to_owned());
                Reply::new(201, json!({}))
            }
            _ => refused(404, "not_found", &format!("The requested resource was not found: {}", asked.path)),
        }
    }
}
