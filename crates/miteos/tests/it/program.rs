//! Running the binary.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary with nothing of this machine's environment but what a program needs to start.
#[expect(clippy::disallowed_methods, reason = "the program under test is our own")]
pub fn command(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_miteos"));
    command.args(arguments).env_clear().env("HOME", home).env("MITEOS_DATA_DIR", home.join("data"));
    command.current_dir(home).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

/// What a run gave.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub async fn finish(child: Child) -> Ran {
    tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap().into()
}

pub async fn miteos(home: &Path, arguments: &[&str]) -> Ran {
    finish(command(home, arguments).spawn().unwrap()).await
}

pub async fn miteos_with_input(home: &Path, arguments: &[&str], input: &str) -> Ran {
    let mut child = command(home, arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    finish(child).await
}

/// Sends Ctrl-C.
#[expect(clippy::disallowed_methods, reason = "the standard way to send a signal without unsafe code")]
pub fn interrupt(child: &Child) {
    let id = child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
}
