//! API keys: shown in full once, at birth.

use serde::{Deserialize, Serialize};

use crate::words::{Environment, Tier};

/// `POST /api-keys`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateApiKey {
    pub name: String,
    /// `live` or `test`.
    pub environment: String,
    /// E.g. `tasks.read`; `*` is all of them.
    pub scopes: Vec<String>,
    /// `free`, `pro`, `power`, `business` or `enterprise`.
    pub tier: String,
    /// RFC 3339. Absent or null: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// With the tier `enterprise` alone: 1 to 1,000,000. Absent or null: without limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// `key_…`
    pub id: String,
    pub name: String,
    /// The first characters of the key, to tell it from others.
    #[serde(default)]
    pub prefix: String,
    pub environment: Environment,
    pub scopes: Vec<String>,
    pub tier: Tier,
    /// Where the key has a limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    pub created_at: String,
    #[serde(default)]
    pub expires_at: Option<String>,
    /// Known to the second or so.
    #[serde(default)]
    pub last_used_at: Option<String>,
}

/// The answer to `POST /api-keys`: the only time the key itself is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
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
