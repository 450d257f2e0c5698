//! Identifiers: a prefix and a lower-case ULID, so that a name says what it names and sorts by creation.
//!
//! Core draws no random numbers. Ids of things born inside a task are minted from the task's own id, the
//! journal version that creates them and a counter (see [`Mint`]): unique, sortable, and the same again
//! when the same decision is taken again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

use crate::time::Timestamp;

/// A text that is not the id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is no {kind} id; one looks like {prefix}_01jd3k7x8m9p2q4r6s8t0v2w4y")]
pub struct InvalidId {
    pub text: String,
    pub kind: &'static str,
    pub prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Ulid);

        impl $name {
            pub const PREFIX: &'static str = $prefix;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = [0_u8; ulid::ULID_LEN];
                let text = self.0.array_to_str(&mut buffer);
                text.make_ascii_lowercase();
                write!(f, concat!($prefix, "_{}"), text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse(text, $prefix).map(Self).ok_or_else(|| InvalidId {
                    text: text.chars().take(64).collect(),
                    kind: $kind,
                    prefix: $prefix,
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(/// A task: one prompt and everything done for it.
    TaskId, "task", "task");
id!(/// A node of a task's plan.
    SubtaskId, "st", "subtask");
id!(/// The agent that carries out one subtask.
    AgentId, "agnt", "agent");
id!(/// A question to a person: may this call run?
    ApprovalId, "appr", "approval");
id!(/// One public event of a task's log.
    EventId, "evt", "event");
id!(/// An immutable file that a task hands over.
    DeliverableId, "dlvr", "deliverable");
id!(/// A folder that tasks work in.
    WorkspaceId, "ws", "workspace");
id!(/// An address that events of an account are sent to.
    WebhookId, "wh", "webhook");
id!(/// One event on its way to one webhook, with all its attempts.
    DeliveryId, "whd", "delivery");
id!(/// An API key (its public name, never its secret).
    KeyId, "key", "key");
id!(/// Whoever owns keys, tasks and workspaces. Never shown to clients.
    AccountId, "acct", "account");
id!(/// A finished workspace on its way to a host, or there.
    DeploymentId, "dep", "deployment");
id!(/// A public link to something of an account.
    ShareId, "shr", "share");
id!(/// One tool call of one agent; also the idempotency key given to the other side.
    CallId, "call", "call");

/// Strict: lower case, canonical alphabet, 26 characters, no overflow. One text for one id.
fn parse(text: &str, prefix: &str) -> Option<Ulid> {
    let body = text.strip_prefix(prefix)?.strip_prefix('_')?;
    if body.len() != ulid::ULID_LEN || body.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let id = Ulid::from_string(body).ok()?;
    let mut buffer = [0_u8; ulid::ULID_LEN];
    let canonical = id.array_to_str(&mut buffer);
    canonical.make_ascii_lowercase();
    (*canonical == *body).then_some(id)
}

/// Mints the ids that one journal append creates.
///
/// The 80 low bits of each ULID are: 44 bits of the task's own randomness, 24 bits of journal version and
/// 12 bits of counter. Within one task (version, counter) never repeats, so ids never do.
#[derive(Debug)]
pub struct Mint {
    at: Timestamp,
    task: TaskId,
    version: u64,
    next: u64,
}

impl Mint {
    pub fn new(task: TaskId, version: u64, at: Timestamp) -> Self {
        Self { at, task, version, next: 0 }
    }

    pub fn ulid(&mut self) -> Ulid {
        let counter = self.next;
        self.next += 1;
        compose(self.at, self.task, self.version, counter)
    }
}

/// The id of the event with this `seq`: computed, never stored.
pub fn event_id(task: TaskId, seq: u64, at: Timestamp) -> EventId {
    EventId(compose(at, task, seq, 0xfff))
}

fn compose(at: Timestamp, task: TaskId, version: u64, counter: u64) -> Ulid {
    const TASK_BITS: u128 = (1 << 44) - 1;
    let random = ((task.0.random() & TASK_BITS) << 36)
        | (u128::from(version & 0xff_ffff) << 12)
        | u128::from(counter & 0xfff);
    Ulid::from_parts(at.millis(), random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_strictness() {
        let id = TaskId(Ulid::from_parts(1_700_000_000_000, 42));
        let text = id.to_string();
        assert!(text.starts_with("task_0") && text.len() == 31);
        assert_eq!(text.parse::<TaskId>().unwrap(), id);
        let upper = format!("task_{}", text[5..].to_uppercase());
        for bad in [
            "",
            "task_",
            "task_01",
            "agnt_01hwxyz4k8p3mq9rbn2csvedaa",
            upper.as_str(),
            "task_../../../../etc/passwd000",
        ] {
            assert!(bad.parse::<TaskId>().is_err(), "{bad}");
        }
        assert!(
            "task_il00000000000000000000000o".parse::<TaskId>().is_err(),
            "look-alike letters are not canonical"
        );
    }

    #[test]
    fn minted_ids_differ_and_sort() {
        let task = TaskId(Ulid::from_parts(5, 77));
        let mut seen = Vec::new();
        for version in 0..50 {
            let mut mint = Mint::new(task, version, Timestamp::from_millis(9));
            seen.extend((0..20).map(|_| mint.ulid()));
        }
        let mut sorted = seen.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(seen, sorted);
    }
}
