//! `miteos run`: one task from its prompt to its files.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use miteos_client::api::{CreateTask, CreateTaskConfig, CreateWorkspace, Task};
use miteos_client::{Client, ClientError};
use serde::Serialize;

use super::files;
use crate::cli;
use crate::context::Context;
use crate::embedded::Embedded;
use crate::failure::{Exit, Failure};
use crate::locate;
use crate::logs::{self, Format};
use crate::render::summary::{self, Written};
use crate::render::{text, units};
use crate::signals::{Signals, Which};
use crate::watch::{Consent, Manner, OnInterrupt, Style, Watched, watch};

/// A longer prompt is refused here already; the server's own limit is in characters.
const MAX_PROMPT_BYTES: u64 = 400_000;
/// Where files go when nothing else is said.
const OUT: &str = "miteos-out";

/// How long nobody else may follow anything before the server of this command ends: between the end of a task and the
/// fetching of its files nobody does for a moment.
const OTHERS_QUIET: Duration = Duration::from_secs(2);

pub async fn run(context: &Context<'_>, run: cli::Run) -> Result<Exit, Failure> {
    let prompt = prompt(&run.prompt)?;
    let budget_cents = run.budget.as_deref().map(cents).transpose()?;
    let uploads = files::uploads(&run.files)?;
    let (client, own) = server(context).await?;
    // From here on Ctrl-C ends nothing by itself: whatever takes time is waited for beside it.
    let mut signals = Signals::new(Which::Interrupt)?;
    let config = CreateTaskConfig {
        max_agents: run.agents,
        autonomy_level: run.autonomy,
        model: run.model,
        budget_cents,
        ..CreateTaskConfig::default()
    };
    let creating = async {
        let workspace_id = workspace(&client, run.workspace.as_deref(), &uploads).await?;
        let ours = workspace_id.clone().filter(|_| run.workspace.is_none());
        let created = client.create_task(&CreateTask { prompt, workspace_id, config: Some(config) }).await;
        if let (Err(ClientError::Api { .. }), Some(ours)) = (&created, ours) {
            // Nobody needs what was put there for a task that will never be. The refusal is what the person has to see.
            let _ = client.delete_workspace(&ours).await;
        }
        Ok::<_, Failure>(created?)
    };
    let outcome = match Box::pin(signals.unless(creating)).await {
        None => Ok(Exit::Interrupted),
        Some(Err(failure)) => Err(failure),
        Some(Ok(task)) => {
            let followed =
                Box::pin(follow(context, &client, &mut signals, &task, &run.consent, run.out.as_deref()))
                    .await;
            if own.is_some() && matches!(followed, Ok(Exit::Interrupted)) {
                let id = text::line(&task.id);
                context.terminal.note(&format!(
                    "what is not finished goes on at the next `miteos run` or `miteos serve`; `miteos task get {id}` shows it then"
                ));
            }
            followed
        }
    };
    let Some(own) = own else { return outcome };
    if own.followers().any() {
        // Another `run` on this data folder found this server and works through it.
        context.terminal.note(
            "another command works through this server, which goes on until that has ended; Ctrl-C stops it now",
        );
        if signals.unless(own.followers().gone(OTHERS_QUIET)).await.is_none() {
            own.stop().await;
            return outcome.map(|_| Exit::Interrupted);
        }
    }
    match signals.unless(own.stop()).await {
        Some(()) => outcome,
        None => outcome.map(|_| Exit::Interrupted),
    }
}

async fn follow(
    context: &Context<'_>,
    client: &Client,
    signals: &mut Signals,
    task: &Task,
    asked: &cli::Consent,
    out: Option<&Path>,
) -> Result<Exit, Failure> {
    if !context.global.json {
        context.terminal.note(&format!("{} at {}", text::line(&task.id), client.base_url()));
    }
    let manner = Manner { style: style(context), consent: consent(asked), on_interrupt: OnInterrupt::Steer };
    let watched = Box::pin(watch(client, context.terminal, signals, task, manner)).await?;
    if !watched.task.status.is_terminal() {
        return Ok(watched.exit);
    }
    let folder = out.map_or_else(|| Path::new(OUT).join(crate::names::safe_path(&task.id)), Path::to_owned);
    let mut written = Vec::new();
    let fetching = async {
        let deliverables = client.deliverables(&task.id).await?;
        files::fetch(client, &task.id, &deliverables, &folder, &mut written).await
    };
    let later = format!("the files are kept: `miteos task files {} --out FOLDER` fetches them", task.id);
    match Box::pin(signals.unless(fetching)).await {
        Some(Ok(())) => finish(context, &watched, &written, watched.exit),
        // What there is comes first: the task is over, and its result is nowhere else on this screen.
        Some(Err(failure)) => {
            let exit = if watched.exit == Exit::Done { failure.exit } else { watched.exit };
            finish(context, &watched, &written, exit)?;
            Err(Failure { exit, hint: failure.hint.or(Some(later)), ..failure })
        }
        None => {
            let exit = finish(context, &watched, &written, Exit::Interrupted)?;
            context.terminal.note(&text::line(&later));
            Ok(exit)
        }
    }
}

/// The named server, or the one that runs on this data folder, or else one of our own in this process.
async fn server(context: &Context<'_>) -> Result<(Client, Option<Embedded>), Failure> {
    if locate::named_url(context.global.url.as_deref(), &context.settings).is_some() {
        return Ok((context.client()?, None));
    }
    if let Some(client) = already_running(context).await? {
        return Ok((client, None));
    }
    let format = Format::asked(&context.settings, None)?.unwrap_or(Format::Text);
    logs::to_stderr(&context.settings, "error", format)?;
    let started = Embedded::start(&context.settings).await;
    let own = match started {
        Ok(own) => own,
        // Another one may have taken the folder a moment ago.
        Err(failure) => {
            return match already_running(context).await? {
                Some(client) => Ok((client, None)),
                None => Err(failure),
            };
        }
    };
    let key = locate::key(context.global.key.as_deref(), context.world(), &context.settings);
    let client = key.and_then(|key| Ok(Client::new(own.url(), &key)?));
    match client {
        Ok(client) => Ok((client, Some(own))),
        Err(failure) => {
            own.stop().await;
            Err(failure)
        }
    }
}

