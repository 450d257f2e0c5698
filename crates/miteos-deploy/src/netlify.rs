//! Netlify: a deploy by digest. The whole site is named by hashes, Netlify says which contents it lacks, those are
//! uploaded, and it puts the deploy together.
//!
//! A deploy carries our mark at the beginning of its title, where no limit of a title cuts it off. Netlify keeps titles in its list of deploys, newest first, so a deploy
//! whose creation was not answered is found there. Uploads are by content and may be repeated.

use async_trait::async_trait;
use bytes::Bytes;
use miteos_tools::http::Method;
use serde_json::{Map, Value, json};
use sha2::Digest as _;
use tokio_util::sync::CancellationToken;

use crate::body::Payload;
use crate::call::{Api, Call, Problem, Refusal, Repeat, needed, text};
use crate::config::{NetlifyConfig, NetlifySettings};
use crate::error::{DeployError, ErrorKind};
use crate::look;
use crate::site::{Artifact, Site, SiteFile};
use crate::state::{Release, State, Step, Visibility};
use crate::target::{Advance, Environment, Job, Next, Order, Target, TargetKind, Tools, Verified, settled};
use crate::upload::{self, Load};

/// How long Netlify may take from the last upload until the deploy is ready; its own tool waits as long.
const MAX_WAIT_MS: u64 = 20 * 60 * 1000;
/// Deploys among which ours is looked for, newest first. Others can only have been made since ours was.
const LOOKED_AT: u32 = 100;
/// Digits that make a taken name another one.
const SUFFIX_DIGITS: usize = 6;
/// Where unknown paths lead in a single-page app.
const REDIRECTS: &str = "_redirects";
const KIND: TargetKind = TargetKind::Netlify;

pub(crate) struct Netlify {
    api: Api,
    settings: NetlifySettings,
}

impl Netlify {
    pub fn new(config: NetlifyConfig, tools: &Tools) -> Self {
        let secrets = [config.token.reveal()];
        let api = Api::new(KIND, tools, Some(config.token.clone()), &secrets, read_refusal);
        Self { api, settings: config.settings }
    }

    fn is_draft(&self) -> bool {
        self.settings.environment == Environment::Preview
    }

    /// Finds the site, or makes it.
    async fn locate(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let site = match &self.settings.site {
            Some(site) => self.api.get(self.api.url(["sites", site]), job.cancel).await?,
            None => self.own_site(job).await?,
        };
        let id = needed(KIND, &site, "id")?;
        if !self.is_draft() && site.pointer("/published_deploy/locked") == Some(&Value::Bool(true)) {
            return Err(locked());
        }
        let name = text(&site, "name").unwrap_or(&id).to_owned();
        job.say(format!("site {name}"));
        let mut state = state.clone().at(Step::Create);
        state.project_id = Some(id);
        state.url = text(&site, "ssl_url").or_else(|| text(&site, "url")).map(str::to_owned);
        Ok(Advance::go(state))
    }

    /// The site named after the workspace. Its name is looked for first: the answer to its creation may have been
    /// lost. Names are the whole world's, so there is a second one to try.
    async fn own_site(&self, job: &Job<'_>) -> Result<Value, DeployError> {
        let names = [job.order.project.clone(), second_name(&job.order.project)];
        for name in &names {
            let mut url = self.api.url(["sites"]);
            url.query_pairs_mut().append_pair("name", name).append_pair("filter", "all");
            let found = self.api.get(url, job.cancel).await?;
            let mut list = found.as_array().into_iter().flatten();
            if let Some(site) = list.rfind(|site| text(site, "name") == Some(name)) {
                return Ok(site.clone());
            }
        }
        let url = match &self.settings.team {
            Some(team) => self.api.url([team.as_str(), "sites"]),
            None => self.api.url(["sites"]),
        };
        let mut taken = None;
        for name in &names {
            let call = Call::new(Method::POST, url.clone(), Repeat::Once).json(json!({ "name": name }));
            match self.api.send(call, job.cancel).await {
                Ok(answer) => {
                    job.say(format!("made the site {name}"));
                    return Ok(answer.json);
                }
                Err(Problem::Refused(refusal)) if refusal.status == 422 => {
                    let mend = "name one of your sites in the configuration (settings.site)";
                    taken = Some(Refusal { kind: ErrorKind::NameTaken, mend: Some(mend), ..refusal });
                }
                Err(problem) => return Err(problem.into()),
            }
        }
        Err(taken.map_or_else(DeployError::cancelled, Refusal::into_error))
    }

