//! What a server is started with, resolved: no file, flag or environment is read behind this.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use miteos_deploy::build::Registries;
use miteos_deploy::{Bases, Pace};
use miteos_models::{ModelsConfig, Provider};
use miteos_sandbox::BackendChoice;
use miteos_store::{CrashHook, FaultHook};
use miteos_tools::Tool;
use miteos_tools::http::{EgressPolicy, Names, SystemNames};
use miteos_tools::search::SearchConfig;

use crate::clock::{Clock, Ids, SystemClock};
use crate::deployments::{Builder, Publisher};
use crate::secrets::MasterKey;
use crate::serve::HEAD_PATIENCE;
use crate::{keys, webhooks};

pub use crate::preview::DEFAULT_MAX_BYTES as DEFAULT_PREVIEW_MAX_BYTES;
pub use crate::preview::Hosts as PreviewHosts;
pub use crate::traces::TraceConfig;
pub use miteos_models::Secret;

/// Where programs of agents run.
#[derive(Debug, Clone)]
pub struct SandboxSettings {
    pub backend: BackendChoice,
    /// The program that is started again as the sandbox's helper: this binary.
    pub helper: PathBuf,
    /// Toolchains outside the system's folders that programs may read.
    pub read_only_binds: Vec<PathBuf>,
}

/// How long things of a stream may take. People have no reason to change them; tests have none to wait.
#[derive(Debug, Clone, Copy)]
pub struct StreamTimes {
    /// A quiet stream says something this often.
    pub keep_alive: Duration,
    /// What an `EventSource` is told to wait before it comes back.
    pub retry: Duration,
    /// A WebSocket is closed that has not shown a key by then.
    pub auth: Duration,
    /// A connection is cut that has taken nothing of what waits for it for this long.
    pub unread: Duration,
    /// How long the head of a request may take, and how long a connection stays open between two requests.
    pub head: Duration,
    /// Keys with open streams are looked at this often: whether they still open anything.
    pub key_check: Duration,
}

impl Default for StreamTimes {
    fn default() -> Self {
        Self {
            keep_alive: Duration::from_secs(15),
            retry: Duration::from_secs(1),
            auth: Duration::from_secs(10),
            unread: Duration::from_secs(30),
            head: HEAD_PATIENCE,
            key_check: Duration::from_secs(5),
        }
    }
}

/// Who may read the server's own figures.
#[derive(Debug, Clone, Default)]
pub struct MetricsConfig {
    /// An address of their own: whoever reaches it reads them.
    pub listen: Option<SocketAddr>,
    /// What a reader has to show; without it they are not at the API's address.
    pub token: Option<Secret>,
}

/// How deploy providers are asked.
#[derive(Debug, Clone)]
pub struct DeploySettings {
    /// Where their APIs are. Only the server's owner can name others, never a client.
    pub bases: Bases,
    pub pace: Pace,
    /// Expo's tool; `None`: the pinned version, installed when it is first needed.
    pub eas: Option<PathBuf>,
    /// How often a published address is looked at, as a visitor would, before the log says that it is not served yet.
    pub visits: u32,
}

/// Looks at a published address unless configured otherwise: a new one is often served some seconds later.
pub const DEFAULT_VISITS: u32 = 5;

impl Default for DeploySettings {
    fn default() -> Self {
        Self { bases: Bases::default(), pace: Pace::default(), eas: None, visits: DEFAULT_VISITS }
    }
}

/// Where sites that agents made are shown, and how much of them.
#[derive(Debug, Clone)]
pub struct PreviewConfig {
    /// `None`: on this machine alone, at the port behind the API's; if that is taken, at any free one.
    pub listen: Option<SocketAddr>,
    /// The host names that previews have for those who look at them; `None`: names of this machine alone.
    pub hosts: Option<PreviewHosts>,
    /// What the previews of one account in one world may take up (bytes).
    pub max_bytes: u64,
    /// How long a new preview is shown (ms); `None`: until somebody ends it.
    pub lives_ms: Option<u64>,
}

impl Default for PreviewConfig {
    fn default() -> Self {
        Self { listen: None, hosts: None, max_bytes: DEFAULT_PREVIEW_MAX_BYTES, lives_ms: None }
    }
}

/// A file of the page for people.
#[derive(Debug, Clone, Copy)]
pub struct PageFile {
    /// Where it is served; the page itself is `/index.html`.
    pub path: &'static str,
    pub bytes: &'static [u8],
    /// The same, packed.
    pub gzip: Option<&'static [u8]>,
}

