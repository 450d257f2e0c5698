//! The other side: what a copy of the binary does when it is started as a helper.
//!
//! Everything below this module runs in processes with one thread that do nothing else, and it trusts only its
//! order. It does not know tokio.

mod bwrap;
mod inner;
mod landlock;
mod namespaces;
mod outer;
mod seccomp;
mod self_test;
mod stage;
mod tree;

pub(crate) use namespaces::SYSTEM_FOLDERS;
pub(crate) use self_test::{Findings, Question, SelfTest};

use std::ffi::OsStr;
use std::io;

use crate::wire::{INNER_ARGUMENT, OUTER_ARGUMENT, Report, SELF_TEST_ARGUMENT};

/// A step of the set-up that failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub stage: String,
    pub error: io::Error,
}

impl Failed {
    pub fn report(&self) -> Report {
        Report::setup(&self.stage, &self.error)
    }
}

/// Names the step an error belongs to.
pub(crate) trait Step<T> {
    fn step(self, stage: &str) -> Result<T, Failed>;
}

impl<T> Step<T> for io::Result<T> {
    fn step(self, stage: &str) -> Result<T, Failed> {
        self.map_err(|error| Failed { stage: stage.to_owned(), error })
    }
}

/// Acts as a sandbox helper and never returns, if this process was started as one; otherwise does nothing.
///
/// It has to be the first call in `main`: a helper must have a single thread, and must not read configuration,
/// open files or write logs.
pub fn run_helper_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    let Some(role) = arguments.next() else { return };
    if role == OsStr::new(OUTER_ARGUMENT) {
        outer::main();
    }
    if role == OsStr::new(INNER_ARGUMENT) {
        inner::main(arguments);
    }
    if role == OsStr::new(SELF_TEST_ARGUMENT) {
        self_test::main();
    }
}
