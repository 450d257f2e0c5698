//! What builds and what serves, scripted: a cancel waits for a build's end, places are given out in turn, and a server
//! that serves sites itself does so once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use miteos_core::content::Sha256;
use miteos_core::deployment::{Failure, FailureCode, FailureStep, Visibility};
use miteos_core::ids::DeploymentId;
use miteos_deploy::TargetKind;
use miteos_server::{
    BuildError, BuildJob, Builder, BuiltFolder, Changes, Place, PublishError, PublishJob, Published,
    Publisher, TakeInError, TakeInJob, TakenIn,
};
use miteos_standins::netlify::TOKEN;
use miteos_store::{Scope, StoreError};
use miteos_tools::workspace::Name;
use serde_json::json;
use tokio::sync::Semaphore;

use super::{Scene, config, deploy, ended, events, log, netlify, to, until, workspace};
use crate::harness::{TestServer, wait_until};
use crate::standin::{Script, StandIn};

/// So many deployments of one account work at once.
const AT_ONCE: usize = 4;

/// Builds as long as it is not let go.
struct Held {
    go: Semaphore,
    running: AtomicUsize,
    most: AtomicUsize,
    ended: AtomicUsize,
}

impl Held {
    fn new() -> Arc<Self> {
        let (running, most, ended) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { go: Semaphore::new(0), running, most, ended })
    }
}

#[async_trait]
impl Builder for Held {
    async fn build(&self, job: BuildJob<'_>) -> Result<BuiltFolder, BuildError> {
        assert!(std::fs::read_dir(job.scratch).unwrap().next().is_none(), "the folder is empty");
        let now = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        (job.log)(format!("built with {:?}", job.settings.build));
        let outcome = tokio::select! {
            _ = self.go.acquire() => {
                let site = job.scratch.join("out");
                std::fs::create_dir_all(&site).unwrap();
                std::fs::write(site.join("index.html"), "built").unwrap();
                let place = Place::Scratch(Name::parse("out").unwrap());
                Ok(BuiltFolder { place, index: miteos_deploy::site::Index::Required })
            }
            () = job.cancel.cancelled() => Err(BuildError::Cancelled),
        };
        self.running.fetch_sub(1, Ordering::SeqCst);
        self.ended.fetch_add(1, Ordering::SeqCst);
        outcome
    }
}

struct Shelf {
    shown: Mutex<BTreeMap<DeploymentId, usize>>,
    refuses: bool,
}

impl Shelf {
    fn new(refuses: bool) -> Arc<Self> {
        Arc::new(Self { shown: Mutex::default(), refuses })
    }
}

#[async_trait]
impl Publisher for Shelf {
    async fn take_in(&self, job: TakeInJob<'_>) -> Result<TakenIn, TakeInError> {
        let survey = job.survey;
        let site = tokio::task::spawn_blocking(move || survey.read_all()).await.unwrap()?;
        Ok(TakenIn { site, manifest: None, hold: None, room: None })
    }

    async fn publish(&self, job: PublishJob<'_>) -> Result<Published, PublishError> {
        if self.refuses {
            let failure = Failure::new(FailureCode::OutputRefused, FailureStep::Publish, "not on this shelf");
            return Err(PublishError::Refused(failure));
        }
        *self.shown.lock().unwrap().entry(job.deployment).or_default() += 1;
        (job.log)("it lies on the shelf".to_owned());
        Ok(Published {
            url: format!("http://{}.localhost/", job.deployment.to_string().replace('_', "-")),
            visibility: Visibility::Link,
            manifest: Sha256::of(b"list"),
            files: job.site.files.len() as u64,
            bytes: job.site.total_bytes(),
        })
    }

    async fn changes(&self, _: Option<&Sha256>, _: &Sha256) -> Result<Changes, StoreError> {
        Ok(Changes::default())
    }

    async fn withdraw(&self, deployment: DeploymentId) -> Result<(), StoreError> {
        self.shown.lock().unwrap().remove(&deployment);
        Ok(())
    }

    async fn stub(&self, deployment: DeploymentId, _: Scope) -> Result<String, StoreError> {
        Ok(format!("http://stub.localhost/{deployment}"))
    }
}

async fn server(builder: Arc<Held>, shelf: Arc<Shelf>) -> TestServer {
    TestServer::start_with(Script::default(), move |config| {
        config.builder = Some(builder.clone());
        config.publisher = Some(shelf.clone());
    })
    .await
}

