//! Events: one append-only log for each task and each deployment, one envelope on every transport.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

pub mod data;
mod schema;

/// One event. `seq` counts from 1 within its task or its deployment, without a gap.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// `evt_…`
    pub id: String,
    pub seq: u64,
    #[serde(rename = "type")]
    pub kind: EventType,
    /// Whose log it stands in; `None`: that of a deployment.
    #[serde(default)]
    pub task_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<String>,
    /// The agent it is about, if any.
    #[serde(default)]
    pub agent_id: Option<String>,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// Depends on the type; see [`data`]. Kept as the text it came in.
    pub data: Box<RawValue>,
}

impl Event {
    /// Reads the payload as one of the types in [`data`].
    pub fn data_as<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.data.get())
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        let head = |event: &Self| (event.seq, event.kind.clone(), event.data.get().to_owned());
        let ids = |event: &Self| (event.task_id.clone(), event.deployment_id.clone(), event.agent_id.clone());
        self.id == other.id
            && self.created_at == other.created_at
            && head(self) == head(other)
            && ids(self) == ids(other)
    }
}

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        /// What happened. A type this version does not know is kept as [`EventType::Other`], so that an older
        /// client can read a newer server's log.
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventType {
            $($(#[$doc])* $variant,)+
            Other(Box<str>),
        }

        impl EventType {
            /// Every known type, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for EventType {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)+
                    other => Self::Other(other.into()),
                }
            }
        }
    };
}

event_types! {
    TaskCreated = "task.created",
    TaskPlanning = "task.planning",
    TaskPlanned = "task.planned",
    TaskRunning = "task.running",
    TaskPaused = "task.paused",
    TaskResumed = "task.resumed",
    TaskComplete = "task.complete",
    TaskFailed = "task.failed",
    TaskCancelled = "task.cancelled",
    AgentStarted = "agent.started",
    AgentThinking = "agent.thinking",
    AgentAction = "agent.action",
    AgentResult = "agent.result",
    AgentMessage = "agent.message",
    AgentPaused = "agent.paused",
    AgentResumed = "agent.resumed",
    AgentGuided = "agent.guided",
    AgentComplete = "agent.complete",
    AgentError = "agent.error",
    AgentCancelled = "agent.cancelled",
    ApprovalRequired = "approval.required",
    ApprovalResolved = "approval.resolved",
    DeliverableCreated = "deliverable.created",
    DeploymentStarted = "deployment.started",
    DeploymentBuilding = "deployment.building",
    DeploymentDeploying = "deployment.deploying",
    DeploymentLive = "deployment.live",
    DeploymentFailed = "deployment.failed",
    TradingOrderPlaced = "trading.order_placed",
    TradingKillTriggered = "trading.kill_triggered",
    /// Less than a tenth of the budget is left.
    BillingCreditLow = "billing.credit_low",
}

impl EventType {
    /// Whether the task's log ends with it.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::TaskComplete | Self::TaskFailed | Self::TaskCancelled)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for EventType {
    type Err = Infallible;

    fn from_str(word: &str) -> Result<Self, Infallible> {
        Ok(word.into())
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Ok(Self::from(&*word))
    }
}

/// The query of `GET /tasks/{id}/events`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListEvents {
    /// Only events with a greater `seq`. Default 0: from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0), extend("default" = 0))]
    pub after: Option<i64>,
    /// 1 to 1,000, default 100. Streams take no notice of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000), extend("default" = 100))]
    pub limit: Option<i64>,
    /// Only these types, with commas between them. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<EventType>>", length(min = 1))]
    pub types: Option<String>,
}

/// A page of a task's log, by `seq`. With `types` a page may be empty and still have more behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventPage {
    pub events: Vec<Event>,
    /// Give this as `after` for the next page.
    pub next_after: u64,
    pub has_more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_round_trip_and_unknown_ones_are_kept() {
        for kind in EventType::ALL {
            assert_eq!(EventType::from(kind.as_str()), *kind);
            let json = serde_json::to_string(kind).unwrap();
            assert_eq!(serde_json::from_str::<EventType>(&json).unwrap(), *kind);
        }
        let new: EventType = serde_json::from_str("\"agent.dreaming\"").unwrap();
        assert_eq!(new, EventType::Other("agent.dreaming".into()));
        assert_eq!(serde_json::to_string(&new).unwrap(), "\"agent.dreaming\"");
        assert!(!new.is_terminal());
        assert_eq!(EventType::ALL.iter().filter(|kind| kind.is_terminal()).count(), 3);
    }
}