    /// The deploy of this order, if it was made already.
    async fn find(
        &self,
        site: &str,
        order: &Order,
        cancel: &CancellationToken,
    ) -> Result<Option<Value>, DeployError> {
        let mut url = self.api.url(["sites", site, "deploys"]);
        url.query_pairs_mut().append_pair("per_page", &LOOKED_AT.to_string());
        let found = self.api.get(url, cancel).await?;
        let mark = title_mark(order);
        let mut list = found.as_array().into_iter().flatten();
        let is_ours = |one: &&Value| text(one, "title").is_some_and(|title| title.starts_with(&mark));
        Ok(list.rfind(is_ours).cloned())
    }

    async fn create(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let site_id = state.project()?;
        let deploy = match self.find(site_id, job.order, job.cancel).await? {
            Some(deploy) => deploy,
            None => {
                let find = || self.find(site_id, job.order, job.cancel);
                look::made_after(self.make(site_id, job).await, &self.api.pace, job.cancel, find).await?
            }
        };
        let state = self.created(state, &deploy)?;
        job.say(format!("deploy {}", state.deployment()?));
        Ok(Advance::go(state))
    }

    /// The state with this deploy.
    fn created(&self, state: &State, deploy: &Value) -> Result<State, DeployError> {
        let mut state = state.clone().at(Step::Upload);
        state.deployment_id = Some(needed(KIND, deploy, "id")?);
        state.waiting_since_ms = Some(self.api.now_ms());
        state.inspect_url = text(deploy, "admin_url").map(str::to_owned);
        if self.is_draft() {
            state.url =
                text(deploy, "deploy_ssl_url").or_else(|| text(deploy, "deploy_url")).map(str::to_owned);
        }
        Ok(state)
    }

    async fn make(&self, site_id: &str, job: &Job<'_>) -> Result<Value, DeployError> {
        let site = job.site()?;
        let files: Map<String, Value> = site
            .files
            .iter()
            .map(|file| (format!("/{}", file.path), file.digests.sha1_hex().into()))
            .collect();
        let mut url = self.api.url(["sites", site_id, "deploys"]);
        url.query_pairs_mut()
            .append_pair("title", &format!("{} {}", title_mark(job.order), job.order.short_message()));
        // Always asynchronous: then the deploy itself tells what it lacks, also to one who comes back after a crash.
        let body = json!({ "files": files, "async": true, "draft": self.is_draft() });
        Ok(self.api.send(Call::new(Method::POST, url, Repeat::Once).json(body), job.cancel).await?.json)
    }

    async fn deploy(&self, state: &State, cancel: &CancellationToken) -> Result<Value, DeployError> {
        let url = self.api.url(["sites", state.project()?, "deploys", state.deployment()?]);
        Ok(self.api.get(url, cancel).await?)
    }

    async fn upload(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let deploy = self.deploy(state, job.cancel).await?;
        match text(&deploy, "state").unwrap_or_default() {
            "error" | "rejected" => return Err(self.failed(&deploy)),
            // Ready to say what it lacks, or past that.
            "prepared" | "uploading" | "uploaded" | "processing" | "processed" | "ready" => {}
            other => return self.wait_for(state, other, job),
        }
        let site = job.site()?;
        let by_hash = site.by_content(|digests| digests.sha1_hex());
        let id = state.deployment()?;
        let mut items = Vec::new();
        for sha in deploy.get("required").and_then(Value::as_array).into_iter().flatten() {
            let Some(file) = sha.as_str().and_then(|sha| by_hash.get(sha)) else {
                let message = "Netlify asks for a file that is not in this site; deploy again";
                return Err(DeployError::new(ErrorKind::Rejected, message));
            };
            items.push((Load { files: 1, bytes: file.bytes }, *file));
        }
        upload::all(job, "upload", items, self.api.pace.parallel, |file| self.put(id, site, file, job))
            .await?;
        // So far the deploy's preparation was waited for; the time for the rest begins with the last upload.
        let state = State { waiting_since_ms: None, ..state.clone() };
        Ok(Advance::go(state.waiting(self.api.now_ms())))
    }

