//! The server inside this process: its configuration out of the settings, its start and its end. With
//! `commands/model.rs` and `commands/backup.rs` the only module that names the server crate.

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miteos_server::models::local::{self, InstalledModel};
use miteos_server::models::{self, ModelName, Models, ModelsConfig, Provider, Secret};
use miteos_server::sandbox::{self, BackendChoice, Sandbox, State};
use miteos_server::{
    BootstrapKeys, Config, EgressPolicy, Followers, MetricsConfig, PageFile, PreviewConfig, PreviewHosts,
    Registries, SearchConfig, Server, StartError, TraceConfig,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::config::{self, Settings};
use crate::failure::{Exit, Failure};
use crate::locate::Announcement;
use crate::render::checks::{Finding, Verdict};
use crate::render::paint::Tone;

/// Where weights of local models are, below the data folder.
const MODELS_FOLDER: &str = "models";
/// A server of one command listens where nobody else does.
const ANY_PORT: &str = "127.0.0.1:0";

/// What a sandbox needs before everything else: in a helper process this call never returns.
pub fn run_helper_if_asked() {
    sandbox::run_helper_if_asked();
}

/// Flags of `serve`.
#[derive(Debug, Default)]
pub struct Flags {
    pub listen: Option<String>,
    pub database_url: Option<String>,
    pub public_url: Option<String>,
    pub preview_listen: Option<String>,
    pub preview_url: Option<String>,
    pub metrics_listen: Option<String>,
}

/// A server that answers.
pub struct Embedded {
    url: String,
    previews: String,
    keys: Option<BootstrapKeys>,
    sign_in: Option<String>,
    model: (Tone, String),
    sandbox: (Tone, String),
    stop: oneshot::Sender<()>,
    running: JoinHandle<std::io::Result<()>>,
    followers: Followers,
    _announcement: Announcement,
}

impl Embedded {
    /// One for a single command, on a free port of this machine.
    pub async fn start(settings: &Settings) -> Result<Self, Failure> {
        let flags = Flags { listen: Some(ANY_PORT.to_owned()), ..Flags::default() };
        let mut config = resolve(settings, &flags).await?;
        // What the machine's own server is set to listen on, and how others reach that one, is not meant for this one.
        config.metrics = MetricsConfig::default();
        config.public_url = None;
        Self::with(config).await
    }

    pub async fn serve(settings: &Settings, flags: &Flags) -> Result<Self, Failure> {
        Self::with(resolve(settings, flags).await?).await
    }

    async fn with(config: Config) -> Result<Self, Failure> {
        let data_dir = config.data_dir.clone();
        let server = Box::pin(Server::start(config)).await.map_err(not_started)?;
        let announcement = Announcement::write(&data_dir, &server.url())?;
        let (url, previews) = (server.url(), server.previews_at());
        let keys = server.keys().cloned();
        // A link to a page that is not there would lead nowhere.
        let sign_in = if miteos_web::is_built() { server.sign_in_link() } else { None };
        let followers = server.followers();
        let model = model_status(&server.models());
        let sandbox = sandbox_status(&server.sandbox_status().await.state);
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run_until(async move {
            // Asked to, or whoever could ask is gone: the end either way.
            let _asked = stopped.await;
        }));
        Ok(Self {
            url,
            previews,
            keys,
            sign_in,
            model,
            sandbox,
            stop,
            running,
            followers,
            _announcement: announcement,
        })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// How the addresses of previews look.
    pub fn previews(&self) -> &str {
        &self.previews
    }

    /// Only after the first start.
    pub fn keys(&self) -> Option<&BootstrapKeys> {
        self.keys.as_ref()
    }

    /// Signs one browser of this machine in, for ten minutes.
    pub fn sign_in(&self) -> Option<&str> {
        self.sign_in.as_deref()
    }

    pub fn model(&self) -> &(Tone, String) {
        &self.model
    }

    pub fn sandbox(&self) -> &(Tone, String) {
        &self.sandbox
    }

    /// Those who follow tasks through this server.
    pub fn followers(&self) -> &Followers {
        &self.followers
    }

    /// Until `shutdown` ends, or the server fails.
    pub async fn run_until(mut self, shutdown: impl Future<Output = ()>) -> Result<(), Failure> {
        tokio::select! {
            ended = &mut self.running => ended_by_itself(ended),
            () = shutdown => {
                self.stop().await;
                Ok(())
            }
        }
    }

    /// Lets running calls record what came of them, and closes the data folder.
    pub async fn stop(self) {
        // It may have ended by itself; then there is nobody to tell and nothing to wait for.
        let _told = self.stop.send(());
        let _ended = self.running.await;
    }
}

fn ended_by_itself(ended: Result<std::io::Result<()>, tokio::task::JoinError>) -> Result<(), Failure> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Failure::io("go on serving", &error)),
        Err(error) => Err(Failure::new(Exit::Usage, format!("the server ended by accident: {error}"))),
    }
}

