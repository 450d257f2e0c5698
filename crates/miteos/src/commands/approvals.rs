//! `miteos approvals`, `approve` and `reject`.

use miteos_client::Client;
use miteos_client::api::{Approval, DecideApproval, ListApprovals};

use crate::cli;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::show;

/// Approvals on a page; the most the contract allows.
const PAGE: i64 = 100;

pub async fn list(context: &Context<'_>, query: cli::Approvals) -> Result<Exit, Failure> {
    let query = ListApprovals { status: Some(query.status), limit: Some(PAGE), ..ListApprovals::default() };
    let found = context.client()?.list_approvals(&query).await?;
    context.show(&found, || show::approvals(&found.approvals, context.terminal.theme()))
}

pub async fn approve(context: &Context<'_>, approve: cli::Approve) -> Result<Exit, Failure> {
    let input = match approve.input {
        Some(text) => Some(serde_json::from_str(&text).map_err(|error| {
            Failure::usage(format!("--input is no JSON object: {error}"))
                .hint("one looks like '{\"subject\": \"Hello\"}'")
        })?),
        None => None,
    };
    let decision = DecideApproval { approved: true, reason: approve.reason, input };
    decide(context, &approve.id, &decision).await
}

pub async fn reject(context: &Context<'_>, reject: cli::Reject) -> Result<Exit, Failure> {
    let decision = DecideApproval { approved: false, reason: reject.reason, input: None };
    decide(context, &reject.id, &decision).await
}

async fn decide(context: &Context<'_>, id: &str, decision: &DecideApproval) -> Result<Exit, Failure> {
    let client = context.client()?;
    let approval = find(&client, id).await?;
    client.approve(&approval.agent_id, &approval.id, decision).await?;
    context.done(if decision.approved { "approved" } else { "rejected" })
}

/// The decision is addressed to the agent, so it has to be found first. Those that wait come first, then the
/// decided ones: giving the same decision twice is no error.
async fn find(client: &Client, id: &str) -> Result<Approval, Failure> {
    for status in [Some("pending".to_owned()), None] {
        let mut offset = 0;
        loop {
            let query = ListApprovals {
                status: status.clone(),
                limit: Some(PAGE),
                offset: Some(offset),
                task_id: None,
            };
            let page = client.list_approvals(&query).await?;
            let found = page.approvals.len();
            if let Some(approval) = page.approvals.into_iter().find(|approval| approval.id == id) {
                return Ok(approval);
            }
            offset += PAGE;
            if found == 0 || u64::try_from(offset).is_ok_and(|offset| offset >= page.total) {
                break;
            }
        }
    }
    Err(Failure::usage(format!("there is no approval {id}")).hint("`miteos approvals` lists those that wait"))
}
