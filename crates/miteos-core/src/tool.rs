//! What a tool declares about itself, and which agents may use which.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The specialisations of agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentType {
    Researcher,
    Builder,
    Analyst,
    Trader,
    Email,
    Social,
}

impl AgentType {
    pub const ALL: [Self; 6] =
        [Self::Researcher, Self::Builder, Self::Analyst, Self::Trader, Self::Email, Self::Social];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Researcher => "researcher",
            Self::Builder => "builder",
            Self::Analyst => "analyst",
            Self::Trader => "trader",
            Self::Email => "email",
            Self::Social => "social",
        }
    }
}

impl fmt::Display for AgentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AgentType {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

/// How much harm a call can do; compared with the autonomy dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Reads, and what cannot be felt outside.
    Low,
    /// Changes the workspace.
    Medium,
    /// Leaves the workspace: mail, posts, orders.
    High,
    /// Goes public or cannot be undone.
    Critical,
}

impl Risk {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// Whether a call whose outcome was lost may simply be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryClass {
    /// Reads, or the same again by its call id.
    Repeatable,
    /// A second time would be a second effect.
    Once,
}

/// A tool as the model and the policy see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// 1 to 64 of `a-z A-Z 0-9 _ -`.
    pub name: String,
    /// What it does and when to use it, for the model.
    pub description: String,
    /// The JSON Schema of its arguments; an object.
    pub schema: Value,
}