/// The message and its causes, each once.
fn not_started(error: StartError) -> Failure {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    Failure::usage(message).hint("`miteos doctor` looks for the reason and says the mend")
}

async fn resolve(settings: &Settings, flags: &Flags) -> Result<Config, Failure> {
    let listen = flags.listen.clone().or_else(|| settings.get(config::LISTEN));
    let listen = listen.as_deref().unwrap_or(config::DEFAULT_LISTEN);
    let listen = address(listen)?;
    if let Some(url) = flags.database_url.clone().or_else(|| settings.get(config::DATABASE_URL)) {
        return Err(Failure::usage(format!(
            "this build keeps its data in SQLite in the data folder only, and cannot use {}",
            url.split(':').next().unwrap_or_default()
        ))
        .hint("leave --database-url and MITEOS_DATABASE_URL out, and choose the place with --data-dir"));
    }
    let helper = std::env::current_exe().map_err(|error| Failure::io("find this program itself", &error))?;
    let mut config = Config::new(settings.data_dir().to_owned(), listen, helper);
    let public_url = settings.url(config::PUBLIC_URL, flags.public_url.as_deref());
    config.public_url = public_url.map_err(|wrong| Failure::usage(wrong.what).hint(wrong.mend))?;
    config.preview = previews(settings, flags)?;
    config.bootstrap_key = settings.get(config::BOOTSTRAP_KEY).map(Secret::new);
    config.secret_key = settings.get(config::SECRET_KEY).map(Secret::new);
    config.page = page();
    config.models = models_config(settings).await;
    config.providers = local_provider(settings, &config.models);
    config.sandbox.backend = backend(settings)?;
    config.programs = settings.programs();
    let get = |name: &str| settings.get(name);
    config.search = SearchConfig::from_settings(&get).map_err(|error| Failure::usage(error.to_string()))?;
    if let Some(list) = settings.get(config::EGRESS_ALLOW) {
        config.egress = EgressPolicy::parse(&list)
            .map_err(|error| Failure::usage(format!("{}: {error}", config::EGRESS_ALLOW)))?;
    }
    if let Some(list) = settings.get(config::BUILD_REGISTRIES) {
        let registries = Registries::parse(&list);
        let registries =
            registries.map_err(|error| Failure::usage(format!("{}: {error}", config::BUILD_REGISTRIES)))?;
        config.build_registries = Some(registries);
    }
    config.deploy.eas = settings.get(config::EAS).map(PathBuf::from);
    let figures = flags.metrics_listen.clone().or_else(|| settings.get(config::METRICS_LISTEN));
    config.metrics = MetricsConfig {
        listen: figures.as_deref().map(address).transpose()?,
        token: settings.get(config::METRICS_TOKEN).map(Secret::new),
    };
    match TraceConfig::from_settings(&get) {
        Ok(traces) => config.traces = traces,
        // A variable that is set for all programs of a machine must not keep the server from starting.
        Err(why) => tracing::warn!(why, "no spans are sent"),
    }
    Ok(config)
}

fn previews(settings: &Settings, flags: &Flags) -> Result<PreviewConfig, Failure> {
    let listen = flags.preview_listen.clone().or_else(|| settings.get(config::PREVIEW_LISTEN));
    let listen = listen.as_deref().map(address).transpose()?;
    let url = flags.preview_url.clone().or_else(|| settings.get(config::PREVIEW_URL));
    let hosts = url.as_deref().map(PreviewHosts::parse).transpose();
    let hosts = hosts.map_err(|wrong| {
        Failure::usage(format!("{}: {wrong}", config::PREVIEW_URL)).hint("https://*.preview.example is one")
    })?;
    let number = |name| settings.number(name).map_err(|wrong| Failure::usage(wrong.what).hint(wrong.mend));
    let max_bytes = number(config::PREVIEW_MAX_MIB)?.map(|mib| mib * 1024 * 1024);
    let lives_ms = number(config::PREVIEW_DAYS)?.map(|days| days * 24 * 3600 * 1000);
    let usual = PreviewConfig::default();
    Ok(PreviewConfig { listen, hosts, max_bytes: max_bytes.unwrap_or(usual.max_bytes), lives_ms })
}

/// The page for people, as it was built into this program.
fn page() -> Vec<PageFile> {
    let files = miteos_web::files().iter();
    files.map(|file| PageFile { path: file.path, bytes: file.bytes, gzip: file.gzip }).collect()
}

fn address(text: &str) -> Result<SocketAddr, Failure> {
    text.parse().map_err(|_| {
        Failure::usage(format!("{text} is no address to listen on")).hint("one looks like 127.0.0.1:7700")
    })
}

