//! The plug is pulled after every durable write of a deployment, in the process and with `kill -9`. There is never a
//! second one at the provider, none is lost, and what clients see in the end is what they would have seen.

mod killed;
mod moments;
mod tasks;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use miteos_deploy::TargetKind;
use miteos_server::{Config, CrashHook};
use miteos_standins::Standin;
use miteos_standins::netlify::Netlify;
use miteos_standins::vercel::Vercel;
use serde_json::{Value, json};

use super::{config, deploy, ended, events, netlify, to, until, workspace};
use crate::backup::back_up;
use crate::crash::{Gate, anonymous};
use crate::harness::{TestServer, wait_until};
use crate::previews::visit;
use crate::standin::{Script, StandIn};

/// What differs from run to run.
const RUN_SPECIFIC: [&str; 7] =
    ["id", "workspace_id", "config_id", "created_at", "completed_at", "url", "log_url"];
/// What a preview of the workspace is asked for.
const PAGES: [&str; 5] = ["", "style.css", "assets/a.txt", "assets/big.bin", "missing.html"];

/// What a person does until nothing is left to do. It follows from what the server shows, so that it is done again after
/// a crash if it was not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Deploy,
    /// Asks for its end while it goes to a provider that never finishes.
    Cancel,
    /// Deploys to the preview host, and takes the preview away.
    TakeAway,
}

impl Deed {
    fn word(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Cancel => "cancel",
            Self::TakeAway => "take away",
        }
    }

    fn parse(word: &str) -> Self {
        [Self::Deploy, Self::Cancel, Self::TakeAway].into_iter().find(|deed| deed.word() == word).unwrap()
    }
}

/// A deed, and where it is done.
#[derive(Debug, Clone)]
struct Case {
    deed: Deed,
    target: String,
    /// Where the provider's stand-in is; none for the preview host.
    provider: Option<String>,
    workspace: String,
}

impl Case {
    /// A server that asks the stand-in.
    fn set_up(&self, config: &mut Config) {
        if let Some(url) = &self.provider {
            to(TargetKind::parse(&self.target).unwrap(), url)(config);
        }
    }

    async fn server(&self, folder: &Path, standin: &StandIn) -> TestServer {
        TestServer::over(folder, standin.clone(), |config| self.set_up(config)).await
    }

    /// A folder with a workspace and a configuration, and no server on it.
    async fn prepared(
        deed: Deed,
        target: &str,
        provider: Option<(String, Value)>,
        folder: &Path,
        standin: &StandIn,
    ) -> Self {
        let (url, credentials) = provider.unzip();
        let mut case = Self { deed, target: target.to_owned(), provider: url, workspace: String::new() };
        let mut server = case.server(folder, standin).await;
        case.workspace = workspace(&server, "shop").await;
        if let Some(credentials) = credentials {
            let body = json!({"name": "ours", "target": target, "credentials": credentials});
            server.expect(201, "POST", "/deploy-configs", Some(body)).await;
        }
        server.stop().await;
        case
    }

    /// Gives the deployment as it is in the end.
    async fn carry_out(&self, server: &TestServer) -> Value {
        let list = server.get("/deployments").await;
        let id = match list["data"][0]["id"].as_str() {
            Some(id) => id.to_owned(),
            None => {
                let body = json!({"workspace_id": self.workspace, "target": self.target});
                let made = server.call("POST", "/deployments", Some(body)).await.1;
                made["id"].as_str().unwrap().to_owned()
            }
        };
        match self.deed {
            Deed::Deploy => ended(server, &id).await,
            Deed::Cancel => {
                let at_the_provider =
                    |d: &Value| matches!(d["status"].as_str(), Some("deploying" | "live" | "failed"));
                if until(server, &id, at_the_provider).await["status"] == "deploying" {
                    server.call("POST", &format!("/deployments/{id}/cancel"), None).await;
                }
                ended(server, &id).await
            }
            Deed::TakeAway => {
                let live = ended(server, &id).await;
                let (status, answer) =
                    server.call("DELETE", &format!("/deployments/{id}/preview"), None).await;
                assert!(matches!(status, 200 | 404), "{answer}");
                live
            }
        }
    }

