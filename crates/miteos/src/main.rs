//! The one binary: the server, the one-command run, and the commands of a client.
//!
//! It builds arguments, talks to a person and chooses exit codes. What a task is and how it is carried out is
//! not known here: the server does it, and the client asks the server.

#![forbid(unsafe_code)]

mod cli;
mod commands;
mod config;
mod context;
mod embedded;
mod failure;
mod locate;
mod logs;
mod names;
mod render;
mod signals;
mod terminal;
mod view;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::config::{Env, Purpose, Settings};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::terminal::Terminal;

fn main() -> ExitCode {
    embedded::run_helper_if_asked();
    let cli = Cli::parse();
    let env = Env::process();
    let terminal = Terminal::new(&env, cli.global.color, cli.global.json);
    match start(cli, env, &terminal) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            terminal.fail(&failure);
            failure.exit.into()
        }
    }
}

fn start(cli: Cli, env: Env, terminal: &Terminal) -> Result<Exit, Failure> {
    let purpose = match &cli.command {
        Command::Serve(_) | Command::Doctor(_) => Purpose::Serve,
        _ => Purpose::Client,
    };
    let settings =
        Settings::load(env, purpose, cli.global.data_dir.as_deref(), cli.global.config.as_deref())?;
    let listen = match &cli.command {
        Command::Serve(serve) => serve.listen.as_deref(),
        Command::Doctor(doctor) => doctor.listen.as_deref(),
        _ => None,
    };
    let settings = settings
        .with_flag(config::LISTEN, listen)
        .with_flag(config::URL, cli.global.url.as_deref())
        .with_flag(config::API_KEY, cli.global.key.as_deref());
    let context = Context { global: cli.global, settings, terminal };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io("start", &error))?;
    let result = runtime.block_on(Box::pin(commands::dispatch(&context, cli.command)));
    // A thread that waits for a line that nobody types must not keep the program alive.
    runtime.shutdown_background();
    result
}
