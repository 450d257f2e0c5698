//! One event as it is sent: written once, and shared by all who are sent it.

use bytes::Bytes;
use miteos_api::EventType;

/// An event in the form of both streams. A clone shares the bytes.
#[derive(Clone)]
pub struct Frame {
    cursor: u64,
    kind: EventType,
    /// `id: 17`, `event: agent.action`, `data: {…}` and an empty line.
    text: Bytes,
    /// Where the JSON begins in it; it ends two bytes before the end.
    json: usize,
}

/// The empty line that ends a frame.
const END: &str = "\n\n";

impl Frame {
    /// `json` is the event in its envelope, on one line.
    pub fn of_task(seq: u64, kind: &str, json: &str) -> Self {
        let head = head(seq, kind);
        Self { cursor: seq, kind: kind.into(), json: head.len(), text: [&*head, json, END].concat().into() }
    }

    /// In the account's log the envelope carries its cursor besides.
    pub fn of_account(cursor: u64, kind: &str, json: &str) -> Self {
        let head = head(cursor, kind);
        let open = json.strip_suffix('}').unwrap_or(json);
        let text = format!("{head}{open},\"cursor\":{cursor}}}{END}");
        Self { cursor, kind: kind.into(), json: head.len(), text: text.into() }
    }

    /// The event's place in the log that the frame is of.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    pub fn kind(&self) -> &EventType {
        &self.kind
    }

    /// The frame of a server-sent event.
    pub fn sse(&self) -> Bytes {
        self.text.clone()
    }

    /// The JSON alone.
    pub fn json(&self) -> Bytes {
        self.text.slice(self.json..self.text.len() - END.len())
    }

    pub fn len(&self) -> usize {
        self.text.len()
    }
}

fn head(id: u64, kind: &str) -> String {
    format!("id: {id}\nevent: {kind}\ndata: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_hold_the_same_json() {
        let frame = Frame::of_task(7, "task.paused", "{\"seq\":7}");
        assert_eq!(frame.sse(), "id: 7\nevent: task.paused\ndata: {\"seq\":7}\n\n");
        assert_eq!(frame.json(), "{\"seq\":7}");
        let frame = Frame::of_account(9, "task.paused", "{\"seq\":7}");
        assert_eq!(frame.sse(), "id: 9\nevent: task.paused\ndata: {\"seq\":7,\"cursor\":9}\n\n");
        assert_eq!(frame.json(), "{\"seq\":7,\"cursor\":9}");
        assert_eq!(frame.len(), frame.sse().len());
    }
}
