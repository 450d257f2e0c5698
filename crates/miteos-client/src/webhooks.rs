//! Calls on webhooks.

use miteos_api::{
    CreateWebhook, CreatedWebhook, Delivery, DeliveryList, ListDeliveries, RotateSecret, RotatedSecret,
    UpdateWebhook, Webhook, WebhookTest,
};
use reqwest::Method;

use crate::client::Client;
use crate::error::ClientError;
use crate::tasks::Empty;

impl Client {
    /// `POST /webhooks`. The answer is the only one that shows the secret; a lost one is asked for again under one
    /// idempotency key, so that no twin is made.
    pub async fn create_webhook(&self, webhook: &CreateWebhook) -> Result<CreatedWebhook, ClientError> {
        self.json(&self.post(&["webhooks"], webhook)?).await
    }

    /// `GET /webhooks`, newest first.
    pub async fn list_webhooks(&self) -> Result<Vec<Webhook>, ClientError> {
        self.json(&self.get(&["webhooks"])?).await
    }

    /// `GET /webhooks/{id}`.
    pub async fn webhook(&self, id: &str) -> Result<Webhook, ClientError> {
        self.json(&self.get(&["webhooks", id])?).await
    }

    /// `PATCH /webhooks/{id}`. Sets values, so it may be repeated.
    pub async fn update_webhook(&self, id: &str, change: &UpdateWebhook) -> Result<Webhook, ClientError> {
        self.json(&self.call(Method::PATCH, &["webhooks", id])?.json(change)?).await
    }

    /// `DELETE /webhooks/{id}`: with the list of its deliveries.
    pub async fn delete_webhook(&self, id: &str) -> Result<(), ClientError> {
        self.delete(&["webhooks", id]).await
    }

    /// `POST /webhooks/{id}/test`: sends one `webhook.ping` and says what came of it.
    pub async fn test_webhook(&self, id: &str) -> Result<WebhookTest, ClientError> {
        self.json(&self.post(&["webhooks", id, "test"], &Empty {})?).await
    }

    /// `GET /webhooks/{id}/deliveries`, newest first.
    pub async fn list_deliveries(
        &self,
        id: &str,
        query: &ListDeliveries,
    ) -> Result<DeliveryList, ClientError> {
        self.json(&self.get(&["webhooks", id, "deliveries"])?.query(query)?).await
    }

    /// `POST /webhooks/{id}/deliveries/{delivery_id}/redeliver`: the event again, under its old id.
    pub async fn redeliver(&self, id: &str, delivery_id: &str) -> Result<Delivery, ClientError> {
        self.json(&self.post(&["webhooks", id, "deliveries", delivery_id, "redeliver"], &Empty {})?).await
    }

    /// `POST /webhooks/{id}/rotate-secret`: the secret before signs, too, for another day.
    pub async fn rotate_webhook_secret(
        &self,
        id: &str,
        secret: &RotateSecret,
    ) -> Result<RotatedSecret, ClientError> {
        self.json(&self.post(&["webhooks", id, "rotate-secret"], secret)?).await
    }
}
