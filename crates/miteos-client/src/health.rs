//! Whether there is a server, and whether it can take work.

use miteos_api::{Health, Readiness};

use crate::client::Client;
use crate::error::ClientError;

impl Client {
    /// `GET /healthz`: the process is up. One attempt: whoever asks wants to know how it is now.
    pub async fn health(&self) -> Result<Health, ClientError> {
        let response = self.send_once(&self.get(&["healthz"])?).await?;
        self.read_json(response).await
    }

    /// `GET /readyz`: what it says when it can take work; [`ClientError::Api`] with 503 when it cannot.
    pub async fn readiness(&self) -> Result<Readiness, ClientError> {
        let response = self.send_once(&self.get(&["readyz"])?).await?;
        self.read_json(response).await
    }
}
