//! Deployments that agents make, and those that a task makes at its end.

use miteos_deploy::TargetKind;
use miteos_standins::netlify::TOKEN;
use serde_json::{Value, json};

use super::{config, netlify, to};
use crate::harness::TestServer;
use crate::standin::{Reply, Script, call, text};

fn page() -> Reply {
    call("write_file", json!({"path": "index.html", "content": "<h1>made by an agent</h1>"}))
}

fn one(replies: Vec<Reply>) -> Script {
    Script::default().plan(&[("1", "do alpha", &[])]).agent("alpha", replies)
}

async fn deployments(server: &TestServer) -> Vec<Value> {
    server.get("/deployments").await["data"].as_array().unwrap().clone()
}

async fn decide(server: &TestServer, task: &str, answer: Value) -> Value {
    let asked = server.asked(task).await;
    assert_eq!((&asked["tool"], &asked["risk"]), (&json!("deploy"), &json!("critical")));
    let (agent, id) = (asked["agent_id"].as_str().unwrap(), asked["id"].as_str().unwrap());
    server.expect(200, "POST", &format!("/agents/{agent}/approve/{id}"), Some(answer)).await;
    asked
}

#[tokio::test]
async fn an_agent_deploys_what_it_made_once_a_person_agrees() {
    let netlify = netlify().await;
    let script = one(vec![page(), call("deploy", json!({"target": "netlify"})), text("it is there")]);
    let server = TestServer::start_with(script, to(TargetKind::Netlify, &netlify.url)).await;
    let config = config(&server, json!({})).await;
    let task = server.create("make a page", json!({"autonomy_level": 99})).await;
    let asked = decide(&server, &task, json!({"approved": true})).await;
    let input = &asked["input"];
    assert_eq!((&input["target"], &input["config_id"]), (&json!("netlify"), &json!(config)));
    assert_eq!((&input["config_name"], &input["environment"]), (&json!("ours"), &json!("production")));
    let said =
        format!("Publish the workspace at netlify in production, with the configuration ours ({config})");
    assert_eq!(asked["summary"], said);
    let ended = server.ended(&task).await;
    assert_eq!(
        (&ended["status"], &ended["result"]),
        (&json!("complete"), &json!("it is there")),
        "{ended:#}"
    );
    let made = deployments(&server).await;
    assert_eq!(made.len(), 1);
    let made = &made[0];
    assert_eq!((&made["status"], &made["task_id"]), (&json!("live"), &json!(task)));
    assert_eq!(made["config_id"], json!(config));
    let results = server.events(&task).await;
    let told = results.iter().filter(|event| event["type"] == "agent.result").map(|event| &event["data"]);
    let told: Vec<&Value> = told.filter(|data| data["tool"] == "deploy").collect();
    assert_eq!((told.len(), &told[0]["ok"]), (1, &json!(true)));
    let output = told[0]["output"].as_str().unwrap();
    assert!(output.contains(made["url"].as_str().unwrap()), "{output}");
    assert_eq!(netlify.look(|netlify| netlify.deploys.len()), 1);
    server.check_conversations();
}

#[tokio::test]
async fn a_task_deploys_at_its_end_and_tells_where() {
    let netlify = netlify().await;
    let script = one(vec![page(), text("the page is made")]);
    let server = TestServer::start_with(script, to(TargetKind::Netlify, &netlify.url)).await;
    let wanted = json!({"prompt": "x", "config": {"auto_deploy": true, "deploy_target": "netlify"}});
    let refused = server.expect(422, "POST", "/tasks", Some(wanted)).await;
    assert!(refused["detail"].as_str().unwrap().contains("no deploy configuration"), "{refused}");
    let own = config(&server, json!({})).await;
    let wanted = |dial: u8| json!({"autonomy_level": dial, "auto_deploy": true, "deploy_target": "netlify"});
    let task = server.create("make a page", wanted(100)).await;
    let ended = server.ended(&task).await;
    assert_eq!(ended["status"], "complete", "{ended:#}");
    let made = deployments(&server).await;
    assert_eq!((made.len(), &made[0]["task_id"], &made[0]["status"]), (1, &json!(task), &json!("live")));
    let result = ended["result"].as_str().unwrap();
    assert!(
        result.starts_with("the page is made\n\nlive at ")
            && result.contains(made[0]["url"].as_str().unwrap())
    );

    // Below the full dial a person is asked, and may say no.
    let task = server.create("make a page", wanted(99)).await;
    let asked = decide(&server, &task, json!({"approved": false, "reason": "not on a Friday"})).await;
    let input = &asked["input"];
    assert_eq!((&input["config_id"], &input["environment"]), (&json!(own), &json!("production")));
    assert!(
        asked["summary"].as_str().unwrap().ends_with(&format!("the configuration ours ({own})")),
        "{asked}"
    );
    let ended = server.ended(&task).await;
    let expected = "the page is made\n\nNot deployed: a person rejected it (not on a Friday)";
    assert_eq!((&ended["status"], &ended["result"]), (&json!("complete"), &json!(expected)));
    assert_eq!(deployments(&server).await.len(), 1);
    server.check_conversations();
}

