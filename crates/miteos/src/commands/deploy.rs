//! `miteos deploy …`

use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use futures::StreamExt;
use miteos_client::api::{
    BuildSettings, CreateDeployConfig, CreateDeployment, Deployment, DeploymentStatus, ListDeployments,
    UpdateDeployConfig,
};
use miteos_client::{Client, DeploymentNews};
use serde_json::{Map, Value, json};

use crate::cli::{Deploy, DeployConfig, DeploySecrets};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::deployments as show;

/// The longest file of credentials (bytes).
const MAX_SECRET_BYTES: u64 = 64 * 1024;

pub async fn deploy(context: &Context<'_>, command: Deploy) -> Result<Exit, Failure> {
    let client = context.client()?;
    let theme = context.terminal.theme();
    match command {
        Deploy::Create { workspace, target, config_id, output, build, install, detach } => {
            let settings = BuildSettings { install, build, output };
            let settings = (settings != BuildSettings::default()).then_some(settings);
            let asked = CreateDeployment { workspace_id: workspace, target, config_id, settings };
            let made = client.create_deployment(&asked).await?;
            if detach {
                return context.show(&made, || show::deployment(&made, theme));
            }
            follow(context, &client, &made.id).await
        }
        Deploy::List { workspace, limit, offset } => {
            let query = ListDeployments { limit: Some(limit), offset: Some(offset), workspace_id: workspace };
            let list = client.list_deployments(&query).await?;
            context.show(&list, || show::deployments(&list, theme))
        }
        Deploy::Get { id } => {
            let found = client.deployment(&id).await?;
            context.show(&found, || show::deployment(&found, theme))
        }
        Deploy::Logs { id, follow: true } => follow(context, &client, &id).await,
        Deploy::Logs { id, follow: false } => {
            let log = client.deployment_log(&id).await?;
            context.show(&log, || log.lines().map(crate::render::text::line).collect())
        }
        Deploy::Cancel { id } => {
            client.cancel_deployment(&id).await?;
            // The answer comes after a while in any case; only the deployment itself says whether it has ended.
            let now = client.deployment(&id).await?;
            context.done(if now.status.is_terminal() {
                "cancelled"
            } else {
                "it is being ended; the provider has not answered yet, and `miteos deploy get` tells its end"
            })
        }
        Deploy::Rollback { id } => {
            let live = client.roll_back_deployment(&id).await?;
            context.show(&live, || show::deployment(&live, theme))
        }
        Deploy::Open { id } => open(context, &client.deployment(&id).await?).await,
        Deploy::Config(command) => config(context, &client, command).await,
    }
}

/// Prints what comes until it is over. One that fails is a failure, so that scripts can tell.
async fn follow(context: &Context<'_>, client: &Client, id: &str) -> Result<Exit, Failure> {
    let theme = context.terminal.theme();
    let mut news = client.follow_deployment(id, 0);
    let mut last = None;
    while let Some(item) = news.next().await {
        match item? {
            DeploymentNews::Line { no, line } if context.global.json => {
                context.terminal.json(&json!({"no": no, "at": line.at, "text": line.text}))?;
            }
            DeploymentNews::Line { line, .. } => context.terminal.line(&show::line(&line, theme)),
            DeploymentNews::Status(deployment) => {
                match context.global.json {
                    true => context.terminal.json(&deployment)?,
                    false => context.terminal.line(&show::status(&deployment, theme)),
                }
                last = Some(deployment.status);
            }
        }
    }
    Ok(if last == Some(DeploymentStatus::Live) { Exit::Done } else { Exit::TaskFailed })
}

async fn open(context: &Context<'_>, deployment: &Deployment) -> Result<Exit, Failure> {
    let Some(url) = deployment.url.as_deref().filter(|url| is_web(url)) else {
        let message = format!("{} is {} and has no address", deployment.id, deployment.status);
        return Err(Failure::new(Exit::TaskFailed, message));
    };
    // The address is printed in any case: here may be no browser.
    let shown = context.show(&url, || vec![crate::render::text::line(url)])?;
    if !context.global.json && !browse(url).await {
        context.terminal.note("no browser could be opened here");
    }
    Ok(shown)
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the system's own way to open an address for the person at the keyboard"
)]
async fn browse(url: &str) -> bool {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = tokio::process::Command::new(opener);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().await.is_ok_and(|status| status.success())
}

async fn config(context: &Context<'_>, client: &Client, command: DeployConfig) -> Result<Exit, Failure> {
    let theme = context.terminal.theme();
    match command {
        DeployConfig::List => {
            let list = client.list_deploy_configs().await?;
            context.show(&list, || show::configs(&list, theme))
        }
        DeployConfig::Get { id } => {
            let found = client.deploy_config(&id).await?;
            context.show(&found, || show::config(&found, theme))
        }
        DeployConfig::Create { name, target, secrets, settings } => {
            let Some(credentials) = credentials(&secrets)? else {
                return Err(Failure::usage("the credentials are missing")
                    .hint("--token-from names the file that holds the token; - reads it from stdin"));
            };
            let settings = self::settings(&settings)?;
            let asked = CreateDeployConfig { name, target, credentials, settings };
            let made = client.create_deploy_config(&asked).await?;
            context.show(&made, || show::config(&made, theme))
        }
        DeployConfig::Update { id, name, secrets, settings } => {
            let change = UpdateDeployConfig {
                name,
                credentials: credentials(&secrets)?,
                settings: self::settings(&settings)?,
            };
            if change == UpdateDeployConfig::default() {
                return Err(Failure::usage("nothing is to be changed")
                    .hint("use --name, --token-from, --credentials-from or --set"));
            }
            let changed = client.update_deploy_config(&id, &change).await?;
            context.show(&changed, || show::config(&changed, theme))
        }
        DeployConfig::Delete { id } => {
            client.delete_deploy_config(&id).await?;
            context.done("deleted")
        }
    }
}

fn credentials(secrets: &DeploySecrets) -> Result<Option<Map<String, Value>>, Failure> {
    if let Some(path) = &secrets.token_from {
        let token = read(path)?;
        return Ok(Some(Map::from_iter([("token".to_owned(), Value::from(token.trim()))])));
    }
    let Some(path) = &secrets.credentials_from else { return Ok(None) };
    // Its text is not repeated: it holds secrets.
    let read = serde_json::from_str(&read(path)?);
    let object = read.map_err(|_| Failure::usage(format!("{} holds no JSON object", path.display())))?;
    Ok(Some(object))
}

fn read(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let mut text = String::new();
    let outcome = if path == Path::new("-") {
        std::io::stdin().take(MAX_SECRET_BYTES + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text))
    };
    let bytes = outcome.map_err(|error| Failure::io(format!("read {shown}"), &error))?;
    if bytes as u64 > MAX_SECRET_BYTES {
        return Err(Failure::usage(format!(
            "{shown} is larger than {MAX_SECRET_BYTES} bytes; credentials are short"
        )));
    }
    Ok(text)
}

/// `name=value`: `true` and `false` are what they look like, the rest is text.
fn settings(given: &[String]) -> Result<Option<Map<String, Value>>, Failure> {
    if given.is_empty() {
        return Ok(None);
    }
    let mut all = Map::new();
    for one in given {
        let Some((name, value)) = one.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(Failure::usage(format!("\"{one}\" is no setting")).hint("one looks like output=dist"));
        };
        let value = match value {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            text => Value::from(text),
        };
        all.insert(name.to_owned(), value);
    }
    Ok(Some(all))
}
