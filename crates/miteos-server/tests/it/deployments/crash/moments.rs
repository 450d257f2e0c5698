//! Crashes between a request and its answer: of a cancel, and of a way back.

use miteos_deploy::TargetKind;
use miteos_standins::{Fault, What, When};
use serde_json::{Value, json};

use super::{Ground, config, deploy, ended, endless, netlify, to, until, workspace};
use crate::harness::{TestServer, client, wait_until};

/// Two deployments that are live, the older one first.
async fn two_live(server: &TestServer) -> [String; 2] {
    let workspace = workspace(server, "shop").await;
    config(server, json!({})).await;
    let mut made = Vec::new();
    for _ in 0..2 {
        let id = deploy(server, &workspace).await;
        assert_eq!(ended(server, &id).await["status"], "live");
        made.push(id);
    }
    made.try_into().unwrap()
}

async fn listed(server: &TestServer) -> Value {
    server.get("/deployments").await["data"].clone()
}

/// A server in a runtime of its own, which is dropped where it stands.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_back_that_is_cut_off_anywhere_can_be_gone_again() {
    let (ground, netlify) = (Ground::new().await, netlify().await);
    let change = to(TargetKind::Netlify, &netlify.url);
    let mut server = TestServer::over(&ground.folder(), ground.standin.clone(), &change).await;
    let [first, second] = two_live(&server).await;
    let before = listed(&server).await;
    let published =
        || netlify.look(|netlify| netlify.sites.values().next().unwrap().published.clone().unwrap());
    let newer = published();
    server.stop().await;
    let mut marks = 0;
    for mark in 0.. {
        let stopped = netlify.stop_at(mark);
        let doomed = runtime();
        let (folder, model, own) = (ground.folder(), ground.standin.clone(), change.clone());
        let path = format!("/deployments/{first}/rollback");
        let (done, over) = tokio::sync::oneshot::channel();
        doomed.spawn(async move {
            let server = TestServer::over(&folder, model, own).await;
            let _ = done.send(server.call("POST", &path, None).await.0);
            std::future::pending::<()>().await;
        });
        let cut_off = tokio::select! {
            () = stopped => true,
            status = over => { assert_eq!(status.unwrap(), 200); false }
        };
        doomed.shutdown_background();
        netlify.go_on();
        let mut server = TestServer::over(&ground.folder(), ground.standin.clone(), &change).await;
        assert_eq!(listed(&server).await, before, "cut off at mark {mark}");
        server.expect(200, "POST", &format!("/deployments/{first}/rollback"), None).await;
        assert_ne!(published(), newer, "cut off at mark {mark}");
        // And forward again, for the next time.
        server.expect(200, "POST", &format!("/deployments/{second}/rollback"), None).await;
        assert_eq!(published(), newer);
        assert_eq!(netlify.look(|netlify| netlify.deploys.len()), 2);
        server.stop().await;
        if !cut_off {
            marks = mark;
            break;
        }
    }
    assert!(marks >= 2, "{marks} marks");
}

/// After a cancel whose request to the provider was cut off, it is cancelled, here and there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_that_is_cut_off_before_its_answer_is_carried_out() {
    // Before the provider has done anything, and after it has, when its answer is lost.
    for what in [What::CutUpload, What::CutAnswer] {
        let (ground, netlify) = (Ground::new().await, endless().await);
        let change = to(TargetKind::Netlify, &netlify.url);
        let doomed = runtime();
        let (told, heard) = tokio::sync::oneshot::channel();
        let (folder, model, first) = (ground.folder(), ground.standin.clone(), change.clone());
        doomed.spawn(async move {
            let server = TestServer::over(&folder, model, &first).await;
            let workspace = workspace(&server, "shop").await;
            config(&server, json!({})).await;
            let id = deploy(&server, &workspace).await;
            until(&server, &id, |d| d["status"] == "deploying").await;
            let (url, key) = (server.url.clone(), server.key.clone());
            let _ = told.send((id, url, key));
            std::future::pending::<()>().await;
        });
        let (id, url, key) = heard.await.unwrap();
        wait_until("the provider has it", || netlify.look(|netlify| netlify.deploys.len()) == 1).await;
        netlify.fault(Fault { when: When::to("POST", "/cancel"), what });
        let asked = client().post(format!("{url}/v1/deployments/{id}/cancel")).bearer_auth(key);
        let asking = tokio::spawn(asked.send());
        wait_until("the provider is told", || netlify.count("POST", "/cancel") > 0).await;
        doomed.shutdown_background();
        let answer = asking.await.unwrap();
        assert!(!answer.is_ok_and(|answer| answer.status().is_success()), "nobody was told that it is done");
        netlify.no_faults();
        let server = TestServer::over(&ground.folder(), ground.standin.clone(), &change).await;
        // Whether it was recorded is not known to who asked, so it is asked for again.
        server.expect(200, "POST", &format!("/deployments/{id}/cancel"), None).await;
        let failed = ended(&server, &id).await;
        assert_eq!(failed["error"]["code"], "canceled", "{failed:#}");
        assert!(netlify.look(|netlify| netlify.deploys.values().all(|deploy| deploy.cancelled)));
    }
}