fn backend(settings: &Settings) -> Result<BackendChoice, Failure> {
    let Some(word) = settings.get(config::SANDBOX) else { return Ok(BackendChoice::Auto) };
    match word.to_lowercase().as_str() {
        "auto" => Ok(BackendChoice::Auto),
        "namespaces" => Ok(BackendChoice::Namespaces),
        "bwrap" => Ok(BackendChoice::Bwrap),
        "none" => Ok(BackendChoice::None),
        _ => Err(Failure::usage(format!("{} is \"{word}\"", config::SANDBOX))
            .hint("auto, namespaces, bwrap or none would be right")),
    }
}

/// Where local models are kept.
pub fn models_folder(settings: &Settings) -> PathBuf {
    settings.data_dir().join(MODELS_FOLDER)
}

/// The configured models; the local one if nothing else is there and it is.
async fn models_config(settings: &Settings) -> ModelsConfig {
    let mut config = models::config_from_env(&|name| settings.get(name));
    models::discover_local_servers(&mut config).await;
    if config.default.is_none()
        && let Some(here) = usable(settings).first()
    {
        config.default = ModelName::new(local::PROVIDER, here.model.id).ok();
    }
    config
}

/// The local models that this build can run and whose weights are here.
fn usable(settings: &Settings) -> Vec<InstalledModel> {
    if local::IS_BUILT_IN { local::installed(&models_folder(settings)) } else { Vec::new() }
}

/// The local models as a provider: if there are any, or if one was asked for by name and so must say why not.
fn local_provider(settings: &Settings, config: &ModelsConfig) -> Vec<(String, Arc<dyn Provider>)> {
    let mut named = config.default.iter().chain(&config.planner).chain(&config.fallbacks);
    if usable(settings).is_empty() && !named.any(|name| name.provider() == local::PROVIDER) {
        return Vec::new();
    }
    vec![(local::PROVIDER.to_owned(), local::provider(&models_folder(settings)))]
}

/// The models as a server with these settings would have them.
pub async fn models(settings: &Settings) -> Models {
    let config = models_config(settings).await;
    let providers = local_provider(settings, &config);
    let mut models = Models::new(config);
    for (name, provider) in providers {
        models.register(&name, provider);
    }
    models
}

fn model_status(models: &Models) -> (Tone, String) {
    match models.default_model() {
        Ok(name) => match models.check(name) {
            Ok(()) => (Tone::Good, name.to_string()),
            Err(error) => (Tone::Attention, error.to_string()),
        },
        Err(_) => (
            Tone::Attention,
            "none yet: set ANTHROPIC_API_KEY or another provider's, or get a local one with `miteos model pull`"
                .to_owned(),
        ),
    }
}

fn sandbox_status(state: &State) -> (Tone, String) {
    match state {
        State::Isolated { backend, missing_layers, .. } if missing_layers.is_empty() => {
            (Tone::Good, backend.name().to_owned())
        }
        State::Isolated { backend, missing_layers, .. } => {
            let some = if missing_layers.len() == 1 { "one layer" } else { "some layers" };
            (Tone::Good, format!("{}, without {some} that `miteos doctor` names", backend.name()))
        }
        State::Unsandboxed => (
            Tone::Bad,
            "none: programs of agents run with all your rights, as MITEOS_SANDBOX says".to_owned(),
        ),
        State::Unavailable { reason, .. } => {
            (Tone::Attention, format!("not available, so no code is run: {reason}"))
        }
    }
}

/// What `doctor` asks of the server's own parts.
pub async fn checks(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let wrong: Vec<_> = settings.mistakes().into_iter().filter_map(|mistake| mistake.variable).collect();
    // One that cannot be is told of already.
    let is_told = |problem: &str| wrong.iter().any(|name| problem.starts_with(name));
    let models = models(settings).await;
    let (tone, detail) = model_status(&models);
    let mend = "set a provider's key, start Ollama, or get a local model with `miteos model pull`";
    findings.push(finding("model", verdict(tone), detail, mend));
    for problem in models.problems().iter().filter(|problem| !is_told(problem)) {
        findings.push(finding("setting", Verdict::Failed, problem.clone(), "correct it, or take it away"));
    }
    let get = |name: &str| settings.get(name);
    let search = SearchConfig::from_settings(&get).map_err(|error| error.to_string());
    if let Some(error) = search.err().filter(|error| !is_told(error)) {
        findings.push(finding("setting", Verdict::Failed, error, "correct it, or take it away"));
    }
    if let Some(Err(error)) = settings.get(config::EGRESS_ALLOW).map(|list| EgressPolicy::parse(&list)) {
        let detail = format!("{}: {error}", config::EGRESS_ALLOW);
        findings.push(finding("setting", Verdict::Failed, detail, "correct it, or take it away"));
    }
    if let Some(Err(error)) = settings.get(config::BUILD_REGISTRIES).map(|list| Registries::parse(&list)) {
        let detail = format!("{}: {error}", config::BUILD_REGISTRIES);
        findings.push(finding("setting", Verdict::Failed, detail, "correct it, or take it away"));
    }
    findings.extend(unusable_secrets(settings));
    findings.extend(damaged_deployments(settings.data_dir()));
    if let Err(why) = TraceConfig::from_settings(&get) {
        findings.push(finding(
            "setting",
            Verdict::Warning,
            why,
            "correct it, or take it away: no spans are sent",
        ));
    }
    if !is_told(config::SANDBOX) {
        findings.push(sandbox_finding(settings).await);
    }
    findings
}

