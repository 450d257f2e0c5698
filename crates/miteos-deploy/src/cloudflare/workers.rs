//! A Worker of static files. An upload session names what is missing, the contents are uploaded, and one request makes
//! a version of them and puts it live.
//!
//! The version carries our mark as its tag; versions are listed with their tags, so one whose creation was not answered
//! is found. A session deploys nothing: after a crash there is simply a new one, which asks for what is still missing.

use std::time::Duration;

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::assets::Form;
use super::envelope::NOT_THERE;
use super::{Bucket, Cloudflare, HEADERS_FILE, KIND, MAX_RULES_BYTES, REDIRECTS_FILE, ROUTES_FILE};
use crate::call::{Call, Problem, Repeat, needed, text};
use crate::error::{DeployError, ErrorKind};
use crate::look;
use crate::site::{Site, SiteFile, Source};
use crate::state::{Release, State, Step, Visibility};
use crate::target::{Advance, Job, Order, Verified};
use crate::upload::{self, Load};
use miteos_tools::http::Method;
use miteos_tools::secret::Secret;

/// The behaviour of the platform that the version asks for. It has no code, so nothing depends on it.
const COMPATIBILITY_DATE: &str = "2026-01-01";
/// What leaving out the addresses of previews means depends on it: since then, that they stay as they are.
const API_DATE: (&str, &str) = ("cloudflare-workers-script-api-date", "2025-08-01");
/// Sessions begun in one step, should one expire while it is used.
const MAX_SESSIONS: u32 = 3;
/// Requests with contents at the same time.
const PARALLEL_BUCKETS: usize = 3;
/// How often a version that was just made is looked for in the list before the answer's own name for it is taken.
const MAX_LOOKS: u32 = 4;
/// Looks for a version whose making was broken off, and may be carried out all the same.
const LOOKS_AFTER_CANCEL: u32 = 2;
/// Digits of a version's id, as the answer to its making writes it.
const ID_DIGITS: usize = 32;

impl Cloudflare {
    pub(super) async fn verify_workers(&self, cancel: &CancellationToken) -> Result<Verified, DeployError> {
        let subdomain = self.subdomain(cancel).await?;
        if subdomain.is_none() && self.settings.register_subdomain.is_none() {
            return Err(no_subdomain());
        }
        let account = subdomain
            .map_or_else(|| self.settings.account_id.clone(), |subdomain| format!("{subdomain}.workers.dev"));
        Ok(Verified { account, project: None })
    }

    /// The account's name below workers.dev.
    async fn subdomain(&self, cancel: &CancellationToken) -> Result<Option<String>, DeployError> {
        match self.get(self.account(["workers", "subdomain"]), cancel).await {
            Ok(result) => Ok(text(&result, "subdomain").map(str::to_owned)),
            Err(Problem::Refused(refusal)) if refusal.code == NOT_THERE => Ok(None),
            Err(problem) => Err(problem.into()),
        }
    }

    pub(super) async fn locate_worker(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let name = self.project(job.order);
        let subdomain = match (self.subdomain(job.cancel).await?, &self.settings.register_subdomain) {
            (Some(subdomain), _) => subdomain,
            (None, Some(wanted)) => {
                let call = Call::new(Method::PUT, self.account(["workers", "subdomain"]), Repeat::Safe)
                    .json(json!({ "subdomain": wanted }));
                let result = self.call(call, job.cancel).await?;
                job.say(format!("registered {wanted}.workers.dev for the account"));
                needed(KIND, &result, "subdomain")?
            }
            (None, None) => return Err(no_subdomain()),
        };
        let mut state = state.clone().at(Step::Create);
        state.project_id = Some(name.to_owned());
        state.url = Some(format!("https://{name}.{subdomain}.workers.dev"));
        job.say(format!("worker {name}"));
        Ok(Advance::go(state))
    }

    /// The version of this order, if it was made already.
    async fn find_version(
        &self,
        name: &str,
        order: &Order,
        cancel: &CancellationToken,
    ) -> Result<Option<String>, DeployError> {
        let url = self.account(["workers", "scripts", name, "versions"]);
        let mark = order.mark();
        let is_ours = |one: &Value| {
            one.pointer("/annotations/workers~1tag").and_then(Value::as_str) == Some(mark.as_str())
        };
        match self.find_in(&url, versions, is_ours, cancel).await {
            Ok(found) => Ok(found.as_ref().and_then(|one| text(one, "id")).map(str::to_owned)),
            // There is no such Worker yet.
            Err(Problem::Refused(refusal)) if refusal.kind == ErrorKind::NotFound => Ok(None),
            Err(problem) => Err(problem.into()),
        }
    }

    pub(super) async fn create_version(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let name = state.project()?;
        let id = match self.find_version(name, job.order, job.cancel).await? {
            Some(id) => id,
            None => self.make_version(name, job).await?,
        };
        job.say(format!("version {id}"));
        let mut state = state.clone().at(Step::Publish);
        state.deployment_id = Some(id);
        Ok(Advance::go(state))
    }

