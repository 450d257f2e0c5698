//! A deployment's log as a stream: every line once, in order, then the last state; and on from any line.

use serde_json::Value;

use super::Scene;
use crate::harness::{PATIENCE, TestServer, wait_until};

/// One block of the stream: its id, its event, its data.
pub type Block = (Option<u64>, String, Value);

async fn open(server: &TestServer, id: &str, last: Option<u64>) -> reqwest::Response {
    let url = format!("{}/v1/deployments/{id}/logs", server.url);
    let mut request = server.http.get(url).bearer_auth(&server.key).header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    request.send().await.unwrap()
}

/// The whole stream, to its end.
pub async fn stream(server: &TestServer, id: &str, last: Option<u64>) -> Vec<Block> {
    let response = open(server, id, last).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = tokio::time::timeout(PATIENCE, response.text()).await.expect("it ends").unwrap();
    text.split("\n\n")
        .filter_map(|block| {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            let data = serde_json::from_str(field("data: ")?).unwrap();
            let id = field("id: ").map(|id| id.parse().unwrap());
            Some((id, field("event: ").unwrap().to_owned(), data))
        })
        .collect()
}

#[tokio::test]
async fn a_stream_tells_every_line_and_every_state_and_ends() {
    let scene = Scene::start().await;
    let (server, netlify) = (&scene.server, &scene.netlify);
    netlify.look(|netlify| netlify.polls_per_state = u32::MAX);
    let id = scene.deploy().await;
    let follow = async {
        let blocks = stream(server, &id, None).await;
        assert_eq!(server.get(&format!("/deployments/{id}")).await["status"], "live");
        blocks
    };
    let release = async {
        wait_until("the provider has it", || scene.deploys() == 1).await;
        netlify.look(|netlify| netlify.polls_per_state = 1);
    };
    let (blocks, ()) = tokio::join!(follow, release);
    let numbers: Vec<u64> =
        blocks.iter().filter(|(_, event, _)| event == "log").map(|(id, ..)| id.unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "{blocks:#?}");
    let (last_id, event, last) = blocks.last().unwrap();
    assert_eq!((event.as_str(), &last["status"]), ("status", &Value::from("live")));
    assert_eq!(*last_id, Some(numbers.len() as u64 + 1));
    let states: Vec<&str> = blocks
        .iter()
        .filter(|(_, event, _)| event == "status")
        .map(|(_, _, d)| d["status"].as_str().unwrap())
        .collect();
    assert!(states.contains(&"deploying") && states.windows(2).all(|pair| pair[0] != pair[1]), "{states:?}");
    // What the text says is what the lines said.
    let text = super::log(server, &id).await;
    let lines: Vec<String> = blocks
        .iter()
        .filter(|(_, event, _)| event == "log")
        .map(|(_, _, line)| format!("{} {}", line["at"].as_str().unwrap(), line["text"].as_str().unwrap()))
        .collect();
    assert_eq!(text.lines().collect::<Vec<_>>(), lines);

    let rest = stream(server, &id, Some(2)).await;
    assert_eq!(rest[0].0, Some(3), "on from a line");
    assert_eq!(rest.last().unwrap(), blocks.last().unwrap());
    let only = stream(server, &id, Some(numbers.len() as u64)).await;
    assert_eq!(only.len(), 1, "who missed the last state gets it: {only:?}");
    assert_eq!(open(server, &id, *last_id).await.status(), 204, "and who has it need not come back");
    server.expect(422, "GET", &format!("/deployments/{id}/logs?after=-1"), None).await;
}
