//! Calls on API keys, on what was used with them, and of which models.

use miteos_api::{ApiKey, CreateApiKey, CreatedApiKey, ListUsage, ModelList, Usage};

use crate::client::Client;
use crate::error::ClientError;

impl Client {
    /// `POST /api-keys`: the answer holds the key itself, which is told this once.
    pub async fn create_api_key(&self, key: &CreateApiKey) -> Result<CreatedApiKey, ClientError> {
        self.json(&self.post(&["api-keys"], key)?).await
    }

    /// `GET /api-keys`: those that are not revoked, newest first.
    pub async fn list_api_keys(&self) -> Result<Vec<ApiKey>, ClientError> {
        self.json(&self.get(&["api-keys"])?).await
    }

    /// `DELETE /api-keys/{id}`: the key opens nothing from then on.
    pub async fn revoke_api_key(&self, id: &str) -> Result<(), ClientError> {
        self.delete(&["api-keys", id]).await
    }

    /// `GET /usage`.
    pub async fn usage(&self, query: &ListUsage) -> Result<Usage, ClientError> {
        self.json(&self.get(&["usage"])?.query(query)?).await
    }

    /// `GET /models`: what a task can run on.
    pub async fn list_models(&self) -> Result<ModelList, ClientError> {
        self.json(&self.get(&["models"])?).await
    }
}