/// Deployments that cannot be read any more.
fn damaged_deployments(folder: &Path) -> Option<Finding> {
    const NAME: &str = "deployments";
    /// Of these the ids are told.
    const TOLD: usize = 5;
    // What is no database, or not yet one, is told of elsewhere.
    let damaged = miteos_server::damaged_deployments(folder).ok().filter(|damaged| !damaged.is_empty())?;
    let told = damaged.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = damaged.len().checked_sub(TOLD).filter(|more| *more > 0);
    let more = more.map(|more| format!(" and {more} more")).unwrap_or_default();
    let mend = "start the server: it makes of the journal what it can, and calls failed what was under way; what was over \
                comes back with a backup";
    Some(finding(NAME, Verdict::Warning, format!("damaged: {told}{more}"), mend))
}

/// What `serve` would refuse, before it is started. The values are not shown.
fn unusable_secrets(settings: &Settings) -> Vec<Finding> {
    type Judge = fn(&str) -> Option<String>;
    let judges: [(&str, Judge); 3] = [
        (config::METRICS_TOKEN, Config::metrics_token_is_wrong),
        (config::SECRET_KEY, Config::secret_key_is_wrong),
        (config::BOOTSTRAP_KEY, Config::bootstrap_key_is_wrong),
    ];
    let wrong = judges.into_iter().filter_map(|(name, judge)| Some((name, judge(&settings.get(name)?)?)));
    wrong
        .map(|(name, why)| {
            let unused = name == config::BOOTSTRAP_KEY && settings.data_dir().join("miteos.db").is_file();
            let verdict = if unused { Verdict::Warning } else { Verdict::Failed };
            finding("setting", verdict, format!("{name}: {why}"), "correct it, or take it away")
        })
        .collect()
}

async fn sandbox_finding(settings: &Settings) -> Finding {
    const NAME: &str = "sandbox";
    let backend = match backend(settings) {
        Ok(backend) => backend,
        Err(failure) => {
            return finding(NAME, Verdict::Failed, failure.message, &failure.hint.unwrap_or_default());
        }
    };
    let probe_folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => {
            return finding(
                NAME,
                Verdict::Failed,
                format!("no temporary folder: {error}"),
                "free some space",
            );
        }
    };
    let helper = std::env::current_exe().unwrap_or_default();
    let parts = miteos_server::config::SandboxSettings { backend, helper, read_only_binds: Vec::new() };
    // A folder of its own: a running server sweeps the real one.
    let status = Sandbox::probe(sandbox::config(&parts, probe_folder.path())).await.status();
    let (tone, summary) = sandbox_status(&status.state);
    let detail = match &status.state {
        State::Isolated { backend, missing_layers, .. } if !missing_layers.is_empty() => {
            format!("{}, without {}", backend.name(), missing_layers.join("; "))
        }
        State::Isolated { .. } | State::Unsandboxed | State::Unavailable { .. } => summary,
    };
    let mend = match &status.state {
        State::Unavailable { mend, .. } => mend.clone(),
        State::Unsandboxed => "take MITEOS_SANDBOX=none away".to_owned(),
        State::Isolated { .. } => String::new(),
    };
    let verdict = match status.state {
        State::Unavailable { .. } => Verdict::Failed,
        State::Unsandboxed => Verdict::Warning,
        State::Isolated { .. } => verdict(tone),
    };
    finding(NAME, verdict, detail, &mend)
}

/// About how many bytes a backup of the data folder takes.
pub fn backup_bytes(settings: &Settings) -> u64 {
    miteos_server::backup::estimate(settings.data_dir())
}

fn verdict(tone: Tone) -> Verdict {
    match tone {
        Tone::Good | Tone::Plain | Tone::Quiet | Tone::Busy => Verdict::Ok,
        Tone::Attention => Verdict::Warning,
        Tone::Bad => Verdict::Failed,
    }
}

fn finding(name: &'static str, verdict: Verdict, detail: String, mend: &str) -> Finding {
    let mend = (verdict != Verdict::Ok && !mend.is_empty()).then(|| mend.to_owned());
    Finding { name, verdict, detail, mend }
}

#[cfg(test)]
mod tests;
