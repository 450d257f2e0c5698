//! The two smallest answers: it worked, and it did not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The body of every error answer; nothing else stands in it. The request's id is in the `Request-Id` header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// What is wrong, where, and what would be right, for a person to read.
    pub detail: String,
}

/// The body of a command that has nothing else to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Success {
    /// Always `true`: a command that did not work answers with an error.
    #[schemars(extend("const" = true))]
    pub success: bool,
}

impl Success {
    pub const YES: Self = Self { success: true };
}
