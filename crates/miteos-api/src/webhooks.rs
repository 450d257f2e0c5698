//! Webhooks: addresses that events are sent to, and what became of each event. What a receiver gets is described by
//! Standard Webhooks; its `data` is an [`Event`](crate::Event).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::text;
use crate::words::{DeliveryStatus, WebhookStatus};

/// `POST /webhooks`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreateWebhook {
    /// `https://…` or `http://…`, at most 2,048 characters.
    #[schemars(with = "text::WebhookUrl")]
    pub url: String,
    /// Event types such as `task.complete`, or `["*"]` for all.
    #[schemars(with = "Vec<text::EventChoice>", length(min = 1))]
    pub events: Vec<String>,
    /// `whsec_` and base64 of 24 to 64 bytes. Absent: the server makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::WebhookSecret>")]
    pub secret: Option<String>,
    /// At most 1,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub description: Option<String>,
}

impl fmt::Debug for CreateWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateWebhook")
            .field("url", &self.url)
            .field("events", &self.events)
            .field("secret", &self.secret.as_ref().map(|_| "***"))
            .field("description", &self.description)
            .finish()
    }
}

/// A webhook without its secret. `GET /webhooks` is a bare array of these, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Webhook {
    /// `wh_…`
    #[schemars(with = "text::WebhookId")]
    pub id: String,
    pub url: String,
    #[schemars(with = "Vec<text::EventChoice>")]
    pub events: Vec<String>,
    #[serde(default)]
    pub description: Option<String>,
    pub status: WebhookStatus,
    /// Why it is disabled.
    #[serde(default)]
    pub disabled_reason: Option<String>,
    /// Since when every attempt has failed.
    #[serde(default)]
    #[schemars(with = "Option<text::Time>")]
    pub failing_since: Option<String>,
    /// After a rotation: until when the secret before signs, too.
    #[serde(default)]
    #[schemars(with = "Option<text::Time>")]
    pub previous_secret_expires_at: Option<String>,
    #[schemars(with = "text::Time")]
    pub created_at: String,
}

/// The answer to `POST /webhooks`: the only time the secret is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreatedWebhook {
    #[serde(flatten)]
    pub webhook: Webhook,
    /// `whsec_…`
    #[schemars(with = "text::WebhookSecret")]
    pub secret: String,
}

impl fmt::Debug for CreatedWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreatedWebhook").field("webhook", &self.webhook).field("secret", &"***").finish()
    }
}

/// `PATCH /webhooks/{id}`: what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpdateWebhook {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::WebhookUrl>")]
    pub url: Option<String>,
    /// Holds for events from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<text::EventChoice>>", length(min = 1))]
    pub events: Option<Vec<String>>,
    /// `null` takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    #[schemars(with = "Option<String>", length(max = 1000))]
    pub description: Option<Option<String>>,
    /// `enabled` or `disabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<WebhookStatus>")]
    pub status: Option<String>,
}

/// Tells `null` from absent.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// `POST /webhooks/{id}/rotate-secret`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RotateSecret {
    /// As in [`CreateWebhook`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<text::WebhookSecret>")]
    pub secret: Option<String>,
}

impl fmt::Debug for RotateSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RotateSecret").field("secret", &self.secret.as_ref().map(|_| "***")).finish()
    }
}

/// The answer to it: the only time the new secret is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RotatedSecret {
    /// `whsec_…`
    #[schemars(with = "text::WebhookSecret")]
    pub secret: String,
    /// Until then each message is signed with the secret before, too.
    #[schemars(with = "text::Time")]
    pub previous_secret_expires_at: String,
}

impl fmt::Debug for RotatedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RotatedSecret")
            .field("secret", &"***")
            .field("previous_secret_expires_at", &self.previous_secret_expires_at)
            .finish()
    }
}

/// The answer to `POST /webhooks/{id}/test`: what came of one `webhook.ping`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookTest {
    /// Whether the receiver took it: a status of 200 to 299.
    pub ok: bool,
    /// The status of its answer, if there was one.
    #[serde(default)]
    pub response_status: Option<u16>,
    /// Until the answer began (milliseconds).
    pub duration_ms: u64,
    #[serde(default)]
    pub error: Option<String>,
    /// The delivery it is listed as.
    #[schemars(with = "text::DeliveryId")]
    pub delivery_id: String,
}

/// The query of `GET /webhooks/{id}/deliveries`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListDeliveries {
    /// 1 to 100, default 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100), extend("default" = 20))]
    pub limit: Option<i64>,
    /// Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4_294_967_295_i64), extend("default" = 0))]
    pub offset: Option<i64>,
}

/// One event on its way to one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// `whd_…`
    #[schemars(with = "text::DeliveryId")]
    pub id: String,
    #[schemars(with = "text::WebhookId")]
    pub webhook_id: String,
    /// What the header `webhook-id` says on every attempt, and on a redelivery.
    #[schemars(with = "text::EventId")]
    pub event_id: String,
    #[serde(rename = "type")]
    #[schemars(with = "text::DeliveredType")]
    pub kind: String,
    /// The event's task; a test has none, nor has an event of a deployment.
    #[serde(default)]
    #[schemars(with = "Option<text::TaskId>")]
    pub task_id: Option<String>,
    /// The event's deployment.
    #[serde(default)]
    #[schemars(with = "Option<text::DeploymentId>")]
    pub deployment_id: Option<String>,
    /// The event's place in the log of its task or deployment.
    #[serde(default)]
    pub seq: Option<u64>,
    pub status: DeliveryStatus,
    pub attempts: u32,
    #[schemars(with = "text::Time")]
    pub created_at: String,
    #[serde(default)]
    #[schemars(with = "Option<text::Time>")]
    pub last_attempt_at: Option<String>,
    /// While it is pending.
    #[serde(default)]
    #[schemars(with = "Option<text::Time>")]
    pub next_attempt_at: Option<String>,
    /// Of the last attempt, as the rest below.
    #[serde(default)]
    pub response_status: Option<u16>,
    #[serde(default)]
    pub duration_ms: Option<u64>,
    #[serde(default)]
    pub error: Option<String>,
}

/// `GET /webhooks/{id}/deliveries`, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryList {
    pub deliveries: Vec<Delivery>,
    /// How many are remembered.
    pub total: u64,
    pub limit: u32,
    pub offset: u64,
}
