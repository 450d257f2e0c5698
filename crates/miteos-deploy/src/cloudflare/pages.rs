//! Direct upload to a Pages project. Contents are uploaded first, by hash; one request then makes a deployment of them,
//! which passes through stages.
//!
//! The deployment carries our mark as its commit hash, and deployments are listed with theirs, so one whose creation
//! was not answered is found.

use std::collections::BTreeSet;

use miteos_tools::http::Method;
use miteos_tools::secret::Secret;
use ring::digest;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::assets::{Form, pages_bucket};
use super::envelope::{NO_PROJECT, TOKEN_EXPIRED};
use super::workers::is_served;
use super::{Bucket, Cloudflare, HEADERS_FILE, KIND, REDIRECTS_FILE, ROUTES_FILE};
use crate::body::base64_bytes;
use crate::call::{Call, Problem, Repeat, needed, text};
use crate::error::{DeployError, ErrorKind};
use crate::look;
use crate::site::{Site, SiteFile};
use crate::state::{Release, State, Step, Visibility};
use crate::target::{Advance, Environment, Job, Next, Order, Verified};
use crate::upload::{self, Load};

/// How long a deployment may pass through its stages. Nothing is built, so minutes are much.
const MAX_WAIT_MS: u64 = 20 * 60 * 1000;
/// One request with contents has at most this many bytes of Base64 …
const MAX_BUCKET_BYTES: u64 = 40 * 1024 * 1024;
/// … and this many files.
const MAX_BUCKET_FILES: usize = 2000;
/// Requests with contents at the same time.
const PARALLEL_BUCKETS: usize = 3;
/// Tokens asked for in one step, should one expire while it is used.
const MAX_TOKENS: u32 = 3;
/// The branch of previews; the second where the first is what the project shows to everybody.
const PREVIEW_BRANCHES: [&str; 2] = ["preview", "miteos-preview"];

impl Cloudflare {
    pub(super) async fn verify_pages(&self, cancel: &CancellationToken) -> Result<Verified, DeployError> {
        let name = self.settings.project.as_deref().unwrap_or_default();
        let project = self.pages_project(name, cancel).await?;
        let account = self.settings.account_id.clone();
        Ok(Verified { account, project: Some(text(&project, "name").unwrap_or(name).to_owned()) })
    }

    async fn pages_project(&self, name: &str, cancel: &CancellationToken) -> Result<Value, DeployError> {
        match self.get(self.account(["pages", "projects", name]), cancel).await {
            Ok(project) => Ok(project),
            Err(Problem::Refused(mut refusal)) if refusal.code == NO_PROJECT => {
                refusal.mend =
                    Some("name a Pages project that is there, or leave product out to publish a Worker");
                Err(refusal.into_error())
            }
            Err(problem) => Err(problem.into()),
        }
    }

    pub(super) async fn locate_pages(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let name = self.project(job.order);
        let project = self.pages_project(name, job.cancel).await?;
        job.say(format!("Pages project {name}"));
        let mut state = state.clone().at(Step::Stage);
        state.project_id = Some(name.to_owned());
        if self.settings.environment == Environment::Production {
            // The host that was granted, which can differ from the name.
            state.url = text(&project, "subdomain").map(|host| format!("https://{host}"));
        }
        Ok(Advance::go(state))
    }

    pub(super) async fn stage_pages(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let (name, site) = (state.project()?, job.site()?);
        let mut expired = None;
        for _ in 0..MAX_TOKENS {
            let result =
                self.get(self.account(["pages", "projects", name, "upload-token"]), job.cancel).await?;
            let token = Secret::new(needed(KIND, &result, "jwt")?);
            match self.stage_with(site, &token, job).await {
                Ok(()) => return Ok(Advance::go(state.clone().at(Step::Create))),
                Err(Problem::Refused(refusal)) if refusal.code == TOKEN_EXPIRED || refusal.status == 401 => {
                    expired = Some(refusal.into_error());
                }
                Err(problem) => return Err(problem.into()),
            }
        }
        Err(expired.unwrap_or_else(DeployError::cancelled))
    }

