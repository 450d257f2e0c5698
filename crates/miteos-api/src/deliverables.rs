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
