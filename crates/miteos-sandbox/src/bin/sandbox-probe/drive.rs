//! Runs a list of specifications through the library and prints the results as JSON.

use std::error::Error;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use miteos_sandbox::{
    AllowList, BackendChoice, Dial, DialError, Dialing, Egress, EgressLimits, HostPort, Limits, Network,
    RunOutcome, RunSpec, Sandbox, SandboxConfig, Status,
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Deserialize)]
struct Request {
    backend: BackendChoice,
    runtime_dir: PathBuf,
    max_concurrent: usize,
    runs: Vec<Run>,
    /// All at once, or one after the other.
    parallel: bool,
    /// Write the status and then wait for ever in the first run: for tests that kill this process.
    announce: bool,
}

#[derive(Debug, Deserialize)]
struct Run {
    program: Vec<String>,
    workspace: PathBuf,
    #[serde(default)]
    stdin: String,
    limits: Limits,
    proxy: Option<Way>,
}

/// A way out: listed hosts, all of which lead to one port of this machine's loopback.
#[derive(Debug, Deserialize)]
struct Way {
    hosts: Vec<String>,
    to_port: u16,
}

struct ToPort(u16);

impl Dial for ToPort {
    fn dial<'a>(&'a self, _to: &'a HostPort) -> Dialing<'a> {
        Box::pin(async move {
            TcpStream::connect(("127.0.0.1", self.0))
                .await
                .map_err(|error| DialError::Unreachable(error.to_string()))
        })
    }
}

#[derive(Debug, Serialize)]
struct Answer {
    status: Status,
    results: Vec<Result<RunOutcome, String>>,
}

pub fn main() -> Result<(), Box<dyn Error>> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let request: Request = serde_json::from_str(&text)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let answer = runtime.block_on(answer(request))?;
    std::io::stdout().write_all(&serde_json::to_vec(&answer)?)?;
    Ok(())
}

async fn answer(request: Request) -> Result<Answer, Box<dyn Error>> {
    let config = SandboxConfig {
        backend: request.backend,
        runtime_dir: request.runtime_dir,
        helper: std::env::current_exe()?,
        read_only_binds: Vec::new(),
        hidden_folders: Vec::new(),
        max_concurrent: request.max_concurrent,
        drop_uid_base: 64_000,
    };
    let sandbox = Sandbox::probe(config).await;
    if request.announce {
        std::io::stdout().write_all(b"ready\n")?;
        std::io::stdout().flush()?;
    }
    let mut tasks = Vec::new();
    let mut results = Vec::new();
    for run in request.runs {
        let sandbox = sandbox.clone();
        let spec = spec(run)?;
        let task = tokio::spawn(async move {
            sandbox.run(spec, CancellationToken::new()).await.map_err(|error| error.to_string())
        });
        if request.parallel {
            tasks.push(task);
        } else {
            results.push(task.await?);
        }
    }
    for task in tasks {
        results.push(task.await?);
    }
    Ok(Answer { status: sandbox.status(), results })
}

fn spec(run: Run) -> Result<RunSpec, Box<dyn Error>> {
    let network = match run.proxy {
        None => Network::Off,
        Some(Way { hosts, to_port }) => {
            let hosts = hosts.iter().map(|host| host.parse()).collect::<Result<Vec<HostPort>, _>>()?;
            let (allow, dial) = (AllowList::new(hosts), Arc::new(ToPort(to_port)));
            Network::Proxy(Egress::new(allow, dial, EgressLimits::packages()))
        }
    };
    Ok(RunSpec {
        program: run.program.into_iter().map(Into::into).collect(),
        workspace: run.workspace,
        cwd: PathBuf::new(),
        home_cache: None,
        read_only: Vec::new(),
        env: Vec::new(),
        stdin: run.stdin.into_bytes(),
        limits: run.limits,
        network,
        output: None,
    })
}
