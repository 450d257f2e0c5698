//! App Store Connect: the upload of a ready, signed `.ipa` as a build. Live means that the build is processed and in
//! TestFlight; a release in the store is decided by people and never claimed here.
//!
//! A build upload is found by its app, version and build number, which are unique together. Only one that still waits
//! for its file can be ours when its creation was not answered. Whose it is says the name of its file, which carries our
//! mark: an upload that another order of ours left behind a day ago is removed, and one of somebody else is left alone.

mod ipa;
mod jwt;
mod operations;
mod owner;

use std::sync::Arc;

use async_trait::async_trait;
use miteos_tools::http::{Guarded, Method, Url};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::body::{Payload, Planned};
use crate::call::{Api, Call, Problem, Refusal, Repeat, needed, text};
use crate::config::AppstoreConfig;
use crate::error::{DeployError, ErrorKind};
use crate::site::Artifact;
use crate::state::{Release, State, Step, Visibility};
use crate::target::{Advance, Job, Next, Target, TargetKind, Tools, Verified};
use crate::upload::{self, Load};

use operations::{Operation, read_operations};
use owner::{Owner, file_name, foreign, is_left_behind, owner, under_way};

pub use ipa::{Ipa, IpaError, Platform, read_ipa};
pub use jwt::{KeyError, read_key};

/// How long Apple may take to process a build; its own tools wait half an hour.
const MAX_WAIT_MS: u64 = 60 * 60 * 1000;
const KIND: TargetKind = TargetKind::Appstore;

pub(crate) struct Appstore {
    api: Api,
    /// For the addresses that Apple names for the pieces: never the owner's side of the client.
    uploads: Api,
    config: AppstoreConfig,
}

impl Appstore {
    pub fn new(config: AppstoreConfig, tools: &Tools) -> Self {
        let secrets = [config.private_key.reveal()];
        let api = Api::new(KIND, tools, None, &secrets, read_refusal);
        let guarded: Guarded = tools.http.clone();
        let uploads = api.through(guarded);
        Self { api, uploads, config }
    }

    /// A call with a token of its own: tokens live for minutes, so one is made for each.
    async fn call(&self, call: Call, cancel: &CancellationToken) -> Result<Value, Problem> {
        let token = jwt::mint(&self.config, self.api.now_ms()).map_err(|error| {
            let message = format!("the private key of the configuration cannot be used: {error}");
            Problem::Other(DeployError::new(ErrorKind::BadCredentials, message))
        })?;
        Ok(self.api.send(call.bearer(token), cancel).await?.json)
    }

    async fn get(&self, url: Url, cancel: &CancellationToken) -> Result<Value, Problem> {
        self.call(Call::get(url), cancel).await
    }

    async fn app(&self, cancel: &CancellationToken) -> Result<Value, DeployError> {
        let mut url = self.api.url(["v1", "apps", self.config.settings.app_id.as_str()]);
        url.query_pairs_mut().append_pair("fields[apps]", "bundleId,name");
        let found = self.get(url, cancel).await.map_err(|problem| match problem {
            Problem::Refused(refusal) if refusal.kind == ErrorKind::NotFound => {
                let mend = "make the app in App Store Connect first; it cannot be made from here";
                Refusal { mend: Some(mend), ..refusal }.into_error()
            }
            problem => problem.into(),
        })?;
        Ok(found.pointer("/data/attributes").cloned().unwrap_or(Value::Null))
    }

    fn ipa<'a>(job: &'a Job<'_>) -> Result<&'a Arc<Ipa>, DeployError> {
        match job.artifact {
            Artifact::Ipa(ipa) => Ok(ipa),
            Artifact::Site(_) | Artifact::Project(_) | Artifact::Gone => {
                Err(DeployError::new(ErrorKind::Config, "App Store Connect takes a ready .ipa file"))
            }
        }
    }