    /// What clients see in the end.
    async fn outcome(&self, server: &TestServer, deployment: &Value) -> Outcome {
        assert_eq!(server.get("/deployments").await["data"], json!([deployment]));
        let told = events(server, deployment["id"].as_str().unwrap()).await;
        assert_eq!(told.last().unwrap().1, *deployment, "the last event shows what a read does");
        let plain = |mut data: Value| {
            RUN_SPECIFIC.iter().for_each(|name| drop(data.as_object_mut().unwrap().remove(*name)));
            anonymous(&data.to_string())
        };
        let events = told.into_iter().map(|(kind, data)| (kind, plain(data))).collect();
        let mut pages = BTreeMap::new();
        if self.provider.is_none() {
            for page in PAGES {
                let (status, answer) =
                    visit(server, &format!("{}{page}", deployment["url"].as_str().unwrap())).await;
                let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
                pages.insert(page, (status, body));
            }
        }
        Outcome { events, pages }
    }

    /// After the crash: the server goes on by itself, and nothing is missing or left over.
    async fn recovered(&self, folder: &Path, standin: &StandIn, expected: &Outcome, k: u64) {
        let mut server = self.server(folder, standin).await;
        let deployment = self.carry_out(&server).await;
        assert_eq!(&self.outcome(&server, &deployment).await, expected, "after write {k}");
        wait_until("nothing is kept for it any more", || leftovers(folder) == 0).await;
        let backup = back_up(folder, &folder.with_extension("tar")).await;
        assert_eq!(backup.missing_blobs, Vec::<String>::new(), "after write {k}");
        server.stop().await;
    }
}

/// Events with their data, and what the preview host answers.
#[derive(Debug, PartialEq)]
struct Outcome {
    events: Vec<(String, String)>,
    pages: BTreeMap<&'static str, (u16, String)>,
}

/// Folders that deployments have.
fn leftovers(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("deployments")).map_or(0, |entries| entries.count())
}

/// A place for a case: its data folder and its model.
struct Ground {
    temp: tempfile::TempDir,
    standin: StandIn,
}

impl Ground {
    async fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("data")).unwrap();
        Self { temp, standin: StandIn::start(Script::default()).await }
    }

    fn folder(&self) -> std::path::PathBuf {
        self.temp.path().join("data")
    }
}

/// Whether the server got as far as its k-th durable write; there it is dropped where it stands.
async fn crashed(case: &Case, ground: &Ground, k: u64) -> bool {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel::<()>();
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (done, over) = tokio::sync::oneshot::channel();
    let (folder, standin, case) = (ground.folder(), ground.standin.clone(), case.clone());
    runtime.spawn(async move {
        let hook: CrashHook = Arc::new(move |n| {
            if n == k {
                let _ = told.send(());
                held.wait();
                // Writes that wait behind it are never made.
                std::panic::resume_unwind(Box::new("the plug is pulled"));
            }
        });
        let server = TestServer::over(&folder, standin, |config| {
            case.set_up(config);
            config.crash = Some(Arc::clone(&hook));
        })
        .await;
        let _ = done.send(case.carry_out(&server).await);
        std::future::pending::<()>().await;
    });
    let crashed = tokio::select! {
        _ = heard.recv() => true,
        _ = over => false,
    };
    runtime.shutdown_background();
    gate.open();
    crashed
}

/// The plug is pulled after each durable write; `check` looks at the provider in the end.
async fn everywhere<P: Provider>(
    deed: Deed,
    start: impl AsyncFn() -> P,
    least: u64,
    check: impl Fn(&P, u64),
) {
    let (mut expected, mut writes) = (None, 0);
    for k in 0.. {
        let (ground, provider) = (Ground::new().await, start().await);
        let folder = ground.folder();
        let case = Case::prepared(deed, P::TARGET, provider.asked(), &folder, &ground.standin).await;
        let Some(expected) = &expected else {
            // Nothing happens to the first one.
            let server = case.server(&folder, &ground.standin).await;
            let deployment = case.carry_out(&server).await;
            expected = Some(case.outcome(&server, &deployment).await);
            check(&provider, 0);
            continue;
        };
        if !crashed(&case, &ground, k).await {
            break;
        }
        writes = k;
        case.recovered(&folder, &ground.standin, expected, k).await;
        check(&provider, k);
    }
    assert!(writes >= least, "the scenario has {writes} durable writes");
}

