//! Deliverables: the files a task hands over, and links to them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::numbers::whole;

use crate::text;

/// An immutable file that a task published. `GET /tasks/{id}/deliverables` is a bare array of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deliverable {
    /// `dlvr_…`
    #[schemars(with = "text::DeliverableId")]
    pub id: String,
    /// A plain file name, or a relative one with `/` between its parts.
    pub name: String,
    /// Its media type.
    #[serde(rename = "type")]
    pub media_type: String,
    pub size_bytes: u64,
    /// Lower-case hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Sha256>")]
    pub sha256: Option<String>,
    /// Works without a header for one hour from this listing. Absent in events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Address>")]
    pub download_url: Option<String>,
    #[schemars(with = "text::Time")]
    pub created_at: String,
}

/// `POST /tasks/{id}/deliverables/{file_id}/share`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShareDeliverable {
    /// Seconds from now. Absent or null: until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole")]
    #[schemars(range(min = 1))]
    pub expires_in: Option<i64>,
}

/// A public link. `DELETE /shares/{id}` revokes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    /// `shr_…`
    #[schemars(with = "text::ShareId")]
    pub id: String,
    #[schemars(with = "text::Address")]
    pub url: String,
    #[schemars(with = "Option<text::Time>")]
    pub expires_at: Option<String>,
}

/// The query of `GET /shares`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListShares {
    /// Only links to this deliverable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::DeliverableId>")]
    pub deliverable_id: Option<String>,
    /// 1 to 100, default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100), extend("default" = 20))]
    pub limit: Option<i64>,
    /// Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4_294_967_295_i64), extend("default" = 0))]
    pub offset: Option<i64>,
}

/// A public link that works, as lists show it. What opens it was told once, when it was made, and is kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SharedDeliverable {
    /// `shr_…`
    #[schemars(with = "text::ShareId")]
    pub id: String,
    #[schemars(with = "text::TaskId")]
    pub task_id: String,
    #[schemars(with = "text::DeliverableId")]
    pub deliverable_id: String,
    /// Of the file that it leads to.
    pub name: String,
    pub size_bytes: u64,
    #[schemars(with = "text::Time")]
    pub created_at: String,
    /// `null`: it works until it is revoked.
    #[schemars(with = "Option<text::Time>")]
    pub expires_at: Option<String>,
}

/// `GET /shares`: the links that work, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShareList {
    pub shares: Vec<SharedDeliverable>,
    /// How many there are in all.
    pub total: u64,
    pub limit: u32,
    pub offset: u64,
}
