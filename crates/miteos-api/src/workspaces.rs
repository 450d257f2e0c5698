//! Workspaces: the folders that tasks work in, and the files in them.

use serde::{Deserialize, Serialize};

use crate::words::{FileKind, WorkspaceStatus};

/// `POST /workspaces`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateWorkspace {
    /// Unique in the account.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A workspace. `GET /workspaces` is a bare array of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// `ws_…`
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub status: WorkspaceStatus,
    pub file_count: u64,
    pub created_at: String,
}

/// The query of `GET /workspaces/{id}/files`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListFiles {
    /// A folder inside the workspace. Absent: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A file or folder. `GET /workspaces/{id}/files` is a bare array of these, sorted by path; an upload answers
/// with those it wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceFile {
    /// Relative to the workspace, `/` between its parts.
    pub path: String,
    #[serde(rename = "type")]
    pub kind: FileKind,
    /// 0 for a folder.
    pub size_bytes: u64,
    pub modified_at: String,
}