/// The provider of a scenario, as far as the crashes look at it.
trait Provider: Send + Sync + 'static {
    const TARGET: &'static str;
    /// Where it is, and what it takes.
    fn asked(&self) -> Option<(String, Value)>;
    /// The deployments that it has.
    fn made(&self) -> usize;
}

impl Provider for Standin<Netlify> {
    const TARGET: &'static str = "netlify";
    fn asked(&self) -> Option<(String, Value)> {
        Some((self.url.clone(), json!({"token": miteos_standins::netlify::TOKEN})))
    }
    fn made(&self) -> usize {
        self.look(|netlify| netlify.deploys.len())
    }
}

impl Provider for Standin<Vercel> {
    const TARGET: &'static str = "vercel";
    fn asked(&self) -> Option<(String, Value)> {
        Some((self.url.clone(), json!({"token": miteos_standins::vercel::TOKEN})))
    }
    fn made(&self) -> usize {
        self.look(|vercel| vercel.deployments.len())
    }
}

/// The server's own host.
struct Own;

impl Provider for Own {
    const TARGET: &'static str = "preview";
    fn asked(&self) -> Option<(String, Value)> {
        None
    }
    fn made(&self) -> usize {
        1
    }
}

fn once(provider: &impl Provider, k: u64) {
    assert_eq!(provider.made(), 1, "after write {k}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_netlify_after_every_durable_write() {
    // Started, building, built and deploying, and a state for each of four steps at least, and live.
    everywhere(Deed::Deploy, netlify, 7, once).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_vercel_after_every_durable_write() {
    everywhere(Deed::Deploy, async || Vercel::start().await.unwrap(), 5, once).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_the_preview_host_after_every_durable_write() {
    // Started, building, built and deploying, shown, and live.
    everywhere(Deed::Deploy, async || Own, 5, once).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_that_is_taken_away_after_every_durable_write() {
    everywhere(Deed::TakeAway, async || Own, 6, once).await;
}

/// Between being shown and being called live there is a moment. Who fails after it was never shown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_shown_of_a_deployment_that_then_fails_is_shown_no_more() {
    let mut failed = 0;
    for k in 1.. {
        let ground = Ground::new().await;
        let folder = ground.folder();
        let case = Case::prepared(Deed::Deploy, "preview", None, &folder, &ground.standin).await;
        if !crashed(&case, &ground, k).await {
            break;
        }
        let page = folder.join("workspaces").join(&case.workspace).join("index.html");
        std::fs::write(page, "written while the server was away").unwrap();
        let server = case.server(&folder, &ground.standin).await;
        let deployment = case.carry_out(&server).await;
        let preview = format!("/deployments/{}/preview", deployment["id"].as_str().unwrap());
        let status = server.call("GET", &preview, None).await.0;
        if deployment["status"] == "live" {
            assert_eq!(status, 200, "after write {k}");
        } else {
            assert_eq!(
                (&deployment["error"]["code"], status),
                (&json!("interrupted"), 404),
                "after write {k}"
            );
            failed += 1;
        }
    }
    assert!(failed >= 2, "{failed} have failed");
}

/// A provider that never says that it is done.
async fn endless() -> Standin<Netlify> {
    let netlify = netlify().await;
    netlify.look(|netlify| netlify.polls_per_state = u32::MAX);
    netlify
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_after_every_durable_write() {
    // Whatever was begun there by then is ended there.
    let ended = |netlify: &Standin<Netlify>, k: u64| {
        assert!(netlify.made() <= 1, "after write {k}");
        assert!(netlify.look(|netlify| netlify.deploys.values().all(|d| d.cancelled)), "after write {k}");
    };
    everywhere(Deed::Cancel, endless, 5, ended).await;
}
