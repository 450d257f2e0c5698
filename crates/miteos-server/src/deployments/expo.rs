//! Expo's part of the files of a deployment: which project it is, kept beside the files, and the copy of a project that is
//! built by Expo. Knows nothing of the tool that gets them.

use std::sync::Arc;

use miteos_core::deployment::{Built, Failure, FailureCode};
use miteos_deploy::expo::{App, Content, LEFT_OUT, Project, prepare_source};
use miteos_deploy::{Artifact, DeployError, Site};
use miteos_tools::workspace::{FileKind, Name, SnapshotError, SnapshotLimits, Workspace};
use tokio_util::sync::CancellationToken;

use super::files::{Places, blocking, failed};
use super::log::Log;

/// Where the copy of a project lies below the scratch folder.
const PROJECT: &str = "project";
/// Which project it is, kept there for a later step.
const APP_JSON: &str = "app.json";
/// What a project may hold. Expo takes no bigger archive.
const LIMITS: SnapshotLimits = SnapshotLimits { max_entries: 100_000, max_bytes: 2 << 30 };

/// Which project of Expo the workspace is.
pub async fn app(workspace: &Workspace) -> Result<App, Failure> {
    let workspace = workspace.clone();
    blocking(move || App::of(&workspace).map_err(refused)).await
}

/// Keeps that beside what is published.
pub async fn keep_app(scratch: &Workspace, app: App) -> Result<(), Failure> {
    let scratch = scratch.clone();
    blocking(move || {
        let name = Name::parse(APP_JSON).map_err(|error| broken(&error))?;
        scratch.write(&name, app.json().to_string().as_bytes()).map_err(|error| broken(&error))
    })
    .await
}

/// The exported files and which project they are of.
pub async fn export_again(places: &Places, site: Arc<Site>) -> Result<Artifact, Failure> {
    let app = app(&places.scratch).await?;
    Ok(Artifact::Project(Arc::new(Project { app, content: Content::Export(site) })))
}

/// Copies the project for Expo to build: without packages, without files of settings that may hold secrets, and without
/// links, which would lead Expo's tool elsewhere.
pub async fn take_source(places: &Places, log: &Log, cancel: &CancellationToken) -> Result<Built, Failure> {
    let (workspace, scratch, cancel) = (places.workspace.clone(), places.scratch.clone(), cancel.clone());
    let copied = blocking(move || {
        let into = scratch.root().join(PROJECT);
        let mut links = 0_u64;
        let mut leave_out = |name: &str, kind: FileKind| {
            let own = name.rsplit('/').next().unwrap_or(name);
            links += u64::from(kind == FileKind::Link);
            kind == FileKind::Link || own.starts_with(".env") || LEFT_OUT.contains(&own)
        };
        let copied = workspace.snapshot(&into, LIMITS, &mut leave_out, &cancel).map_err(not_copied)?;
        prepare_source(&copy(&scratch)?).map_err(refused)?;
        Ok((copied, links))
    });
    let (copied, links) = copied.await?;
    if links > 0 {
        log.say(&format!("{links} links stay out of the build; put the files themselves there"));
    }
    let files = copied.entries as u64;
    let (digest, folder, bytes) = (PROJECT.to_owned(), String::new(), copied.bytes);
    Ok(Built { digest, folder, files, bytes, manifest: None })
}

/// Whether it is a project that Expo builds.
pub fn is_source(built: &Built) -> bool {
    built.digest == PROJECT
}

/// The copy again, after whatever time.
pub async fn source_again(places: &Places) -> Result<Artifact, Failure> {
    let scratch = places.scratch.clone();
    blocking(move || {
        let copy = copy(&scratch)?;
        let app = prepare_source(&copy).map_err(refused)?;
        Ok(Artifact::Project(Arc::new(Project { app, content: Content::Source(copy) })))
    })
    .await
}

fn copy(scratch: &Workspace) -> Result<Workspace, Failure> {
    Workspace::open(scratch.root().join(PROJECT)).map_err(|error| broken(&error))
}

fn refused(error: DeployError) -> Failure {
    failed(FailureCode::ConfigInvalid, error.message)
}

fn not_copied(error: SnapshotError) -> Failure {
    let code = match &error {
        SnapshotError::TooMany { .. } | SnapshotError::TooLarge { .. } | SnapshotError::TooDeep { .. } => {
            FailureCode::OutputTooLarge
        }
        SnapshotError::Cancelled | SnapshotError::Workspace(_) => FailureCode::Interrupted,
    };
    failed(code, error.to_string())
}

fn broken(error: &miteos_tools::WorkspaceError) -> Failure {
    failed(
        FailureCode::Interrupted,
        format!("what is kept of the deployment cannot be used: {error}; deploy again"),
    )
}
