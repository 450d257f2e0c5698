//! `miteos webhook …`

use miteos_client::api::{CreateWebhook, ListDeliveries, RotateSecret, UpdateWebhook, WebhookStatus};

use crate::cli::Webhook;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::webhooks as show;

pub async fn webhook(context: &Context<'_>, command: Webhook) -> Result<Exit, Failure> {
    let client = context.client()?;
    let theme = context.terminal.theme();
    match command {
        Webhook::List => {
            let list = client.list_webhooks().await?;
            context.show(&list, || show::webhooks(&list, theme))
        }
        Webhook::Create { address: url, events, description, secret } => {
            let events = if events.is_empty() { vec!["*".to_owned()] } else { events };
            let made = client.create_webhook(&CreateWebhook { url, events, secret, description }).await?;
            context.show(&made, || show::created(&made, theme))
        }
        Webhook::Get { id } => {
            let found = client.webhook(&id).await?;
            context.show(&found, || show::webhook(&found, theme))
        }
        Webhook::Update { id, to, events, description, enable, disable } => {
            let status = match (enable, disable) {
                (true, _) => Some(WebhookStatus::Enabled),
                (false, true) => Some(WebhookStatus::Disabled),
                (false, false) => None,
            };
            let change = UpdateWebhook {
                url: to,
                events: (!events.is_empty()).then_some(events),
                description: description.map(|text| (!text.is_empty()).then_some(text)),
                status: status.map(|status| status.as_str().to_owned()),
            };
            if change == UpdateWebhook::default() {
                return Err(Failure::usage("nothing is to be changed")
                    .hint("use --to, --event, --description, --enable or --disable"));
            }
            let changed = client.update_webhook(&id, &change).await?;
            context.show(&changed, || show::webhook(&changed, theme))
        }
        Webhook::Delete { id } => {
            client.delete_webhook(&id).await?;
            context.done("deleted")
        }
        Webhook::Test { id } => test(context, &id).await,
        Webhook::Deliveries { id, limit, offset } => {
            let query = ListDeliveries { limit: Some(limit), offset: Some(offset) };
            let list = client.list_deliveries(&id, &query).await?;
            context.show(&list, || show::deliveries(&list, theme))
        }
        Webhook::Redeliver { id, delivery } => {
            let again = client.redeliver(&id, &delivery).await?;
            context.show(&again, || show::delivery(&again, theme))
        }
        Webhook::RotateSecret { id, secret } => {
            let rotated = client.rotate_webhook_secret(&id, &RotateSecret { secret }).await?;
            context.show(&rotated, || show::rotated(&rotated, theme))
        }
    }
}

/// A receiver that does not take the test event is a failure, so that scripts can tell.
async fn test(context: &Context<'_>, id: &str) -> Result<Exit, Failure> {
    let outcome = context.client()?.test_webhook(id).await?;
    context.show(&outcome, || show::tested(&outcome, context.terminal.theme()))?;
    Ok(if outcome.ok { Exit::Done } else { Exit::TaskFailed })
}
