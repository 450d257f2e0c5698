//! What every command gets: the flags that hold everywhere, the settings, the terminal.

use miteos_client::Client;
use serde::Serialize;

use crate::cli::Global;
use crate::config::Settings;
use crate::failure::{Exit, Failure};
use crate::locate::{self, World};
use crate::terminal::Terminal;

pub struct Context<'a> {
    pub global: Global,
    pub settings: Settings,
    pub terminal: &'a Terminal,
}

impl Context<'_> {
    pub fn world(&self) -> World {
        if self.global.test { World::Test } else { World::Live }
    }

    /// A client for the named or the local server.
    pub fn client(&self) -> Result<Client, Failure> {
        locate::client(self.global.url.as_deref(), self.global.key.as_deref(), self.world(), &self.settings)
    }

    /// Prints an answer: as JSON if that was asked for, else as these lines.
    pub fn show<T: Serialize>(
        &self,
        value: &T,
        lines: impl FnOnce() -> Vec<String>,
    ) -> Result<Exit, Failure> {
        if self.global.json {
            self.terminal.json(value)?;
        } else {
            self.terminal.print(&lines());
        }
        Ok(Exit::Done)
    }

    /// Says that a command worked.
    pub fn done(&self, what: &str) -> Result<Exit, Failure> {
        self.show(&miteos_client::api::Success::YES, || vec![what.to_owned()])
    }
}
