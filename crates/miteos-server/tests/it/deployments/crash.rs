//! The plug is pulled after every durable write of a deployment, in the process and with `kill -9`. There is never a
//! second one at the provider, none is lost, and what clients see in the end is what they would have seen.

mod hosts;
mod killed;
mod moments;
mod table;
mod tasks;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use miteos_deploy::TargetKind;
use miteos_server::Config;
use miteos_standins::Standin;
use miteos_standins::netlify::Netlify;
use miteos_store::{Store, StoreConfig, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::hosts::{Host, Reach};
use super::{config, deploy, ended, events_until, expo, netlify, to, until, workspace};
use crate::backup::back_up;
use crate::crash::anonymous;
use crate::harness::{PATIENCE, TestServer, wait_until};
use crate::plug::pulled;
use crate::previews::visit;
use crate::standin::{Script, StandIn, call, text};

/// What differs from run to run.
const RUN_SPECIFIC: [&str; 9] = [
    "id",
    "workspace_id",
    "config_id",
    "task_id",
    "deliverable_id",
    "created_at",
    "completed_at",
    "url",
    "log_url",
];
/// What a preview of the workspace is asked for.
const PAGES: [&str; 5] = ["", "style.css", "assets/a.txt", "assets/big.bin", "missing.html"];
/// Records of a journal that are read at once; none here has as many.
const RECORDS: usize = 500;

/// What a person does until nothing is left to do. It follows from what the server shows, so that it is done again after
/// a crash if it was not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Deed {
    Deploy,
    /// Asks for its end while it goes to a provider that never finishes.
    Cancel,
    /// Deploys to the preview host, and takes the preview away.
    TakeAway,
    /// Shows a file that a task has handed over.
    Stage,
    /// Goes back to the older of two.
    RollBack,
}

/// A deed, and where it is done.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Case {
    deed: Deed,
    target: String,
    reach: Reach,
    workspace: String,
    /// What is posted to make the deployment; of a rollback, to go back.
    path: String,
    /// The deployment to go back to.
    older: Option<String>,
    /// What visitors saw when that was the newest.
    seen: Option<String>,
}

impl Case {
    /// A server that asks the stand-in.
    fn set_up(&self, config: &mut Config) {
        match &self.reach {
            Reach::Here => {}
            Reach::At(url) => to(TargetKind::parse(&self.target).unwrap(), url)(config),
            Reach::Program(program) => expo::with(program.clone())(config),
        }
    }

    async fn server(&self, folder: &Path, standin: &StandIn) -> TestServer {
        TestServer::over(folder, standin.clone(), |config| self.set_up(config)).await
    }

    /// A folder with all that the deed needs, and no server on it.
    async fn prepared(deed: Deed, host: &impl Host, folder: &Path, standin: &StandIn) -> Self {
        let (target, path) = (host.target().to_owned(), "/deployments".to_owned());
        let (workspace, older, seen) = (String::new(), None, None);
        let mut case = Self { deed, target, reach: host.reach(), workspace, path, older, seen };
        let mut server = case.server(folder, standin).await;
        let made = server.expect(201, "POST", "/workspaces", Some(json!({"name": "shop"}))).await;
        case.workspace = made["id"].as_str().unwrap().to_owned();
        let site = folder.join("workspaces").join(&case.workspace);
        host.write(&site, 1);
        if let Some(mut body) = host.config() {
            body["name"] = json!("ours");
            body["target"] = json!(case.target);
            server.expect(201, "POST", "/deploy-configs", Some(body)).await;
        }
        match deed {
            Deed::Deploy | Deed::Cancel | Deed::TakeAway => {}
            Deed::Stage => {
                std::fs::write(site.join("report.html"), "<h1>report</h1>").unwrap();
                case.path = handed_over(&server, &case.workspace).await;
            }
            Deed::RollBack => {
                let older = case.deployed(&server).await;
                case.seen = host.live();
                host.write(&site, 2);
                case.deployed(&server).await;
                assert!(host.live().is_some() && host.live() != case.seen);
                case.path = format!("/deployments/{older}/rollback");
                case.older = Some(older);
            }
        }
        server.stop().await;
        case
    }

    async fn deployed(&self, server: &TestServer) -> String {
        let id = self.made(server).await;
        assert_eq!(ended(server, &id).await["status"], "live");
        id
    }

    async fn made(&self, server: &TestServer) -> String {
        let body = json!({"workspace_id": self.workspace, "target": self.target});
        let body = (self.deed != Deed::Stage).then_some(body);
        let made = server.call("POST", &self.path, body).await.1;
        made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
    }

