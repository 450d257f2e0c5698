//! One module for each group of commands. Each asks the client, and hands what came to `render`.

mod agent;
mod approvals;
mod backup;
mod deploy;
mod doctor;
mod files;
mod key;
mod model;
mod run;
mod serve;
mod share;
mod task;
mod webhook;
mod workspace;

use clap::CommandFactory;

use crate::cli::{Cli, Command};
use crate::context::Context;
use crate::failure::{Exit, Failure};

pub async fn dispatch(context: &Context<'_>, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Run(run) => run::run(context, run).await,
        Command::Serve(serve) => serve::serve(context, serve).await,
        Command::Task(task) => task::task(context, task).await,
        Command::Agent(agent) => agent::agent(context, agent).await,
        Command::Approvals(query) => approvals::list(context, query).await,
        Command::Approve(approve) => approvals::approve(context, approve).await,
        Command::Reject(reject) => approvals::reject(context, reject).await,
        Command::Workspace(workspace) => workspace::workspace(context, workspace).await,
        Command::Key(command) => key::key(context, command).await,
        Command::Usage(asked) => key::usage(context, asked).await,
        Command::Deploy(command) => deploy::deploy(context, command).await,
        Command::Share(command) => share::share(context, command).await,
        Command::Webhook(webhook) => webhook::webhook(context, webhook).await,
        Command::Model(model) => model::model(context, model).await,
        Command::Backup(asked) => backup::backup(context, asked).await,
        Command::Restore(asked) => backup::restore(context, asked).await,
        Command::Doctor(doctor) => doctor::doctor(context, doctor).await,
        Command::Completions { shell } => Ok(completions(context, shell)),
    }
}

fn completions(context: &Context<'_>, shell: clap_complete::Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "miteos", &mut script);
    context.terminal.write(&String::from_utf8_lossy(&script));
    Exit::Done
}
