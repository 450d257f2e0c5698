//! Vercel: a deployment by file hashes. It is asked for at once; where contents are missing Vercel names them, they are
//! uploaded, and it is asked for again.
//!
//! A deployment carries our mark in its `meta`, and Vercel lists deployments by `meta`, so one whose creation was not
//! answered is found. Uploads are by content and may be repeated.

use async_trait::async_trait;
use bytes::Bytes;
use miteos_tools::http::{Method, Url};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::body::Payload;
use crate::call::{Api, Call, Problem, Refusal, Repeat, needed, text};
use crate::config::{VercelConfig, VercelSettings, VercelUpload};
use crate::error::{DeployError, ErrorKind};
use crate::look;
use crate::site::{Artifact, Site, SiteFile};
use crate::state::{Release, State, Step, Visibility};
use crate::target::{Advance, Environment, Job, Next, Order, Target, TargetKind, Tools, Verified, settled};
use crate::upload::{self, Load};

/// How long Vercel may take until the deployment is ready and has its names: a build's own limit.
const MAX_WAIT_MS: u64 = 45 * 60 * 1000;
/// How often it may ask for more files.
const MAX_ROUNDS: u32 = 4;
/// A limit that lasts longer is an allowance that is used up, not a pause (milliseconds).
const LONGEST_PAUSE_MS: u64 = 10 * 60 * 1000;
/// The key in `meta` that holds our mark.
const META: &str = "miteosDeployment";
/// Where the files of a finished build lie.
const STATIC: &str = ".vercel/output/static/";
const BUILD_CONFIG: &str = ".vercel/output/config.json";
const KIND: TargetKind = TargetKind::Vercel;

pub(crate) struct Vercel {
    api: Api,
    settings: VercelSettings,
}

impl Vercel {
    pub fn new(config: VercelConfig, tools: &Tools) -> Self {
        let secrets = [config.token.reveal()];
        let api = Api::new(KIND, tools, Some(config.token.clone()), &secrets, read_refusal);
        Self { api, settings: config.settings }
    }