    async fn put(&self, id: &str, site: &Site, file: &SiteFile, job: &Job<'_>) -> Result<(), DeployError> {
        let url = self.api.url(["deploys", id, "files"].into_iter().chain(file.path.split('/')));
        let call = Call::new(Method::PUT, url, Repeat::Safe)
            .payload(Payload::file(site, file), "application/octet-stream");
        match self.api.send(call, job.cancel).await {
            Ok(_) => Ok(()),
            Err(Problem::Refused(mut refusal)) if matches!(refusal.status, 400 | 422) => {
                refusal.said = format!("{}: {}", file.path, refusal.said);
                Err(Refusal { kind: ErrorKind::RejectedFile, ..refusal }.into_error())
            }
            Err(problem) => Err(problem.into()),
        }
    }

    /// Stays in the step and asks again after a pause, up to the deadline.
    fn wait_for(&self, state: &State, seen: &str, job: &Job<'_>) -> Result<Advance, DeployError> {
        let since = state.waiting_since_ms.unwrap_or(self.api.now_ms());
        let waited = self.api.now_ms().saturating_sub(since);
        if waited > MAX_WAIT_MS {
            let message = format!(
                "Netlify has not finished the deploy after {} minutes (its state is {}); look at it there and \
                 deploy again",
                MAX_WAIT_MS / 60_000,
                self.api.clean(seen)
            );
            return Err(DeployError::new(ErrorKind::TimedOut, message));
        }
        tracing::debug!(state = seen, key = job.order.key, "a Netlify deploy is not ready");
        // Its own tool asks every second, whatever the time.
        let next = Next::WaitMs(self.api.pace.poll_ms(0));
        Ok(Advance { state: state.clone(), next })
    }

    async fn wait(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let deploy = self.deploy(state, job.cancel).await?;
        match text(&deploy, "state").unwrap_or_default() {
            "ready" => {}
            "error" | "rejected" => return Err(self.failed(&deploy)),
            other => return self.wait_for(state, other, job),
        }
        if !self.is_draft() && !self.is_published(state, &deploy, job.cancel).await? {
            return self.wait_for(state, "ready, not published", job);
        }
        state.clone().live(Visibility::Public)
    }

    fn failed(&self, deploy: &Value) -> DeployError {
        let said = self.api.clean(text(deploy, "error_message").unwrap_or("it gave no reason"));
        DeployError::new(ErrorKind::ProviderFailed, format!("Netlify could not finish the deploy: {said}"))
    }

    /// Whether the site shows this deploy, or a later one.
    async fn is_published(
        &self,
        state: &State,
        deploy: &Value,
        cancel: &CancellationToken,
    ) -> Result<bool, DeployError> {
        let site = self.api.get(self.api.url(["sites", state.project()?]), cancel).await?;
        let Some(published) = site.get("published_deploy").filter(|one| !one.is_null()) else {
            return Ok(false);
        };
        if text(published, "id") == state.deployment_id.as_deref() {
            return Ok(true);
        }
        if published.get("locked") == Some(&Value::Bool(true)) {
            return Err(locked());
        }
        // Times in one form, so that their order is that of the texts.
        Ok(text(published, "created_at") > text(deploy, "created_at"))
    }
}

#[async_trait]
impl Target for Netlify {
    fn kind(&self) -> TargetKind {
        KIND
    }

