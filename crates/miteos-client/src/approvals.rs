//! Calls on approvals. Deciding one is a call on its agent.

use miteos_api::{ApprovalList, ApprovalPolicy, ListApprovals, SetApprovalPolicy};
use reqwest::Method;

use crate::client::Client;
use crate::error::ClientError;

impl Client {
    /// `GET /approvals`, newest first.
    pub async fn list_approvals(&self, query: &ListApprovals) -> Result<ApprovalList, ClientError> {
        self.json(&self.get(&["approvals"])?.query(query)?).await
    }

    /// `GET /approval-policy`: when the account's tasks ask.
    pub async fn approval_policy(&self) -> Result<ApprovalPolicy, ClientError> {
        self.json(&self.get(&["approval-policy"])?).await
    }

    /// `PUT /approval-policy`. Sets values, so it may be repeated. Tasks that exist keep theirs.
    pub async fn set_approval_policy(
        &self,
        policy: &SetApprovalPolicy,
    ) -> Result<ApprovalPolicy, ClientError> {
        self.json(&self.call(Method::PUT, &["approval-policy"])?.json(policy)?).await
    }
}
