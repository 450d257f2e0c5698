//! The closed vocabularies of the contract: each word once, with its spelling on the wire.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A text that is none of the words it should be. Says which ones there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownWord {
    /// What was given, cut to 64 characters.
    pub given: String,
    /// What the word stands for, e.g. `task status`.
    pub kind: &'static str,
    /// Every word that would be right.
    pub known: &'static [&'static str],
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is no {}; one of {}", self.given, self.kind, self.known.join(", "))
    }
}

impl std::error::Error for UnknownWord {}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $kind:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal $(| $alias:literal)?),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$vdoc])* $(#[serde(alias = $alias)])? #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every value, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// Every word, in the same order.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $($word $(| $alias)? => Ok(Self::$variant),)+
                    _ => Err(UnknownWord {
                        given: text.chars().take(64).collect(),
                        kind: $kind,
                        known: Self::WORDS,
                    }),
                }
            }
        }
    };
}

words!(/// Where a task is in its life. `complete`, `failed` and `cancelled` are final.
TaskStatus, "task status" {
    /// Waits for one of the account's slots.
    Pending = "pending",
    /// A model is writing the plan.
    Planning = "planning",
    /// At least one agent may work.
    Running = "running",
    /// Every unfinished agent is paused.
    Paused = "paused",
    /// Done, with a result. `completed` is read as the same.
    Complete = "complete" | "completed",
    /// Given up, with an error; what was done is kept.
    Failed = "failed",
    /// Stopped by its owner; every process of it is dead.
    Cancelled = "cancelled",
});

impl TaskStatus {
    /// Whether nothing can follow it.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Complete | Self::Failed | Self::Cancelled => true,
            Self::Pending | Self::Planning | Self::Running | Self::Paused => false,
        }
    }
}

words!(/// Where a node of the plan is.
SubtaskStatus, "subtask status" {
    Pending = "pending",
    Running = "running",
    Complete = "complete",
    Failed = "failed",
    Cancelled = "cancelled",
    /// Not begun, because something it depends on did not complete.
    Skipped = "skipped",
});

words!(/// What an agent is good at; decides which tools it has.
AgentType, "agent type" {
    Researcher = "researcher",
    Builder = "builder",
    Analyst = "analyst",
    Trader = "trader",
    Email = "email",
    Social = "social",
});

words!(/// What an agent does at this moment. `complete`, `error` and `cancelled` are final.
AgentStatus, "agent status" {
    Idle = "idle",
    /// A model call is running.
    Thinking = "thinking",
    /// A tool call is running.
    Acting = "acting",
    /// Waits for a person's approval.
    Waiting = "waiting",
    Paused = "paused",
    Complete = "complete",
    Error = "error",
    Cancelled = "cancelled",
});

impl AgentStatus {
    /// Whether nothing can follow it.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Complete | Self::Error | Self::Cancelled => true,
            Self::Idle | Self::Thinking | Self::Acting | Self::Waiting | Self::Paused => false,
        }
    }
}

words!(/// How much harm an action can do; compared with the task's autonomy level.
Risk, "risk" {
    /// Reads, and what cannot be felt outside.
    Low = "low",
    /// Changes the workspace.
    Medium = "medium",
    /// Leaves the workspace: mail, posts, orders.
    High = "high",
    /// Goes public or cannot be undone.
    Critical = "critical",
});

words!(/// What became of a request for approval.
ApprovalStatus, "approval status" {
    Pending = "pending",
    Approved = "approved",
    Rejected = "rejected",
    /// Nobody answered in time; counts as rejected.
    Expired = "expired",
    /// Its agent or task was cancelled first.
    Cancelled = "cancelled",
});

words!(/// Where finished work can be deployed to.
DeployTarget, "deploy target" {
    Vercel = "vercel",
    Netlify = "netlify",
    Cloudflare = "cloudflare",
    Expo = "expo",
    Appstore = "appstore",
    /// Built in: static output on the server's own preview address.
    Preview = "preview",
});

