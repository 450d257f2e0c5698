//! `miteos task …`

use futures::StreamExt;
use miteos_client::Client;
use miteos_client::api::ListTasks;

use super::files;
use super::run::{consent, finish, style};
use crate::cli::Task;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::render::{log, show, summary};
use crate::signals::{Signals, Which};
use crate::view::RunView;
use crate::watch::{Manner, OnInterrupt, watch};

/// Events on a page.
const EVENTS_A_PAGE: u32 = 100;

pub async fn task(context: &Context<'_>, command: Task) -> Result<Exit, Failure> {
    let client = context.client()?;
    match command {
        Task::List { status, workspace, limit, offset } => {
            let query =
                ListTasks { status, workspace_id: workspace, limit: Some(limit), offset: Some(offset) };
            let list = client.list_tasks(&query).await?;
            context.show(&list, || show::tasks(&list.tasks, list.total, context.terminal.theme()))
        }
        Task::Get { id } => {
            let task = client.task(&id).await?;
            context.show(&task, || show::task(&task, context.terminal.theme()))
        }
        Task::Watch { id, consent: asked } => {
            let task = client.task(&id).await?;
            let mut signals = Signals::new(Which::Interrupt)?;
            let manner =
                Manner { style: style(context), consent: consent(&asked), on_interrupt: OnInterrupt::Leave };
            let watched = Box::pin(watch(&client, context.terminal, &mut signals, &task, manner)).await?;
            if watched.exit == Exit::Interrupted && !watched.task.status.is_terminal() {
                context.terminal.note("stopped watching; the task goes on");
                return Ok(watched.exit);
            }
            finish(context, &watched, &[], watched.exit)
        }
        Task::Cancel { id } => {
            client.cancel_task(&id).await?;
            context.done("cancelled")
        }
        Task::Pause { id } => {
            client.pause_task(&id).await?;
            context.done("paused; running calls finish first")
        }
        Task::Resume { id } => {
            client.resume_task(&id).await?;
            context.done("resumed")
        }
        Task::Guide { id, message } => {
            client.guide_task(&id, &message).await?;
            context.done("told; it is in the agents' next model calls")
        }
        Task::Files { id, out } => list_or_fetch(context, &client, &id, out).await,
        Task::Events { id, after, follow } => events(context, &client, &id, after, follow).await,
    }
}

async fn list_or_fetch(
    context: &Context<'_>,
    client: &Client,
    id: &str,
    out: Option<std::path::PathBuf>,
) -> Result<Exit, Failure> {
    let deliverables = client.deliverables(id).await?;
    let theme = context.terminal.theme();
    match out {
        None => context.show(&deliverables, || show::deliverables(&deliverables, theme)),
        Some(folder) => {
            let mut written = Vec::with_capacity(deliverables.len());
            files::fetch(client, id, &deliverables, &folder, &mut written).await?;
            let paths: Vec<_> = written.iter().map(|file| file.path.clone()).collect();
            context.show(&paths, || summary::files(&written, theme))
        }
    }
}

async fn events(
    context: &Context<'_>,
    client: &Client,
    id: &str,
    after: u64,
    follow: bool,
) -> Result<Exit, Failure> {
    let mut printer = Printer { context, view: RunView::new(&client.task(id).await?) };
    if follow {
        let mut stream = client.stream(id, if context.global.json { after } else { 0 });
        while let Some(event) = stream.next().await {
            printer.print(&event?, after)?;
            if context.terminal.is_broken() {
                break;
            }
        }
        return Ok(Exit::Done);
    }
    // What a line says may depend on earlier events, so those are read too.
    let mut cursor = if context.global.json { after } else { 0 };
    loop {
        let page = client.events(id, cursor, EVENTS_A_PAGE).await?;
        for event in &page.events {
            printer.print(event, after)?;
        }
        if !page.has_more || page.next_after <= cursor || context.terminal.is_broken() {
            return Ok(Exit::Done);
        }
        cursor = page.next_after;
    }
}

struct Printer<'a> {
    context: &'a Context<'a>,
    view: RunView,
}

impl Printer<'_> {
    fn print(&mut self, event: &miteos_client::api::Event, after: u64) -> Result<(), Failure> {
        self.view.apply(event);
        if event.seq <= after {
            return Ok(());
        }
        if self.context.global.json {
            return self.context.terminal.json(event);
        }
        if let Some(line) = log::line(&self.view, event, self.context.terminal.theme()) {
            self.context.terminal.line(&line);
        }
        Ok(())
    }
}