    /// Gives the deployment as it is in the end.
    async fn carry_out(&self, server: &TestServer) -> Value {
        if let Some(older) = &self.older {
            // Whoever heard no answer asks once more, under the same name.
            let back = server.http.post(format!("{}/v1{}", server.url, self.path)).bearer_auth(&server.key);
            let answer = back.header("idempotency-key", "back").send().await.unwrap();
            assert_eq!(answer.status(), 200);
            let shown = server.get(&format!("/deployments/{older}")).await;
            assert_eq!(answer.json::<Value>().await.unwrap(), shown);
            return shown;
        }
        let list = server.get("/deployments").await;
        let id = match list["data"][0]["id"].as_str() {
            Some(id) => id.to_owned(),
            None => self.made(server).await,
        };
        match self.deed {
            Deed::Deploy | Deed::Stage | Deed::RollBack => ended(server, &id).await,
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

    async fn is_taken_away(&self, server: &TestServer, id: &str) -> bool {
        self.reach == Reach::Here
            && server.call("GET", &format!("/deployments/{id}/preview"), None).await.0 == 404
    }

    /// What clients see in the end, and what is written then; the server is stopped.
    async fn outcome(&self, mut server: TestServer, deployment: &Value) -> Outcome {
        let (id, goes_back) = (deployment["id"].as_str().unwrap(), usize::from(self.older.is_some()));
        let listed = server.get("/deployments").await["data"].clone();
        assert_eq!(listed.as_array().unwrap().len(), 1 + goes_back, "{listed:#}");
        let told = events_until(&server, id, 1 + goes_back).await;
        let mut shown = [listed[goes_back].clone(), told.last().unwrap().1.clone(), deployment.clone()];
        // Nobody can open what was taken away; all else of it stays as it was told.
        if self.is_taken_away(&server, id).await {
            assert_eq!(shown[0]["visibility"], Value::Null);
            shown.iter_mut().for_each(|one| one["visibility"] = Value::Null);
        }
        assert!(shown[0] == shown[1] && shown[1] == shown[2], "a list, an event and a read: {shown:#?}");
        let plain = |mut data: Value| {
            RUN_SPECIFIC.iter().for_each(|name| drop(data.as_object_mut().unwrap().remove(*name)));
            anonymous(&data.to_string())
        };
        let events = told.into_iter().map(|(kind, data)| (kind, plain(data))).collect();
        let mut pages = BTreeMap::new();
        if self.reach == Reach::Here {
            for page in PAGES {
                let (status, answer) =
                    visit(&server, &format!("{}{page}", deployment["url"].as_str().unwrap())).await;
                let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
                pages.insert(page, (status, body));
            }
        }
        server.stop().await;
        Outcome { events, pages, journal: journal(&server.folder, id).await }
    }

    /// After the crash: the server goes on by itself, and nothing is missing or left over.
    async fn recovered(&self, folder: &Path, standin: &StandIn, expected: &Outcome, k: u64) {
        let server = self.server(folder, standin).await;
        let deployment = self.carry_out(&server).await;
        wait_until("nothing is kept for it any more", || leftovers(folder) == 0).await;
        let backup = back_up(folder, &folder.with_extension("tar")).await;
        assert_eq!(backup.missing_blobs, Vec::<String>::new(), "after write {k}");
        assert_eq!(&self.outcome(server, &deployment).await, expected, "after write {k}");
    }
}

/// Has a task hand a page over, and gives where it is staged.
async fn handed_over(server: &TestServer, workspace: &str) -> String {
    let asked = json!({"prompt": "x", "workspace_id": workspace, "config": {"autonomy_level": 100}});
    let task = server.expect(201, "POST", "/tasks", Some(asked)).await["id"].as_str().unwrap().to_owned();
    assert_eq!(server.ended(&task).await["status"], "complete");
    let listed = server.get(&format!("/tasks/{task}/deliverables")).await;
    format!("/tasks/{task}/deliverables/{}/stage", listed[0]["id"].as_str().unwrap())
}

/// The kinds of its records. How often a state is written on the way there depends on when it is taken up again.
async fn journal(folder: &Path, id: &str) -> Vec<String> {
    let begun = std::time::Instant::now();
    let store = loop {
        match Store::open(StoreConfig::in_folder(folder)).await {
            Ok(store) => break store,
            Err(StoreError::InUse { .. }) if begun.elapsed() < PATIENCE => {}
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    let records = store.deployment_records_after(id.parse().unwrap(), 0, RECORDS).await.unwrap();
    store.close().await;
    let kinds = records.into_iter().map(|record| record.kind);
    kinds.filter(|kind| kind != "internal.deployment_progressed").collect()
}

/// Events with their data, what the preview host answers, and the kinds of all records.
#[derive(Debug, PartialEq)]
struct Outcome {
    events: Vec<(String, String)>,
    pages: BTreeMap<&'static str, (u16, String)>,
    journal: Vec<String>,
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
        let steps = vec![call("publish", json!({"path": "report.html"})), text("done")];
        let script = Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", steps);
        Self { temp, standin: StandIn::start(script).await }
    }

    fn folder(&self) -> std::path::PathBuf {
        self.temp.path().join("data")
    }
}

/// Whether the server got as far as its k-th durable write; there it is dropped where it stands.
async fn crashed(case: &Case, ground: &Ground, k: u64) -> bool {
    let (folder, standin, case) = (ground.folder(), ground.standin.clone(), case.clone());
    pulled(k, move |hook| async move {
        let server = TestServer::over(&folder, standin, |config| {
            case.set_up(config);
            config.crash = Some(Arc::clone(&hook));
        })
        .await;
        case.carry_out(&server).await;
    })
    .await
}

/// The plug is pulled after each durable write; `check` looks at the provider in the end.
async fn everywhere<H: Host>(
    deed: Deed,
    start: impl AsyncFn() -> H,
    least: u64,
    check: impl Fn(&H, &Case, u64),
) {
    let (mut expected, mut writes) = (None, 0);
    for k in 0.. {
        let (ground, host) = (Ground::new().await, start().await);
        let folder = ground.folder();
        let case = Case::prepared(deed, &host, &folder, &ground.standin).await;
        let Some(expected) = &expected else {
            // Nothing happens to the first one.
            let server = case.server(&folder, &ground.standin).await;
            let deployment = case.carry_out(&server).await;
            expected = Some(case.outcome(server, &deployment).await);
            check(&host, &case, 0);
            continue;
        };
        if !crashed(&case, &ground, k).await {
            break;
        }
        writes = k;
        case.recovered(&folder, &ground.standin, expected, k).await;
        check(&host, &case, k);
    }
    assert!(writes >= least, "the scenario has {writes} durable writes");
}

/// A provider that never says that it is done.
async fn endless() -> Standin<Netlify> {
    let netlify = netlify().await;
    netlify.look(|netlify| netlify.polls_per_state = u32::MAX);
    netlify
}
