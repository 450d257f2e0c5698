//! The messages of `GET /ws`: JSON texts, one a frame.
//!
//! Events stand bare, in the envelope of every other transport: `{"id":"evt_…","seq":17,"type":"agent.action",…}`.
//! Their types have a dot; those of the messages here have none. An event of the account's subscription carries
//! its `cursor` besides; one of a task's subscription does not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{EventType, text};

/// The close codes of our own; 1000 to 1011 are as the standard has them.
pub mod close {
    /// No valid key in time, or the key was revoked or has expired.
    pub const UNAUTHORIZED: u16 = 4401;
    /// The key lacks the scope.
    pub const FORBIDDEN: u16 = 4403;
    /// The account has as many connections as its tier allows.
    pub const TOO_MANY: u16 = 4429;
}

/// What a client may send. A message that is none of these is answered with an error; the connection stays.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// Must come first, within ten seconds, unless the `Authorization` header was sent.
    Auth {
        token: String,
    },
    /// One task's events, or with no `task_id` those of the whole account.
    Subscribe {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<text::TaskId>")]
        task_id: Option<String>,
        /// The last `seq` (of a task) or cursor (of the account) already seen. Absent: from now on for the
        /// account, from the beginning for a task.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 0))]
        after: Option<i64>,
        /// Only these event types.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<Vec<EventType>>")]
        types: Option<Vec<String>>,
    },
    Unsubscribe {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<text::TaskId>")]
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

/// What the server sends besides events. `task_id` is null where the account's subscription is meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The token was accepted.
    Authenticated,
    /// Events follow, beginning after `after`.
    Subscribed {
        #[schemars(with = "Option<text::TaskId>")]
        task_id: Option<String>,
        after: u64,
        #[schemars(with = "Option<Vec<EventType>>")]
        types: Option<Vec<String>>,
    },
    Unsubscribed {
        #[schemars(with = "Option<text::TaskId>")]
        task_id: Option<String>,
    },
    /// The log was read as far as `after`, and nothing of it was of the types asked for: resume from here.
    Cursor {
        #[schemars(with = "Option<text::TaskId>")]
        task_id: Option<String>,
        after: u64,
    },
    /// The task's log has ended, and with it its subscription. The connection stays.
    Ended {
        #[schemars(with = "Option<text::TaskId>")]
        task_id: Option<String>,
        after: u64,
    },
    Pong,
    /// A message was refused.
    Error {
        detail: String,
    },
}
