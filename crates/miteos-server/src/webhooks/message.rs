//! What is sent to a receiver, and which events a webhook wants. Pure.

use bytes::Bytes;
use miteos_api::EventType;
use miteos_core::ids::{EventId, WebhookId};
use miteos_core::time::Timestamp;
use serde::Serialize;
use serde_json::json;

/// In place of a list: every event.
pub const ALL: &str = "*";
/// The type of the test event. It is sent when somebody asks for it, and to nobody else.
pub const PING: &str = "webhook.ping";

#[derive(Serialize)]
struct Message<'a, T: Serialize> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: &'a str,
    data: &'a T,
}

/// The body that carries an event. The same event gives the same bytes each time.
pub fn of_event(event: &miteos_api::Event) -> serde_json::Result<Bytes> {
    let message =
        Message { id: &event.id, kind: event.kind.as_str(), timestamp: &event.created_at, data: event };
    serde_json::to_vec(&message).map(Bytes::from)
}

/// The body of a test event.
pub fn of_ping(id: EventId, webhook: WebhookId, at: Timestamp) -> serde_json::Result<Bytes> {
    let (id, at) = (id.to_string(), at.to_string());
    let data = json!({"webhook_id": webhook, "message": "this is a test; no task is behind it"});
    serde_json::to_vec(&Message { id: &id, kind: PING, timestamp: &at, data: &data }).map(Bytes::from)
}

/// Whether a list of names asks for events of this type.
pub fn wants(list: &[String], kind: &str) -> bool {
    list.iter().any(|name| name == kind || name == ALL)
}

/// A list of names as it is kept: in the order of the contract, each once. An error says which names there are.
pub fn checked(asked: &[String]) -> Result<Vec<String>, String> {
    let known = || EventType::ALL.iter().map(EventType::as_str).collect::<Vec<_>>().join(", ");
    if asked.is_empty() {
        return Err(format!("events is empty; use [\"{ALL}\"] for all, or some of {}", known()));
    }
    let all: Vec<&str> = EventType::ALL.iter().map(EventType::as_str).collect();
    if let Some(name) = asked.iter().find(|name| *name != ALL && !all.contains(&name.as_str())) {
        let name: String = name.chars().take(64).collect();
        return Err(format!(
            "events: \"{name}\" is no event; use [\"{ALL}\"] for all, or some of {}",
            known()
        ));
    }
    if asked.iter().any(|name| name == ALL) {
        return Ok(vec![ALL.to_owned()]);
    }
    Ok(all.into_iter().filter(|name| asked.iter().any(|one| one == name)).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn lists_are_sorted_and_unknown_names_are_told_the_known_ones() {
        let kept = checked(&list(&["task.failed", "task.created", "task.failed"])).unwrap();
        assert_eq!(kept, ["task.created", "task.failed"]);
        assert_eq!(checked(&list(&["task.failed", "*"])).unwrap(), ["*"]);
        for bad in [&["task.done"][..], &["task.*"], &["TASK.CREATED"], &["webhook.ping"], &[""], &[]] {
            let error = checked(&list(bad)).unwrap_err();
            assert!(error.contains("task.complete") && error.contains("billing.credit_low"), "{error}");
        }
    }

    #[test]
    fn a_star_wants_all_and_a_name_itself() {
        assert!(wants(&list(&["*"]), "agent.action"));
        assert!(wants(&list(&["task.created", "agent.action"]), "agent.action"));
        assert!(!wants(&list(&["task.created"]), "agent.action"));
    }

    #[test]
    fn a_ping_is_the_same_each_time() {
        let (id, webhook) = (EventId(ulid::Ulid::from_parts(1, 2)), WebhookId(ulid::Ulid::from_parts(1, 3)));
        let body = of_ping(id, webhook, Timestamp::from_millis(0)).unwrap();
        assert_eq!(body, of_ping(id, webhook, Timestamp::from_millis(0)).unwrap());
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(value["type"], PING);
        assert_eq!(value["id"], id.to_string());
        assert_eq!(value["timestamp"], "1970-01-01T00:00:00.000Z");
        assert_eq!(value["data"]["webhook_id"], webhook.to_string());
    }
}
