//! Webhooks and their deliveries, for the reading commands.

use std::time::Duration;

use miteos_client::api::{
    CreatedWebhook, Delivery, DeliveryList, DeliveryStatus, RotatedSecret, Webhook, WebhookStatus,
    WebhookTest,
};

use super::paint::{Theme, Tone};
use super::table::{self, Cell};
use super::{text, units};

/// A webhook is enabled and all is well, or enabled and in trouble, or disabled.
fn state(webhook: &Webhook) -> (&'static str, Tone) {
    match (webhook.status, &webhook.failing_since) {
        (WebhookStatus::Enabled, None) => ("enabled", Tone::Good),
        (WebhookStatus::Enabled, Some(_)) => ("failing", Tone::Attention),
        (WebhookStatus::Disabled, _) => ("disabled", Tone::Bad),
    }
}

fn delivery_tone(status: DeliveryStatus) -> Tone {
    match status {
        DeliveryStatus::Pending => Tone::Busy,
        DeliveryStatus::Delivered => Tone::Good,
        DeliveryStatus::Failed => Tone::Bad,
    }
}

/// All webhooks.
pub fn webhooks(webhooks: &[Webhook], theme: Theme) -> Vec<String> {
    if webhooks.is_empty() {
        return vec!["no webhooks".to_owned()];
    }
    let rows: Vec<Vec<Cell>> = webhooks
        .iter()
        .map(|webhook| {
            let (word, tone) = state(webhook);
            vec![
                Cell::new(&webhook.id),
                Cell::toned(word, tone),
                Cell::new(&events(webhook)),
                Cell::new(&webhook.url),
            ]
        })
        .collect();
    table::table(&["ID", "STATUS", "EVENTS", "URL"], &rows, 3, theme)
}

/// A few names, or how many there are.
fn events(webhook: &Webhook) -> String {
    match webhook.events.as_slice() {
        [one] if one == "*" => "all".to_owned(),
        [one] => one.clone(),
        more => format!("{} types", more.len()),
    }
}

/// One webhook.
pub fn webhook(webhook: &Webhook, theme: Theme) -> Vec<String> {
    table::facts(&facts(webhook, theme), theme)
}

fn facts(webhook: &Webhook, theme: Theme) -> Vec<(&'static str, String)> {
    let (word, tone) = state(webhook);
    let optional = |text: &Option<String>| text.as_deref().map(text::line).unwrap_or_default();
    let time = |time: &Option<String>| time.as_deref().map(units::day_and_minute).unwrap_or_default();
    let mut facts = vec![
        ("id", text::line(&webhook.id)),
        ("status", theme.tone(tone, word)),
        ("because", optional(&webhook.disabled_reason)),
        ("failing since", time(&webhook.failing_since)),
        ("url", text::line(&webhook.url)),
        ("events", text::line(&webhook.events.join(", "))),
        ("description", optional(&webhook.description)),
        ("created", units::day_and_minute(&webhook.created_at)),
        ("old secret until", time(&webhook.previous_secret_expires_at)),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

/// A new webhook, with its secret.
pub fn created(made: &CreatedWebhook, theme: Theme) -> Vec<String> {
    let mut facts = facts(&made.webhook, theme);
    facts.push(("secret", theme.bold(&text::line(&made.secret))));
    let mut lines = table::facts(&facts, theme);
    lines.push(String::new());
    lines.push(theme.yellow("Keep the secret: it is shown this once."));
    lines
}

/// A new secret.
pub fn rotated(rotated: &RotatedSecret, theme: Theme) -> Vec<String> {
    let until = units::day_and_minute(&rotated.previous_secret_expires_at);
    let facts = [("secret", theme.bold(&text::line(&rotated.secret))), ("old secret until", until)];
    let mut lines = table::facts(&facts, theme);
    lines.push(String::new());
    lines.push(theme.yellow("Keep the secret: it is shown this once."));
    lines
}

/// What came of a test.
pub fn tested(test: &WebhookTest, theme: Theme) -> Vec<String> {
    let took = units::duration(Duration::from_millis(test.duration_ms));
    let status = test.response_status.map(|status| format!(" with {status}")).unwrap_or_default();
    if test.ok {
        return vec![format!("{} taken{status} in {took}", theme.green("✓"))];
    }
    let why = test.error.as_deref().map(text::line).unwrap_or_default();
    vec![format!("{} not taken{status} after {took}: {why}", theme.red("✗"))]
}

/// A page of deliveries.
pub fn deliveries(list: &DeliveryList, theme: Theme) -> Vec<String> {
    if list.deliveries.is_empty() {
        return vec!["no deliveries".to_owned()];
    }
    let rows: Vec<Vec<Cell>> = list
        .deliveries
        .iter()
        .map(|delivery| {
            vec![
                Cell::new(&delivery.id),
                Cell::toned(delivery.status.as_str(), delivery_tone(delivery.status)),
                Cell::new(&delivery.attempts.to_string()),
                Cell::new(&delivery.kind),
                Cell::new(&units::day_and_minute(&delivery.created_at)),
                Cell::new(&delivery.response_status.map(|status| status.to_string()).unwrap_or_default()),
                Cell::new(delivery.error.as_deref().unwrap_or("")),
            ]
        })
        .collect();
    let head = ["ID", "STATUS", "TRIES", "EVENT", "CREATED", "CODE", "ERROR"];
    let mut lines = table::table(&head, &rows, 6, theme);
    let shown = list.deliveries.len() as u64;
    if shown < list.total {
        lines.push(theme.dim(&format!("{shown} of {}; --limit and --offset show others", list.total)));
    }
    lines
}

/// One delivery.
pub fn delivery(delivery: &Delivery, theme: Theme) -> Vec<String> {
    let time = |time: &Option<String>| time.as_deref().map(units::day_and_minute).unwrap_or_default();
    let mut facts = vec![
        ("id", text::line(&delivery.id)),
        ("status", theme.tone(delivery_tone(delivery.status), delivery.status.as_str())),
        ("event", format!("{} {}", text::line(&delivery.kind), text::line(&delivery.event_id))),
        ("tries", delivery.attempts.to_string()),
        ("last try", time(&delivery.last_attempt_at)),
        ("next try", time(&delivery.next_attempt_at)),
        ("error", delivery.error.as_deref().map(text::line).unwrap_or_default()),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    table::facts(&facts, theme)
}
