//! `miteos backup` and `miteos restore`: a data folder into one file and out of it again. How that is done is the
//! server crate's; here it is asked for, shown and stopped.

use std::error::Error;
use std::path::absolute;
use std::time::{Duration, Instant};

use miteos_server::backup::{self, BackupError, Cancel, Made, Progress, Restored};
use miteos_server::{SystemClock, Unfinished};
use tokio::sync::watch;

use crate::cli;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::bar::{self, bar};
use crate::render::{text, units};
use crate::signals::{Signals, Which};
use crate::terminal::Region;

/// How often the bar is drawn.
const BAR_EVERY: Duration = Duration::from_millis(100);

pub async fn backup(context: &Context<'_>, asked: cli::Backup) -> Result<Exit, Failure> {
    let folder = context.settings.data_dir().to_owned();
    let to = absolute(&asked.to).map_err(|error| Failure::io("find the place for the backup", &error))?;
    let made = watched(context, "backup", move |cancel, told| {
        backup::make(&folder, &to, &SystemClock, cancel, told)
    });
    let made = match made.await? {
        Some(made) => made.map_err(|error| failed(&error))?,
        None => return Ok(Exit::Interrupted),
    };
    context.show(&made, || shown(context, &made))?;
    // Whoever runs this by the clock looks at the exit code alone.
    Ok(if made.missing_blobs.is_empty() { Exit::Done } else { Exit::TaskFailed })
}

pub async fn restore(context: &Context<'_>, asked: cli::Restore) -> Result<Exit, Failure> {
    let folder = context.settings.data_dir().to_owned();
    let unfinished = if asked.go_on { Unfinished::GoOn } else { Unfinished::Held };
    let restored = watched(context, "restore", move |cancel, told| {
        backup::restore(&asked.from, &folder, unfinished, &SystemClock, cancel, told)
    });
    match restored.await? {
        Some(restored) => {
            let restored = restored.map_err(|error| failed(&error))?;
            context.show(&restored, || restored_lines(context, &restored))
        }
        None => Ok(Exit::Interrupted),
    }
}

/// Does the work on a thread of its own, with a bar where somebody looks at it. `None`: a person stopped it.
async fn watched<T: Send + 'static>(
    context: &Context<'_>,
    name: &'static str,
    work: impl FnOnce(&Cancel, backup::OnProgress<'_>) -> Result<T, BackupError> + Send + 'static,
) -> Result<Option<Result<T, BackupError>>, Failure> {
    let mut signals = Signals::new(Which::Stop)?;
    let cancel = Cancel::default();
    let (tell, told) = watch::channel(Progress { done_bytes: 0, total_bytes: 0 });
    let theirs = cancel.clone();
    let mut working = tokio::task::spawn_blocking(move || {
        work(&theirs, &mut |progress| {
            tell.send_replace(progress);
        })
    });
    let live = context.terminal.is_live() && !context.global.json;
    let mut region = Region::new(context.terminal);
    let (began, mut every) = (Instant::now(), tokio::time::interval(BAR_EVERY));
    let done = loop {
        tokio::select! {
            done = &mut working => break done,
            () = signals.next() => cancel.cancel(),
            _ = every.tick(), if live => {
                let Progress { done_bytes, total_bytes } = *told.borrow();
                let total = Some(total_bytes).filter(|total| *total > 0);
                let at = bar::Progress { done: done_bytes, total, resumed_from: 0, elapsed: began.elapsed() };
                region.draw(&[bar(name, at, context.terminal.theme())]);
            }
        }
    };
    region.clear();
    match done {
        Ok(Err(BackupError::Cancelled)) => {
            context.terminal.note("stopped; nothing is left of it");
            Ok(None)
        }
        Ok(done) => Ok(Some(done)),
        Err(error) => Err(Failure::usage(format!("the {name} ended by accident: {error}"))),
    }
}

fn shown(context: &Context<'_>, made: &Made) -> Vec<String> {
    let theme = context.terminal.theme();
    let mut lines = vec![
        format!(
            " {} {} {}",
            theme.green("✓"),
            theme.bold(&text::line(&made.path.display().to_string())),
            theme.dim(&units::bytes(made.size_bytes)),
        ),
        format!(
            "   {} tasks, {} of them unfinished; {} files, {} of them blobs",
            made.tasks, made.unfinished, made.files, made.blobs
        ),
    ];
    if made.has_master_key {
        lines
            .push("   It holds the master key and the first API keys: keep it as you keep those.".to_owned());
    } else {
        lines.push("   The master key is not in it: it needs MITEOS_SECRET_KEY as it is now.".to_owned());
    }
    lines.extend(named(&made.changed, "changed while it was read:"));
    lines.extend(named(&made.left_out, "left out:"));
    let missing = named(&made.missing_blobs, "missing or damaged in the data folder already: blob");
    lines.extend(missing.map(|line| theme.red(&line)));
    lines
}

fn named(names: &[String], what: &str) -> impl Iterator<Item = String> {
    names.iter().map(move |name| format!("   {what} {}", text::line(name)))
}

fn restored_lines(context: &Context<'_>, restored: &Restored) -> Vec<String> {
    let theme = context.terminal.theme();
    let next = match restored.unfinished_tasks {
        Unfinished::Held if restored.unfinished > 0 => {
            "they wait for `miteos task resume`, webhooks for `miteos webhook update --enable`"
        }
        Unfinished::Held => "webhooks wait for `miteos webhook update --enable`",
        Unfinished::GoOn => "all goes on at the start",
    };
    let mut lines = vec![
        format!(
            " {} {}",
            theme.green("✓"),
            theme.bold(&text::line(&restored.data_dir.display().to_string()))
        ),
        format!("   as of {}, made by version {}", restored.taken_at, text::line(&restored.made_by)),
        format!("   {} tasks, {} of them unfinished: {next}", restored.tasks, restored.unfinished),
    ];
    if !restored.has_master_key {
        lines.push(
            "   The master key is not in the backup: start with MITEOS_SECRET_KEY as it was.".to_owned(),
        );
    }
    let missing = named(&restored.missing_blobs, "the backup lacks the blob");
    lines.extend(missing.map(|line| theme.red(&line)));
    lines
}

/// The message and its causes, each once, and what would help.
fn failed(error: &BackupError) -> Failure {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    let failure = Failure::usage(message);
    match error {
        BackupError::NoData(_) => failure.hint("name the data folder with --data-dir"),
        BackupError::Exists(_) => failure.hint("name another file"),
        BackupError::Inside(_) => failure.hint("name a file on another disk"),
        BackupError::NotEmpty(_) | BackupError::NoPlace(_) => {
            failure.hint("name another folder with --data-dir")
        }
        BackupError::InUse(_) => failure.hint("stop it, or name another folder with --data-dir"),
        BackupError::NewerForm { .. } => failure.hint("restore it with the version that made it"),
        BackupError::Broken { .. } => failure.hint("use another backup; of this one nothing was restored"),
        BackupError::Cancelled | BackupError::Io { .. } | BackupError::Store(_) => failure,
    }
}
