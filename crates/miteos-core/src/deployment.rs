//! A deployment: a workspace's output on its way to a host. A journal of its own with the same three functions as a
//! task: commands may be refused, records may not, and what the world is owed is derived from the state.
//!
//! What a provider's step needs to remember comes here as JSON and is given back as it was; core does not read it.

mod event;
mod machine;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use event::{About, BuildWishes, Built, Created, Event, Failure, FailureCode, FailureStep, Release};

use crate::ids::{AccountId, DeploymentId};
use crate::time::Timestamp;

/// Longest message of a failure (bytes); a longer one is cut.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As the contract writes it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }

            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    };
}
pub(crate) use words;

words!(/// Where a deployment goes.
Target {
    Vercel = "vercel",
    Netlify = "netlify",
    Cloudflare = "cloudflare",
    Expo = "expo",
    Appstore = "appstore",
    /// The server's own preview host.
    Preview = "preview",
});

words!(/// Whether what is live is replaced.
Environment {
    Production = "production",
    /// An address of its own; what is live stays.
    Preview = "preview",
});

words!(/// Who can open the address.
Visibility {
    Public = "public",
    /// The provider may ask for a sign-in first.
    Perhaps = "perhaps",
    /// Members of the provider's account.
    Account = "account",
    /// Whoever was given the address, which cannot be guessed.
    Link = "link",
});

words!(/// What clients see of the stage.
Status {
    Pending = "pending",
    Building = "building",
    Deploying = "deploying",
    Live = "live",
    Failed = "failed",
});

impl Status {
    /// Whether nothing can follow it.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Live | Self::Failed => true,
            Self::Pending | Self::Building | Self::Deploying => false,
        }
    }
}

/// Where it is in its life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Waits for a place.
    Pending,
    Building,
    Deploying,
    /// It has failed or was cancelled, and what was begun is being ended. Then it is `Failed` with this.
    Stopping {
        failure: Failure,
    },
    Live {
        release: Release,
    },
    /// It was live, perhaps others have been since, and it is being made the live one again.
    RollingBack {
        release: Release,
    },
    Failed {
        failure: Failure,
    },
}

/// The folded state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    pub id: DeploymentId,
    pub account: AccountId,
    /// `false`: made with a test key; nothing is pushed.
    pub live: bool,
    pub about: About,
    #[serde(default)]
    pub wishes: BuildWishes,
    /// How many records the journal holds.
    pub version: u64,
    /// How many of them are public.
    pub seq: u64,
    pub stage: Stage,
    /// Once the build is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<Built>,
    /// The provider's state after the last step that was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
}

/// What the world is owed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effect<'a> {
    /// Take a place and say so with [`Command::Begin`].
    Begin,
    Build,
    /// The target's next step from this state; `None`: its first.
    Step {
        state: Option<&'a Value>,
    },
    /// End the build, and at the provider what was begun up to this state.
    Stop {
        state: Option<&'a Value>,
    },
    /// Ask the provider to make this the live one again. It may have been asked before: the same is live then.
    RollBack {
        release: &'a Release,
    },
}

/// What may be asked of a deployment: by people, and by effects that report their outcome.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    Begin,
    Built(Built),
    /// A step was taken; this is where the provider's state stands now.
    Progress {
        state: Value,
    },
    Released(Release),
    Fail(Failure),
    Cancel,
    /// It ends here, whatever was begun: only for one whose provider must not be asked, such as out of a backup.
    Abandon(Failure),
    /// Nothing that was begun is under way any more.
    Stopped,
    /// Make it the live one again.
    RollBack,
    /// It is the live one again.
    RolledBack,
    /// It was not made the live one again, and why.
    NotRolledBack {
        why: String,
    },
}

/// Why a command was refused. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The outcome of something that is not owed any more.
    #[error("the deployment has moved on")]
    Late,
    #[error("the deployment is live; it cannot be cancelled any more")]
    IsLive,
    #[error("the deployment has failed; there is nothing to cancel")]
    HasFailed,
    #[error("the deployment is not live, so there is nothing to go back to")]
    NotLive,
}
