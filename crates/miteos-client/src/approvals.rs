//! Calls on approvals. Deciding one is a call on its agent.

use miteos_api::{ApprovalList, ListApprovals};

use crate::client::Client;
use crate::error::ClientError;

impl Client {
    /// `GET /approvals`, newest first.
    pub async fn list_approvals(&self, query: &ListApprovals) -> Result<ApprovalList, ClientError> {
        self.json(&self.get(&["approvals"])?.query(query)?).await
    }
}
