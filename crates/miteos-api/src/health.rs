//! Whether the server is up, and whether it can take work.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `GET /healthz`: the process is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// `ok`.
    #[schemars(extend("const" = "ok"))]
    pub status: String,
    /// The server's version.
    #[serde(default)]
    pub version: String,
}

/// `GET /readyz`: 200 when every check passes, else 503 with the same body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Readiness {
    /// `ready` or `unavailable`.
    #[schemars(extend("enum" = ["ready", "unavailable"]))]
    pub status: String,
    #[serde(default)]
    pub checks: Vec<Check>,
}

/// One thing that must work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// E.g. `storage`.
    pub name: String,
    pub ok: bool,
    /// What is wrong, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
