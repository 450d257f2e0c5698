//! The messages of `GET /ws`.

use serde::{Deserialize, Serialize};

/// What a client may send. A message that is none of these is answered with an error; the connection stays.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Must come first, within ten seconds, unless the `Authorization` header was sent.
    Auth {
        token: String,
    },
    /// One task's events, or with no `task_id` those of the whole account.
    Subscribe {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task_id: Option<String>,
        /// The last `seq` (of a task) or cursor (of the account) already seen. Absent: from now on for the
        /// account, from the beginning for a task.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<i64>,
        /// Only these event types.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        types: Option<Vec<String>>,
    },
    Unsubscribe {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task_id: Option<String>,
    },
    Ping,
}

impl std::fmt::Debug for ClientMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auth { .. } => "Auth(***)",
            Self::Subscribe { .. } => "Subscribe",
            Self::Unsubscribe { .. } => "Unsubscribe",
            Self::Ping => "Ping",
        })
    }
}

/// What the server sends besides events, which stand bare as on every other transport.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The token was accepted.
    Authenticated,
    /// Events follow, beginning after `after`.
    Subscribed {
        task_id: Option<String>,
        after: u64,
    },
    Unsubscribed {
        task_id: Option<String>,
    },
    Pong,
    /// A message was refused.
    Error {
        detail: String,
    },
}
