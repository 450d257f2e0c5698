//! Cloudflare: a Worker of static files, or a deployment to a Pages project that is there already. The two products
//! share the token, the account, the envelope of answers and the names of files; the rest is in a file each.

mod assets;
mod envelope;
mod pages;
mod workers;

use async_trait::async_trait;
use miteos_tools::http::Url;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::call::{Answer, Api, Call, Problem};
use crate::config::{CloudflareConfig, CloudflareProduct, CloudflareSettings};
use crate::error::{DeployError, ErrorKind};
use crate::site::{Artifact, SiteFile};
use crate::state::{Release, State, Step};
use crate::target::{Advance, Job, Order, Target, TargetKind, Tools, Verified, settled};
use crate::upload::Load;

const KIND: TargetKind = TargetKind::Cloudflare;
/// Files that configure the host and are never served.
const HEADERS_FILE: &str = "_headers";
const REDIRECTS_FILE: &str = "_redirects";
const ROUTES_FILE: &str = "_routes.json";
/// What each of them may have (bytes). The rules in it are limited to some thousands anyway.
const MAX_RULES_BYTES: u64 = 1024 * 1024;

/// Entries on one page of a list, newest first …
const PAGE_ENTRIES: usize = 25;
/// … and pages that are looked through for ours. Others can have been made since ours was.
const MAX_PAGES: usize = 8;

/// The files of one request with contents, by hash, and how much that is.
type Bucket<'a> = (Load, Vec<(String, &'a SiteFile)>);

pub(crate) struct Cloudflare {
    api: Api,
    settings: CloudflareSettings,
}

impl Cloudflare {
    pub fn new(config: CloudflareConfig, tools: &Tools) -> Self {
        let secrets = [config.token.reveal()];
        let api = Api::new(KIND, tools, Some(config.token.clone()), &secrets, envelope::read_refusal);
        Self { api, settings: config.settings }
    }

    /// An address of the account.
    fn account<'a>(&'a self, segments: impl IntoIterator<Item = &'a str>) -> Url {
        self.api.url(["accounts", self.settings.account_id.as_str()].into_iter().chain(segments))
    }

    fn project<'a>(&'a self, order: &'a Order) -> &'a str {
        self.settings.project.as_deref().unwrap_or(&order.project)
    }

    /// The `result` of a call. A status of success can carry a failure.
    async fn call(&self, call: Call, cancel: &CancellationToken) -> Result<Value, Problem> {
        let Answer { status, json } = self.api.send(call, cancel).await?;
        match json.get("success") {
            Some(Value::Bool(true)) => Ok(json.get("result").cloned().unwrap_or(Value::Null)),
            _ => Err(Problem::Refused(self.api.refusal(status, json, None))),
        }
    }

    /// The entry of a list that is ours, looked for page by page. `list` finds the entries in a result.
    async fn find_in(
        &self,
        url: &Url,
        list: fn(&Value) -> Option<&Vec<Value>>,
        is_ours: impl Fn(&Value) -> bool + Sync,
        cancel: &CancellationToken,
    ) -> Result<Option<Value>, Problem> {
        for page in 1..=MAX_PAGES {
            let mut url = url.clone();
            url.query_pairs_mut()
                .append_pair("per_page", &PAGE_ENTRIES.to_string())
                .append_pair("page", &page.to_string());
            let result = self.get(url, cancel).await?;
            let entries = list(&result).map(Vec::as_slice).unwrap_or_default();
            // Of two, the older one: it is the one that was made first.
            if let Some(found) = entries.iter().rfind(|one| is_ours(one)) {
                return Ok(Some(found.clone()));
            }
            if entries.len() < PAGE_ENTRIES {
                break;
            }
        }
        Ok(None)
    }

    async fn get(&self, url: Url, cancel: &CancellationToken) -> Result<Value, Problem> {
        self.call(Call::get(url), cancel).await
    }
}

#[async_trait]
impl Target for Cloudflare {
    fn kind(&self) -> TargetKind {
        KIND
    }

    async fn verify(&self, cancel: &CancellationToken) -> Result<Verified, DeployError> {
        match self.settings.product {
            CloudflareProduct::Workers => self.verify_workers(cancel).await,
            CloudflareProduct::Pages => self.verify_pages(cancel).await,
        }
    }

    fn prepare(&self, artifact: Artifact) -> Result<Artifact, DeployError> {
        let config = |message: String| Err(DeployError::new(ErrorKind::Config, message));
        let Artifact::Site(site) = artifact else {
            return config("Cloudflare publishes a folder of files".to_owned());
        };
        for rules in [HEADERS_FILE, REDIRECTS_FILE, ROUTES_FILE] {
            if site.get(rules).is_some_and(|file| file.bytes > MAX_RULES_BYTES) {
                return config(format!("{rules} has more than {MAX_RULES_BYTES} bytes; shorten it"));
            }
        }
        let is_code = |path: &str| {
            path == "_worker.js" || path.starts_with("_worker.js/") || path.starts_with("functions/")
        };
        if let Some(code) = site.files.iter().find(|file| is_code(&file.path)) {
            return config(format!(
                "{} is code for the server, and this target publishes files only; build the site as static files",
                code.path
            ));
        }
        Ok(Artifact::Site(site))
    }

    async fn next(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        match (self.settings.product, state.step) {
            (CloudflareProduct::Workers, Step::Locate) => self.locate_worker(state, job).await,
            (CloudflareProduct::Workers, Step::Stage | Step::Create | Step::Upload) => {
                self.create_version(state, job).await
            }
            (CloudflareProduct::Workers, Step::Publish | Step::Wait) => self.switch_on(state, job).await,
            (_, Step::Live) => state.clone().released(),
            (CloudflareProduct::Pages, Step::Locate) => self.locate_pages(state, job).await,
            (CloudflareProduct::Pages, Step::Stage) => self.stage_pages(state, job).await,
            (CloudflareProduct::Pages, Step::Create | Step::Upload) => self.create_pages(state, job).await,
            (CloudflareProduct::Pages, Step::Publish | Step::Wait) => self.wait_pages(state, job).await,
        }
    }

    async fn cancel(&self, state: &State, job: &Job<'_>) -> Result<(), DeployError> {
        match self.settings.product {
            // Up to its one creating request nothing is there but uploaded contents, which nobody sees and which
            // lapse; after it the version is live.
            CloudflareProduct::Workers => Ok(()),
            CloudflareProduct::Pages => self.cancel_pages(state, job).await,
        }
    }

    async fn live_after_all(&self, state: &State, job: &Job<'_>) -> Result<Option<State>, DeployError> {
        let state = match self.settings.product {
            CloudflareProduct::Workers => self.made_after_all(state, job).await?,
            CloudflareProduct::Pages => self.found_pages(state, job).await?,
        };
        settled(self, &state, job).await
    }

    async fn roll_back(&self, to: &Release, cancel: &CancellationToken) -> Result<Release, DeployError> {
        match self.settings.product {
            CloudflareProduct::Workers => self.roll_back_worker(to, cancel).await,
            CloudflareProduct::Pages => self.roll_back_pages(to, cancel).await,
        }
    }
}
