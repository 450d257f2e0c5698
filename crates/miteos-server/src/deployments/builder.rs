//! What makes a folder of files out of a workspace, and the plainest way to do so.

use std::path::Path;

use async_trait::async_trait;
use miteos_core::deployment::{Failure, FailureCode, FailureStep, Target};
use miteos_core::ids::DeploymentId;
use miteos_deploy::detect::{BuildSettings, CONFIG_FILES, DetectError, Project, detect};
use miteos_deploy::site::{INDEX, Index};
use miteos_tools::Workspace;
use miteos_tools::workspace::Name;
use tokio_util::sync::CancellationToken;

/// The longest file of a project that is read to find out how it is built (bytes).
const MAX_CONFIG_BYTES: u64 = 1024 * 1024;
/// Folders in which builds of others are found.
const USUAL: [&str; 6] = ["dist", "build", "out", "public", "_site", "www"];

/// One build.
pub struct BuildJob<'a> {
    pub deployment: DeploymentId,
    pub workspace: &'a Workspace,
    pub target: Target,
    pub settings: &'a BuildSettings,
    /// An empty folder outside of the workspace, for a copy of it and for what is written. It is there until the
    /// deployment is over.
    pub scratch: &'a Path,
    /// When it is cancelled, everything that runs is ended before the call returns.
    pub cancel: &'a CancellationToken,
    /// Takes lines for the deployment's log, as they come.
    pub log: &'a (dyn Fn(String) + Send + Sync),
}

/// The files to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltFolder {
    pub place: Place,
    /// Whether it has to have a page at its top.
    pub index: Index,
}

/// Where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A folder of the workspace; empty for the workspace itself.
    Workspace(Name),
    /// A folder below the scratch folder.
    Scratch(Name),
}

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("the build was cancelled")]
    Cancelled,
    #[error("{}", .0.message)]
    Failed(Failure),
}

#[async_trait]
pub trait Builder: Send + Sync {
    async fn build(&self, job: BuildJob<'_>) -> Result<BuiltFolder, BuildError>;
}

/// Publishes what is there: a folder with a page. Runs nothing, and refuses what would need a build.
pub struct AsItIs;

#[async_trait]
impl Builder for AsItIs {
    async fn build(&self, job: BuildJob<'_>) -> Result<BuiltFolder, BuildError> {
        let (workspace, settings) = (job.workspace.clone(), job.settings.clone());
        let looked = tokio::task::spawn_blocking(move || look(&workspace, &settings)).await;
        let folder = looked.unwrap_or_else(|panic| {
            tracing::error!(%panic, "looking for what to publish panicked");
            Err(failed(FailureCode::Interrupted, "the server failed inside; its log has the reason"))
        })?;
        (job.log)(match folder.as_str() {
            "" => "the workspace is published as it is".to_owned(),
            name => format!("the folder {name} is published as it is"),
        });
        Ok(BuiltFolder { place: Place::Workspace(folder), index: Index::Required })
    }
}

fn failed(code: FailureCode, message: impl Into<String>) -> BuildError {
    BuildError::Failed(Failure::new(code, FailureStep::Build, message))
}

/// Blocks.
fn look(workspace: &Workspace, settings: &BuildSettings) -> Result<Name, BuildError> {
    let there = |name: &str| Name::parse(name).is_ok_and(|name| workspace.stat(&name).is_ok());
    let read = |name: &str| {
        Name::parse(name).ok().and_then(|name| workspace.read_text(&name, MAX_CONFIG_BYTES).ok())
    };
    let names = USUAL.into_iter().chain([INDEX, "package.json"]).filter(|name| there(name));
    let project = Project {
        names: names.map(str::to_owned).collect(),
        package_json: read("package.json"),
        texts: CONFIG_FILES.into_iter().filter_map(|name| Some((name.to_owned(), read(name)?))).collect(),
    };
    let plan = detect(&project, settings).map_err(|error| match &error {
        DetectError::Nothing => failed(FailureCode::NoOutput, error.to_string()),
        DetectError::BadOutput { .. } => failed(FailureCode::ConfigInvalid, error.to_string()),
        DetectError::BadPackageJson | DetectError::NeedsServer { .. } | DetectError::NoBuild => {
            failed(FailureCode::BuildFailed, error.to_string())
        }
    })?;
    if !plan.commands.is_empty() {
        let line = plan.commands.join(" && ");
        return Err(failed(
            FailureCode::BuildFailed,
            format!(
                "the workspace has to be built first ({line}), and this server publishes only what is built"
            ),
        ));
    }
    let page = |folder: &str| if folder == "." { INDEX.to_owned() } else { format!("{folder}/{INDEX}") };
    // Without a page anywhere the first one is named, so that the reason is told of it.
    let chosen = plan.outputs.iter().find(|folder| there(&page(folder))).or(plan.outputs.first());
    let chosen = chosen.map_or(".", String::as_str);
    Name::folder(chosen).map_err(|error| failed(FailureCode::ConfigInvalid, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(files: &[(&str, &str)]) -> (tempfile::TempDir, Workspace) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let workspace = Workspace::open(dir.path().to_owned()).unwrap();
        (dir, workspace)
    }

    fn found(files: &[(&str, &str)], output: Option<&str>) -> Result<String, String> {
        let (_dir, workspace) = workspace(files);
        let settings = BuildSettings { output: output.map(str::to_owned), ..BuildSettings::default() };
        look(&workspace, &settings).map(|name| name.as_str().to_owned()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_built_is_published_and_what_is_not_is_refused() {
        assert_eq!(found(&[("index.html", "x")], None).unwrap(), "");
        assert_eq!(found(&[("dist/a.txt", "x"), ("public/index.html", "x")], None).unwrap(), "public");
        assert_eq!(found(&[("site/a.txt", "x")], Some("site")).unwrap(), "site");
        assert!(found(&[("a.txt", "x")], None).unwrap_err().contains("index.html"));
        assert!(found(&[("index.html", "x")], Some("../x")).unwrap_err().contains("output"));
        let package = r#"{"scripts":{"build":"vite build"},"devDependencies":{"vite":"7"}}"#;
        let refused = found(&[("package.json", package), ("index.html", "x")], None).unwrap_err();
        assert!(refused.contains("npm run build") || refused.contains("vite build"), "{refused}");
    }
}