    async fn make_version(&self, name: &str, job: &Job<'_>) -> Result<String, DeployError> {
        let site = job.site()?;
        let completion = self.upload_assets(name, site, job).await?;
        let mut config = json!({
            "not_found_handling": if self.settings.single_page { "single-page-application" } else if site.get("404.html").is_some() { "404-page" } else { "none" },
        });
        for rules in [HEADERS_FILE, REDIRECTS_FILE] {
            if let Some(file) = site.get(rules) {
                config[rules] = rules_text(site, file).await?.into();
            }
        }
        let metadata = json!({
            "assets": { "jwt": completion.reveal(), "config": config },
            "compatibility_date": COMPATIBILITY_DATE,
            "compatibility_flags": [],
            "annotations": { "workers/tag": job.order.mark(), "workers/message": job.order.short_message() },
        });
        let mut url = self.account(["workers", "scripts", name]);
        url.query_pairs_mut().append_pair("excludeScript", "true").append_pair("bindings_inherit", "strict");
        let (payload, content_type) = Form::new()?.text("metadata", &metadata.to_string()).done();
        let call = Call::new(Method::PUT, url, Repeat::Once).payload(payload, content_type);
        let made = match self.call(call, job.cancel).await {
            Ok(made) => made,
            Err(problem) => {
                let find = || self.find_version(name, job.order, job.cancel);
                return look::made_after(Err(problem.into()), &self.api.pace, job.cancel, find).await;
            }
        };
        self.made_version(name, &made, job).await
    }

    /// The id of a version that was made just now. It is live, so nothing here may lead to a second one: the answer
    /// names it in more than one way, the list has the one form that all other calls take, and where that is late the
    /// answer's is brought into it.
    async fn made_version(&self, name: &str, made: &Value, job: &Job<'_>) -> Result<String, DeployError> {
        for look in 1..=MAX_LOOKS {
            match self.find_version(name, job.order, job.cancel).await {
                Ok(Some(id)) => return Ok(id),
                Err(error) if error.kind == ErrorKind::Cancelled => return Err(error),
                Ok(None) | Err(_) => {}
            }
            if look < MAX_LOOKS {
                tokio::select! {
                    biased;
                    () = job.cancel.cancelled() => return Err(DeployError::cancelled()),
                    () = tokio::time::sleep(Duration::from_millis(self.api.pace.poll_ms(0))) => {}
                }
            }
        }
        text(made, "deployment_id").and_then(with_hyphens).ok_or_else(|| {
            let message = "Cloudflare took the upload and does not list it; look at it there before it is deployed again";
            DeployError::new(ErrorKind::Rejected, message)
        })
    }

    /// The state with the version, if one was made: it is live from that moment, and its making may just be carried out.
    pub(super) async fn made_after_all(&self, state: &State, job: &Job<'_>) -> Result<State, DeployError> {
        let mut state = state.clone();
        let may_be_made = matches!(state.step, Step::Stage | Step::Create | Step::Upload);
        let Some(name) = state.project_id.clone().filter(|_| may_be_made) else { return Ok(state) };
        for look in 1..=LOOKS_AFTER_CANCEL {
            state.deployment_id = self.find_version(&name, job.order, job.cancel).await?;
            if state.deployment_id.is_some() {
                break;
            }
            if look < LOOKS_AFTER_CANCEL {
                tokio::time::sleep(Duration::from_millis(self.api.pace.poll_ms(0))).await;
            }
        }
        Ok(state)
    }