    /// An address with the team on it, which every call needs.
    fn url<'a>(&self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.api.url(segments);
        if let Some(team) = &self.settings.team_id {
            url.query_pairs_mut().append_pair("teamId", team);
        }
        url
    }

    fn is_production(&self) -> bool {
        self.settings.environment == Environment::Production
    }

    async fn find(&self, order: &Order, cancel: &CancellationToken) -> Result<Option<Value>, DeployError> {
        let mut url = self.url(["v6", "deployments"]);
        url.query_pairs_mut().append_pair("limit", "20").append_pair(&format!("meta-{META}"), &order.key);
        let found = self.api.get(url, cancel).await?;
        let mut list = found.get("deployments").and_then(Value::as_array).into_iter().flatten();
        // Looked at again, in case the filter is not what it was.
        let is_ours =
            |one: &&Value| one.pointer(&format!("/meta/{META}")).and_then(Value::as_str) == Some(&order.key);
        Ok(list.rfind(is_ours).cloned())
    }

    async fn create(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        if let Some(found) = self.find(job.order, job.cancel).await? {
            return Ok(self.created(state, id_in_list(&found)?, &found, job));
        }
        let site = job.site()?;
        let mut url = self.url(["v13", "deployments"]);
        {
            let mut query = url.query_pairs_mut();
            // Else an older deployment of the same files could come back, with the mark of another order.
            query.append_pair("forceNew", "1").append_pair("skipAutoDetectionConfirmation", "1");
            if self.settings.upload == VercelUpload::Prebuilt {
                query.append_pair("prebuilt", "1");
            }
        }
        let call = Call::new(Method::POST, url, Repeat::Once).json(self.body(site, job.order));
        match self.api.send(call, job.cancel).await {
            Ok(answer) => {
                let id = needed(KIND, &answer.json, "id")?;
                Ok(self.created(state, id, &answer.json, job))
            }
            Err(Problem::Refused(refusal)) if refusal.code == "missing_files" => {
                self.supply(state, site, &refusal, job).await
            }
            Err(problem) => {
                let find = || self.find(job.order, job.cancel);
                let made = Err(problem.into());
                let found = look::made_after(made, &self.api.pace, job.cancel, find).await?;
                Ok(self.created(state, id_in_list(&found)?, &found, job))
            }
        }
    }

    fn created(&self, state: &State, id: String, deployment: &Value, job: &Job<'_>) -> Advance {
        job.say(format!("deployment {id}"));
        let mut state = state.clone().waiting(self.api.now_ms());
        state.deployment_id = Some(id);
        state.project_id = text(deployment, "projectId").map(str::to_owned).or(state.project_id);
        state.inspect_url = text(deployment, "inspectorUrl").map(str::to_owned);
        Advance::go(state)
    }

    fn body(&self, site: &Site, order: &Order) -> Value {
        let files: Vec<Value> = site
            .files
            .iter()
            .map(|file| json!({ "file": file.path, "sha": file.digests.sha1_hex(), "size": file.bytes }))
            .collect();
        let own = self.settings.project.as_deref();
        // A project's id is no name: it has capital letters.
        let name = own.filter(|own| !is_project_id(own)).unwrap_or(&order.project);
        let mut body = json!({
            "name": name,
            "files": files,
            "meta": { META: order.key },
            "projectSettings": {
                "framework": null,
                "buildCommand": null,
                "installCommand": null,
                "outputDirectory": null,
            },
        });
        if let Some(own) = own {
            body["project"] = own.into();
        }
        if self.is_production() {
            body["target"] = "production".into();
        }
        body
    }

    /// Uploads what is missing. The deployment is asked for again in a step of its own.
    async fn supply(
        &self,
        state: &State,
        site: &Site,
        refusal: &Refusal,
        job: &Job<'_>,
    ) -> Result<Advance, DeployError> {
        let rejected = |message: &str| Err(DeployError::new(ErrorKind::Rejected, message));
        if state.rounds >= MAX_ROUNDS {
            return rejected("Vercel asks for the same files again and again; deploy later");
        }
        let by_hash = site.by_content(|digests| digests.sha1_hex());
        let missing = refusal.body.pointer("/error/missing").and_then(Value::as_array);
        let mut items = Vec::new();
        for sha in missing.into_iter().flatten() {
            let Some(file) = sha.as_str().and_then(|sha| by_hash.get(sha)) else {
                return rejected("Vercel asks for a file that is not in this site; deploy again");
            };
            items.push((Load { files: 1, bytes: file.bytes }, *file));
        }
        upload::all(job, "upload", items, self.api.pace.parallel, |file| self.put(site, file, job)).await?;
        let mut state = state.clone();
        state.rounds += 1;
        Ok(Advance::go(state))
    }

    async fn put(&self, site: &Site, file: &SiteFile, job: &Job<'_>) -> Result<(), DeployError> {
        let call = Call::new(Method::POST, self.url(["v2", "files"]), Repeat::Safe)
            .header("x-vercel-digest", &file.digests.sha1_hex())
            .payload(Payload::file(site, file), "application/octet-stream");
        match self.api.send(call, job.cancel).await {
            Ok(_) => Ok(()),
            Err(Problem::Refused(mut refusal)) if refusal.status == 400 => {
                refusal.said = format!("{}: {}", file.path, refusal.said);
                Err(Refusal { kind: ErrorKind::RejectedFile, ..refusal }.into_error())
            }
            Err(problem) => Err(problem.into()),
        }
    }

    async fn wait(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let url = self.url(["v13", "deployments", state.deployment()?]);
        let deployment = self.api.get(url, job.cancel).await?;
        let ready = text(&deployment, "readyState").unwrap_or_default();
        if let Some(said) = failure(&deployment, ready) {
            return Err(DeployError::new(
                ErrorKind::ProviderFailed,
                format!("Vercel {}", self.api.clean(&said)),
            ));
        }
        let aliased = deployment.get("aliasAssigned").is_some_and(is_truthy);
        if ready != "READY" || !aliased {
            return self.later(state, ready);
        }
        let own = needed(KIND, &deployment, "url")?;
        let alias = deployment.pointer("/alias/0").and_then(Value::as_str).filter(|_| self.is_production());
        let mut state = state.clone();
        state.project_id = text(&deployment, "projectId").map(str::to_owned).or(state.project_id);
        state.url = Some(format!("https://{}", alias.unwrap_or(&own)));
        // A deployment's own address asks for a sign-in where the project is protected, as it is by default.
        state.live(if alias.is_some() { Visibility::Public } else { Visibility::Perhaps })
    }

    fn later(&self, state: &State, seen: &str) -> Result<Advance, DeployError> {
        let now = self.api.now_ms();
        let waited = now.saturating_sub(state.waiting_since_ms.unwrap_or(now));
        if waited > MAX_WAIT_MS {
            let message = format!(
                "Vercel has not finished the deployment after {} minutes (its state is {}); look at it there and \
                 deploy again",
                MAX_WAIT_MS / 60_000,
                self.api.clean(seen)
            );
            return Err(DeployError::new(ErrorKind::TimedOut, message));
        }
        Ok(Advance { state: state.clone(), next: Next::WaitMs(self.api.pace.poll_ms(waited)) })
    }
}