words!(/// Where a deployment is in its life. `live` and `failed` are final.
DeploymentStatus, "deployment status" {
    /// Waits for a place.
    Pending = "pending",
    /// Installs and builds.
    Building = "building",
    /// Files go to the host.
    Deploying = "deploying",
    /// Reachable at its address.
    Live = "live",
    Failed = "failed",
});

impl DeploymentStatus {
    /// Whether nothing can follow it.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Live | Self::Failed => true,
            Self::Pending | Self::Building | Self::Deploying => false,
        }
    }
}

words!(/// Whether a deployment takes the place of what is live.
DeployEnvironment, "deploy environment" {
    Production = "production",
    /// An address of its own; what is live stays.
    Preview = "preview",
});

words!(/// Who can open the address of a deployment.
DeployVisibility, "visibility" {
    Public = "public",
    /// The provider may ask for a sign-in first.
    Perhaps = "perhaps",
    /// Members of the provider's account.
    Account = "account",
    /// Whoever was given the address, which cannot be guessed.
    Link = "link",
});

words!(/// The world a key opens. Live and test objects never see each other.
Environment, "environment" {
    Live = "live",
    Test = "test",
});

words!(/// Decides rate limits and how many tasks run at once.
Tier, "tier" {
    Free = "free",
    Pro = "pro",
    Power = "power",
    Business = "business",
    Enterprise = "enterprise",
});

words!(/// What a report of usage is grouped by.
GroupBy, "grouping" {
    Day = "day",
    Task = "task",
    Model = "model",
});

words!(/// Whether a workspace can be used.
WorkspaceStatus, "workspace status" {
    Active = "active",
});

words!(/// Who may look at a preview.
PreviewVisibility, "visibility" {
    /// Whoever has its address, which nobody can guess.
    Public = "public",
    /// Whoever was given a link.
    Link = "link",
});

words!(/// Whether events are sent to a webhook.
WebhookStatus, "webhook status" {
    Enabled = "enabled",
    /// Nothing is sent until it is enabled again; then it goes on where it stopped.
    Disabled = "disabled",
});

words!(/// Where the delivery of an event is. `delivered` and `failed` are final.
DeliveryStatus, "delivery status" {
    /// It is tried, or will be tried again.
    Pending = "pending",
    /// The receiver has taken it.
    Delivered = "delivered",
    /// Every attempt failed; it can be sent again by hand.
    Failed = "failed",
});

words!(/// What a name in a workspace stands for.
FileKind, "file kind" {
    File = "file",
    Directory = "directory",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_reads_and_writes_the_same_in_serde_and_by_hand() {
        macro_rules! check {
            ($($name:ident),+) => {$(
                for (value, word) in $name::ALL.iter().zip($name::WORDS) {
                    assert_eq!(value.as_str(), *word);
                    assert_eq!(word.parse::<$name>().unwrap(), *value);
                    assert_eq!(serde_json::to_string(value).unwrap(), format!("\"{word}\""));
                    assert_eq!(serde_json::from_str::<$name>(&format!("\"{word}\"")).unwrap(), *value);
                }
            )+};
        }
        check!(TaskStatus, SubtaskStatus, AgentType, AgentStatus, Risk, ApprovalStatus, DeployTarget);
        check!(PreviewVisibility, DeploymentStatus, DeployEnvironment, DeployVisibility);
        check!(Environment, Tier, WorkspaceStatus, WebhookStatus, DeliveryStatus, FileKind);
    }

    #[test]
    fn completed_is_accepted_and_an_unknown_word_names_the_known_ones() {
        assert_eq!("completed".parse::<TaskStatus>().unwrap(), TaskStatus::Complete);
        assert_eq!(serde_json::from_str::<TaskStatus>("\"completed\"").unwrap(), TaskStatus::Complete);
        assert_eq!(
            "done".parse::<TaskStatus>().unwrap_err().to_string(),
            "\"done\" is no task status; one of pending, planning, running, paused, complete, failed, cancelled"
        );
        assert_eq!(format!("{:>6}|", Risk::Low), "   low|");
    }
}