/// Another default, or another meaning of the same configuration: neither was agreed to.
#[tokio::test]
async fn what_was_agreed_to_is_what_is_done() {
    let netlify = netlify().await;
    let deploy = || call("deploy", json!({"target": "netlify"}));
    let script = one(vec![page(), deploy(), deploy(), text("it is there")]);
    let server = TestServer::start_with(script, to(TargetKind::Netlify, &netlify.url)).await;
    let own = config(&server, json!({})).await;
    let task = server.create("make a page", json!({"autonomy_level": 99})).await;
    let first = server.asked(&task).await;
    let body = json!({"settings": {"environment": "preview", "output": "dist"}});
    server.expect(200, "PATCH", &format!("/deploy-configs/{own}"), Some(body)).await;
    decide(&server, &task, json!({"approved": true})).await;
    let again = loop {
        let asked = server.asked(&task).await;
        if asked["id"] != first["id"] {
            break asked;
        }
    };
    assert_eq!(deployments(&server).await, Vec::<Value>::new(), "it was agreed to as another");
    let events = server.events(&task).await;
    let told =
        events.iter().find(|event| event["type"] == "agent.result" && event["data"]["tool"] == "deploy");
    let told = told.unwrap()["data"]["output"].as_str().unwrap();
    assert!(told.contains("was changed after this call was agreed to"), "{told}");
    let input = &again["input"];
    assert_eq!((&input["environment"], &input["folder"]), (&json!("preview"), &json!("dist")));
    let said = again["summary"].as_str().unwrap();
    assert!(said.starts_with("Publish dist of the workspace at netlify as a draft"), "{said}");
    // A person names another folder, and then there is another configuration.
    let mut input = again["input"].clone();
    input["folder"] = json!(".");
    let second = json!({"name": "second", "target": "netlify", "credentials": {"token": TOKEN}});
    server.expect(201, "POST", "/deploy-configs", Some(second)).await;
    decide(&server, &task, json!({"approved": true, "input": input})).await;
    assert_eq!(server.ended(&task).await["status"], "complete");
    let made = deployments(&server).await;
    assert_eq!((made.len(), &made[0]["status"], &made[0]["config_id"]), (1, &json!("live"), &json!(own)));
    assert_eq!(made[0]["environment"], "preview");
    server.check_conversations();
}

#[tokio::test]
async fn what_cannot_be_deployed_is_told_before_anybody_is_asked() {
    let netlify = netlify().await;
    let script = one(vec![page(), call("deploy", json!({"target": "vercel"})), text("not there")]);
    let server = TestServer::start_with(script, to(TargetKind::Netlify, &netlify.url)).await;
    let task = server.create("make a page", json!({"autonomy_level": 99})).await;
    assert_eq!(server.ended(&task).await["status"], "complete");
    let events = server.events(&task).await;
    assert!(!events.iter().any(|event| event["type"] == "approval.required"), "{events:#?}");
    let told =
        events.iter().find(|event| event["type"] == "agent.result" && event["data"]["tool"] == "deploy");
    let told = told.unwrap()["data"]["output"].as_str().unwrap();
    assert!(told.contains("no deploy configuration for vercel"), "{told}");
}