#[async_trait]
impl Target for Vercel {
    fn kind(&self) -> TargetKind {
        KIND
    }

    async fn verify(&self, cancel: &CancellationToken) -> Result<Verified, DeployError> {
        let user = self.api.get(self.url(["v2", "user"]), cancel).await?;
        let user = user.get("user").unwrap_or(&user);
        let account = text(user, "username").or_else(|| text(user, "email")).unwrap_or("Vercel").to_owned();
        let project = match &self.settings.project {
            Some(project) => {
                let found = self.api.get(self.url(["v9", "projects", project]), cancel).await?;
                Some(text(&found, "name").unwrap_or(project).to_owned())
            }
            None => None,
        };
        Ok(Verified { account, project })
    }

    fn prepare(&self, artifact: Artifact) -> Result<Artifact, DeployError> {
        let config = |message: &str| Err(DeployError::new(ErrorKind::Config, message));
        let Artifact::Site(site) = artifact else { return config("Vercel publishes a folder of files") };
        let site = (*site).clone();
        let prepared = match self.settings.upload {
            VercelUpload::Prebuilt => {
                let config = build_config(self.settings.single_page);
                site.renamed(|path| Some(format!("{STATIC}{path}")))
                    .with_made([(BUILD_CONFIG.to_owned(), Bytes::from(config.to_string()))])
            }
            VercelUpload::Files => {
                if site.files.iter().any(|file| file.path.starts_with("public/")) {
                    return config(
                        "Vercel would publish only the folder public/ of these files; leave the setting upload out, \
                         or publish that folder",
                    );
                }
                // With a package.json it would build.
                let site = site.renamed(|path| (path != "package.json").then(|| path.to_owned()));
                match (self.settings.single_page, site.get("vercel.json")) {
                    (true, None) => {
                        let rules =
                            json!({ "rewrites": [{ "source": "/(.*)", "destination": "/index.html" }] });
                        site.with_made([("vercel.json".to_owned(), Bytes::from(rules.to_string()))])
                    }
                    (true, Some(_)) | (false, _) => site,
                }
            }
        };
        Ok(Artifact::Site(prepared.into()))
    }

    async fn next(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        match state.step {
            Step::Locate => Ok(Advance::go(state.clone().at(Step::Create))),
            Step::Stage | Step::Create | Step::Upload => self.create(state, job).await,
            Step::Publish | Step::Wait => self.wait(state, job).await,
            Step::Live => state.clone().released(),
        }
    }

    async fn cancel(&self, state: &State, job: &Job<'_>) -> Result<(), DeployError> {
        let id = match (&state.deployment_id, state.step) {
            (Some(id), _) => Some(id.clone()),
            (None, Step::Locate) => None,
            (None, _) => {
                let find = || self.find(job.order, job.cancel);
                let found = look::left_behind(&self.api.pace, job.cancel, find).await?;
                found.as_ref().map(id_in_list).transpose()?
            }
        };
        let Some(id) = id else { return Ok(()) };
        let url = self.url(["v12", "deployments", id.as_str(), "cancel"]);
        match self.api.send(Call::new(Method::PATCH, url, Repeat::Safe), job.cancel).await {
            Ok(_) => Ok(()),
            // Nothing is left to cancel.
            Err(Problem::Refused(refusal)) if matches!(refusal.status, 400 | 404 | 409 | 422) => Ok(()),
            Err(problem) => Err(problem.into()),
        }
    }

