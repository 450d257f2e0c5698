//! Measures what Miteos costs: durable steps, memory, starts, recovery. It starts servers as processes of their own
//! on loopback, with a scripted model, and stops them again. What the figures mean stands in `docs/benchmarks.md`.

#![forbid(unsafe_code)]

mod bare;
mod child;
mod http;
mod machine;
mod measure;
mod model;
mod process;
mod report;
mod stream;

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::measure::{Setting, Size};
use crate::model::Script;
use crate::report::{Figure, Paint, Section};

/// What goes wrong here ends the measurement; nobody reacts to it but by reading it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How often each measurement is made, unless told otherwise.
const RUNS: u32 = 3;

/// Measure what Miteos costs
#[derive(Parser)]
#[command(name = "miteos-bench")]
struct Arguments {
    #[command(subcommand)]
    mode: Option<Mode>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Less of everything, once: under a minute
    #[arg(long)]
    quick: bool,
    /// How often each figure is measured; the median is shown
    #[arg(long, value_name = "N")]
    runs: Option<u32>,
    /// Only these measurements
    #[arg(long, value_name = "NAME", value_enum)]
    only: Vec<Measurement>,
    /// Where data folders are made; the disk matters
    #[arg(long, value_name = "PATH")]
    folder: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Mode {
    /// The measured process
    #[command(hide = true)]
    Child {
        #[arg(long)]
        folder: PathBuf,
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        script: Script,
    },
    /// A server that does nothing, to compare with
    #[command(hide = true)]
    Bare {
        #[arg(long)]
        listen: SocketAddr,
        /// Size of a task in its answers (bytes)
        #[arg(long)]
        task_bytes: usize,
        /// Size of a list in its answers (bytes)
        #[arg(long)]
        list_bytes: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measurement {
    Throughput,
    InFlight,
    Recovery,
    Startup,
    Endurance,
    Requests,
    Feed,
    Disconnects,
    Cancel,
    Waiting,
    Api,
    Transfer,
    Preview,
}

impl Measurement {
    fn title(self) -> &'static str {
        match self {
            Self::Throughput => "Throughput, a model that answers at once",
            Self::InFlight => "Tasks in flight, a model that takes 2 s",
            Self::Recovery => "Recovery after kill -9",
            Self::Startup => "Start, memory at rest, size",
            Self::Endurance => "One agent of very many steps",
            Self::Requests => "Requests beside running tasks",
            Self::Feed => "Events to a thousand subscribers",
            Self::Disconnects => "Streams that are cut after every event",
            Self::Cancel => "Cancelling programs at work",
            Self::Waiting => "Tasks that wait for an approval",
            Self::Api => "Making and reading tasks while 100 tasks run, beside a server that does nothing",
            Self::Transfer => "Memory while a big file goes in and out",
            Self::Preview => "A site that the server shows itself",
        }
    }
}

fn main() -> ExitCode {
    miteos_server::sandbox::run_helper_if_asked();
    let arguments = Arguments::parse();
    match start(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: Arguments) -> Result<(), Failure> {
    let filter = tracing_subscriber::EnvFilter::new("warn");
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = match &arguments.mode {
        Some(Mode::Child { folder, listen, script }) => {
            runtime.block_on(Box::pin(child::run(folder, *listen, *script)))
        }
        Some(Mode::Bare { listen, task_bytes, list_bytes }) => {
            runtime.block_on(bare::run(*listen, *task_bytes, *list_bytes))
        }
        None => runtime.block_on(Box::pin(measure_all(&arguments))),
    };
    runtime.shutdown_background();
    result
}

async fn measure_all(arguments: &Arguments) -> Result<(), Failure> {
    let folder = arguments.folder.clone().unwrap_or_else(std::env::temp_dir);
    let released = released()?;
    let size = if arguments.quick { Size::Quick } else { Size::Full };
    let setting = Setting { size, folder: &folder, released: released.as_deref() };
    let runs = arguments.runs.unwrap_or(size.pick(RUNS, 1)).max(1);
    let paint = if std::io::stdout().is_terminal() { Paint::Terminal } else { Paint::Plain };
    let mut all = Vec::new();
    for measurement in Measurement::value_variants() {
        if !arguments.only.is_empty() && !arguments.only.contains(measurement) {
            continue;
        }
        let mut section = Section::new(measurement.title());
        for _ in 0..runs {
            section.add(Box::pin(figures(setting, *measurement)).await?);
        }
        if arguments.json {
            all.push(section.json());
        } else {
            print(&format!("{}\n", section.text(paint)))?;
        }
    }
    if arguments.json {
        let machine =
            serde_json::json!({"processors": machine::processors(), "system": std::env::consts::OS});
        let document =
            serde_json::json!({"runs": runs, "quick": arguments.quick, "machine": machine, "sections": all});
        print(&format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    }
    Ok(())
}

async fn figures(setting: Setting<'_>, measurement: Measurement) -> Result<Vec<Figure>, Failure> {
    match measurement {
        Measurement::Throughput => {
            let (mut figures, outcome) = measure::throughput::figures(setting).await?;
            figures.extend(measure::reference::figures(setting, &outcome).await?);
            Ok(figures)
        }
        Measurement::InFlight => measure::in_flight::figures(setting).await,
        Measurement::Recovery => measure::recovery::figures(setting).await,
        Measurement::Startup => measure::startup::figures(setting).await,
        Measurement::Endurance => measure::endurance::figures(setting).await,
        Measurement::Requests => measure::requests::figures(setting).await,
        Measurement::Feed => measure::feed::figures(setting).await,
        Measurement::Disconnects => measure::disconnects::figures(setting).await,
        Measurement::Cancel => measure::cancel::figures(setting).await,
        Measurement::Waiting => measure::waiting::figures(setting).await,
        Measurement::Api => measure::api::figures(setting).await,
        Measurement::Transfer => measure::transfer::figures(setting).await,
        Measurement::Preview => measure::preview::figures(setting).await,
    }
}

/// The released program beside this one, if it is built.
fn released() -> Result<Option<PathBuf>, Failure> {
    let this = std::env::current_exe()?;
    let program = this
        .parent()
        .unwrap_or(Path::new("."))
        .join("miteos")
        .with_extension(std::env::consts::EXE_EXTENSION);
    Ok(program.is_file().then_some(program))
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
