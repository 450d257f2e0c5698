//! The plug is pulled after every durable write of a deployment. There is never a second one at the provider, none is
//! lost, and what clients see in the end is what they would have seen.

use std::path::Path;
use std::sync::Arc;

use miteos_deploy::TargetKind;
use miteos_server::CrashHook;
use miteos_standins::Standin;
use miteos_standins::netlify::Netlify;
use miteos_standins::vercel::Vercel;
use serde_json::{Value, json};

use super::{config, deploy, ended, events, netlify, to, workspace};
use crate::crash::Gate;
use crate::harness::TestServer;
use crate::standin::{Script, StandIn};

/// The provider of a scenario, as far as the crashes look at it.
trait Provider: Send + Sync + 'static {
    const KIND: TargetKind;
    fn url(&self) -> String;
    /// The deployments that it has.
    fn count(&self) -> usize;
    fn credentials() -> Value;
}

impl Provider for Standin<Netlify> {
    const KIND: TargetKind = TargetKind::Netlify;
    fn url(&self) -> String {
        self.url.clone()
    }
    fn count(&self) -> usize {
        self.look(|netlify| netlify.deploys.len())
    }
    fn credentials() -> Value {
        json!({"token": miteos_standins::netlify::TOKEN})
    }
}

impl Provider for Standin<Vercel> {
    const KIND: TargetKind = TargetKind::Vercel;
    fn url(&self) -> String {
        self.url.clone()
    }
    fn count(&self) -> usize {
        self.look(|vercel| vercel.deployments.len())
    }
    fn credentials() -> Value {
        json!({"token": miteos_standins::vercel::TOKEN})
    }
}

/// A server with a workspace and a configuration, stopped again.
async fn prepared<P: Provider>(folder: &Path, standin: &StandIn, provider: &P) -> String {
    let mut server = TestServer::over(folder, standin.clone(), to(P::KIND, &provider.url())).await;
    let workspace = workspace(&server, "shop").await;
    let body = json!({"name": "ours", "target": P::KIND.word(), "credentials": P::credentials()});
    server.expect(201, "POST", "/deploy-configs", Some(body)).await;
    server.stop().await;
    workspace
}

/// What a person does: asks for a deployment, unless there is one, and waits for its end.
async fn carried_out(server: &TestServer, workspace: &str, target: &str) -> Value {
    let list = server.get("/deployments").await;
    let id = match list["data"][0]["id"].as_str() {
        Some(id) => id.to_owned(),
        None => {
            let body = json!({"workspace_id": workspace, "target": target});
            let made = server.call("POST", "/deployments", Some(body)).await.1;
            made["id"].as_str().unwrap().to_owned()
        }
    };
    ended(server, &id).await
}

/// Whether the server got as far as its k-th durable write; there it is dropped where it stands.
async fn crashed(
    folder: &Path,
    standin: &StandIn,
    change: impl Fn(&mut miteos_server::Config) + Clone + Send + Sync + 'static,
    (workspace, target): (&str, &'static str),
    k: u64,
) -> bool {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel::<()>();
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (done, over) = tokio::sync::oneshot::channel();
    let (folder, standin, workspace) = (folder.to_owned(), standin.clone(), workspace.to_owned());
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
            change(config);
            config.crash = Some(Arc::clone(&hook));
        })
        .await;
        let _ = done.send(carried_out(&server, &workspace, target).await);
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

async fn everywhere<P: Provider>(start: impl AsyncFn() -> P, least: u64) {
    let target = P::KIND.word();
    let mut writes = 0;
    for k in 1.. {
        let temp = tempfile::tempdir().unwrap();
        let (standin, provider) = (StandIn::start(Script::default()).await, start().await);
        let workspace = prepared(temp.path(), &standin, &provider).await;
        let change = to(P::KIND, &provider.url());
        if !crashed(temp.path(), &standin, change.clone(), (&workspace, target), k).await {
            break;
        }
        writes = k;
        let server = TestServer::over(temp.path(), standin, &change).await;
        let live = carried_out(&server, &workspace, target).await;
        assert_eq!(live["status"], "live", "after write {k}: {live:#}");
        assert_eq!(provider.count(), 1, "after write {k}");
        assert_eq!(server.get("/deployments").await["data"], json!([live]), "after write {k}");
        let told = events(&server, live["id"].as_str().unwrap()).await;
        let kinds: Vec<&str> = told.iter().map(|(kind, _)| kind.as_str()).collect();
        let all = ["deployment.started", "deployment.building", "deployment.deploying", "deployment.live"];
        assert_eq!(kinds, all, "after write {k}");
        assert_eq!(told[3].1, live, "after write {k}");
    }
    assert!(writes >= least, "the scenario has {writes} durable writes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_netlify_after_every_durable_write() {
    // Started, building, built and deploying, and a state for each of four steps at least, and live.
    everywhere(netlify, 7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_vercel_after_every_durable_write() {
    everywhere(async || Vercel::start().await.unwrap(), 5).await;
}

/// After a cancel that was cut off, it is cancelled, here and there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_is_carried_out_after_a_crash() {
    let temp = tempfile::tempdir().unwrap();
    let (standin, netlify) = (StandIn::start(Script::default()).await, netlify().await);
    netlify.look(|netlify| netlify.polls_per_state = u32::MAX);
    let change = to(TargetKind::Netlify, &netlify.url);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (told, heard) = tokio::sync::oneshot::channel();
    let (folder, copy, first) = (temp.path().to_owned(), standin.clone(), change.clone());
    let url = netlify.url.clone();
    runtime.spawn(async move {
        let server = TestServer::over(&folder, copy, &first).await;
        let workspace = workspace(&server, "shop").await;
        config(&server, json!({})).await;
        let id = deploy(&server, &workspace).await;
        super::until(&server, &id, |d| d["status"] == "deploying").await;
        let _ = (told.send(id), url);
        std::future::pending::<()>().await;
    });
    let id = heard.await.unwrap();
    crate::harness::wait_until("the provider has it", || netlify.look(|netlify| netlify.deploys.len()) == 1)
        .await;
    runtime.shutdown_background();
    let server = TestServer::over(temp.path(), standin, &change).await;
    server.expect(200, "POST", &format!("/deployments/{id}/cancel"), None).await;
    assert_eq!(ended(&server, &id).await["error"]["code"], "canceled");
    assert!(netlify.look(|netlify| netlify.deploys.values().all(|deploy| deploy.cancelled)));
}