    async fn verify(&self, cancel: &CancellationToken) -> Result<Verified, DeployError> {
        let user = self.api.get(self.api.url(["user"]), cancel).await?;
        // The published description says a list, the service answers with one.
        let user = user.as_array().and_then(|list| list.first()).unwrap_or(&user);
        let account = text(user, "full_name").or_else(|| text(user, "email")).or_else(|| text(user, "id"));
        let account = account.unwrap_or("Netlify").to_owned();
        let project = match &self.settings.site {
            Some(site) => {
                let found = self.api.get(self.api.url(["sites", site]), cancel).await?;
                Some(text(&found, "name").unwrap_or(site).to_owned())
            }
            None => None,
        };
        Ok(Verified { account, project })
    }

    fn prepare(&self, artifact: Artifact) -> Result<Artifact, DeployError> {
        let Artifact::Site(site) = artifact else {
            return Err(DeployError::new(ErrorKind::Config, "Netlify publishes a folder of files"));
        };
        if !self.settings.single_page || site.get(REDIRECTS).is_some() {
            return Ok(Artifact::Site(site));
        }
        let rule = Bytes::from_static(b"/* /index.html 200\n");
        Ok(Artifact::Site((*site).clone().with_made([(REDIRECTS.to_owned(), rule)]).into()))
    }

    async fn next(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        match state.step {
            Step::Locate => self.locate(state, job).await,
            Step::Stage | Step::Create => self.create(state, job).await,
            Step::Upload => self.upload(state, job).await,
            Step::Publish | Step::Wait => self.wait(state, job).await,
            Step::Live => state.clone().released(),
        }
    }

    async fn cancel(&self, state: &State, job: &Job<'_>) -> Result<(), DeployError> {
        let Some(site) = &state.project_id else { return Ok(()) };
        let id = match &state.deployment_id {
            Some(id) => Some(id.clone()),
            None => {
                let find = || self.find(site, job.order, job.cancel);
                let found = look::left_behind(&self.api.pace, job.cancel, find).await?;
                found.and_then(|deploy| text(&deploy, "id").map(str::to_owned))
            }
        };
        let Some(id) = id else { return Ok(()) };
        let call = Call::new(Method::POST, self.api.url(["deploys", id.as_str(), "cancel"]), Repeat::Safe);
        match self.api.send(call, job.cancel).await {
            Ok(_) => Ok(()),
            // It is over already, one way or the other.
            Err(Problem::Refused(refusal)) if matches!(refusal.status, 404 | 409 | 422) => Ok(()),
            Err(problem) => Err(problem.into()),
        }
    }

    async fn live_after_all(&self, state: &State, job: &Job<'_>) -> Result<Option<State>, DeployError> {
        if let (Some(site), None) = (&state.project_id, &state.deployment_id) {
            let Some(deploy) = self.find(site, job.order, job.cancel).await? else { return Ok(None) };
            return settled(self, &self.created(state, &deploy)?, job).await;
        }
        settled(self, state, job).await
    }

    async fn roll_back(&self, to: &Release, cancel: &CancellationToken) -> Result<Release, DeployError> {
        let url =
            self.api.url(["sites", to.project_id.as_str(), "deploys", to.deployment_id.as_str(), "restore"]);
        self.api.send(Call::new(Method::POST, url, Repeat::Safe), cancel).await?;
        Ok(to.clone())
    }
}

fn title_mark(order: &Order) -> String {
    format!("[{}]", order.mark())
}

/// The same second name each time, so that it is found again.
fn second_name(project: &str) -> String {
    let hash = hex::encode(sha2::Sha256::digest(project.as_bytes()));
    format!("{project}-{}", &hash[..SUFFIX_DIGITS])
}

fn locked() -> DeployError {
    let message = "the Netlify site's published deploy is locked, so a new one would not be shown; unlock it there, \
                   or deploy to another site";
    DeployError::new(ErrorKind::Forbidden, message)
}

/// `{"code":422,"message":"…","errors":{…}}`.
fn read_refusal(refusal: &mut Refusal) {
    refusal.said = text(&refusal.body, "message").unwrap_or_default().to_owned();
    if refusal.said.is_empty()
        && let Some(errors) = refusal.body.get("errors").filter(|errors| !errors.is_null())
    {
        refusal.said = errors.to_string();
    }
}
