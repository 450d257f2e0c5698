//! `miteos deploy …` as it is typed.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum Deploy {
    /// Deploy a workspace and follow it until it is live
    Create {
        #[arg(value_name = "WORKSPACE")]
        workspace: String,
        /// preview, netlify, vercel, cloudflare, expo or appstore
        #[arg(long, short, default_value = "preview", value_name = "TARGET")]
        target: String,
        /// Which deploy configuration [default: the only one for the target]
        #[arg(long, value_name = "ID")]
        config_id: Option<String>,
        /// The folder to publish, below the workspace [default: it is found out]
        #[arg(long, value_name = "FOLDER")]
        output: Option<String>,
        /// The line that builds; an empty one builds nothing [default: it is found out]
        #[arg(long, value_name = "LINE")]
        build: Option<String>,
        /// The line that installs; an empty one installs nothing [default: it is found out]
        #[arg(long, value_name = "LINE")]
        install: Option<String>,
        /// Do not wait for its end
        #[arg(long, short)]
        detach: bool,
    },
    /// List deployments, newest first
    List {
        /// Only those of this workspace
        #[arg(long, short, value_name = "ID")]
        workspace: Option<String>,
        /// 1 to 100
        #[arg(long, default_value_t = 20)]
        limit: i64,
        /// How many to leave out at the start
        #[arg(long, default_value_t = 0)]
        offset: i64,
    },
    /// Show one
    Get { id: String },
    /// Print what it said
    Logs {
        id: String,
        /// Go on until it is over
        #[arg(long, short)]
        follow: bool,
    },
    /// Stop one that is under way
    Cancel { id: String },
    /// Make an older one the live one again, where its provider can
    Rollback { id: String },
    /// Open its address in a browser
    Open { id: String },
    /// Accounts with providers, and how to publish there
    #[command(subcommand)]
    Config(DeployConfig),
}

#[derive(Debug, Subcommand)]
pub enum DeployConfig {
    /// List deploy configurations
    List,
    /// Show one; its credentials are never shown
    Get { id: String },
    /// Make one, if the provider takes the credentials
    Create {
        name: String,
        /// netlify, vercel, cloudflare, expo or appstore
        #[arg(long, short, value_name = "TARGET")]
        target: String,
        #[command(flatten)]
        secrets: DeploySecrets,
        /// A setting, such as site=shop.netlify.app or output=dist (repeatable)
        #[arg(long = "set", short, value_name = "NAME=VALUE")]
        settings: Vec<String>,
    },
    /// Change one, if the provider takes it
    Update {
        id: String,
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        secrets: DeploySecrets,
        /// A setting (repeatable); those that are not named are taken away
        #[arg(long = "set", short, value_name = "NAME=VALUE")]
        settings: Vec<String>,
    },
    /// Delete one; what was deployed with it stays where it is
    Delete { id: String },
}

/// Secrets are read from files, never from the command line, where others could see them.
#[derive(Debug, Args)]
pub struct DeploySecrets {
    /// The file that holds the provider's token; `-` reads stdin
    #[arg(long, value_name = "PATH")]
    pub token_from: Option<PathBuf>,
    /// The file that holds all credentials as a JSON object; `-` reads stdin
    #[arg(long, value_name = "PATH", conflicts_with = "token_from")]
    pub credentials_from: Option<PathBuf>,
}
