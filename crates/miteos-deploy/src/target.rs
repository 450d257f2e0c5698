//! What every target can do, and what it is given to do it. Knows no single provider but by name.

use std::sync::Arc;

use async_trait::async_trait;
use miteos_tools::http::Guarded;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::call::{Bases, Clock, Pace};
use crate::config::Config;
use crate::error::{DeployError, ErrorKind, Retry};
use crate::expo::Runner;
use crate::site::{Artifact, Site, SiteLimits};
use crate::state::{Release, State, Step};

/// The longest key of an order: providers keep it in a tag of at most 100 bytes.
pub const MAX_KEY_BYTES: usize = 64;
/// The longest name of a project: it is a label of a host name (bytes).
pub const MAX_PROJECT_BYTES: usize = 58;

/// The longest message that a provider is given (bytes): some cut it, and one takes it as a part of an address.
const MAX_SHORT_MESSAGE_BYTES: usize = 100;

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    Netlify,
    Vercel,
    Cloudflare,
    Expo,
    Appstore,
}

impl TargetKind {
    pub const ALL: [Self; 5] = [Self::Netlify, Self::Vercel, Self::Cloudflare, Self::Expo, Self::Appstore];

    /// As the API writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Netlify => "netlify",
            Self::Vercel => "vercel",
            Self::Cloudflare => "cloudflare",
            Self::Expo => "expo",
            Self::Appstore => "appstore",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// What a folder for this target may hold. Where a provider names no limit, ours keeps a deployment within an
    /// hour on a slow line.
    pub fn limits(self) -> SiteLimits {
        match self {
            Self::Netlify => SiteLimits { max_files: 50_000, max_file_bytes: GIB, max_total_bytes: 10 * GIB },
            Self::Vercel => SiteLimits { max_files: 15_000, max_file_bytes: 100 * MIB, max_total_bytes: GIB },
            Self::Cloudflare => {
                SiteLimits { max_files: 20_000, max_file_bytes: 25 * MIB, max_total_bytes: 10 * GIB }
            }
            Self::Expo => {
                SiteLimits { max_files: 20_000, max_file_bytes: 500 * MIB, max_total_bytes: 5 * GIB }
            }
            Self::Appstore => SiteLimits { max_files: 1, max_file_bytes: 4 * GIB, max_total_bytes: 4 * GIB },
        }
    }
}

/// Where a deployment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    #[default]
    Production,
    /// An address of its own; what is live stays live.
    Preview,
}

/// What is to be deployed, the same for the whole life of the deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The mark of this deployment, unique for ever: its id. The provider's record carries it, and by it the
    /// deployment is found again when an answer was lost.
    pub key: String,
    /// The provider's project, where the configuration names none: unique to the workspace, because a project of
    /// this name in the account is taken to be this workspace's.
    pub project: String,
    /// One line for people, without control characters. Providers are given its beginning.
    pub message: String,
}

impl Order {
    /// Refuses what could not be a mark or a host name.
    pub fn check(&self) -> Result<(), DeployError> {
        let config = |message| Err(DeployError::new(ErrorKind::Config, message));
        let key_fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if self.key.is_empty() || self.key.len() > MAX_KEY_BYTES || !self.key.chars().all(key_fits) {
            return config(format!(
                "the deployment's key must be 1 to {MAX_KEY_BYTES} letters, digits, - or _"
            ));
        }
        let name_fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let project = &self.project;
        let edges = project.starts_with('-') || project.ends_with('-');
        let fits =
            project.chars().all(name_fits) && !project.is_empty() && project.len() <= MAX_PROJECT_BYTES;
        if edges || !fits {
            return config(format!(
                "\"{}\" cannot be a project's name; use 1 to {MAX_PROJECT_BYTES} lower-case letters, digits and -, \
                 the last not at the ends",
                project.chars().take(MAX_PROJECT_BYTES).collect::<String>()
            ));
        }
        if self.message.chars().any(char::is_control) {
            return config("the deployment's message must be one line without control characters".to_owned());
        }
        Ok(())
    }

    /// The message, cut where a provider would cut it.
    pub(crate) fn short_message(&self) -> &str {
        let mut end = self.message.len().min(MAX_SHORT_MESSAGE_BYTES);
        while !self.message.is_char_boundary(end) {
            end -= 1;
        }
        &self.message[..end]
    }

    /// The mark as it stands in the provider's records.
    pub fn mark(&self) -> String {
        format!("miteos:{}", self.key)
    }
}

/// One line for the deployment's log, with how far the upload has come where it is one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    pub text: String,
    pub files_done: u64,
    pub files_total: u64,
    pub bytes_done: u64,
    pub bytes_total: u64,
}

impl Line {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// What a step is given.
pub struct Job<'a> {
    pub order: &'a Order,
    pub artifact: &'a Artifact,
    pub cancel: &'a CancellationToken,
    /// Takes lines for the log, also while a step runs.
    pub log: &'a (dyn Fn(Line) + Send + Sync),
}

