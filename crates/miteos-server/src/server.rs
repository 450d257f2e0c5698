//! A running server: its parts put together in order, and taken down in the opposite one.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use miteos_deploy::build::{Asking, Machine, RegistrySource, ToolSource};
use miteos_deploy::expo::{Eas, Jail, Sandboxes};
use miteos_models::{Models, Secret};
use miteos_store::{CommitHook, Store, StoreConfig, StoreError};
use miteos_tools::http::Guarded;
use miteos_tools::{Registry, Services, Tool};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::collection::Collection;
use crate::config::{Config, MetricsConfig};
use crate::connections::Connections;
use crate::deployments::{self, Deployments};
use crate::engine::Engine;
use crate::feed::Feed;
use crate::folder::{self, FolderError};
use crate::housekeeping::Housekeeping;
use crate::http::{self, App};
use crate::keys::{self, BootstrapError, BootstrapKeys, Keyring};
use crate::limits::Limiter;
use crate::listener::{Attentive, allow_many_files};
use crate::metrics::Metrics;
use crate::preview::{self, PreviewHost, Previews};
use crate::restored::{self, RestoredError};
use crate::runner::Deps;
use crate::sandbox::LateSandbox;
use crate::secrets::MasterKey;
use crate::serve;
use crate::services::{StoreBlobs, StoreMemory};
use crate::sign_in::SignIn;
use crate::tasks::Tasks;
use crate::traces::Traces;
use crate::webhooks::{self, Webhooks};