    async fn locate(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let ipa = Self::ipa(job)?;
        let app = self.app(job.cancel).await?;
        if let Some(bundle) = text(&app, "bundleId")
            && bundle != ipa.bundle_id
        {
            let message = format!(
                "the file is of the app {}, and app {} in App Store Connect is {bundle}; deploy to the app's own id",
                ipa.bundle_id, self.config.settings.app_id
            );
            return Err(DeployError::new(ErrorKind::Config, message));
        }
        job.say(format!("{} {} ({})", ipa.bundle_id, ipa.version, ipa.build));
        let mut state = state.clone().at(Step::Create);
        state.project_id = Some(self.config.settings.app_id.clone());
        Ok(Advance::go(state))
    }

    /// The upload of this build, if there is one.
    async fn find(&self, ipa: &Ipa, cancel: &CancellationToken) -> Result<Option<Value>, DeployError> {
        let mut url = self.api.url(["v1", "apps", self.config.settings.app_id.as_str(), "buildUploads"]);
        url.query_pairs_mut()
            .append_pair("filter[cfBundleShortVersionString]", &ipa.version)
            .append_pair("filter[cfBundleVersion]", &ipa.build)
            .append_pair("filter[platform]", ipa.platform.word())
            .append_pair("limit", "10");
        let found = self.get(url, cancel).await?;
        let uploads = found.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
        let alive = |one: &&Value| upload_state(one) != Some("FAILED");
        Ok(uploads.iter().find(alive).cloned())
    }

