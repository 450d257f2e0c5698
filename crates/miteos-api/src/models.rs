//! What a task can run on: `GET /models`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A language model that this server has set up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Model {
    /// `provider/model`, as `config.model` of a task takes it.
    pub id: String,
    /// Whether a task that names no model runs on it.
    pub default: bool,
    /// `default`, `planner` and `fallback`, or nothing.
    pub roles: Vec<String>,
    /// US dollars for a million tokens of a prompt. Null: unknown, which is not the same as free.
    pub input_usd_per_mtok: Option<f64>,
    /// US dollars for a million tokens of an answer. Null: unknown, which is not the same as free.
    pub output_usd_per_mtok: Option<f64>,
    /// Tokens of a prompt that fit.
    pub context_tokens: u32,
    /// Tokens that one answer may have.
    pub max_output_tokens: u32,
    /// Whether it runs on the server's own machines.
    pub local: bool,
}

/// `GET /models`. Other models of the same providers can be named, too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelList {
    pub data: Vec<Model>,
}
