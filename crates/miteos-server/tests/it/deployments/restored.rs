//! Deployments out of a backup: of those under way nobody asks the provider unless the owner said that the folder takes
//! the server's place; what is shown is shown again.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use miteos_deploy::TargetKind;
use miteos_server::{BuildError, BuildJob, Builder, BuiltFolder, Config, Unfinished};
use miteos_standins::Standin;
use miteos_standins::netlify::Netlify;
use serde_json::{Value, json};

use super::{config, deploy, ended, netlify, to, until, workspace};
use crate::backup::{back_up, restored};
use crate::harness::{TestServer, wait_until};
use crate::previews::visit;
use crate::standin::{Script, StandIn};

/// Builds until it is cancelled.
struct Never;

#[async_trait]
impl Builder for Never {
    async fn build(&self, job: BuildJob<'_>) -> Result<BuiltFolder, BuildError> {
        job.cancel.cancelled().await;
        Err(BuildError::Cancelled)
    }
}

/// A backup of a server with a deployment at the provider, one that is being built, and one that is shown.
struct Taken {
    temp: tempfile::TempDir,
    standin: StandIn,
    netlify: Standin<Netlify>,
    /// Where the first two are.
    at_the_provider: String,
    building: String,
    shown: String,
}

async fn to_preview(server: &TestServer, name: &str) -> String {
    let body = json!({"workspace_id": workspace(server, name).await, "target": "preview"});
    let made = server.expect(201, "POST", "/deployments", Some(body)).await;
    made["id"].as_str().unwrap().to_owned()
}

impl Taken {
    async fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let (standin, netlify) = (StandIn::start(Script::default()).await, netlify().await);
        netlify.look(|netlify| netlify.polls_per_state = u32::MAX);
        let (folder, change) = (temp.path().join("original"), to(TargetKind::Netlify, &netlify.url));
        let mut server = TestServer::over(&folder, standin.clone(), &change).await;
        let shown = to_preview(&server, "shown").await;
        assert_eq!(ended(&server, &shown).await["status"], "live");
        config(&server, json!({})).await;
        let at_the_provider = deploy(&server, &workspace(&server, "shop").await).await;
        wait_until("it waits for the provider", || netlify.count("GET", "/deploys/") > 1).await;
        server.stop().await;
        let never = |config: &mut Config| {
            change(config);
            config.builder = Some(Arc::new(Never));
        };
        let mut server = TestServer::over(&folder, standin.clone(), never).await;
        let building = to_preview(&server, "built").await;
        until(&server, &building, |d| d["status"] == "building").await;
        let made = back_up(&folder, &temp.path().join("b.tar")).await;
        assert_eq!(made.missing_blobs, Vec::<String>::new());
        server.stop().await;
        netlify.forget_recorded();
        netlify.look(|netlify| netlify.polls_per_state = 1);
        Self { temp, standin, netlify, at_the_provider, building, shown }
    }

    async fn restored(&self, unfinished: Unfinished) -> TestServer {
        let folder = self.temp.path().join("restored");
        let from = self.temp.path().join("b.tar");
        let to_folder = folder.clone();
        tokio::task::spawn_blocking(move || restored(&from, &to_folder, unfinished).unwrap()).await.unwrap();
        let change = to(TargetKind::Netlify, &self.netlify.url);
        TestServer::over(&folder, self.standin.clone(), change).await
    }

    /// What was shown has its address, and every byte.
    async fn check_shown(&self, server: &TestServer) {
        let original = self.temp.path().join("original/workspaces");
        let live = server.get(&format!("/deployments/{}", self.shown)).await;
        let preview = server.get(&format!("/deployments/{}/preview", self.shown)).await;
        let label = |url: &Value| url.as_str().unwrap().split('.').next().unwrap().to_owned();
        assert_eq!(label(&preview["url"]), label(&live["url"]));
        let site = original.join(live["workspace_id"].as_str().unwrap());
        for page in ["index.html", "style.css", "assets/a.txt"] {
            let (status, answer) =
                visit(server, &format!("{}{page}", preview["url"].as_str().unwrap())).await;
            let expected = std::fs::read_to_string(site.join(page)).unwrap();
            assert!(status == 200 && answer.ends_with(&expected), "{page}: {answer}");
        }
    }

    fn cancelled(&self) -> Vec<bool> {
        self.netlify.look(|netlify| netlify.deploys.values().map(|deploy| deploy.cancelled).collect())
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(0, |entries| entries.count()) == 0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_go_on_nobody_is_asked_and_they_are_interrupted() {
    let taken = Taken::new().await;
    let mut server = taken.restored(Unfinished::Held).await;
    for id in [&taken.at_the_provider, &taken.building] {
        let failed = server.get(&format!("/deployments/{id}")).await;
        assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("interrupted")));
        let why = failed["error"]["message"].as_str().unwrap();
        assert!(why.contains("restored from a backup of 20") && why.contains("deploy again"), "{why}");
    }
    taken.check_shown(&server).await;
    // A second start takes nothing up either.
    server.stop().await;
    let change = to(TargetKind::Netlify, &taken.netlify.url);
    let server = TestServer::over(&server.folder, taken.standin.clone(), change).await;
    assert_eq!(server.get(&format!("/deployments/{}", taken.building)).await["status"], "failed");
    assert_eq!((taken.netlify.recorded().len(), taken.cancelled()), (0, vec![false]));
    // Its workspace and its configuration are there to deploy with.
    let workspace =
        server.get(&format!("/deployments/{}", taken.at_the_provider)).await["workspace_id"].clone();
    let again = deploy(&server, workspace.as_str().unwrap()).await;
    assert_eq!(ended(&server, &again).await["status"], "live");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_go_on_they_are_built_again_or_ended_at_the_provider() {
    let taken = Taken::new().await;
    let server = taken.restored(Unfinished::GoOn).await;
    let live = ended(&server, &taken.building).await;
    assert_eq!(live["status"], "live", "{live:#}");
    assert_eq!(visit(&server, live["url"].as_str().unwrap()).await.0, 200);
    // The provider waits for files, and the copy of them is in no backup.
    let failed = ended(&server, &taken.at_the_provider).await;
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("interrupted")));
    assert_eq!(taken.cancelled(), [true], "what was begun there is ended there");
    taken.check_shown(&server).await;
    wait_until("nothing is kept", || is_empty(&server.folder.join("deployments"))).await;
}
