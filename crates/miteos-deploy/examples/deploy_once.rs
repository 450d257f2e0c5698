//! One deployment of a folder to a stand-in, for comparing what is sent with the providers' own tools:
//! `deploy_once TARGET BASE_URL FOLDER KEY CREDENTIALS SETTINGS`, the last two as JSON. It prints the release.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use miteos_deploy::expo::NoRunner;
use miteos_deploy::site::{Index, scan};
use miteos_deploy::{
    Artifact, Bases, Clock, Config, DeployError, Job, Keeper, Line, Order, Pace, State, TargetKind, Tools,
    drive, open,
};
use miteos_tools::http::{EgressPolicy, Guarded};
use miteos_tools::workspace::{Name, Workspace};
use tokio_util::sync::CancellationToken;

type Failure = Box<dyn std::error::Error>;

struct Now;

impl Clock for Now {
    #[expect(clippy::disallowed_methods, reason = "an example has no clock that is injected")]
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Prints states in place of keeping them.
struct Printed;

#[async_trait]
impl Keeper for Printed {
    async fn keep(&self, state: &State) -> Result<(), DeployError> {
        say(&serde_json::to_string(state).unwrap_or_default());
        Ok(())
    }
}

fn say(line: &str) {
    // A closed output is nothing that an example could mend.
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [target, base, folder, key, credentials, settings] = arguments.as_slice() else {
        return Err("TARGET BASE_URL FOLDER KEY CREDENTIALS SETTINGS are needed".into());
    };
    let kind = TargetKind::parse(target).ok_or("no such target")?;
    let config = Config::parse(kind, &serde_json::from_str(credentials)?, &serde_json::from_str(settings)?)?;
    let tools = Tools {
        http: Guarded::new(EgressPolicy::parse("127.0.0.0/8")?),
        bases: Bases::default().with(kind, base).ok_or("no such base")?,
        clock: Arc::new(Now),
        pace: Pace::default(),
        runner: Arc::new(NoRunner),
    };
    let workspace = Workspace::open(PathBuf::from(folder))?;
    let site = scan(&workspace, &Name::folder("")?, kind.limits(), Index::Required, &config.secrets())?;
    let target = open(config, &tools);
    let artifact = target.prepare(Artifact::Site(Arc::new(site)))?;
    let order = Order { key: key.clone(), project: "given".to_owned(), message: "by example".to_owned() };
    order.check()?;
    let cancel = CancellationToken::new();
    let log = |line: Line| say(&line.text);
    let job = Job { order: &order, artifact: &artifact, cancel: &cancel, log: &log };
    let release = drive(&*target, State::new(kind), &job, &Printed, &*tools.clock, &tools.pace).await?;
    say(&serde_json::to_string(&release)?);
    Ok(())
}
