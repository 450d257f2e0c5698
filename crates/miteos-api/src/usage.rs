//! What was used: `GET /usage`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text;
use crate::words::GroupBy;

/// The query of `GET /usage`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListUsage {
    /// The first day, as a date or an RFC 3339 time, whose day in UTC it stands for. Absent: 30 days in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::DayOrTime>")]
    pub from: Option<String>,
    /// The last day, included. Absent: today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::DayOrTime>")]
    pub to: Option<String>,
    /// `day`, `task` or `model`. Absent: `day`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<GroupBy>")]
    pub group_by: Option<String>,
    /// How many rows; of `group_by=task` alone, the others come whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100), extend("default" = 20))]
    pub limit: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4_294_967_295_i64), extend("default" = 0))]
    pub offset: Option<i64>,
}

/// Model calls added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageTotals {
    /// `input_tokens` and `output_tokens` together.
    pub tokens: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    /// US dollars: the exact sum of the calls.
    pub cost: f64,
    /// Tasks that made at least one of the calls.
    pub tasks: u64,
    pub model_calls: u64,
    /// Calls of models without a known price, which `cost` does not hold.
    pub unpriced_calls: u64,
}

/// One day, task or model: the field that the report is grouped by is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageRow {
    /// `2026-11-22`, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::Day>")]
    pub day: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::TaskId>")]
    pub task_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(flatten)]
    pub totals: UsageTotals,
}

impl UsageRow {
    pub fn new(totals: UsageTotals) -> Self {
        Self { totals, ..Self::default() }
    }
}

/// What the account keeps on the server's disk now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Storage {
    pub workspaces: u64,
    /// Measured at most once a minute.
    pub workspace_bytes: u64,
    pub deliverables: u64,
    pub deliverable_bytes: u64,
    /// Previews that take up room.
    pub previews: u64,
    /// What their files are together; equal sites count once.
    pub preview_bytes: u64,
    /// More of them is not published.
    pub preview_limit_bytes: u64,
}

/// The answer to `GET /usage`: the totals of all days, and the rows they come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    #[schemars(with = "text::Day")]
    pub from: String,
    #[schemars(with = "text::Day")]
    pub to: String,
    pub group_by: GroupBy,
    #[serde(flatten)]
    pub totals: UsageTotals,
    pub rows: Vec<UsageRow>,
    pub storage: Storage,
}
