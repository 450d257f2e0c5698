//! The log, as pages and as streams.

use miteos_api::ws::{ClientMessage, ServerMessage};
use miteos_api::{Event, EventPage, ListEvents};
use serde_json::{Value, json};

use super::super::doc::{Doc, Proof, Tag, doc};
use super::super::schemas::Schemas;
use super::super::{examples, parts};

const BEYOND: &str = "after is 40; it must be 0 to 31";

/// What a stream of server-sent events is: each of its events.
fn stream(s: &mut Schemas, cursor: Option<u64>) -> Value {
    let text = |about: &str| json!({"type": "string", "description": about});
    json!({
        "schema": {
            "type": "object",
            "description": "One event of the stream. A comment every 15 s keeps the connection open.",
            "properties": {
                "id": text("Where to go on from: the task's `seq`, or the account's cursor."),
                "event": text("The type."),
                "data": {
                    "type": "string", "contentMediaType": "application/json", "contentSchema": s.told::<Event>(),
                    "description": "The event, as JSON on one line.",
                },
            },
        },
        "example": examples::sse(cursor),
    })
}

pub fn docs(s: &mut Schemas) -> Vec<Doc> {
    vec![of_task(s), of_account(s), socket(s)]
}

fn of_task(s: &mut Schemas) -> Doc {
    let page = json!({"events": [examples::event()], "next_after": 17, "has_more": true});
    let content = json!({
        "application/json": {"schema": s.told::<EventPage>(), "example": page},
        "text/event-stream": stream(s, None),
    });
    doc("GET", "/tasks/{id}/events", "listTaskEvents", Tag::Events, "Read a task's log")
        .text(
            "A page by `seq`, or with `Accept: text/event-stream` the log as a stream: `id` is `seq`, and after the \
             terminal event the stream ends. `Last-Event-ID` or `after` resumes with nothing lost or doubled. A stream counts \
             as a connection of the tier.",
        )
        .parameters(s.query::<ListEvents>())
        .parameters(vec![parts::parameter("Last-Event-ID")])
        .raw_answer(200, json!({"description": "A page of the log, or the stream of it.", "content": content}))
        .raw_answer(204, json!({"description": "A stream was asked for, and the log ended before this place."}))
        .missing("task", "there is no such task")
        .refused("`limit` out of range, `after` beyond the end, or an unknown type.", BEYOND)
}

fn of_account(s: &mut Schemas) -> Doc {
    let mut query = s.query::<ListEvents>();
    query.retain(|parameter| parameter["name"] != "limit");
    for after in query.iter_mut().filter(|parameter| parameter["name"] == "after") {
        after["description"] = "Only events with a greater cursor. Absent: what happens from now on.".into();
        if let Some(schema) = after["schema"].as_object_mut() {
            schema.remove("default");
        }
    }
    let content = json!({"text/event-stream": stream(s, Some(204))});
    doc("GET", "/events", "streamEvents", Tag::Events, "Follow all tasks and deployments")
        .text(
            "A stream of the account's events that does not end by itself. `id` is a cursor of the account, which each \
             event carries as `cursor`, too.",
        )
        .parameters(query)
        .parameters(vec![parts::parameter("Last-Event-ID")])
        .raw_answer(200, json!({"description": "The stream.", "content": content}))
        .refused("`after` beyond the end, or an unknown type.", BEYOND)
}

fn socket(s: &mut Schemas) -> Doc {
    let mut switched =
        json!({"description": "The connection is a WebSocket now. Its messages are JSON texts."});
    switched["x-websocket"] = json!({
        "client": s.asked::<ClientMessage>(),
        "server": {"oneOf": [s.told::<ServerMessage>(), s.told::<Event>()]},
    });
    doc("GET", "/ws", "openWebSocket", Tag::Events, "Open a WebSocket")
        .text(
            "Any number of tasks, and the account, on one connection. Without an `Authorization` header the first message \
             has to be `{\"type\":\"auth\",\"token\":\"mt_…\"}`, within ten seconds.\n\nThe client says `subscribe`, with \
             `task_id` for one task or without for the account, and is answered `subscribed`; then events come, bare. \
             `unsubscribe` and `ping` are answered as well. A message that is refused is answered with `error`, and the \
             connection stays.\n\nClose codes: 4401 no valid key, or none any more; 4403 the key lacks the scope; 4429 too \
             many connections; 1001 the server is stopping.",
        )
        .proof(Proof::Message)
        .raw_answer(101, switched)
        .error(
            400,
            "The request is no WebSocket handshake.",
            "a WebSocket handshake is expected here: Connection header did not include 'upgrade'",
        )
}