impl Job<'_> {
    pub(crate) fn site(&self) -> Result<&Arc<Site>, DeployError> {
        match self.artifact {
            Artifact::Site(site) => Ok(site),
            Artifact::Ipa(_) | Artifact::Project(_) | Artifact::Gone => {
                Err(DeployError::new(ErrorKind::Config, "this target publishes a folder of files"))
            }
        }
    }

    pub(crate) fn say(&self, text: impl Into<String>) {
        (self.log)(Line::new(text));
    }
}

/// What the caller does after a step. The state is kept before anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The next step can be taken at once.
    Go,
    /// Not before so many milliseconds have passed.
    WaitMs(u64),
    /// It is live.
    Done(Release),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    pub state: State,
    pub next: Next,
}

impl Advance {
    pub(crate) fn go(state: State) -> Self {
        Self { state, next: Next::Go }
    }
}

/// What the provider said about the credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Whose account it is, as the provider names it.
    pub account: String,
    /// The project that the configuration names, if it names one and it is there.
    pub project: Option<String>,
}

/// A provider with the configuration of one account.
///
/// A caller keeps the state that each step hands out before it takes the next one. After a crash it goes on with the
/// last one that it kept: a step that was under way is taken again, and looks first at what came of it.
#[async_trait]
pub trait Target: Send + Sync {
    fn kind(&self) -> TargetKind;

    /// Asks the provider whether the credentials can do what a deployment needs.
    async fn verify(&self, cancel: &CancellationToken) -> Result<Verified, DeployError>;

    /// Prepares the files as this provider wants them, and refuses what it would refuse. Makes no call.
    fn prepare(&self, artifact: Artifact) -> Result<Artifact, DeployError>;

    /// Takes one step. At most one request in it makes something that must not be made twice, and before that one
    /// the provider is asked whether it was made already.
    ///
    /// An error leaves the state as it was; [`ErrorKind::retry`] says whether to ask again with it. In
    /// [`Step::Wait`](crate::Step::Wait) the provider goes on by itself, so there a caller asks again for as long as the
    /// provider may take, and not only a few times. At [`Step::Live`](crate::Step::Live) nothing is asked or done: the
    /// release is told from the state.
    async fn next(&self, state: &State, job: &Job<'_>) -> Result<Advance, DeployError>;

    /// Whether [`cancel`](Self::cancel) has to look at the files at this state, to tell what was begun for them.
    fn cancels_by_files(&self, _state: &State) -> bool {
        false
    }

    /// Ends what the provider has begun for this state. What is live already stays live. Can be repeated.
    async fn cancel(&self, state: &State, job: &Job<'_>) -> Result<(), DeployError>;

    /// Asked after [`cancel`](Self::cancel), at whatever state: how it is live all the same, since a provider goes on by
    /// itself up to the last moment. `None`: it is not, and will not be. An error that passes: it is not known yet. Can be
    /// repeated.
    async fn live_after_all(&self, state: &State, job: &Job<'_>) -> Result<Option<State>, DeployError> {
        settled(self, state, job).await
    }

    /// Makes an older release the live one again.
    async fn roll_back(&self, to: &Release, cancel: &CancellationToken) -> Result<Release, DeployError>;
}

/// Whether a deployment whose id is known is live, asked as while it is waited for. That it cannot become so, or is not
/// there, is an answer, too; that it is still under way is none, since who refuses to end it may bring it to its end.
pub(crate) async fn settled(
    target: &(impl Target + ?Sized),
    state: &State,
    job: &Job<'_>,
) -> Result<Option<State>, DeployError> {
    if state.step == Step::Live {
        return Ok(Some(state.clone()));
    }
    if state.deployment_id.is_none() {
        return Ok(None);
    }
    match target.next(&state.clone().at(Step::Wait), job).await {
        Ok(Advance { state, next: Next::Done(_) }) => Ok(Some(state)),
        Ok(_) => {
            let message = "it was not ended there and is still under way, so it may go live yet";
            Err(DeployError::new(ErrorKind::Unavailable, message))
        }
        Err(error) if error.kind.retry() == Retry::Never => Ok(None),
        Err(error) => Err(error),
    }
}

/// What targets work with, one for the whole process.
#[derive(Clone)]
pub struct Tools {
    /// The guarded client; targets make no other.
    pub http: Guarded,
    pub bases: Bases,
    pub clock: Arc<dyn Clock>,
    pub pace: Pace,
    /// Runs command-line tools for the targets that need one.
    pub runner: Arc<dyn Runner>,
}

/// The target of a configuration.
pub fn open(config: Config, tools: &Tools) -> Box<dyn Target> {
    match config {
        Config::Netlify(config) => Box::new(crate::netlify::Netlify::new(config, tools)),
        Config::Vercel(config) => Box::new(crate::vercel::Vercel::new(config, tools)),
        Config::Cloudflare(config) => Box::new(crate::cloudflare::Cloudflare::new(config, tools)),
        Config::Expo(config) => Box::new(crate::expo::Expo::new(config, tools)),
        Config::Appstore(config) => Box::new(crate::appstore::Appstore::new(config, tools)),
    }
}
