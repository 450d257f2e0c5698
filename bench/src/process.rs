//! Starting, asking, stopping and killing the measured process. It does not know what is measured.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::Failure;
use crate::child::{Question, Statistics, Steps};
use crate::http::Connection;
use crate::machine::{self, Memory};
use crate::model::Script;

/// How long anything is waited for.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// How often a starting server is knocked at.
const KNOCK: Duration = Duration::from_micros(500);
/// How long a started server comes to rest before it is measured: it probes the sandbox meanwhile.
const REST: Duration = Duration::from_millis(700);

/// A server in a process of its own.
pub struct Served {
    process: Child,
    /// Both ends of the conversation; only this program's own child has one.
    talk: Option<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    pub address: SocketAddr,
    pub key: String,
    /// From the start of the process to its first answer over HTTP.
    pub started_in: Duration,
    pub begun: Instant,
}

impl Served {
    /// Starts this program's own child over a folder, and waits until it answers.
    pub async fn start(folder: &Path, script: Script) -> Result<Self, Failure> {
        let address = machine::free_address()?;
        let program = std::env::current_exe()?;
        let mut command = command(&program);
        command.arg("child").arg("--folder").arg(folder);
        command.arg("--listen").arg(address.to_string()).arg("--script").arg(script.to_word());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self::spawn(command, address, folder).await
    }

    /// As [`Self::start`], and lets it come to rest.
    pub async fn start_and_rest(folder: &Path, script: Script) -> Result<Self, Failure> {
        let server = Self::start(folder, script).await?;
        tokio::time::sleep(REST).await;
        Ok(server)
    }

    /// Starts a server that does nothing but answer with so many bytes. It has no folder and no key.
    pub async fn start_bare(folder: &Path, task_bytes: usize, list_bytes: usize) -> Result<Self, Failure> {
        let address = machine::free_address()?;
        let mut command = command(&std::env::current_exe()?);
        command.arg("bare").arg("--listen").arg(address.to_string());
        command.arg("--task-bytes").arg(task_bytes.to_string());
        command.arg("--list-bytes").arg(list_bytes.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        tokio::fs::write(folder.join(miteos_server::KEYS_FILE), b"{\"live\":\"none\"}").await?;
        Self::spawn(command, address, folder).await
    }

    /// Starts the released program over a folder, and waits until it answers.
    pub async fn start_released(program: &Path, folder: &Path) -> Result<Self, Failure> {
        let address = machine::free_address()?;
        let mut command = command(program);
        command.arg("serve").arg("--listen").arg(address.to_string()).arg("--data-dir").arg(folder);
        // Nothing of the caller's own settings; the data folder stands in for its home.
        command.env_clear().env("HOME", folder).current_dir(folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self::spawn(command, address, folder).await
    }

    async fn spawn(mut command: Command, address: SocketAddr, folder: &Path) -> Result<Self, Failure> {
        let begun = Instant::now();
        let mut process = command.kill_on_drop(true).spawn()?;
        let talk = match (process.stdin.take(), process.stdout.take()) {
            (Some(input), Some(output)) => Some((input, BufReader::new(output).lines())),
            _ => None,
        };
        while !answers(address).await {
            if let Some(status) = process.try_wait()? {
                return Err(format!("the server ended before it answered: {status}").into());
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("the server did not answer within {PATIENCE:?}").into());
            }
            tokio::time::sleep(KNOCK).await;
        }
        let started_in = begun.elapsed();
        let keys: serde_json::Value =
            serde_json::from_slice(&tokio::fs::read(folder.join(miteos_server::KEYS_FILE)).await?)?;
        let key = keys["live"].as_str().ok_or("the file of keys has no live key")?.to_owned();
        let mut server = Self { process, talk, address, key, started_in, begun };
        if server.talk.is_some() {
            let _: String = server.heard().await?;
        }
        Ok(server)
    }

    pub async fn connect(&self) -> Result<Connection, Failure> {
        Connection::open(self.address, &self.key).await
    }

    pub async fn statistics(&mut self) -> Result<Statistics, Failure> {
        self.ask(Question::Statistics).await
    }

    pub async fn steps(&mut self) -> Result<Steps, Failure> {
        self.ask(Question::Steps).await
    }

    /// When each commit after the first so many was durable (ns, by [`machine::monotonic_ns`]).
    pub async fn commits(&mut self, after: usize) -> Result<Vec<u64>, Failure> {
        self.ask(Question::Commits(after)).await
    }

    /// Waits until this many model calls are held back.
    pub async fn wait_for_held(&mut self, count: u64) -> Result<(), Failure> {
        let _: u64 = self.ask(Question::Held(count)).await?;
        Ok(())
    }

    pub fn memory(&self) -> Option<Memory> {
        machine::memory(self.process.id()?)
    }

    /// Lets the server end by itself.
    pub async fn stop(mut self) -> Result<(), Failure> {
        // Its input ends with this.
        drop(self.talk.take());
        let ended = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        let status = ended.map_err(|_| "the server did not end in time")??;
        if status.success() { Ok(()) } else { Err(format!("the server did not end well: {status}").into()) }
    }

    /// Kills the process where it stands (SIGKILL on Unix).
    pub async fn kill(mut self) -> Result<(), Failure> {
        self.process.kill().await?;
        Ok(())
    }

    async fn ask<T: DeserializeOwned>(&mut self, question: Question) -> Result<T, Failure> {
        let mut line = serde_json::to_vec(&question)?;
        line.push(b'\n');
        let (input, _) = self.talk.as_mut().ok_or("this server cannot be asked")?;
        input.write_all(&line).await?;
        self.heard().await
    }

    async fn heard<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let (_, output) = self.talk.as_mut().ok_or("this server cannot be asked")?;
        let line = tokio::time::timeout(PATIENCE, output.next_line()).await;
        let line = line.map_err(|_| "the server did not say a word in time")??;
        Ok(serde_json::from_str(&line.ok_or("the server ended in the middle")?)?)
    }
}

#[expect(clippy::disallowed_methods, reason = "the measured process is this program or the released one")]
fn command(program: &Path) -> Command {
    Command::new(program)
}

async fn answers(address: SocketAddr) -> bool {
    let Ok(mut connection) = Connection::open(address, "none").await else { return false };
    connection.get("/healthz").await.is_ok_and(|reply| reply.status == 200)
}