    /// With one token: what is missing, the contents, and that they are in use.
    async fn stage_with(&self, site: &Site, token: &Secret, job: &Job<'_>) -> Result<(), Problem> {
        let by_hash: std::collections::BTreeMap<String, &SiteFile> = site
            .files
            .iter()
            .filter(|file| is_served(&file.path))
            .map(|file| (file.digests.blake3_hex(), file))
            .collect();
        let all: Vec<&String> = by_hash.keys().collect();
        let post = |last: &str, body: Value| {
            Call::new(Method::POST, self.api.url(["pages", "assets", last]), Repeat::Safe)
                .bearer(token.clone())
                .json(body)
        };
        let missing = self.call(post("check-missing", json!({ "hashes": all })), job.cancel).await?;
        let missing: BTreeSet<&str> =
            missing.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let wanted = by_hash.iter().filter(|(hash, _)| missing.contains(hash.as_str()));
        let items = into_buckets(wanted.map(|(hash, file)| (hash.clone(), *file)));
        if items.is_empty() {
            job.say("nothing to upload: the account has every file already");
        }
        // The refusal itself is needed outside, so it is carried past the errors of the uploads.
        let refused = std::sync::Mutex::new(None);
        let uploaded =
            upload::all(job, "upload", items, PARALLEL_BUCKETS.min(self.api.pace.parallel), |bucket| {
                let refused = &refused;
                async move {
                    let call =
                        Call::new(Method::POST, self.api.url(["pages", "assets", "upload"]), Repeat::Safe)
                            .bearer(token.clone())
                            .payload(pages_bucket(site, &bucket), "application/json");
                    match self.call(call, job.cancel).await {
                        Ok(_) => Ok(()),
                        Err(Problem::Refused(refusal)) => {
                            *refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
                                Some(refusal);
                            Err(DeployError::cancelled())
                        }
                        Err(Problem::Other(error)) => Err(error),
                    }
                }
            })
            .await;
        if let Err(error) = uploaded {
            let refused = refused.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
            return Err(refused.map_or(Problem::Other(error), Problem::Refused));
        }
        // It only keeps contents from lapsing; its failure loses nothing now.
        if let Err(Problem::Other(error)) =
            self.call(post("upsert-hashes", json!({ "hashes": all })), job.cancel).await
            && error.kind == ErrorKind::Cancelled
        {
            return Err(Problem::Other(error));
        }
        Ok(())
    }

    async fn find_pages(
        &self,
        name: &str,
        order: &Order,
        cancel: &CancellationToken,
    ) -> Result<Option<Value>, DeployError> {
        let url = self.account(["pages", "projects", name, "deployments"]);
        let mark = commit_hash(order);
        let is_ours = |one: &Value| {
            one.pointer("/deployment_trigger/metadata/commit_hash").and_then(Value::as_str)
                == Some(mark.as_str())
        };
        Ok(self.find_in(&url, Value::as_array, is_ours, cancel).await?)
    }

    pub(super) async fn create_pages(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let name = state.project()?;
        let deployment = match self.find_pages(name, job.order, job.cancel).await? {
            Some(deployment) => deployment,
            None => {
                let find = || self.find_pages(name, job.order, job.cancel);
                look::made_after(self.make_pages(name, job).await, &self.api.pace, job.cancel, find).await?
            }
        };
        let id = needed(KIND, &deployment, "id")?;
        job.say(format!("deployment {id}"));
        let mut state = state.clone().waiting(self.api.now_ms());
        state.deployment_id = Some(id);
        if self.settings.environment == Environment::Preview {
            state.url = text(&deployment, "url").map(str::to_owned);
        }
        Ok(Advance::go(state))
    }

    async fn make_pages(&self, name: &str, job: &Job<'_>) -> Result<Value, DeployError> {
        let site = job.site()?;
        let project = self.pages_project(name, job.cancel).await?;
        let production = needed(KIND, &project, "production_branch")?;
        let branch = match self.settings.environment {
            Environment::Preview if production == PREVIEW_BRANCHES[0] => PREVIEW_BRANCHES[1].to_owned(),
            Environment::Preview => PREVIEW_BRANCHES[0].to_owned(),
            Environment::Production => production,
        };
        let manifest: Map<String, Value> = site
            .files
            .iter()
            .filter(|file| is_served(&file.path))
            .map(|file| (format!("/{}", file.path), file.digests.blake3_hex().into()))
            .collect();
        let mut form = Form::new()?
            .text("manifest", &Value::Object(manifest).to_string())
            .text("branch", &branch)
            .text("commit_message", job.order.short_message())
            .text("commit_hash", &commit_hash(job.order))
            .text("commit_dirty", "false");
        let mut rules = vec![(HEADERS_FILE, "text/plain"), (REDIRECTS_FILE, "text/plain")];
        rules.push((ROUTES_FILE, "application/json"));
        for (path, content_type) in rules {
            if let Some(file) = site.get(path) {
                form = form.raw_file(path, content_type, site, file);
            }
        }
        let url = self.account(["pages", "projects", name, "deployments"]);
        let (payload, content_type) = form.done();
        let call = Call::new(Method::POST, url, Repeat::Once).payload(payload, content_type);
        Ok(self.call(call, job.cancel).await?)
    }

    pub(super) async fn wait_pages(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let (name, id) = (state.project()?, state.deployment()?);
        let url = self.account(["pages", "projects", name, "deployments", id]);
        let deployment = self.get(url, job.cancel).await?;
        let stage = deployment.get("latest_stage").unwrap_or(&Value::Null);
        let (stage_name, status) =
            (text(stage, "name").unwrap_or_default(), text(stage, "status").unwrap_or_default());
        match (stage_name, status) {
            ("deploy", "success") => {}
            (_, "failure" | "canceled") => {
                return Err(self.pages_failed(name, id, stage_name, status, job).await);
            }
            _ => {
                let now = self.api.now_ms();
                let waited = now.saturating_sub(state.waiting_since_ms.unwrap_or(now));
                if waited > MAX_WAIT_MS {
                    let message = format!(
                        "Cloudflare has not finished the deployment after {} minutes (stage {}: {}); look at it there \
                         and deploy again",
                        MAX_WAIT_MS / 60_000,
                        self.api.clean(stage_name),
                        self.api.clean(status)
                    );
                    return Err(DeployError::new(ErrorKind::TimedOut, message));
                }
                let next = Next::WaitMs(self.api.pace.poll_ms(waited));
                return Ok(Advance { state: state.clone(), next });
            }
        }
        let url = state.url.clone().or_else(|| text(&deployment, "url").map(str::to_owned));
        State { url, ..state.clone() }.live(Visibility::Public)
    }

