//! Workspaces: the folders that tasks work in, and the files in them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text;
use crate::words::{FileKind, WorkspaceStatus};

/// `POST /workspaces`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreateWorkspace {
    /// Unique in the account.
    #[schemars(length(min = 1, max = 200), extend("pattern" = text::NAME))]
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10_000))]
    pub description: Option<String>,
}

/// A workspace. `GET /workspaces` is a bare array of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Workspace {
    /// `ws_…`
    #[schemars(with = "text::WorkspaceId")]
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub status: WorkspaceStatus,
    pub file_count: u64,
    #[schemars(with = "text::Time")]
    pub created_at: String,
}

/// The query of `GET /workspaces/{id}/files`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListFiles {
    /// A folder inside the workspace. Absent: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A file or folder. `GET /workspaces/{id}/files` is a bare array of these, sorted by path; an upload answers
/// with those it wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceFile {
    /// Relative to the workspace, `/` between its parts.
    pub path: String,
    #[serde(rename = "type")]
    pub kind: FileKind,
    /// 0 for a folder.
    pub size_bytes: u64,
    #[schemars(with = "text::Time")]
    pub modified_at: String,
}