    async fn live_after_all(&self, state: &State, job: &Job<'_>) -> Result<Option<State>, DeployError> {
        if state.deployment_id.is_none() && state.step != Step::Locate {
            let Some(found) = self.find(job.order, job.cancel).await? else { return Ok(None) };
            let made = self.created(state, id_in_list(&found)?, &found, job);
            return settled(self, &made.state, job).await;
        }
        settled(self, state, job).await
    }

    async fn roll_back(&self, to: &Release, cancel: &CancellationToken) -> Result<Release, DeployError> {
        let url = self.url(["v1", "projects", to.project_id.as_str(), "rollback", to.deployment_id.as_str()]);
        self.api.send(Call::new(Method::POST, url, Repeat::Safe), cancel).await?;
        Ok(to.clone())
    }
}

/// The finished build's own configuration: files first, then, for a single-page app, the index page.
fn build_config(single_page: bool) -> Value {
    let mut routes = vec![json!({ "handle": "filesystem" })];
    if single_page {
        routes.push(json!({ "src": "/(.*)", "dest": "/index.html" }));
    }
    json!({ "version": 3, "routes": routes })
}

/// The list calls it `uid`, everything else `id`.
fn id_in_list(found: &Value) -> Result<String, DeployError> {
    let id = text(found, "uid").or_else(|| text(found, "id"));
    id.map(str::to_owned).ok_or_else(|| DeployError::lost("deployment"))
}

/// A time counts as true as well as `true` does.
fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

fn is_project_id(project: &str) -> bool {
    project.starts_with("prj_") || project.chars().any(|c| c.is_ascii_uppercase())
}

/// Why the deployment will never be live, if it will not, in Vercel's words.
fn failure(deployment: &Value, ready: &str) -> Option<String> {
    let alias_error = deployment.get("aliasError").filter(|error| !error.is_null());
    let alias_check = deployment.pointer("/checks/deployment-alias/state").and_then(Value::as_str);
    let what = match ready {
        "ERROR" => "could not finish the deployment",
        "CANCELED" => "cancelled the deployment",
        "BLOCKED" => "holds the deployment back; it has to be released there",
        "DELETED" => "has deleted the deployment",
        _ if alias_error.is_some() || alias_check == Some("failed") => {
            "could not give the deployment its names"
        }
        _ => return None,
    };
    let said = text(deployment, "errorMessage")
        .or_else(|| alias_error.and_then(|error| text(error, "message")))
        .unwrap_or("it gave no reason");
    let step = text(deployment, "errorStep").map(|step| format!(" in step {step}")).unwrap_or_default();
    Some(format!("{what}{step}: {said}"))
}

/// `{"error":{"code":"…","message":"…"}}`, with `"limit":{"total":…,"remaining":0,"reset":…}` where it limits requests.
fn read_refusal(refusal: &mut Refusal) {
    let error = refusal.body.get("error").cloned().unwrap_or(Value::Null);
    refusal.code = text(&error, "code").unwrap_or_default().to_owned();
    refusal.said = text(&error, "message").unwrap_or_default().to_owned();
    let is_set = |key: &str| error.get(key) == Some(&Value::Bool(true));
    if is_set("invalidToken") || is_set("missingToken") {
        refusal.kind = ErrorKind::BadCredentials;
    }
    refusal.limited_until(error.pointer("/limit/reset").and_then(Value::as_f64));
    let is_used_up = refusal.code.starts_with("api-") && refusal.code.contains("-per-day");
    if refusal.status == 429 && (is_used_up || refusal.wait_ms.is_some_and(|ms| ms > LONGEST_PAUSE_MS)) {
        refusal.kind = ErrorKind::Quota;
    }
}
