//! What was used: tokens, cost and tasks, added up from the model calls that the journal records.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use miteos_api::{GroupBy, ListUsage, Storage, Usage, UsageRow, UsageTotals};
use miteos_core::time::Timestamp;
use miteos_store::{Scope, UsageRange, UsageSum};
use miteos_tools::Workspace;

use super::App;
use super::auth::Caller;
use super::error::ApiError;
use super::extract::{Query, page};

/// Most days that one report covers: a leap year.
const MAX_DAYS: u64 = 366;
/// Days that a report covers unless told otherwise.
const DEFAULT_DAYS: u64 = 30;
/// How long the size of an account's workspaces is remembered (ms): it is found out by walking them.
const MEASURED_FOR_MS: u64 = 60_000;
/// Accounts whose size is remembered.
const MAX_MEASURED: usize = 1_000;

/// The sizes of workspaces, as they were not long ago.
#[derive(Default)]
pub struct Measured {
    sizes: Mutex<HashMap<Scope, (Timestamp, u64)>>,
}

pub async fn usage(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<ListUsage>,
) -> Result<Json<Usage>, ApiError> {
    let scope = caller.scope();
    let range = range(&query, scope, app.deps.clock.now())?;
    let group = match &query.group_by {
        None => GroupBy::Day,
        Some(word) => word.parse().map_err(|error| ApiError::refused(format!("group_by: {error}")))?,
    };
    let page = page(query.limit, query.offset)?;
    let store = &app.deps.tasks.store;
    let rows = match group {
        GroupBy::Day => {
            let days = store.usage_by_day(range).await?.into_iter();
            days.map(|(day, sum)| UsageRow {
                day: Some(Timestamp::of_day(day).date()),
                ..UsageRow::new(totals(&sum))
            })
            .collect()
        }
        GroupBy::Model => {
            let models = store.usage_by_model(range).await?.into_iter();
            models
                .map(|(model, sum)| UsageRow { model: Some(model), ..UsageRow::new(totals(&sum)) })
                .collect()
        }
        GroupBy::Task => {
            let tasks = store.usage_by_task(range, page.limit, page.offset).await?.into_iter();
            tasks
                .map(|(task, sum)| UsageRow {
                    task_id: Some(task.to_string()),
                    ..UsageRow::new(totals(&sum))
                })
                .collect()
        }
    };
    Ok(Json(Usage {
        from: Timestamp::of_day(range.from_day).date(),
        to: Timestamp::of_day(range.to_day).date(),
        group_by: group,
        totals: totals(&store.usage_total(range).await?),
        rows,
        storage: storage(&app, scope).await?,
    }))
}

fn totals(sum: &UsageSum) -> UsageTotals {
    UsageTotals {
        tokens: sum.input.saturating_add(sum.output),
        input_tokens: sum.input,
        output_tokens: sum.output,
        cost: sum.cost.dollars(),
        tasks: sum.tasks,
        model_calls: sum.calls,
        unpriced_calls: sum.unpriced,
    }
}

/// The days of a report, both ends included. A time stands for its day in UTC.
fn range(query: &ListUsage, scope: Scope, now: Timestamp) -> Result<UsageRange, ApiError> {
    let day = |name: &str, text: &Option<String>| match text {
        None => Ok(None),
        Some(text) => match text.parse::<Timestamp>() {
            Ok(at) => Ok(Some(at.day())),
            Err(error) => Err(ApiError::malformed(format!("{name}: {error}, or like 2026-11-22"))),
        },
    };
    let (from, to) = (day("from", &query.from)?, day("to", &query.to)?);
    let to_day = to.unwrap_or_else(|| from.map_or(now.day(), |from| now.day().max(from)));
    let from_day = from.unwrap_or(to_day.saturating_sub(DEFAULT_DAYS - 1));
    if from_day > to_day {
        return Err(ApiError::refused("from is after to; the earlier day comes first"));
    }
    if to_day - from_day >= MAX_DAYS {
        let detail = format!(
            "from and to are {} days; at most {MAX_DAYS} are reported at once",
            to_day - from_day + 1
        );
        return Err(ApiError::refused(detail));
    }
    Ok(UsageRange { scope, from_day, to_day })
}

/// What the account keeps now, whatever the days of the report are.
async fn storage(app: &App, scope: Scope) -> Result<Storage, ApiError> {
    let kept = app.deps.tasks.store.kept(scope).await?;
    let (workspaces, workspace_bytes) = workspaces(app, scope).await?;
    let preview_bytes = app.deps.tasks.store.preview_bytes(scope, None, None).await?;
    Ok(Storage {
        workspaces,
        workspace_bytes,
        deliverables: kept.deliverables,
        deliverable_bytes: kept.deliverable_bytes,
        previews: kept.previews,
        preview_bytes,
        preview_limit_bytes: app.previews.max_bytes(),
    })
}

/// How many there are, and their size, which may be a minute old.
async fn workspaces(app: &App, scope: Scope) -> Result<(u64, u64), ApiError> {
    let now = app.deps.clock.now();
    let known = |at: Timestamp| now >= at && now.since(at) < MEASURED_FOR_MS;
    let rows = app.deps.tasks.store.workspaces(scope.account, scope.live).await?;
    let count = rows.len() as u64;
    {
        let sizes = app.measured.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, bytes)) = sizes.get(&scope)
            && known(*at)
        {
            return Ok((count, *bytes));
        }
    }
    let roots: Vec<PathBuf> = rows.iter().map(|row| app.deps.workspaces.join(row.id.to_string())).collect();
    let measured = tokio::task::spawn_blocking(move || roots.into_iter().map(size).sum::<u64>()).await;
    let bytes = measured.map_err(|panic| ApiError::internal(&panic))?;
    let mut sizes = app.measured.sizes.lock().unwrap_or_else(PoisonError::into_inner);
    if sizes.len() >= MAX_MEASURED {
        sizes.retain(|_, (at, _)| known(*at));
    }
    if sizes.len() < MAX_MEASURED {
        sizes.insert(scope, (now, bytes));
    }
    Ok((count, bytes))
}

/// A workspace that cannot be looked at, or that nobody has used yet, counts as empty.
fn size(root: PathBuf) -> u64 {
    if !root.is_dir() {
        return 0;
    }
    Workspace::open(root).and_then(|workspace| workspace.size()).map_or(0, |(_, bytes)| bytes)
}