async fn to_shelf(server: &TestServer, workspace: &str) -> String {
    let body = json!({"workspace_id": workspace, "target": "preview", "settings": {"build": "make"}});
    let made = server.expect(201, "POST", "/deployments", Some(body)).await;
    made["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_cancel_answers_when_the_build_has_ended() {
    let (builder, shelf) = (Held::new(), Shelf::new(false));
    let server = server(builder.clone(), shelf.clone()).await;
    let id = to_shelf(&server, &workspace(&server, "shop").await).await;
    until(&server, &id, |d| d["status"] == "building").await;
    wait_until("it builds", || builder.running.load(Ordering::SeqCst) == 1).await;
    server.expect(200, "POST", &format!("/deployments/{id}/cancel"), None).await;
    assert_eq!(builder.running.load(Ordering::SeqCst), 0);
    let failed = server.get(&format!("/deployments/{id}")).await;
    let error = &failed["error"];
    assert_eq!((&error["code"], &error["step"]), (&json!("canceled"), &json!("build")), "{failed:#}");
    assert!(shelf.shown.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_build_cut_off_by_a_stop_is_built_again() {
    let temp = tempfile::tempdir().unwrap();
    let standin = StandIn::start(Script::default()).await;
    let (builder, shelf) = (Held::new(), Shelf::new(false));
    let change = |config: &mut miteos_server::Config| {
        config.builder = Some(builder.clone());
        config.publisher = Some(shelf.clone());
    };
    let mut server = TestServer::over(temp.path(), standin.clone(), change).await;
    let id = to_shelf(&server, &workspace(&server, "shop").await).await;
    wait_until("it builds", || builder.running.load(Ordering::SeqCst) == 1).await;
    server.stop().await;
    assert_eq!((builder.running.load(Ordering::SeqCst), builder.ended.load(Ordering::SeqCst)), (0, 1));
    builder.go.add_permits(1);
    let server = TestServer::over(temp.path(), standin, change).await;
    let live = ended(&server, &id).await;
    assert_eq!((&live["status"], &live["visibility"]), (&json!("live"), &json!("link")), "{live:#}");
    assert_eq!((&live["environment"], &live["config_id"]), (&json!("preview"), &json!(null)));
    let log = super::log(&server, &id).await;
    for part in ["built with Some(\"make\")", "1 files, 5 bytes", "it lies on the shelf", "live at http://"] {
        assert!(log.contains(part), "{part}:\n{log}");
    }
    assert_eq!(events(&server, &id).await.len(), 4);
    let refused = server.expect(422, "POST", &format!("/deployments/{id}/rollback"), None).await;
    assert!(refused["detail"].as_str().unwrap().contains("own address"), "{refused}");
}

#[tokio::test]
async fn who_comes_late_waits_for_a_place_and_can_be_cancelled_there() {
    let (builder, shelf) = (Held::new(), Shelf::new(false));
    let server = server(builder.clone(), shelf.clone()).await;
    let mut all = Vec::new();
    for n in 0..10 {
        let workspace = workspace(&server, &format!("shop {n}")).await;
        all.push(to_shelf(&server, &workspace).await);
    }
    wait_until("the places are taken", || builder.running.load(Ordering::SeqCst) == AT_ONCE).await;
    let waiting = until(&server, &all[9], |d| d["status"] == "pending").await;
    assert_eq!(waiting["status"], "pending");
    server.expect(200, "POST", &format!("/deployments/{}/cancel", all[9]), None).await;
    builder.go.add_permits(100);
    for id in &all[..9] {
        assert_eq!(ended(&server, id).await["status"], "live");
    }
    assert_eq!(ended(&server, &all[9]).await["error"]["code"], "canceled");
    assert_eq!(builder.most.load(Ordering::SeqCst), AT_ONCE);
    assert_eq!(shelf.shown.lock().unwrap().values().copied().collect::<Vec<_>>(), vec![1; 9]);
}

#[tokio::test]
async fn what_this_server_does_not_serve_is_told() {
    let (builder, shelf) = (Held::new(), Shelf::new(true));
    builder.go.add_permits(9);
    let server = server(builder, shelf).await;
    let id = to_shelf(&server, &workspace(&server, "shop").await).await;
    let failed = ended(&server, &id).await;
    assert_eq!(failed["error"]["code"], "output_refused", "{failed:#}");
    assert_eq!(failed["error"]["message"], "not on this shelf");
}

/// A provider may take an hour; that is in nobody's way.
#[tokio::test]
async fn those_that_only_ask_their_provider_hold_no_place() {
    let scene = Scene::start().await;
    scene.netlify.look(|netlify| netlify.ends_in = Some("processing"));
    let mut asking = Vec::new();
    for n in 0..=AT_ONCE {
        let workspace = workspace(&scene.server, &format!("slow {n}")).await;
        asking.push(deploy(&scene.server, &workspace).await);
    }
    for id in &asking {
        until(&scene.server, id, |d| d["status"] == "deploying").await;
    }
    wait_until("all are there", || scene.deploys() == asking.len()).await;
    let body = json!({"workspace_id": scene.workspace, "target": "preview"});
    let made = scene.server.expect(201, "POST", "/deployments", Some(body)).await;
    assert_eq!(scene.ended(made["id"].as_str().unwrap()).await["status"], "live");
    scene.netlify.look(|netlify| netlify.ends_in = None);
    for id in &asking {
        assert_eq!(scene.ended(id).await["status"], "live");
    }
}

/// A crash right behind the end leaves a folder that nobody else would remove.
#[tokio::test]
async fn what_a_crash_left_of_a_deployment_that_is_over_is_removed() {
    let temp = tempfile::tempdir().unwrap();
    let standin = StandIn::start(Script::default()).await;
    let mut server = TestServer::over(temp.path(), standin.clone(), |_| {}).await;
    let body = json!({"workspace_id": workspace(&server, "shop").await, "target": "preview"});
    let made = server.expect(201, "POST", "/deployments", Some(body)).await;
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(ended(&server, &id).await["status"], "live");
    server.stop().await;
    let all = temp.path().join("deployments");
    for left in [id.as_str(), "dep_01jd3kb2c3d4e5f6g7h8j9k0m1"] {
        std::fs::create_dir_all(all.join(left).join("site/deep")).unwrap();
        std::fs::write(all.join(left).join("site/deep/a.txt"), "left").unwrap();
    }
    std::fs::create_dir_all(all.join("somebody else's")).unwrap();
    let _server = TestServer::over(temp.path(), standin, |_| {}).await;
    let names = || names_in(&all);
    wait_until("they are gone", || names() == ["somebody else's"]).await;
}

fn names_in(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Fails, and says more than it should.
struct Talkative;

#[async_trait]
impl Builder for Talkative {
    async fn build(&self, _: BuildJob<'_>) -> Result<BuiltFolder, BuildError> {
        let message = format!("the build failed:\n  netlify build --auth {TOKEN}\n  exit 1");
        Err(BuildError::Failed(Failure::new(FailureCode::BuildFailed, FailureStep::Build, message)))
    }
}

/// What a build says reaches events, webhooks and models: without the credentials that it found somewhere.
#[tokio::test]
async fn a_failure_tells_no_secret() {
    let netlify = netlify().await;
    let change = to(TargetKind::Netlify, &netlify.url);
    let server = TestServer::start_with(Script::default(), |server| {
        change(server);
        server.builder = Some(Arc::new(Talkative));
    });
    let server = server.await;
    config(&server, json!({})).await;
    let id = deploy(&server, &workspace(&server, "shop").await).await;
    let failed = ended(&server, &id).await;
    assert_eq!(failed["error"]["message"], "the build failed:\n  netlify build --auth ***\n  exit 1");
    let told = format!("{:?} {}", events(&server, &id).await, log(&server, &id).await);
    assert!(told.contains("--auth ***") && !told.contains(TOKEN), "{told}");
}

/// What the provider has and only works on goes live although the server has lost its copy of the files.
#[tokio::test]
async fn files_are_not_asked_for_while_the_provider_works() {
    let temp = tempfile::tempdir().unwrap();
    let (standin, netlify) = (StandIn::start(Script::default()).await, netlify().await);
    let change = to(TargetKind::Netlify, &netlify.url);
    let mut server = TestServer::over(temp.path(), standin.clone(), &change).await;
    config(&server, json!({})).await;
    netlify.look(|netlify| netlify.ends_in = Some("processing"));
    let id = deploy(&server, &workspace(&server, "shop").await).await;
    let processes = || netlify.look(|netlify| netlify.deploys.values().any(|one| one.state == "processing"));
    wait_until("the provider works on it", processes).await;
    server.stop().await;
    std::fs::remove_dir_all(temp.path().join("deployments").join(&id)).unwrap();
    netlify.look(|netlify| netlify.ends_in = None);
    let server = TestServer::over(temp.path(), standin, &change).await;
    assert_eq!(ended(&server, &id).await["status"], "live");
}