    /// Uploads what the account does not have, and returns the token that stands for the whole set.
    async fn upload_assets(&self, name: &str, site: &Site, job: &Job<'_>) -> Result<Secret, DeployError> {
        let files: Vec<&SiteFile> = site.files.iter().filter(|file| is_served(&file.path)).collect();
        let manifest: Map<String, Value> = files
            .iter()
            .map(|file| {
                let entry = json!({ "hash": file.digests.blake3_hex(), "size": file.bytes });
                (format!("/{}", file.path), entry)
            })
            .collect();
        let manifest = json!({ "manifest": manifest });
        let by_hash = site.by_content(|digests| digests.blake3_hex());
        let mut expired = None;
        for _ in 0..MAX_SESSIONS {
            let url = self.account(["workers", "scripts", name, "assets-upload-session"]);
            let call = Call::new(Method::POST, url, Repeat::Safe).json(manifest.clone());
            let session = self.call(call, job.cancel).await?;
            let jwt = Secret::new(needed(KIND, &session, "jwt")?);
            let items = buckets(&session, &by_hash)?;
            if items.is_empty() {
                job.say("nothing to upload: the account has every file already");
                return Ok(jwt);
            }
            match self.upload_buckets(site, &jwt, items, job).await {
                Ok(Some(completion)) => return Ok(completion),
                Ok(None) => {
                    let message = "Cloudflare took every file and did not say that the upload is complete";
                    return Err(DeployError::new(ErrorKind::Unavailable, message));
                }
                // The session's own token: it lives for an hour.
                Err(error) if error.kind == ErrorKind::BadCredentials => expired = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(expired.unwrap_or_else(DeployError::cancelled))
    }

    async fn upload_buckets(
        &self,
        site: &Site,
        jwt: &Secret,
        items: Vec<Bucket<'_>>,
        job: &Job<'_>,
    ) -> Result<Option<Secret>, DeployError> {
        let completion = Mutex::new(None);
        upload::all(job, "upload", items, PARALLEL_BUCKETS.min(self.api.pace.parallel), |bucket| {
            let completion = &completion;
            async move {
                let mut form = Form::new()?;
                for (hash, file) in &bucket {
                    form = form.base64_file(hash, site, file);
                }
                let mut url = self.account(["workers", "assets", "upload"]);
                url.query_pairs_mut().append_pair("base64", "true");
                let (payload, content_type) = form.done();
                let call = Call::new(Method::POST, url, Repeat::Safe)
                    .bearer(jwt.clone())
                    .payload(payload, content_type);
                let result = self.call(call, job.cancel).await?;
                // Only the answer that completes the set has it, and requests may end in any order.
                if let Some(token) = text(&result, "jwt") {
                    *completion.lock().await = Some(Secret::new(token));
                }
                Ok(())
            }
        })
        .await?;
        Ok(completion.into_inner())
    }

    pub(super) async fn switch_on(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let name = state.project()?;
        let url = self.account(["workers", "scripts", name, "subdomain"]);
        let call = Call::new(Method::POST, url, Repeat::Safe)
            .header(API_DATE.0, API_DATE.1)
            .json(json!({ "enabled": true }));
        self.call(call, job.cancel).await?;
        state.clone().live(Visibility::Public)
    }

    pub(super) async fn roll_back_worker(
        &self,
        to: &Release,
        cancel: &CancellationToken,
    ) -> Result<Release, DeployError> {
        let url = self.account(["workers", "scripts", to.project_id.as_str(), "deployments"]);
        let versions = json!([{ "version_id": to.deployment_id, "percentage": 100 }]);
        let call = Call::new(Method::POST, url, Repeat::Safe)
            .json(json!({ "strategy": "percentage", "versions": versions }));
        self.call(call, cancel).await?;
        Ok(to.clone())
    }
}

/// What is to be uploaded, request by request, as the session orders it.
fn buckets<'a>(
    session: &Value,
    by_hash: &std::collections::BTreeMap<String, &'a SiteFile>,
) -> Result<Vec<Bucket<'a>>, DeployError> {
    let mut items = Vec::new();
    for bucket in session.get("buckets").and_then(Value::as_array).into_iter().flatten() {
        let mut files = Vec::new();
        for hash in bucket.as_array().into_iter().flatten().filter_map(Value::as_str) {
            let Some(file) = by_hash.get(hash) else {
                let message = "Cloudflare asks for a file that is not in this site; deploy again";
                return Err(DeployError::new(ErrorKind::Rejected, message));
            };
            files.push((hash.to_owned(), *file));
        }
        let bytes = files.iter().map(|(_, file)| file.bytes).sum();
        if !files.is_empty() {
            items.push((Load { files: files.len() as u64, bytes }, files));
        }
    }
    Ok(items)
}

fn versions(result: &Value) -> Option<&Vec<Value>> {
    result.get("items").and_then(Value::as_array)
}

pub(super) fn is_served(path: &str) -> bool {
    !matches!(path, HEADERS_FILE | REDIRECTS_FILE | ROUTES_FILE)
}

/// A version's id as all other calls write it; the answer to its making leaves the hyphens out.
fn with_hyphens(id: &str) -> Option<String> {
    let digits: String = id.chars().filter(|c| *c != '-').collect();
    if digits.len() != ID_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let (a, b, c, d, e) = (&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]);
    Some(format!("{a}-{b}-{c}-{d}-{e}"))
}

/// A file of rules as text, if it still is what was looked through; its size was checked.
async fn rules_text(site: &Site, file: &SiteFile) -> Result<String, DeployError> {
    let unreadable = |path: &str| {
        DeployError::new(
            ErrorKind::RejectedFile,
            format!("{path} is not text in UTF-8, or cannot be read any more"),
        )
    };
    match &file.source {
        Source::Made(bytes) => String::from_utf8(bytes.to_vec()).map_err(|_| unreadable(&file.path)),
        Source::Disk(name) => {
            let (workspace, name) = (site.workspace().clone(), name.clone());
            let read = tokio::task::spawn_blocking(move || workspace.read_text(&name, MAX_RULES_BYTES));
            let text = read.await.ok().and_then(Result::ok).ok_or_else(|| unreadable(&file.path))?;
            let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
            if hash == file.digests.sha256 {
                return Ok(text);
            }
            let message = format!(
                "{} changed after it had been checked; deploy again when nothing writes to the folder",
                file.path
            );
            Err(DeployError::new(ErrorKind::FileChanged, message))
        }
    }
}

fn no_subdomain() -> DeployError {
    let message = "this Cloudflare account has no name below workers.dev yet; open Workers in its dashboard once, or \
                   name one in the configuration (settings.register_subdomain)";
    DeployError::new(ErrorKind::Config, message)
}