    /// The files that were announced for an upload.
    async fn files(&self, upload: &str, cancel: &CancellationToken) -> Result<Vec<Value>, DeployError> {
        let url = self.api.url(["v1", "buildUploads", upload, "buildUploadFiles"]);
        let found = self.get(url, cancel).await?;
        Ok(found.get("data").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    /// An upload of this build that waits for its file, if it can be gone on with. What another order of ours left
    /// behind is removed; it would keep the build's number for ever.
    async fn adopted(&self, upload: Value, ipa: &Ipa, job: &Job<'_>) -> Result<Option<Value>, DeployError> {
        let id = needed(KIND, &upload, "id")?;
        match owner(&self.files(&id, job.cancel).await?, ipa, job.order) {
            Owner::ThisOrder => Ok(Some(upload)),
            Owner::AnotherOrder if !is_left_behind(&upload, self.api.now_ms()) => Err(under_way(ipa)),
            Owner::EarlierOfThisOrder | Owner::AnotherOrder => {
                self.remove(&id, job.cancel).await?;
                job.say(format!("removed the build upload {id}, which an earlier deployment left behind"));
                Ok(None)
            }
            Owner::SomebodyElse => Err(foreign(ipa)),
        }
    }

    /// Ends an upload. Can be repeated.
    async fn remove(&self, upload: &str, cancel: &CancellationToken) -> Result<(), DeployError> {
        let url = self.api.url(["v1", "buildUploads", upload]);
        match self.call(Call::new(Method::DELETE, url, Repeat::Safe), cancel).await {
            Ok(_) => Ok(()),
            // It is gone, or processed already and then stays.
            Err(Problem::Refused(refusal)) if matches!(refusal.status, 404 | 409) => Ok(()),
            Err(problem) => Err(problem.into()),
        }
    }

    async fn create(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let ipa = Self::ipa(job)?;
        let upload = match self.find(ipa, job.cancel).await? {
            Some(upload) if upload_state(&upload) == Some("AWAITING_UPLOAD") => {
                match self.adopted(upload, ipa, job).await? {
                    Some(upload) => upload,
                    None => self.make(ipa, job).await?,
                }
            }
            Some(_) => {
                let message = format!(
                    "App Store Connect has build {} of version {} already; raise the build number (CFBundleVersion)",
                    ipa.build, ipa.version
                );
                return Err(DeployError::new(ErrorKind::NameTaken, message));
            }
            None => self.make(ipa, job).await?,
        };
        let id = needed(KIND, &upload, "id")?;
        job.say(format!("build upload {id}"));
        let mut state = state.clone().at(Step::Stage);
        state.url = Some(format!(
            "https://appstoreconnect.apple.com/apps/{}/testflight/{}/{id}",
            self.config.settings.app_id,
            ipa.platform.segment()
        ));
        state.inspect_url = state.url.clone();
        state.deployment_id = Some(id);
        Ok(Advance::go(state))
    }

    async fn make(&self, ipa: &Ipa, job: &Job<'_>) -> Result<Value, DeployError> {
        let body = json!({ "data": {
            "type": "buildUploads",
            "attributes": {
                "cfBundleShortVersionString": ipa.version,
                "cfBundleVersion": ipa.build,
                "platform": ipa.platform.word(),
            },
            "relationships": { "app": { "data": { "type": "apps", "id": self.config.settings.app_id } } },
        }});
        let call = Call::new(Method::POST, self.api.url(["v1", "buildUploads"]), Repeat::Once).json(body);
        let answer = self.call(call, job.cancel).await?;
        Ok(answer.get("data").cloned().unwrap_or(Value::Null))
    }

    /// Announces the file, unless it was announced already.
    async fn reserve(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let (ipa, upload) = (Self::ipa(job)?, state.deployment()?);
        let files = self.files(upload, job.cancel).await?;
        let file = match (files.first(), owner(&files, ipa, job.order)) {
            (Some(file), Owner::ThisOrder) => file.clone(),
            (Some(_), Owner::EarlierOfThisOrder | Owner::AnotherOrder | Owner::SomebodyElse) => {
                return Err(foreign(ipa));
            }
            (None, _) => {
                let body = json!({ "data": {
                    "type": "buildUploadFiles",
                    "attributes": {
                        "assetType": "ASSET",
                        "fileName": file_name(job.order),
                        "fileSize": ipa.bytes,
                        "uti": "com.apple.ipa",
                    },
                    "relationships": { "buildUpload": { "data": { "type": "buildUploads", "id": upload } } },
                }});
                let call = Call::new(Method::POST, self.api.url(["v1", "buildUploadFiles"]), Repeat::Once);
                let answer = self.call(call.json(body), job.cancel).await?;
                answer.get("data").cloned().unwrap_or(Value::Null)
            }
        };
        let mut state = state.clone().at(Step::Upload);
        state.part_id = Some(needed(KIND, &file, "id")?);
        Ok(Advance::go(state))
    }

    async fn file(&self, state: &State, cancel: &CancellationToken) -> Result<Value, DeployError> {
        let id = state.part_id.as_deref().ok_or_else(|| DeployError::lost("file"))?;
        let found = self.get(self.api.url(["v1", "buildUploadFiles", id]), cancel).await?;
        Ok(found.pointer("/data/attributes").cloned().unwrap_or(Value::Null))
    }

    async fn upload(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let ipa = Self::ipa(job)?;
        let file = self.file(state, job.cancel).await?;
        let next = Ok(Advance::go(state.clone().at(Step::Publish)));
        match delivery_state(&file) {
            // It was said already that everything is there.
            Some("UPLOAD_COMPLETE" | "COMPLETE") => return next,
            Some("FAILED") => {
                return Err(self.failed("did not take the file", file.get("assetDeliveryState")));
            }
            _ => {}
        }
        let operations = read_operations(&file, ipa.bytes)?;
        let items = operations.into_iter().map(|one| (Load { files: 1, bytes: one.bytes }, one)).collect();
        upload::all(job, "upload in parts", items, self.api.pace.parallel, |one| self.put(one, ipa, job))
            .await?;
        // A part is a piece of a file, so only the whole can be compared with what was looked through.
        let whole = Arc::clone(ipa);
        if !tokio::task::spawn_blocking(move || whole.is_unchanged()).await.unwrap_or(false) {
            let message = format!(
                "{} changed after it had been checked; deploy again when nothing writes to it",
                ipa.name().as_str()
            );
            return Err(DeployError::new(ErrorKind::FileChanged, message));
        }
        next
    }

    async fn put(&self, operation: Operation, ipa: &Ipa, job: &Job<'_>) -> Result<(), DeployError> {
        let planned = Planned {
            workspace: ipa.workspace().clone(),
            name: ipa.name().clone(),
            bytes: ipa.bytes,
            sha256: ipa.sha256,
        };
        let payload = Payload::range(planned, operation.offset, operation.bytes);
        let mut call = Call::new(operation.method, operation.url, Repeat::Safe);
        let mut content_type = "application/octet-stream".to_owned();
        for (name, value) in operation.headers {
            match name.to_ascii_lowercase().as_str() {
                "content-type" => content_type = value,
                // Said by the body itself.
                "content-length" | "host" => {}
                _ => call = call.header(&name, &value),
            }
        }
        match self.uploads.send(call.payload(payload, content_type), job.cancel).await {
            Ok(_) => Ok(()),
            // The address has lapsed; the step is taken again, with new ones.
            Err(Problem::Refused(refusal)) if matches!(refusal.status, 401 | 403 | 404 | 410) => {
                Err(Refusal { kind: ErrorKind::Unavailable, ..refusal }.into_error())
            }
            Err(problem) => Err(problem.into()),
        }
    }

    async fn commit(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let id = state.part_id.as_deref().ok_or_else(|| DeployError::lost("file"))?;
        let file = self.file(state, job.cancel).await?;
        if !matches!(delivery_state(&file), Some("UPLOAD_COMPLETE" | "COMPLETE")) {
            let body = json!({ "data": { "type": "buildUploadFiles", "id": id, "attributes": { "uploaded": true } } });
            let url = self.api.url(["v1", "buildUploadFiles", id]);
            self.call(Call::new(Method::PATCH, url, Repeat::Safe).json(body), job.cancel).await?;
        }
        Ok(Advance::go(state.clone().waiting(self.api.now_ms())))
    }

    async fn wait(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        let file = self.file(state, job.cancel).await?;
        if delivery_state(&file) == Some("FAILED") {
            return Err(self.failed("did not take the file", file.get("assetDeliveryState")));
        }
        let id = state.deployment()?;
        let found = self.get(self.api.url(["v1", "buildUploads", id]), job.cancel).await?;
        let data = found.get("data").unwrap_or(&Value::Null);
        match upload_state(data) {
            Some("COMPLETE") => {}
            Some("FAILED") => {
                return Err(self.failed("did not take the build", data.pointer("/attributes/state")));
            }
            seen => {
                let now = self.api.now_ms();
                let waited = now.saturating_sub(state.waiting_since_ms.unwrap_or(now));
                if waited > MAX_WAIT_MS {
                    let message = format!(
                        "App Store Connect has not processed the build after {} minutes (its state is {}); look at it \
                         there",
                        MAX_WAIT_MS / 60_000,
                        self.api.clean(seen.unwrap_or("unknown"))
                    );
                    return Err(DeployError::new(ErrorKind::TimedOut, message));
                }
                let next = Next::WaitMs(self.api.pace.poll_ms(waited));
                return Ok(Advance { state: state.clone(), next });
            }
        }
        state.clone().live(Visibility::Account)
    }

    /// With Apple's own codes, which people look up.
    fn failed(&self, what: &str, state: Option<&Value>) -> DeployError {
        let errors = state.and_then(|state| state.get("errors")).and_then(Value::as_array);
        let said: Vec<String> = errors
            .into_iter()
            .flatten()
            .map(|error| {
                let code = match error.get("code") {
                    Some(Value::Number(code)) => code.to_string(),
                    other => other.and_then(Value::as_str).unwrap_or("?").to_owned(),
                };
                format!("{code}: {}", text(error, "description").unwrap_or("no description"))
            })
            .collect();
        let said = if said.is_empty() { "it gave no reason".to_owned() } else { said.join("; ") };
        DeployError::new(
            ErrorKind::ProviderFailed,
            format!("App Store Connect {what}: {}", self.api.clean(&said)),
        )
    }
}

#[async_trait]
impl Target for Appstore {
    fn kind(&self) -> TargetKind {
        KIND
    }

    async fn verify(&self, cancel: &CancellationToken) -> Result<Verified, DeployError> {
        let app = self.app(cancel).await?;
        let name = text(&app, "name").unwrap_or(&self.config.settings.app_id).to_owned();
        Ok(Verified { account: self.config.issuer_id.clone(), project: Some(name) })
    }

    fn prepare(&self, artifact: Artifact) -> Result<Artifact, DeployError> {
        match &artifact {
            Artifact::Ipa(_) => Ok(artifact),
            Artifact::Site(_) | Artifact::Project(_) | Artifact::Gone => {
                Err(DeployError::new(ErrorKind::Config, "App Store Connect takes a ready .ipa file"))
            }
        }
    }

    async fn next(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError> {
        match (state.step, &state.deployment_id) {
            (Step::Locate, _) => self.locate(state, job).await,
            (Step::Create, _) | (Step::Stage, None) => self.create(state, job).await,
            (Step::Stage, Some(_)) => self.reserve(state, job).await,
            (Step::Upload, _) => self.upload(state, job).await,
            (Step::Publish, _) => self.commit(state, job).await,
            (Step::Wait, _) => self.wait(state, job).await,
            (Step::Live, _) => state.clone().released(),
        }
    }

    /// An upload whose creation was not answered is known by the app's version and build number alone.
    fn cancels_by_files(&self, state: &State) -> bool {
        state.deployment_id.is_none() && state.step == Step::Create
    }

    async fn cancel(&self, state: &State, job: &Job<'_>) -> Result<(), DeployError> {
        let id = match (&state.deployment_id, state.step) {
            (Some(id), _) => Some(id.clone()),
            (None, Step::Create) => {
                let ipa = Self::ipa(job)?;
                let found = self.find(ipa, job.cancel).await?;
                let waiting = found.filter(|one| upload_state(one) == Some("AWAITING_UPLOAD"));
                match waiting.as_ref().and_then(|one| text(one, "id")) {
                    Some(id) => match owner(&self.files(id, job.cancel).await?, ipa, job.order) {
                        Owner::ThisOrder | Owner::EarlierOfThisOrder => Some(id.to_owned()),
                        Owner::AnotherOrder | Owner::SomebodyElse => None,
                    },
                    None => None,
                }
            }
            (None, _) => None,
        };
        match id {
            Some(id) => self.remove(&id, job.cancel).await,
            None => Ok(()),
        }
    }

    async fn roll_back(&self, _to: &Release, _cancel: &CancellationToken) -> Result<Release, DeployError> {
        let message =
            "a build in TestFlight cannot be taken back; upload an older one with a higher build number";
        Err(DeployError::new(ErrorKind::Config, message))
    }
}

fn upload_state(upload: &Value) -> Option<&str> {
    upload.pointer("/attributes/state/state").and_then(Value::as_str)
}

fn delivery_state(file: &Value) -> Option<&str> {
    file.pointer("/assetDeliveryState/state").and_then(Value::as_str)
}

/// `{"errors":[{"status":"409","code":"ENTITY_ERROR…","title":"…","detail":"…"}]}`.
fn read_refusal(refusal: &mut Refusal) {
    let error = refusal.body.pointer("/errors/0").cloned().unwrap_or(Value::Null);
    refusal.code = text(&error, "code").unwrap_or_default().to_owned();
    refusal.said = text(&error, "detail").or_else(|| text(&error, "title")).unwrap_or_default().to_owned();
    match refusal.status {
        401 => {
            refusal.mend = Some(
                "check issuer id, key id and private key, that the key was not revoked, and this machine's clock",
            );
        }
        403 => refusal.mend = Some("give the key the role App Manager or Developer"),
        409 if refusal.code.ends_with(".DUPLICATE") => {
            refusal.kind = ErrorKind::NameTaken;
            refusal.mend = Some("raise the build number (CFBundleVersion)");
        }
        _ => {}
    }
}
