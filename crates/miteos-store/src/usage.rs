//! Model calls added up by task, model and day, in the transaction that records the call. It does not know prices.

use miteos_core::ids::{AccountId, TaskId};
use miteos_core::money::MicroUsd;
use rusqlite::{Connection, Row, params};

use crate::columns::{count, id, int, page, rows};
use crate::error::StoreError;
use crate::store::Store;
use crate::{MAX_LIST_ROWS, Scope};

/// One model call, to be added to its task, model and day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Days since 1970-01-01, UTC.
    pub day: u64,
    pub model: String,
    pub input: u64,
    pub output: u64,
    /// `None`: the model has no known price.
    pub cost: Option<MicroUsd>,
}

/// Calls added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UsageSum {
    pub input: u64,
    pub output: u64,
    pub cost: MicroUsd,
    pub calls: u64,
    /// Calls whose price is not known: they are in `calls`, and cost nothing in `cost`.
    pub unpriced: u64,
    /// Tasks that made at least one of the calls.
    pub tasks: u64,
}

/// Whose usage, and from which day to which, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageRange {
    pub scope: Scope,
    pub from_day: u64,
    pub to_day: u64,
}

/// What an account keeps on the disk beside its workspaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    pub deliverables: u64,
    pub deliverable_bytes: u64,
    /// Those that are shown, or whose end is past and that can be prolonged.
    pub previews: u64,
}

macro_rules! sums {
    ($group:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $group,
            "CAST(COALESCE(SUM(input), 0) AS BIGINT), CAST(COALESCE(SUM(output), 0) AS BIGINT), ",
            "CAST(COALESCE(SUM(cost), 0) AS BIGINT), CAST(COALESCE(SUM(calls), 0) AS BIGINT), ",
            "CAST(COALESCE(SUM(unpriced), 0) AS BIGINT), COUNT(DISTINCT task) FROM model_usage ",
            "WHERE account = $1 AND live = $2 AND day >= $3 AND day <= $4 ",
            $rest
        )
    };
}

const TOTAL: &str = sums!("", "");
const BY_DAY: &str = sums!("day, ", "GROUP BY day ORDER BY day LIMIT $5");
const BY_MODEL: &str = sums!("model, ", "GROUP BY model ORDER BY model LIMIT $5");
const BY_TASK: &str = sums!("task, ", "GROUP BY task ORDER BY task DESC LIMIT $5 OFFSET $6");
const ADD: &str =
    "INSERT INTO model_usage (account, live, day, task, model, input, output, cost, calls, unpriced)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9)
    ON CONFLICT (account, live, day, task, model) DO UPDATE SET
    input = model_usage.input + excluded.input, output = model_usage.output + excluded.output,
    cost = model_usage.cost + excluded.cost, calls = model_usage.calls + 1,
    unpriced = model_usage.unpriced + excluded.unpriced";
const KEPT: &str = "SELECT COUNT(*), CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) FROM deliverables
    WHERE account = $1 AND live = $2";
const KEPT_PREVIEWS: &str =
    "SELECT COUNT(*) FROM previews WHERE account = $1 AND live = $2 AND deleted_at IS NULL";

impl Store {
    pub async fn usage_total(&self, range: UsageRange) -> Result<UsageSum, StoreError> {
        self.read("add up the usage", move |db| {
            let asked = params![
                range.scope.account.to_string(),
                range.scope.live,
                int(range.from_day),
                int(range.to_day)
            ];
            Ok(db.prepare_cached(TOTAL)?.query_row(asked, |row| sum(row, 0))?)
        })
        .await
    }

    /// Each day on which a model was called, oldest first.
    pub async fn usage_by_day(&self, range: UsageRange) -> Result<Vec<(u64, UsageSum)>, StoreError> {
        self.grouped(BY_DAY, range, |row| count(row, 0)).await
    }

    /// Each model that was called, by name.
    pub async fn usage_by_model(&self, range: UsageRange) -> Result<Vec<(String, UsageSum)>, StoreError> {
        self.grouped(BY_MODEL, range, |row| row.get(0)).await
    }

    /// Each task that called a model, newest first.
    pub async fn usage_by_task(
        &self,
        range: UsageRange,
        limit: usize,
        offset: usize,
    ) -> Result<Vec<(TaskId, UsageSum)>, StoreError> {
        self.read("add up the usage of tasks", move |db| {
            let (account, live) = (range.scope.account.to_string(), range.scope.live);
            let days = (int(range.from_day), int(range.to_day));
            let asked = params![account, live, days.0, days.1, page(limit), int(offset as u64)];
            rows(db, BY_TASK, asked, |row| Ok((id(row, 0)?, sum(row, 1)?)))
        })
        .await
    }

    async fn grouped<T: Send + 'static>(
        &self,
        sql: &'static str,
        range: UsageRange,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<Vec<(T, UsageSum)>, StoreError> {
        self.read("add up the usage", move |db| {
            let (account, live) = (range.scope.account.to_string(), range.scope.live);
            let days = (int(range.from_day), int(range.to_day));
            let asked = params![account, live, days.0, days.1, page(MAX_LIST_ROWS)];
            rows(db, sql, asked, |row| Ok((read(row)?, sum(row, 1)?)))
        })
        .await
    }

    /// What an account keeps in one world. What its previews take up is asked for with [`Store::preview_bytes`].
    pub async fn kept(&self, scope: Scope) -> Result<Kept, StoreError> {
        self.read("add up what is kept", move |db| {
            let asked = params![scope.account.to_string(), scope.live];
            let previews = db.prepare_cached(KEPT_PREVIEWS)?.query_row(asked, |row| count(row, 0))?;
            let read = |row: &Row<'_>| {
                Ok(Kept { deliverables: count(row, 0)?, deliverable_bytes: count(row, 1)?, previews })
            };
            Ok(db.prepare_cached(KEPT)?.query_row(asked, read)?)
        })
        .await
    }
}

/// Part of the append that records the call.
pub(crate) fn add(
    db: &Connection,
    account: AccountId,
    live: bool,
    task: TaskId,
    row: &UsageRow,
) -> Result<(), StoreError> {
    db.prepare_cached(ADD)?.execute(params![
        account.to_string(),
        live,
        int(row.day),
        task.to_string(),
        row.model,
        int(row.input),
        int(row.output),
        int(row.cost.unwrap_or(MicroUsd::ZERO).0),
        i64::from(row.cost.is_none()),
    ])?;
    Ok(())
}

fn sum(row: &Row<'_>, first: usize) -> rusqlite::Result<UsageSum> {
    Ok(UsageSum {
        input: count(row, first)?,
        output: count(row, first + 1)?,
        cost: MicroUsd(count(row, first + 2)?),
        calls: count(row, first + 3)?,
        unpriced: count(row, first + 4)?,
        tasks: count(row, first + 5)?,
    })
}
