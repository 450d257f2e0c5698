//! Deployments whose stored state cannot be read: made of the journal where that is whole, and called failed where not, so
//! that nothing waits for them for ever.

use std::path::Path;

use miteos_core::deployment::Event;
use miteos_deploy::TargetKind;
use miteos_standins::Standin;
use miteos_standins::netlify::Netlify;
use miteos_store::{DeploymentAppend, DeploymentRow, NewRecord, Store, StoreConfig};
use serde_json::{Value, json};

use super::{config, deploy, ended, events, netlify, to, workspace};
use crate::harness::{TestServer, wait_until};
use crate::standin::{Script, StandIn};

/// A deployment on its way, and no server.
struct Stopped {
    temp: tempfile::TempDir,
    standin: StandIn,
    netlify: Standin<Netlify>,
    id: String,
    workspace: String,
}

impl Stopped {
    async fn new() -> Self {
        let (standin, netlify) = (StandIn::start(Script::default()).await, netlify().await);
        netlify.look(|netlify| netlify.polls_per_state = u32::MAX);
        let temp = tempfile::tempdir().unwrap();
        let mut stopped = Self { temp, standin, netlify, id: String::new(), workspace: String::new() };
        let mut server = stopped.server().await;
        stopped.workspace = workspace(&server, "shop").await;
        config(&server, json!({})).await;
        stopped.id = deploy(&server, &stopped.workspace).await;
        wait_until("the provider has it", || stopped.netlify.count("GET", "/deploys/") > 1).await;
        server.stop().await;
        stopped.netlify.look(|netlify| netlify.polls_per_state = 1);
        stopped
    }

    async fn server(&self) -> TestServer {
        let change = to(TargetKind::Netlify, &self.netlify.url);
        TestServer::over(self.temp.path(), self.standin.clone(), change).await
    }

    /// Makes the state unreadable, and adds this record, which the state has no part in.
    async fn spoil(&self, body: Value) {
        let store = Store::open(StoreConfig::in_folder(self.temp.path())).await.unwrap();
        let row = store.deployment(self.id.parse().unwrap()).await.unwrap().unwrap();
        let spoiled = DeploymentRow { state: "spoiled".into(), version: row.version + 1, ..row.clone() };
        let record = NewRecord {
            seq: None,
            kind: "internal.deployment_progressed",
            agent: None,
            at: row.created_at,
            body: body.to_string(),
        };
        let append = DeploymentAppend {
            expected_version: row.version,
            records: vec![record],
            row: spoiled,
            idempotency: None,
        };
        store.append_deployment(append).await.unwrap();
        store.close().await;
    }

    fn damaged(&self) -> Vec<String> {
        let folder: &Path = self.temp.path();
        miteos_server::damaged_deployments(folder).unwrap()
    }
}

#[tokio::test]
async fn a_whole_journal_makes_the_state_anew() {
    let stopped = Stopped::new().await;
    let state = stopped.netlify.look(|netlify| netlify.deploys.len());
    assert_eq!((state, stopped.damaged()), (1, Vec::<String>::new()));
    // The last state of the provider once more, as it stands in the journal.
    let store = Store::open(StoreConfig::in_folder(stopped.temp.path())).await.unwrap();
    let records = store.deployment_records_after(stopped.id.parse().unwrap(), 0, 100).await.unwrap();
    store.close().await;
    let last = records.last().unwrap();
    assert!(matches!(serde_json::from_str(&last.body).unwrap(), Event::Progressed { .. }));
    stopped.spoil(serde_json::from_str(&last.body).unwrap()).await;
    assert_eq!(stopped.damaged(), [stopped.id.as_str()]);
    let server = stopped.server().await;
    assert_eq!(ended(&server, &stopped.id).await["status"], "live");
    assert_eq!(stopped.netlify.look(|netlify| netlify.deploys.len()), 1, "it went on, and was not made anew");
    assert_eq!(stopped.damaged(), Vec::<String>::new());
}

#[tokio::test]
async fn a_damaged_journal_is_called_failed_and_frees_its_place() {
    let stopped = Stopped::new().await;
    stopped.spoil(json!({"nonsense": 1})).await;
    assert_eq!(stopped.damaged(), [stopped.id.as_str()]);
    let server = stopped.server().await;
    // Until its runner has found out, it cannot be shown.
    let path = format!("/deployments/{}", stopped.id);
    let begun = std::time::Instant::now();
    while server.call("GET", &path, None).await.0 != 200 {
        assert!(begun.elapsed() < crate::harness::PATIENCE, "it is still damaged");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let failed = ended(&server, &stopped.id).await;
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("interrupted")));
    assert!(failed["error"]["message"].as_str().unwrap().contains("damaged"), "{failed:#}");
    assert_eq!((&failed["workspace_id"], &failed["target"]), (&json!(stopped.workspace), &json!("netlify")));
    let told = events(&server, &stopped.id).await;
    assert_eq!(told.last().unwrap(), &("deployment.failed".to_owned(), failed));
    assert_eq!(stopped.damaged(), Vec::<String>::new());
    let again = deploy(&server, &stopped.workspace).await;
    assert_eq!(ended(&server, &again).await["status"], "live");
    server.expect(422, "POST", &format!("{path}/cancel"), None).await;
}