pub struct Config {
    /// Port 0 takes any free one.
    pub listen: SocketAddr,
    pub data_dir: PathBuf,
    /// The address that links begin with; `None`: the one that is listened on.
    pub public_url: Option<String>,
    /// The first live key, instead of a random one.
    pub bootstrap_key: Option<Secret>,
    /// The master key, instead of the data folder's.
    pub secret_key: Option<Secret>,
    pub models: ModelsConfig,
    /// More providers, by name: the local model, and scripts in tests.
    pub providers: Vec<(String, Arc<dyn Provider>)>,
    /// More tools, beside the built-in ones.
    pub tools: Vec<Arc<dyn Tool>>,
    pub sandbox: SandboxSettings,
    pub search: SearchConfig,
    /// Private addresses that outgoing calls may reach.
    pub egress: EgressPolicy,
    /// Where builds get packages from; without it the machine's package managers are asked.
    pub build_registries: Option<Registries>,
    /// The folders of the server's `PATH`: builds use the node and the package managers that it leads to.
    pub programs: Vec<PathBuf>,
    /// How outgoing calls look names up.
    pub names: Arc<dyn Names>,
    /// How long the receiver of a webhook has for its whole answer.
    pub webhook_timeout: Duration,
    /// Model calls an agent may make before it must answer.
    pub max_model_calls: u32,
    /// Settled as rejected after this long without an answer (ms).
    pub approval_expires_ms: u64,
    pub streams: StreamTimes,
    pub deploy: DeploySettings,
    /// What makes files of a workspace that is deployed; without it, builds run in the sandbox.
    pub builder: Option<Arc<dyn Builder>>,
    /// What serves sites on this server itself, in place of the preview host.
    pub publisher: Option<Arc<dyn Publisher>>,
    pub metrics: MetricsConfig,
    pub preview: PreviewConfig,
    /// The page for people at `/`; empty: there is none.
    pub page: Vec<PageFile>,
    /// Where spans are sent, if anywhere.
    pub traces: Option<TraceConfig>,
    /// Between two looks for blobs that nothing names any more.
    pub collect_every: Duration,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<Ids>,
    /// Called after every durable append, before anybody is told: where tests pull the plug.
    pub crash: Option<CrashHook>,
    /// Makes chosen writes fail, in tests.
    pub fault: Option<FaultHook>,
}

/// Shorter tokens for the figures are refused (bytes): they could be guessed.
const MIN_METRICS_TOKEN_BYTES: usize = 16;
/// Model calls an agent may make unless configured otherwise.
pub const DEFAULT_MAX_MODEL_CALLS: u32 = 50;
/// Seven days (ms).
pub const DEFAULT_APPROVAL_EXPIRES_MS: u64 = 7 * 24 * 3600 * 1000;

impl Config {
    /// The defaults for a data folder and an address. `helper` is the running binary.
    pub fn new(data_dir: PathBuf, listen: SocketAddr, helper: PathBuf) -> Self {
        Self {
            listen,
            data_dir,
            public_url: None,
            bootstrap_key: None,
            secret_key: None,
            models: ModelsConfig::default(),
            providers: Vec::new(),
            tools: Vec::new(),
            sandbox: SandboxSettings { backend: BackendChoice::Auto, helper, read_only_binds: Vec::new() },
            search: SearchConfig::keyless(),
            egress: EgressPolicy::default(),
            build_registries: None,
            programs: Vec::new(),
            names: Arc::new(SystemNames),
            webhook_timeout: webhooks::DEFAULT_TIMEOUT,
            max_model_calls: DEFAULT_MAX_MODEL_CALLS,
            approval_expires_ms: DEFAULT_APPROVAL_EXPIRES_MS,
            streams: StreamTimes::default(),
            deploy: DeploySettings::default(),
            builder: None,
            publisher: None,
            metrics: MetricsConfig::default(),
            preview: PreviewConfig::default(),
            page: Vec::new(),
            traces: None,
            collect_every: crate::collection::TURN_EVERY,
            clock: Arc::new(SystemClock),
            ids: Arc::new(Ids::Random),
            crash: None,
            fault: None,
        }
    }

    /// What is wrong with a secret: the server does not start with it, and whoever looks at settings asks the same.
    pub fn metrics_token_is_wrong(token: &str) -> Option<String> {
        let least = MIN_METRICS_TOKEN_BYTES;
        (token.len() < least)
            .then(|| format!("the token for the figures is too short; it must have at least {least} bytes"))
    }

    /// The same of a master key.
    pub fn secret_key_is_wrong(text: &str) -> Option<String> {
        MasterKey::from_text(text).err()
    }

    /// The same of the first live key, which counts at the first start alone.
    pub fn bootstrap_key_is_wrong(key: &str) -> Option<String> {
        keys::check_live(key).err().map(|error| error.to_string())
    }
}
