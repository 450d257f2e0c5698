//! API keys: shown in full once, at birth.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::numbers::whole;
use crate::text;
use crate::words::{Environment, Tier};

/// `POST /api-keys`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreateApiKey {
    #[schemars(length(min = 1, max = 100), extend("pattern" = text::NAME))]
    pub name: String,
    /// `live` or `test`.
    #[schemars(with = "Environment")]
    pub environment: String,
    /// E.g. `tasks.read`; `*` is all of them.
    #[schemars(with = "Vec<text::Scope>", length(min = 1))]
    pub scopes: Vec<String>,
    /// `free`, `pro`, `power`, `business` or `enterprise`.
    #[schemars(with = "Tier")]
    pub tier: String,
    /// RFC 3339. Absent or null: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Time>")]
    pub expires_at: Option<String>,
    /// With the tier `enterprise` alone: 1 to 1,000,000. Absent or null: without limit.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_minute: Option<i64>,
}

/// Every scope there is. A key may also carry `*`, which is all of them.
pub const SCOPES: [&str; 15] = [
    "tasks.read",
    "tasks.write",
    "agents.read",
    "agents.write",
    "workspaces.read",
    "workspaces.write",
    "deployments.read",
    "deployments.write",
    "webhooks.read",
    "webhooks.write",
    "skills.read",
    "skills.write",
    "keys.read",
    "keys.write",
    "usage.read",
];

/// A key without its secret. `GET /api-keys` is a bare array of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiKey {
    /// `key_…`
    #[schemars(with = "text::KeyId")]
    pub id: String,
    pub name: String,
    /// The first characters of the key, to tell it from others.
    #[serde(default)]
    pub prefix: String,
    pub environment: Environment,
    #[schemars(with = "Vec<text::Scope>")]
    pub scopes: Vec<String>,
    pub tier: Tier,
    /// Where the key has a limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    #[schemars(with = "text::Time")]
    pub created_at: String,
    #[serde(default)]
    #[schemars(with = "Option<text::Time>")]
    pub expires_at: Option<String>,
    /// Known to the second or so.
    #[serde(default)]
    #[schemars(with = "Option<text::Time>")]
    pub last_used_at: Option<String>,
}

/// The answer to `POST /api-keys`: the only time the key itself is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreatedApiKey {
    #[serde(flatten)]
    pub api_key: ApiKey,
    /// `mt_live_…` or `mt_test_…`.
    pub key: String,
}

impl std::fmt::Debug for CreatedApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedApiKey").field("api_key", &self.api_key).field("key", &"***").finish()
    }
}
