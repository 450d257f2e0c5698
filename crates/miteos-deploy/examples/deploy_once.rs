//! One deployment of a folder to a stand-in, for comparing what is sent with the providers' own tools:
//! `deploy_once TARGET BASE_URL FOLDER KEY CREDENTIALS SETTINGS`, the last two as JSON. It prints the release. For the
//! App Store the folder holds `app.ipa`; for Expo a project with its export in `dist`, and in the place of the base stands
//! the program to run as `eas`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use miteos_deploy::appstore::read_ipa;
use miteos_deploy::build::{Machine, ToolSource};
use miteos_deploy::expo::{App, Content, EXPORT_DIR, Eas, NoRunner, Project, Runner};
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
    let (bases, runner): (_, Arc<dyn Runner>) = match kind {
        TargetKind::Expo => {
            let own = std::env::temp_dir().join(format!("deploy-once-{key}"));
            let tools = machine(&own);
            (Bases::default(), Arc::new(Eas::named(own, PathBuf::from(base), tools)))
        }
        TargetKind::Netlify | TargetKind::Vercel | TargetKind::Cloudflare | TargetKind::Appstore => {
            (Bases::default().with(kind, base).ok_or("no such base")?, Arc::new(NoRunner))
        }
    };
    let tools = Tools {
        http: Guarded::new(EgressPolicy::parse("127.0.0.0/8")?),
        bases,
        clock: Arc::new(Now),
        pace: Pace::default(),
        runner,
    };
    let artifact = artifact(kind, Path::new(folder), &config)?;
    let target = open(config, &tools);
    let artifact = target.prepare(artifact)?;
    let order = Order { key: key.clone(), project: "given".to_owned(), message: "by example".to_owned() };
    order.check()?;
    let cancel = CancellationToken::new();
    let log = |line: Line| say(&line.text);
    let job = Job { order: &order, artifact: &artifact, cancel: &cancel, log: &log };
    let release = drive(&*target, State::new(kind), &job, &Printed, &*tools.clock, &tools.pace).await?;
    say(&serde_json::to_string(&release)?);
    Ok(())
}

/// The programs of this machine.
#[expect(clippy::disallowed_methods, reason = "an example has no configuration that reads it once")]
fn machine(own: &Path) -> ToolSource {
    let asking = Arc::new(Machine::new(own.join("asked"), Guarded::new(EgressPolicy::default())));
    let path = std::env::var_os("PATH").unwrap_or_default();
    ToolSource::new(std::env::split_paths(&path).collect(), asking)
}

/// What is deployed of a folder.
fn artifact(kind: TargetKind, folder: &Path, config: &Config) -> Result<Artifact, Failure> {
    let workspace = Workspace::open(folder.to_owned())?;
    let site = |folder: &str| {
        scan(&workspace, &Name::folder(folder)?, kind.limits(), Index::Required, &config.secrets())
            .map(Arc::new)
            .map_err(Failure::from)
    };
    Ok(match kind {
        TargetKind::Netlify | TargetKind::Vercel | TargetKind::Cloudflare => Artifact::Site(site("")?),
        TargetKind::Appstore => {
            let app = read_ipa(&workspace, &Name::parse("app.ipa")?, kind.limits().max_file_bytes)?;
            Artifact::Ipa(Arc::new(app))
        }
        TargetKind::Expo => {
            let content = Content::Export(site(EXPORT_DIR)?);
            Artifact::Project(Arc::new(Project { app: App::of(&workspace)?, content }))
        }
    })
}
