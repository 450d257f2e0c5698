//! Previews: what the server itself shows of a deployment, to whom, and until when.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::numbers::{whole, whole_or_null};
use crate::text;
use crate::words::PreviewVisibility;

/// What a deployment with target `preview` is shown as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    #[schemars(with = "text::DeploymentId")]
    pub deployment_id: String,
    /// Nobody can guess it.
    #[schemars(with = "text::Address")]
    pub url: String,
    pub visibility: PreviewVisibility,
    /// Whether an address that names no file shows the first page.
    pub single_page: bool,
    pub files: u64,
    pub size_bytes: u64,
    /// Links that were made to it and work.
    pub links: u64,
    #[schemars(with = "text::Time")]
    pub created_at: String,
    /// When it ends by itself.
    #[schemars(with = "Option<text::Time>")]
    pub expires_at: Option<String>,
}

/// `PATCH /deployments/{id}/preview`: what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpdatePreview {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PreviewVisibility>")]
    pub visibility: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub single_page: Option<bool>,
    /// Seconds from now until it ends. `null`: it does not end by itself.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole_or_null")]
    #[schemars(with = "Option<i64>", range(min = 1, max = 316_224_000))]
    pub expires_in: Option<Option<i64>>,
}

/// `POST /deployments/{id}/preview/links`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreatePreviewLink {
    /// Seconds from now. Absent or null: seven days.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole")]
    #[schemars(range(min = 1, max = 316_224_000))]
    pub expires_in: Option<i64>,
}

/// A link that opens a preview, whatever its visibility is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PreviewLink {
    /// `shr_…`
    #[schemars(with = "text::ShareId")]
    pub id: String,
    #[schemars(with = "text::Address")]
    pub url: String,
    #[schemars(with = "text::Time")]
    pub expires_at: String,
}

/// The query of `GET /previews` and of `GET /deployments/{id}/preview/links`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListPreviews {
    /// 1 to 100, default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100), extend("default" = 20))]
    pub limit: Option<i64>,
    /// Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4_294_967_295_i64), extend("default" = 0))]
    pub offset: Option<i64>,
}

/// `GET /previews`: those that are shown now, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PreviewList {
    pub previews: Vec<Preview>,
    /// How many there are in all.
    pub total: u64,
    pub limit: u32,
    pub offset: u64,
}

/// A link to a preview that works, as lists show it. What opens it was told once, when it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListedPreviewLink {
    /// `shr_…`
    #[schemars(with = "text::ShareId")]
    pub id: String,
    #[schemars(with = "text::DeploymentId")]
    pub deployment_id: String,
    #[schemars(with = "text::Time")]
    pub created_at: String,
    #[schemars(with = "text::Time")]
    pub expires_at: String,
}

/// `GET /deployments/{id}/preview/links`: the links that work, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PreviewLinkList {
    pub links: Vec<ListedPreviewLink>,
    /// How many there are in all.
    pub total: u64,
    pub limit: u32,
    pub offset: u64,
}
