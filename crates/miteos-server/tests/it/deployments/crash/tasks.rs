//! The same for deployments that tasks make: by the tool of an agent, and at the task's end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use miteos_deploy::TargetKind;
use miteos_server::{Config, CrashHook};
use miteos_standins::Standin;
use miteos_standins::netlify::Netlify;
use serde_json::{Value, json};

use super::super::{config, ended, netlify, to};
use super::endless;
use crate::crash::{Scenario, alone};
use crate::harness::{TestServer, wait_until};
use crate::plug::Gate;
use crate::standin::{Reply, Script, StandIn, call, text};

fn page() -> Reply {
    call("write_file", json!({"path": "index.html", "content": "<h1>made by an agent</h1>"}))
}

/// A task whose folder has a configuration for the provider.
fn scenario(netlify: &Standin<Netlify>, replies: Vec<Reply>, wanted: Value) -> Scenario {
    let script = Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", replies);
    let change = to(TargetKind::Netlify, &netlify.url);
    let first = change.clone();
    let prepare = move |folder: PathBuf, standin: StandIn| {
        let change = first.clone();
        let prepared: futures::future::BoxFuture<'static, ()> = Box::pin(async move {
            let mut server = TestServer::over(&folder, standin, change).await;
            config(&server, json!({})).await;
            server.stop().await;
        });
        prepared
    };
    Scenario {
        script,
        config: wanted,
        change: Arc::new(move |_: &Path, config: &mut Config| change(config)),
        prepare: Arc::new(prepare),
        people: alone(),
    }
}

/// There is one, and it is ready; then the provider forgets all for the next time.
fn check(netlify: &Standin<Netlify>, k: u64) {
    netlify.look(|netlify| {
        let states: Vec<&str> = netlify.deploys.values().map(|deploy| deploy.state).collect();
        assert_eq!(states, ["ready"], "after write {k}");
        let mut fresh = Netlify::default();
        fresh.polls_per_state = 1;
        *netlify = fresh;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agents_deploy_call_after_every_durable_write() {
    let netlify = netlify().await;
    let replies = vec![page(), call("deploy", json!({"target": "netlify"})), text("it is there")];
    let scenario = scenario(&netlify, replies, json!({"autonomy_level": 100}));
    scenario.crash_everywhere(15, |_, k| check(&netlify, k)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_at_a_tasks_end_after_every_durable_write() {
    let netlify = netlify().await;
    let wanted = json!({"autonomy_level": 100, "auto_deploy": true, "deploy_target": "netlify"});
    let scenario = scenario(&netlify, vec![page(), text("the page is made")], wanted);
    scenario.crash_everywhere(12, |_, k| check(&netlify, k)).await;
}

/// A server whose plug is pulled with the first durable write after it is told to be: that is the end of the task, or of
/// its agent. The deployment has not heard of it then. Gives the deployment.
async fn stopped_and_crashed(
    netlify: &Standin<Netlify>,
    scenario: &Scenario,
    folder: &Path,
    standin: &StandIn,
    what: &'static str,
) -> String {
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel::<()>();
    let (gate, armed) = (Arc::new(Gate::default()), Arc::new(AtomicBool::new(false)));
    let (held, fires) = (Arc::clone(&gate), Arc::clone(&armed));
    let hook: CrashHook = Arc::new(move |_| {
        if fires.load(Ordering::SeqCst) {
            let _ = told.send(());
            held.wait();
            std::panic::resume_unwind(Box::new("the plug is pulled"));
        }
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (tell, made) = tokio::sync::oneshot::channel();
    let (folder, standin, scenario) = (folder.to_owned(), standin.clone(), scenario.clone());
    runtime.spawn(async move {
        let server = TestServer::over(&folder, standin, |config| {
            (scenario.change)(&folder, config);
            config.crash = Some(Arc::clone(&hook));
        })
        .await;
        let task = server.create("deploy and be stopped", scenario.config.clone()).await;
        let id = loop {
            let made = server.get("/deployments").await["data"][0].clone();
            if made["status"] == "deploying" {
                break made["id"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        };
        let agent = server.get(&format!("/tasks/{task}")).await["agents"][0]["id"].clone();
        let _ =
            tell.send((server.url.clone(), server.key.clone(), id, task, agent.as_str().unwrap().to_owned()));
        std::future::pending::<()>().await;
    });
    let (url, key, id, task, agent) = made.await.unwrap();
    // From then on its state moves no more.
    wait_until("it waits for the provider", || netlify.count("GET", "/deploys/") > 2).await;
    let path = if what == "task" { format!("tasks/{task}") } else { format!("agents/{agent}") };
    let asked = crate::harness::client().post(format!("{url}/v1/{path}/cancel")).bearer_auth(key);
    armed.store(true, Ordering::SeqCst);
    let asking = tokio::spawn(asked.send());
    heard.recv().await.unwrap();
    runtime.shutdown_background();
    gate.open();
    let answer = asking.await.unwrap();
    assert!(!answer.is_ok_and(|answer| answer.status().is_success()), "nobody was told that it is done");
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stopped_before_a_crash_takes_its_deployment_with_it() {
    for what in ["task", "agent"] {
        let netlify = endless().await;
        let replies = vec![page(), call("deploy", json!({"target": "netlify"})), text("it is there")];
        let scenario = scenario(&netlify, replies, json!({"autonomy_level": 100}));
        let temp = tempfile::tempdir().unwrap();
        let standin = StandIn::start(scenario.script.clone()).await;
        (scenario.prepare)(temp.path().to_owned(), standin.clone()).await;
        let stopped = stopped_and_crashed(&netlify, &scenario, temp.path(), &standin, what);
        let id = tokio::time::timeout(crate::harness::PATIENCE, stopped).await.unwrap();
        let server = scenario.server(temp.path(), standin).await;
        let failed = ended(&server, &id).await;
        assert_eq!(failed["error"]["code"], "canceled", "{what}: {failed:#}");
        wait_until("the provider has ended it", || {
            netlify.look(|netlify| netlify.deploys.values().all(|deploy| deploy.cancelled))
        })
        .await;
    }
}
