//! `miteos share …` as it is typed.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum Share {
    /// List what somebody without a key can see now: links to files, and previews
    List,
    /// Take back a link to a file (shr_…), all links to a preview (its dep_…), or one of them (its dep_… and the shr_…)
    Revoke {
        #[arg(value_name = "SHARE|DEPLOYMENT")]
        id: String,
        #[arg(value_name = "SHARE")]
        link: Option<String>,
    },
    /// List the links to a preview that work
    Links {
        #[arg(value_name = "DEPLOYMENT")]
        id: String,
    },
}
