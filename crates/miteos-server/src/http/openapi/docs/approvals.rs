//! Approvals of the whole account, and when its tasks ask for them.

use miteos_api::{ApprovalList, ApprovalPolicy, ListApprovals, SetApprovalPolicy};
use serde_json::json;

use super::super::doc::{Doc, Tag, doc};
use super::super::examples;
use super::super::schemas::Schemas;

pub fn docs(s: &mut Schemas) -> Vec<Doc> {
    let list = json!({"approvals": [examples::approval()], "total": 1, "limit": 20, "offset": 0});
    vec![
        doc("GET", "/approvals", "listApprovals", Tag::Approvals, "List approvals")
            .text("Newest first. `task_id` goes with `status=pending` or with no status: the task's events have the rest.")
            .parameters(s.query::<ListApprovals>())
            .answer(200, "A page of approvals.", s.told::<ApprovalList>(), list)
            .missing("task", "there is no such task")
            .refused(
                "`limit` or `offset` out of range, an unknown `status`, or `task_id` with a status other than `pending`.",
                "limit is 101; it must be 1 to 100",
            ),
        doc("GET", "/approval-policy", "getApprovalPolicy", Tag::Approvals, "Read the approval policy")
            .text(
                "From which setting of the autonomy dial on a call of each risk runs without asking. 101 asks at any \
                 setting.",
            )
            .answer(200, "The policy that the next task takes.", s.told::<ApprovalPolicy>(), examples::approval_policy()),
        doc("PUT", "/approval-policy", "setApprovalPolicy", Tag::Approvals, "Set the approval policy")
            .text(
                "Replaces the whole policy; what is absent has its default. Thresholds can be raised and not lowered below \
                 the default. Tasks that exist keep theirs.",
            )
            .body(s.asked::<SetApprovalPolicy>(), json!({"medium": 60, "tools": {"code_exec": "always"}}))
            .answer(200, "The policy as it is now.", s.told::<ApprovalPolicy>(), examples::approval_policy())
            .refused(
                "A threshold out of range, a tool that there is none of, or `never` for a tool that can do critical harm.",
                "medium is 49; it must be 50 to 101",
            ),
    ]
}