async fn already_running(context: &Context<'_>) -> Result<Option<Client>, Failure> {
    let Some(running) = locate::running(context.settings.data_dir()) else { return Ok(None) };
    let key = locate::key(context.global.key.as_deref(), context.world(), &context.settings)?;
    let client = Client::new(&running.url, &key)?;
    Ok(client.health().await.is_ok().then_some(client))
}

/// The workspace that was named; or a new one, if there are files to put into it; or the task's own.
async fn workspace(
    client: &Client,
    named: Option<&str>,
    uploads: &[miteos_client::Upload],
) -> Result<Option<String>, Failure> {
    let id = match named {
        Some(id) => id.to_owned(),
        None if uploads.is_empty() => return Ok(None),
        None => {
            let unique = crate::names::unique();
            let made = CreateWorkspace { name: format!("run {unique}"), description: None };
            client.create_workspace(&made).await?.id
        }
    };
    files::put(client, &id, uploads).await?;
    Ok(Some(id))
}

pub fn style(context: &Context<'_>) -> Style {
    if context.global.json {
        Style::Json
    } else if context.terminal.is_live() {
        Style::Live
    } else {
        Style::Lines
    }
}

pub fn consent(asked: &cli::Consent) -> Consent {
    match (asked.yes, asked.no) {
        (true, _) => Consent::Yes,
        (false, true) => Consent::No,
        (false, false) => Consent::Ask,
    }
}

/// The last document of `--json`.
#[derive(Serialize)]
struct Summary<'a> {
    r#type: &'static str,
    task: &'a Task,
    files: Vec<SummaryFile<'a>>,
    duration_ms: u128,
    model_calls: u64,
    actions: u64,
    exit_code: u8,
}

#[derive(Serialize)]
struct SummaryFile<'a> {
    path: &'a Path,
    size_bytes: u64,
}

/// Says how it ended.
pub fn finish(
    context: &Context<'_>,
    watched: &Watched,
    written: &[Written],
    exit: Exit,
) -> Result<Exit, Failure> {
    let Watched { view, task, exit: _ } = watched;
    let end = task.completed_at.as_deref().or(view.latest_at.as_deref()).unwrap_or(&task.created_at);
    let elapsed = units::between(&task.created_at, end).unwrap_or_default();
    let terminal = context.terminal;
    if context.global.json {
        let files =
            written.iter().map(|file| SummaryFile { path: &file.path, size_bytes: file.bytes }).collect();
        terminal.json(&Summary {
            r#type: "summary",
            task,
            files,
            duration_ms: elapsed.as_millis(),
            model_calls: view.model_calls,
            actions: view.actions,
            exit_code: exit.code(),
        })?;
        return Ok(exit);
    }
    let theme = terminal.theme();
    let mut lines = Vec::new();
    if style(context) == Style::Live {
        lines.push(String::new());
        lines.extend(crate::render::tree::tree(view, theme, crate::render::tree::Frame::Still));
    }
    for part in [summary::result(view, theme), summary::files(written, theme)] {
        if !part.is_empty() {
            lines.push(String::new());
            lines.extend(part);
        }
    }
    lines.push(String::new());
    lines.push(summary::totals(view, elapsed, theme));
    terminal.print(&lines);
    Ok(exit)
}

fn prompt(argument: &str) -> Result<String, Failure> {
    let prompt = if argument == "-" {
        let mut text = String::new();
        std::io::stdin()
            .take(MAX_PROMPT_BYTES + 1)
            .read_to_string(&mut text)
            .map_err(|error| Failure::io("read the prompt from stdin", &error))?;
        text
    } else {
        argument.to_owned()
    };
    if prompt.len() as u64 > MAX_PROMPT_BYTES {
        return Err(Failure::usage("the prompt is too long: 100,000 characters are the most")
            .hint("put long material into a file and give it with --file"));
    }
    if prompt.trim().is_empty() {
        return Err(Failure::usage("the prompt is empty").hint("say what is to be done: miteos run \"…\""));
    }
    Ok(prompt)
}

/// Whole cents of a text in dollars.
fn cents(text: &str) -> Result<i64, Failure> {
    let wrong = || {
        Failure::usage(format!("--budget {text} is no amount of dollars")).hint("one looks like 2 or 0.50")
    };
    let plain = text.trim().trim_start_matches('$');
    let (whole, part) = plain.split_once('.').unwrap_or((plain, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && part.is_empty()) || part.len() > 2 || !digits(whole) || !digits(part) {
        return Err(wrong());
    }
    let dollars: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| wrong())? };
    let cents: i64 = format!("{part:0<2}").parse().map_err(|_| wrong())?;
    dollars.checked_mul(100).and_then(|all| all.checked_add(cents)).filter(|all| *all > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_become_whole_cents() {
        let good: Vec<i64> = ["2", "0.5", "$1.25", ".01", "3."].map(|text| cents(text).unwrap()).into();
        assert_eq!(good, [200, 50, 125, 1, 300]);
        for bad in ["", ".", "-1", "1.001", "0", "0.00", "1e3", "nan", "99999999999999999999", "1,50"] {
            assert!(cents(bad).is_err(), "{bad}");
        }
    }
}
