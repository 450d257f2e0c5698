//! Where deployments go, as those see it who look for what a crash has done: the providers, Expo's tool, this server itself.

use std::path::{Path, PathBuf};

use miteos_standins::Provider;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::expo::{self, Eas};
use super::super::providers::Row;
use super::super::write_site;

/// How a server gets there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// It is the server itself.
    Here,
    At(String),
    Program(PathBuf),
}

pub trait Host: Send + Sync + 'static {
    fn target(&self) -> &str;
    fn reach(&self) -> Reach;
    /// Credentials and settings, where it needs any.
    fn config(&self) -> Option<Value>;
    /// Something to deploy there, another for each number.
    fn write(&self, folder: &Path, number: usize);
    /// How many deployments it has.
    fn made(&self) -> usize;
    /// The one that visitors see.
    fn live(&self) -> Option<String>;
}

impl<S: Provider> Host for Row<S> {
    fn target(&self) -> &str {
        self.kind.word()
    }
    fn reach(&self) -> Reach {
        Reach::At(self.standin.url.clone())
    }
    fn config(&self) -> Option<Value> {
        Some(json!({"credentials": self.credentials, "settings": self.settings}))
    }
    fn write(&self, folder: &Path, number: usize) {
        (self.write)(folder, number);
    }
    fn made(&self) -> usize {
        self.count()
    }
    fn live(&self) -> Option<String> {
        Row::live(self)
    }
}

impl Host for Eas {
    fn target(&self) -> &str {
        "expo"
    }
    fn reach(&self) -> Reach {
        Reach::Program(self.path("eas"))
    }
    fn config(&self) -> Option<Value> {
        Some(json!({"credentials": {"token": expo::TOKEN}}))
    }
    fn write(&self, folder: &Path, number: usize) {
        expo::write_project(folder, &format!("number {number}"));
    }
    fn made(&self) -> usize {
        self.deployments().len()
    }
    fn live(&self) -> Option<String> {
        Some(self.read("production"))
    }
}

/// The server's own host.
pub struct Own;

impl Host for Own {
    fn target(&self) -> &str {
        "preview"
    }
    fn reach(&self) -> Reach {
        Reach::Here
    }
    fn config(&self) -> Option<Value> {
        None
    }
    fn write(&self, folder: &Path, _: usize) {
        write_site(folder, "shop");
    }
    fn made(&self) -> usize {
        1
    }
    fn live(&self) -> Option<String> {
        None
    }
}
