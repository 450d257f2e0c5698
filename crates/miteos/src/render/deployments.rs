//! Deployments and their configurations, for the reading commands.

use miteos_client::api::{DeployConfig, Deployment, DeploymentList, DeploymentLogLine, DeploymentStatus};

use super::paint::{Theme, Tone};
use super::table::{self, Cell};
use super::{text, units};

fn tone(status: DeploymentStatus) -> Tone {
    match status {
        DeploymentStatus::Pending => Tone::Plain,
        DeploymentStatus::Building | DeploymentStatus::Deploying => Tone::Busy,
        DeploymentStatus::Live => Tone::Good,
        DeploymentStatus::Failed => Tone::Bad,
    }
}

/// A page of deployments.
pub fn deployments(list: &DeploymentList, theme: Theme) -> Vec<String> {
    if list.data.is_empty() {
        return vec!["no deployments".to_owned()];
    }
    let row = |one: &Deployment| {
        let error = one.error.as_ref().map(|error| error.message.as_str());
        vec![
            Cell::new(&one.id),
            Cell::toned(one.status.as_str(), tone(one.status)),
            Cell::new(one.target.as_str()),
            Cell::new(&units::day_and_minute(&one.created_at)),
            Cell::new(one.url.as_deref().or(error).unwrap_or("")),
        ]
    };
    let rows: Vec<Vec<Cell>> = list.data.iter().map(row).collect();
    let mut lines = table::table(&["ID", "STATUS", "TARGET", "CREATED", "URL"], &rows, 4, theme);
    if list.has_more {
        lines.push(theme.dim("there are more; --limit and --offset show others"));
    }
    lines
}

/// One deployment.
pub fn deployment(one: &Deployment, theme: Theme) -> Vec<String> {
    let optional = |text: &Option<String>| text.as_deref().map(text::line).unwrap_or_default();
    let time = |time: &Option<String>| time.as_deref().map(units::day_and_minute).unwrap_or_default();
    let visibility = one.visibility.map(|word| word.as_str().to_owned());
    let error = one.error.as_ref();
    let mut facts = vec![
        ("id", text::line(&one.id)),
        ("status", theme.tone(tone(one.status), one.status.as_str())),
        ("url", theme.bold(&optional(&one.url))),
        ("visible to", optional(&visibility)),
        ("error", error.map(|error| text::line(&error.message)).unwrap_or_default()),
        ("code", error.map(|error| text::line(&error.code)).unwrap_or_default()),
        ("target", format!("{} ({})", one.target.as_str(), one.environment.as_str())),
        ("workspace", text::line(&one.workspace_id)),
        ("config", optional(&one.config_id)),
        ("task", optional(&one.task_id)),
        ("created", units::day_and_minute(&one.created_at)),
        ("ended", time(&one.completed_at)),
        ("at the provider", optional(&one.inspect_url)),
    ];
    if one.url.is_none() {
        facts.retain(|(name, _)| *name != "url");
    }
    facts.retain(|(_, value)| !value.is_empty());
    table::facts(&facts, theme)
}

/// A line of a log.
pub fn line(line: &DeploymentLogLine, theme: Theme) -> String {
    let time = line.at.get(11..19).unwrap_or(&line.at);
    format!("{} {}", theme.dim(&text::line(time)), text::line(&line.text))
}

/// A state that was reached.
pub fn status(one: &Deployment, theme: Theme) -> String {
    let word = theme.tone(tone(one.status), one.status.as_str());
    match (&one.url, &one.error) {
        (Some(url), _) => format!("{word} {}", theme.bold(&text::line(url))),
        (None, Some(error)) => format!("{word} {}", text::line(&error.message)),
        (None, None) => word,
    }
}

/// All deploy configurations.
pub fn configs(configs: &[DeployConfig], theme: Theme) -> Vec<String> {
    if configs.is_empty() {
        return vec!["no deploy configurations; preview needs none".to_owned()];
    }
    let row = |one: &DeployConfig| {
        vec![
            Cell::new(&one.id),
            Cell::new(one.target.as_str()),
            Cell::new(one.provider_account.as_deref().unwrap_or("")),
            Cell::new(&one.name),
        ]
    };
    let rows: Vec<Vec<Cell>> = configs.iter().map(row).collect();
    table::table(&["ID", "TARGET", "ACCOUNT", "NAME"], &rows, 3, theme)
}

/// One deploy configuration.
pub fn config(one: &DeployConfig, theme: Theme) -> Vec<String> {
    let optional = |text: &Option<String>| text.as_deref().map(text::line).unwrap_or_default();
    let time = |time: &Option<String>| time.as_deref().map(units::day_and_minute).unwrap_or_default();
    let setting = |(name, value): (&String, &serde_json::Value)| match value.as_str() {
        Some(value) => format!("{name}={value}"),
        None => format!("{name}={value}"),
    };
    let settings: Vec<String> = one.settings.iter().map(setting).collect();
    let mut facts = vec![
        ("id", text::line(&one.id)),
        ("name", text::line(&one.name)),
        ("target", one.target.as_str().to_owned()),
        ("settings", text::line(&settings.join(" "))),
        ("account", optional(&one.provider_account)),
        ("project", optional(&one.provider_project)),
        ("verified", time(&one.verified_at)),
        ("created", units::day_and_minute(&one.created_at)),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    table::facts(&facts, theme)
}