/// The test world does all of it without pushing anything.
#[tokio::test]
async fn the_test_world_passes_the_same_states() {
    let server = TestServer::start(Script::default()).await;
    let wanted = json!({"prompt": "make a page", "config": {"autonomy_level": 100, "auto_deploy": true, "deploy_target": "preview"}});
    let (status, made) = server.call_as(&server.test_key, "POST", "/tasks", Some(wanted)).await;
    assert_eq!(status, 201, "{made}");
    let path = format!("/tasks/{}", made["id"].as_str().unwrap());
    let ended = loop {
        let (_, task) = server.call_as(&server.test_key, "GET", &path, None).await;
        if task["completed_at"] != Value::Null {
            break task;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert_eq!(ended["status"], "complete", "{ended:#}");
    let (_, listed) = server.call_as(&server.test_key, "GET", "/deployments", None).await;
    assert_eq!((&listed["data"][0]["status"], &listed["data"][0]["task_id"]), (&json!("live"), &made["id"]));
    assert_eq!(deployments(&server).await, Vec::<Value>::new(), "the live world sees none of it");
}

/// Who may not deploy cannot have it done by a task.
#[tokio::test]
async fn a_key_without_the_scope_does_not_deploy_through_a_task() {
    let netlify = netlify().await;
    let deploys = || netlify.look(|netlify| netlify.deploys.len());
    let replies = vec![page(), call("deploy", json!({"target": "netlify"})), text("not there")];
    let server = TestServer::start_with(one(replies), to(TargetKind::Netlify, &netlify.url)).await;
    let own = config(&server, json!({})).await;
    let (key, _) = server.make_key("live", "pro", &["tasks.write", "tasks.read"]).await;
    for asked in [
        json!({"auto_deploy": true, "deploy_target": "netlify"}),
        json!({"deploy_target": "netlify", "deploy_config_id": own}),
        json!({"auto_deploy": true, "deploy_target": "preview"}),
    ] {
        let body = json!({"prompt": "make a page", "config": asked});
        let (status, refused) = server.call_as(&key, "POST", "/tasks", Some(body)).await;
        assert_eq!((status, refused["detail"].as_str().unwrap().contains("deployments.write")), (403, true));
    }
    let body = json!({"prompt": "make a page", "config": {"autonomy_level": 100}});
    let (status, made) = server.call_as(&key, "POST", "/tasks", Some(body)).await;
    assert_eq!(status, 201, "{made}");
    let task = made["id"].as_str().unwrap();
    assert_eq!(server.ended(task).await["status"], "complete");
    let events = server.events(task).await;
    let told =
        events.iter().find(|event| event["type"] == "agent.result" && event["data"]["tool"] == "deploy");
    let told = &told.unwrap()["data"];
    assert!(!told["ok"].as_bool().unwrap() && told["output"].as_str().unwrap().contains("deploy"), "{told}");
    assert_eq!((deployments(&server).await.len(), deploys()), (0, 0));
}

/// A body that names what is not there is refused, by the name of the field; only an address is not found.
#[tokio::test]
async fn a_task_is_told_which_field_of_it_cannot_be() {
    let netlify = netlify().await;
    let server = TestServer::start_with(Script::default(), to(TargetKind::Netlify, &netlify.url)).await;
    let own = config(&server, json!({})).await;
    let missing = "cfg_01jd3k7x8m9p2q4r6s8t0v2w4y";
    let (name, another_world) = ("config.deploy_config_id: ", server.test_key.clone());
    for (key, asked, words) in [
        (&server.key, json!({"deploy_target": "netlify", "deploy_config_id": missing}), "there is no such"),
        (
            &server.key,
            json!({"deploy_target": "netlify", "deploy_config_id": "nonsense"}),
            "there is no such",
        ),
        (&another_world, json!({"deploy_target": "netlify", "deploy_config_id": own}), "there is no such"),
        (&server.key, json!({"deploy_target": "vercel", "deploy_config_id": own}), "is for netlify"),
        (
            &server.key,
            json!({"deploy_target": "preview", "deploy_config_id": own}),
            "needs no deploy configuration",
        ),
    ] {
        let body = json!({"prompt": "make a page", "config": asked});
        let (status, refused) = server.call_as(key, "POST", "/tasks", Some(body)).await;
        let detail = refused["detail"].as_str().unwrap();
        assert!(
            status == 422 && detail.starts_with(name) && detail.contains(words),
            "{asked}: {status} {detail}"
        );
    }
    assert_eq!(server.get("/tasks").await["total"], 0);
}