    /// With the last line of its log, where there is one.
    async fn pages_failed(
        &self,
        name: &str,
        id: &str,
        stage: &str,
        status: &str,
        job: &Job<'_>,
    ) -> DeployError {
        let url = self.account(["pages", "projects", name, "deployments", id, "history", "logs"]);
        let logs = self.get(url, job.cancel).await.unwrap_or(Value::Null);
        let last = logs.get("data").and_then(Value::as_array).and_then(|lines| lines.last());
        let said = self.api.clean(last.and_then(|line| text(line, "line")).unwrap_or("it gave no reason"));
        let what = if status == "canceled" { "cancelled" } else { "could not finish" };
        DeployError::new(
            ErrorKind::ProviderFailed,
            format!("Cloudflare {what} the deployment in stage {}: {said}", self.api.clean(stage)),
        )
    }

    /// Removes a deployment that is not live yet.
    pub(super) async fn cancel_pages(&self, state: &State, job: &Job<'_>) -> Result<(), DeployError> {
        let Some(name) = &state.project_id else { return Ok(()) };
        let found = match (&state.deployment_id, state.step) {
            (Some(id), _) => {
                let url = self.account(["pages", "projects", name, "deployments", id]);
                match self.get(url, job.cancel).await {
                    Ok(deployment) => Some(deployment),
                    Err(Problem::Refused(refusal)) if refusal.kind == ErrorKind::NotFound => None,
                    Err(problem) => return Err(problem.into()),
                }
            }
            (None, Step::Create | Step::Upload) => {
                let find = || self.find_pages(name, job.order, job.cancel);
                look::left_behind(&self.api.pace, job.cancel, find).await?
            }
            (None, Step::Locate | Step::Stage | Step::Publish | Step::Wait | Step::Live) => None,
        };
        let Some(deployment) = found else { return Ok(()) };
        let stage = deployment.get("latest_stage").unwrap_or(&Value::Null);
        if (text(stage, "name"), text(stage, "status")) == (Some("deploy"), Some("success")) {
            return Ok(());
        }
        let id = needed(KIND, &deployment, "id")?;
        let mut url = self.account(["pages", "projects", name, "deployments", id.as_str()]);
        url.query_pairs_mut().append_pair("force", "true");
        match self.call(Call::new(Method::DELETE, url, Repeat::Safe), job.cancel).await {
            Ok(_) => Ok(()),
            Err(Problem::Refused(refusal)) if refusal.kind == ErrorKind::NotFound => Ok(()),
            Err(problem) => Err(problem.into()),
        }
    }

    /// The state with the deployment, if one was made.
    pub(super) async fn found_pages(&self, state: &State, job: &Job<'_>) -> Result<State, DeployError> {
        let mut state = state.clone();
        let may_be_made = matches!(state.step, Step::Create | Step::Upload);
        if let (Some(name), None, true) = (&state.project_id, &state.deployment_id, may_be_made) {
            let found = self.find_pages(name, job.order, job.cancel).await?;
            state.deployment_id = found.and_then(|one| text(&one, "id").map(str::to_owned));
        }
        Ok(state)
    }

    pub(super) async fn roll_back_pages(
        &self,
        to: &Release,
        cancel: &CancellationToken,
    ) -> Result<Release, DeployError> {
        let segments = [
            "pages",
            "projects",
            to.project_id.as_str(),
            "deployments",
            to.deployment_id.as_str(),
            "rollback",
        ];
        self.call(Call::new(Method::POST, self.account(segments), Repeat::Safe), cancel).await?;
        Ok(to.clone())
    }
}

/// The mark in the form of a commit's hash.
fn commit_hash(order: &Order) -> String {
    hex::encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, order.mark().as_bytes()))
}

/// In the order of hashes, cut where a request would become too big.
fn into_buckets<'a>(files: impl Iterator<Item = (String, &'a SiteFile)>) -> Vec<Bucket<'a>> {
    let mut buckets: Vec<Bucket<'a>> = Vec::new();
    let mut room = 0;
    for (hash, file) in files {
        let bytes = base64_bytes(file.bytes);
        let full = buckets.last().is_none_or(|(_, files)| files.len() == MAX_BUCKET_FILES || bytes > room);
        if full {
            buckets.push((Load { files: 0, bytes: 0 }, Vec::new()));
            room = MAX_BUCKET_BYTES;
        }
        if let Some((load, files)) = buckets.last_mut() {
            load.files += 1;
            load.bytes += file.bytes;
            room = room.saturating_sub(bytes);
            files.push((hash, file));
        }
    }
    buckets
}
