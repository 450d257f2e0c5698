//! What a task was started with. Fixed in its first record, so that replay never depends on today's configuration.

use serde::{Deserialize, Serialize};

use crate::policy::Policy;

/// The part that a client sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskConfig {
    pub max_agents: u32,
    pub autonomy_level: u8,
    pub auto_deploy: bool,
    pub deploy_target: Option<String>,
    #[serde(default)]
    pub deploy_config_id: Option<String>,
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default)]
    pub budget_cents: Option<u64>,
    #[serde(default)]
    pub skill_id: Option<String>,
}

impl Default for TaskConfig {
    fn default() -> Self {
        Self {
            max_agents: 3,
            autonomy_level: 50,
            auto_deploy: false,
            deploy_target: None,
            deploy_config_id: None,
            model: None,
            budget_cents: None,
            skill_id: None,
        }
    }
}

/// The part that the server sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The agents' model and its fallbacks, in order; never empty.
    pub models: Vec<String>,
    /// The same for planning, replanning and the conclusion.
    pub planner_models: Vec<String>,
    /// The smallest window of these models, in tokens.
    pub window_tokens: u64,
    /// Model calls an agent may make before it must answer.
    pub max_model_calls: u32,
    /// Attempts of one model call on one model before the next model is tried.
    pub max_attempts: u32,
    /// Unanswered approvals are settled as rejected after this long.
    pub approval_expires_ms: u64,
    pub policy: Policy,
    /// Whoever gave the task may deploy, and so may its agents. Not so in journals from before this was asked.
    #[serde(default)]
    pub may_deploy: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            models: vec!["test/scripted".into()],
            planner_models: vec!["test/scripted".into()],
            window_tokens: 128_000,
            max_model_calls: 50,
            max_attempts: 5,
            approval_expires_ms: 7 * 24 * 3600 * 1000,
            policy: Policy::default(),
            may_deploy: false,
        }
    }
}

/// The first wait after a provider's trouble (ms); it doubles with each attempt.
pub const BACKOFF_FIRST_MS: u64 = 1_000;
/// The longest wait of our own choosing (ms).
pub const BACKOFF_MAX_MS: u64 = 60_000;
/// The longest wait that a provider's `Retry-After` may ask for (ms); past it the attempt counts as failed.
pub const RETRY_AFTER_MAX_MS: u64 = 3_600_000;
/// How often a plan or a conclusion that does not validate goes back with the reasons.
pub const MAX_REFUSALS: u32 = 2;
/// Identical calls with identical results before the model gets a hint.
pub const REPEATS_HINT: u32 = 3;
/// Identical calls with identical results that end the agent.
pub const REPEATS_END: u32 = 5;
/// Answers in a circle that is still seen as one: a, b, c, a, b, c repeats itself like a, a.
pub const MAX_CIRCLE: usize = 3;
/// Empty answers that end the agent.
pub const EMPTY_ANSWERS_END: u32 = 3;
/// Share of the window (percent) that history may fill before it is compacted.
pub const COMPACT_AT_PERCENT: u64 = 75;
/// Turns at the end of a conversation that compaction never touches.
pub const KEPT_TURNS: usize = 6;
/// Longest reason that a rejection may give (bytes); the model reads it.
pub const MAX_REASON_BYTES: usize = 16 * 1024;
/// A budget is low when less than one part in this many is left.
pub const CREDIT_LOW_DIVISOR: u64 = 10;
/// Most tool calls taken from one answer; the rest are refused.
pub const MAX_CALLS_PER_ANSWER: usize = 32;
