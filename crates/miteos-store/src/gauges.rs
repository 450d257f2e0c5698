//! How much of everything there is at the moment, over all accounts: for an operator's figures. Each count is answered
//! by an index over what is unfinished, so that it does not grow with what was done long ago.

use miteos_core::time::Timestamp;

use crate::columns::{count, int, rows};
use crate::error::StoreError;
use crate::store::Store;

/// The states of unfinished tasks.
const OPEN: [&str; 4] = ["pending", "planning", "running", "paused"];
/// The states of deployments that are not over.
const UNDER_WAY: [&str; 3] = ["pending", "building", "deploying"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gauges {
    /// Unfinished tasks by state, each of `pending planning running paused`.
    pub tasks: Vec<(&'static str, u64)>,
    /// Deployments that are not over by state, each of `pending building deploying`.
    pub deployments: Vec<(&'static str, u64)>,
    /// Approvals that wait for a person.
    pub approvals: u64,
    /// Webhook deliveries that are not settled.
    pub deliveries_pending: u64,
    /// Of these the ones whose time has come.
    pub deliveries_due: u64,
}

// The words and the comparison stand here so that the index of unfinished tasks answers.
const TASKS: &str = "SELECT status, COUNT(*) FROM tasks
    WHERE status IN ('pending', 'planning', 'running', 'paused') AND id > '' GROUP BY status";
const DEPLOYMENTS: &str = "SELECT status, COUNT(*) FROM deployments
    WHERE status IN ('pending', 'building', 'deploying') AND id > '' GROUP BY status";
// By account, since the index begins with it; both worlds are named, since it goes on with that.
const APPROVALS: &str = "SELECT CAST(COALESCE(SUM(
    (SELECT COUNT(*) FROM approvals p WHERE p.account = a.id AND p.live = TRUE AND p.status = 'pending') +
    (SELECT COUNT(*) FROM approvals p WHERE p.account = a.id AND p.live = FALSE AND p.status = 'pending')
    ), 0) AS BIGINT) FROM accounts a";
const DELIVERIES: &str =
    "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN due_at <= $1 THEN 1 ELSE 0 END), 0) AS BIGINT)
    FROM webhook_deliveries WHERE status = 'pending'";

impl Store {
    pub async fn gauges(&self, now: Timestamp) -> Result<Gauges, StoreError> {
        self.read("count what is unfinished", move |db| {
            let by_state = |sql, states: &[&'static str]| -> Result<Vec<_>, StoreError> {
                let found = rows(db, sql, [], |row| Ok((row.get::<_, String>(0)?, count(row, 1)?)))?;
                let of = |state: &str| found.iter().find(|(found, _)| found == state).map_or(0, |(_, n)| *n);
                Ok(states.iter().map(|state| (*state, of(state))).collect())
            };
            let approvals = db.prepare_cached(APPROVALS)?.query_row([], |row| count(row, 0))?;
            let (deliveries_pending, deliveries_due) = db
                .prepare_cached(DELIVERIES)?
                .query_row([int(now.millis())], |row| Ok((count(row, 0)?, count(row, 1)?)))?;
            let (tasks, deployments) = (by_state(TASKS, &OPEN)?, by_state(DEPLOYMENTS, &UNDER_WAY)?);
            Ok(Gauges { tasks, deployments, approvals, deliveries_pending, deliveries_due })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plans::assert_planned;

    #[test]
    fn an_index_of_what_is_unfinished_answers_each() {
        let queries = [
            (TASKS, 0, "USING INDEX tasks_unfinished"),
            (DEPLOYMENTS, 0, "INDEX deployments_active"),
            (APPROVALS, 0, "USING COVERING INDEX approvals_status (account=? AND live=? AND status=?)"),
            (DELIVERIES, 1, "INDEX webhook_deliveries_due"),
        ];
        assert_planned(&queries, &[]);
    }
}