/// How long running calls may record their outcome after a stop was asked for. With [`GOODBYE`] and the last writes a
/// stop takes less than ten seconds.
const STOP_PATIENCE: Duration = Duration::from_secs(6);
/// How long open connections may take to end after that.
const GOODBYE: Duration = Duration::from_secs(2);
/// Connections to the store that read.
const READ_CONNECTIONS: usize = 4;
/// How long the last spans may take to reach the collector.
const FLUSH: Duration = Duration::from_secs(1);
/// Connections that read the figures at once, at an address of their own.
const MAX_SCRAPERS: usize = 16;
/// Connections to the preview host at once: for each so many of the API one, and at most this many.
const PREVIEW_SHARE: usize = 4;
const MAX_PREVIEW_CONNECTIONS: usize = 4_096;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot read or make the master key secret.key in the data folder")]
    MasterKey(#[source] io::Error),
    #[error("{0}")]
    Setting(String),
    #[error(transparent)]
    Keys(#[from] BootstrapError),
    #[error(transparent)]
    Restored(#[from] RestoredError),
    #[error("cannot listen on {address}; choose another one with --listen")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot listen on {address} for the figures; choose another one with --metrics-listen")]
    ListenForMetrics { address: SocketAddr, source: io::Error },
    #[error("cannot listen on {address} for previews; choose another one with --preview-listen")]
    ListenForPreviews { address: SocketAddr, source: io::Error },
}

pub struct Server {
    app: Arc<App>,
    engine: Engine,
    webhooks: Webhooks,
    store: Store,
    listener: TcpListener,
    address: SocketAddr,
    /// Where the figures are read, if they have an address of their own.
    figures: Option<TcpListener>,
    preview: PreviewHost,
    collection: Collection,
    keys: Option<BootstrapKeys>,
    /// How many may be open at once.
    connections: usize,
    stop: CancellationToken,
}

/// The open event streams of a server.
pub struct Followers(Arc<Connections>);

impl Followers {
    /// Whether there are any now.
    pub fn any(&self) -> bool {
        self.0.any()
    }

    /// Returns when there have been none for this long.
    pub async fn gone(&self, quiet: Duration) {
        self.0.left(quiet).await;
    }
}

impl Server {
    /// Opens the data folder, takes up unfinished tasks and listens. Requests are answered once [`Server::run_until`]
    /// runs.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let folder = data_folder(&config).await?;
        let most_connections = allow_many_files();
        let (listener, address) = listen(config.listen).await?;
        let figures = figures(&config.metrics).await?;
        let preview = PreviewHost::listen(&config, address).await?;
        let metrics = Arc::new(Metrics::new(config.clock.now()));
        let store = Store::open(store_config(&config, &metrics)).await?;
        let master = master_key(&config)?;
        let live = config.bootstrap_key.as_ref().map(|key| key.expose());
        let keys = keys::bootstrap(&store, &folder, live, config.clock.as_ref(), &config.ids).await?;
        let found = store.gauges(config.clock.now()).await?;
        metrics.recovered(found.tasks.iter().map(|(_, count)| *count).sum());
        let sandbox = LateSandbox::probe(&config.sandbox, &folder, Arc::clone(&metrics));
        let (registry, deploy) = tools(&config)?;
        let deps = deps(&config, &store, &sandbox, registry, metrics)?;
        let previews = preview.previews(&config, &store, &master, &deps.tasks.metrics, address)?;
        let parts = deploy_parts(&config, &deps, &master, &sandbox, &previews);
        restored::settle(&folder, &deps.tasks, &parts).await?;
        let webhooks = Webhooks::start(webhook_parts(&config, &deps, &master));
        let deployments = Deployments::start(parts);
        deploy.connect(deployments.clone(), deps.tasks.clone());
        let engine = Engine::start(deps.tasks.clone(), Arc::clone(&deps));
        let public_url = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let stop = CancellationToken::new();
        let limits = Arc::new(Limiter::load(&store, config.clock.now()).await?);
        let connections = Arc::new(Connections::new(stop.clone()));
        let collection = collection(&config, &deps);
        let app = Arc::new(App {
            deps,
            engine: engine.clone(),
            webhooks: webhooks.clone(),
            deployments,
            previews,
            sandbox,
            master,
            public_url: public_url.trim_end_matches('/').to_owned(),
            ids: config.ids,
            max_model_calls: config.max_model_calls,
            approval_expires_ms: config.approval_expires_ms,
            keys: Arc::new(Keyring::new(store.clone())),
            limits,
            in_flight: Arc::default(),
            measured: http::Measured::default(),
            readiness: http::Readiness::default(),
            file_counts: http::FileCounts::default(),
            streams: config.streams,
            reading: http::Reading::new(config.metrics.token.as_ref(), figures.is_some()),
            page: http::Page::new(&config.page),
            sign_in: SignIn::default(),
            connections,
            sockets: TaskTracker::new(),
        });
        let connections = most_connections;
        Ok(Self {
            app,
            engine,
            webhooks,
            store,
            listener,
            address,
            figures,
            preview,
            collection,
            keys,
            connections,
            stop,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the figures are read, if they have an address of their own.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.figures.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Where the preview host listens.
    pub fn preview_address(&self) -> SocketAddr {
        self.preview.address
    }

    /// How the addresses of previews look, with `*` in the place of their labels.
    pub fn previews_at(&self) -> String {
        self.app.previews.pattern()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A link that signs one browser of this machine in, once and soon. None where other machines reach the server: then
    /// the address that is listened on is no browser's. It replaces a link that was made before.
    pub fn sign_in_link(&self) -> Option<String> {
        let code = || self.app.sign_in.open(self.app.deps.clock.now());
        // Behind the #, a browser sends it nowhere by itself.
        self.address.ip().is_loopback().then(|| format!("{}/#code={}", self.url(), code()))
    }

    /// The keys of a first start, to be shown once.
    pub fn keys(&self) -> Option<&BootstrapKeys> {
        self.keys.as_ref()
    }

    pub fn models(&self) -> Arc<Models> {
        Arc::clone(&self.app.deps.models)
    }

    /// Who follows tasks through this server, to be asked while it runs.
    pub fn followers(&self) -> Followers {
        Followers(Arc::clone(&self.app.connections))
    }

    /// The sandbox's state, once it is probed.
    pub async fn sandbox_status(&self) -> miteos_sandbox::Status {
        self.app.sandbox.status().await
    }

    /// Answers requests until `shutdown` ends; then stops taking new ones, lets running calls record, and closes the
    /// store.
    pub async fn run_until(self, shutdown: impl Future<Output = ()> + Send) -> io::Result<()> {
        let router = http::router(Arc::clone(&self.app));
        let stop = self.stop.clone();
        let times = self.app.streams;
        let connections = Arc::clone(&self.app.connections);
        let clock = Arc::clone(&self.app.deps.clock);
        tokio::spawn(connections.watch_keys(self.store.clone(), clock, times.key_check));
        let listener = Attentive { listener: self.listener, unread: times.unread };
        let serve = serve::serve(listener, router, self.connections, times.head, stop.clone());
        let serve = tokio::spawn(serve);
        if let Some(listener) = self.figures {
            let listener = Attentive { listener, unread: times.unread };
            let router = http::own_router(Arc::clone(&self.app));
            tokio::spawn(serve::serve(listener, router, MAX_SCRAPERS, times.head, stop.clone()));
        }
        let router = preview::router(self.app.previews.clone());
        let listener = Attentive { listener: self.preview.listener, unread: times.unread };
        let most = (self.connections / PREVIEW_SHARE).clamp(1, MAX_PREVIEW_CONNECTIONS);
        let previewed = tokio::spawn(serve::serve(listener, router, most, times.head, stop.clone()));
        let (limits, clock) = (Arc::clone(&self.app.limits), Arc::clone(&self.app.deps.clock));
        let housekeeping = Housekeeping { store: self.store.clone(), limits, clock };
        let kept = tokio::spawn(housekeeping.clone().run(stop.clone()));
        let collected = tokio::spawn(self.collection.run(stop.clone()));
        shutdown.await;
        stop.cancel();
        tokio::join!(
            self.engine.stop(STOP_PATIENCE),
            self.webhooks.stop(STOP_PATIENCE),
            self.app.deployments.stop(STOP_PATIENCE)
        );
        self.app.sockets.close();
        // Who does not answer the goodbye is left behind.
        let sockets = tokio::time::timeout(GOODBYE, self.app.sockets.wait());
        let (_, served, previewed) = tokio::join!(
            sockets,
            tokio::time::timeout(GOODBYE, serve),
            tokio::time::timeout(GOODBYE, previewed)
        );
        if kept.await.is_err() || collected.await.is_err() {
            tracing::error!("the housekeeping panicked");
        }
        housekeeping.finish().await;
        tokio::join!(self.store.close(), self.app.deps.traces.stop(FLUSH));
        // A client that holds its connection does not hold the server.
        for ended in [served, previewed] {
            if let Ok(Err(error)) = ended {
                tracing::error!(%error, "the HTTP server panicked");
            }
        }
        Ok(())
    }
}

/// The folder, made if need be. Secrets that cannot be are refused before: a first start that is refused leaves nothing.
async fn data_folder(config: &Config) -> Result<PathBuf, StartError> {
    let wrong = |secret: &Option<Secret>, judge: fn(&str) -> Option<String>| {
        secret.as_ref().and_then(|secret| judge(secret.expose()))
    };
    let is_first = !config.data_dir.join("miteos.db").exists();
    let key = wrong(&config.bootstrap_key, Config::bootstrap_key_is_wrong).filter(|_| is_first);
    match wrong(&config.secret_key, Config::secret_key_is_wrong).or(key) {
        Some(why) => Err(StartError::Setting(why)),
        None => {
            folder::make(&config.data_dir).await?;
            Ok(config.data_dir.clone())
        }
    }
}

pub async fn listen(asked: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| StartError::Listen { address: asked, source };
    let listener = TcpListener::bind(asked).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Where the figures are read.
async fn figures(config: &MetricsConfig) -> Result<Option<TcpListener>, StartError> {
    if let Some(wrong) =
        config.token.as_ref().and_then(|token| Config::metrics_token_is_wrong(token.expose()))
    {
        return Err(StartError::Setting(wrong));
    }
    let Some(asked) = config.listen else { return Ok(None) };
    let (listener, address) = listen(asked).await.map_err(|error| match error {
        StartError::Listen { address, source } => StartError::ListenForMetrics { address, source },
        other => other,
    })?;
    if !address.ip().is_loopback() && config.token.is_none() {
        tracing::warn!(%address, "whoever reaches this address reads the server's figures; MITEOS_METRICS_TOKEN asks for a token");
    }
    Ok(Some(listener))
}

/// All tools, and among them the one that needs the deployments once they run.
fn tools(config: &Config) -> Result<(Registry, Arc<deployments::Deploy>), StartError> {
    let deploy = deployments::Deploy::new();
    let all = [Arc::clone(&deploy) as Arc<dyn Tool>].into_iter().chain(config.tools.clone());
    let registry = Registry::with(all.collect()).map_err(|error| StartError::Setting(error.to_string()))?;
    Ok((registry, deploy))
}

/// Counts what the store's writer does.
fn watch(metrics: &Arc<Metrics>) -> CommitHook {
    let metrics = Arc::clone(metrics);
    Arc::new(move |commit| metrics.committed(commit))
}

fn store_config(config: &Config, metrics: &Arc<Metrics>) -> StoreConfig {
    StoreConfig {
        read_connections: READ_CONNECTIONS,
        crash: config.crash.clone(),
        fault: config.fault.clone(),
        watch: Some(watch(metrics)),
        ..StoreConfig::in_folder(&config.data_dir)
    }
}

fn master_key(config: &Config) -> Result<MasterKey, StartError> {
    match &config.secret_key {
        Some(text) => MasterKey::from_text(text.expose()).map_err(StartError::Setting),
        None => MasterKey::of_folder(&config.data_dir).map_err(StartError::MasterKey),
    }
}

fn deps(
    config: &Config,
    store: &Store,
    sandbox: &Arc<LateSandbox>,
    registry: Registry,
    metrics: Arc<Metrics>,
) -> Result<Arc<Deps>, StartError> {
    let mut models = Models::new(config.models.clone());
    for (name, provider) in &config.providers {
        models.register(name, Arc::clone(provider));
    }
    let configured = [models.default_model(), models.planner_model()].into_iter().flatten();
    configured.chain(models.fallbacks()).for_each(|model| metrics.model_is_configured(model));
    let services = Services {
        http: Guarded::with_names(config.egress.clone(), Arc::clone(&config.names)),
        search: config.search.clone(),
        code: Arc::clone(sandbox) as Arc<dyn miteos_tools::CodeRunner>,
        blobs: Arc::new(StoreBlobs(store.clone())),
        memory: Arc::new(StoreMemory::new(store.clone(), Arc::clone(&config.clock))),
        calls_dir: config.data_dir.join("calls"),
    };
    let traces = match &config.traces {
        None => Traces::default(),
        // A variable that is set for all programs of a machine must not keep the server from starting.
        Some(traces) => Traces::start(traces, &services.http, &metrics).unwrap_or_else(|why| {
            tracing::warn!(why, "no spans are sent");
            Traces::default()
        }),
    };
    let tasks = Tasks {
        store: store.clone(),
        feed: Arc::new(Feed::default()),
        clock: Arc::clone(&config.clock),
        metrics,
    };
    Ok(Arc::new(Deps {
        tasks,
        models: Arc::new(models),
        registry: Arc::new(registry),
        services: Arc::new(services),
        workspaces: config.data_dir.join("workspaces"),
        clock: Arc::clone(&config.clock),
        traces,
    }))
}

/// What takes away blobs that nothing names.
fn collection(config: &Config, deps: &Deps) -> Collection {
    Collection {
        store: deps.tasks.store.clone(),
        clock: Arc::clone(&config.clock),
        metrics: Arc::clone(&deps.tasks.metrics),
        every: config.collect_every,
    }
}

/// What webhooks are delivered with.
fn webhook_parts(config: &Config, deps: &Deps, master: &MasterKey) -> webhooks::Parts {
    webhooks::Parts {
        store: deps.tasks.store.clone(),
        feed: Arc::clone(&deps.tasks.feed),
        clock: Arc::clone(&config.clock),
        ids: Arc::clone(&config.ids),
        http: deps.services.http.clone(),
        master: master.clone(),
        timeout: config.webhook_timeout,
        metrics: Arc::clone(&deps.tasks.metrics),
        traces: deps.traces.clone(),
        last: Mutex::default(),
    }
}

/// What deployments are driven with.
fn deploy_parts(
    config: &Config,
    deps: &Deps,
    master: &MasterKey,
    sandbox: &Arc<LateSandbox>,
    previews: &Previews,
) -> deployments::Parts {
    let http = deps.services.http.clone();
    let machine: Arc<dyn Asking> = Arc::new(Machine::new(config.data_dir.join("asked"), http.clone()));
    let registries = RegistrySource::new(config.build_registries.clone(), Arc::clone(&machine));
    let tools = ToolSource::new(config.programs.clone(), Arc::clone(&machine));
    let eas = Arc::new(eas(config, (&http, machine), sandbox, tools.clone()));
    let builder = || Arc::new(deployments::Sandboxed::new(Arc::clone(sandbox), http, registries, tools));
    deployments::Parts {
        store: deps.tasks.store.clone(),
        feed: Arc::clone(&deps.tasks.feed),
        clock: Arc::clone(&config.clock),
        metrics: Arc::clone(&deps.tasks.metrics),
        traces: deps.traces.clone(),
        master: master.clone(),
        workspaces: deps.workspaces.clone(),
        folder: config.data_dir.join("deployments"),
        tools: miteos_deploy::Tools {
            http: deps.services.http.clone(),
            bases: config.deploy.bases.clone(),
            clock: Arc::new(deployments::TargetClock(Arc::clone(&config.clock))),
            pace: config.deploy.pace.clone(),
            runner: eas,
        },
        builder: config.builder.clone().unwrap_or_else(|| builder()),
        publisher: Some(config.publisher.clone().unwrap_or_else(|| Arc::new(previews.clone()))),
        visits: config.deploy.visits,
        moves: deployments::Moves::default(),
        turns: deployments::Turns::default(),
    }
}

/// What runs Expo's tool.
fn eas(
    config: &Config,
    (http, machine): (&Guarded, Arc<dyn Asking>),
    sandbox: &Arc<LateSandbox>,
    tools: ToolSource,
) -> Eas {
    let folder = config.data_dir.join("eas");
    let eas = match &config.deploy.eas {
        Some(program) => Eas::named(folder, program.clone(), tools),
        None => {
            let registries = RegistrySource::new(config.build_registries.clone(), machine);
            Eas::pinned(folder, registries, tools)
        }
    };
    eas.sweep();
    let sandboxes = Arc::clone(sandbox) as Arc<dyn Sandboxes>;
    eas.with_jail(Jail { sandboxes, dial: Arc::new(http.clone()) })
}
