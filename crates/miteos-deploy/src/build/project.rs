//! A project's folder as the server reads it: what is in it, what a build gets of it, and what a build left. Blocks: it
//! belongs on a blocking thread.

use std::collections::BTreeSet;
use std::path::Path;

use miteos_tools::workspace::{FileKind, Name, SnapshotLimits, WalkLimits, Workspace};
use tokio_util::sync::CancellationToken;

use super::failure::BuildFailure;
use crate::detect::{CONFIG_FILES, Plan, Project, USUAL, choose_output};
use crate::site::{INDEX, Index};

/// Longest `package.json` or configuration file that is read (bytes).
const MAX_TEXT_BYTES: u64 = 1024 * 1024;
/// Most names below an output with a `*` in it.
const MAX_OUTPUT_NAMES: usize = 20_000;
/// Names of files that are told to have been left out.
const MAX_TOLD: usize = 20;

/// Never part of a build: what a package manager makes anew, and the history, which no build of a copy needs.
const NOT_COPIED: [&str; 4] = ["node_modules", ".git", ".hg", ".svn"];

/// Files that tell how to build, besides [`CONFIG_FILES`].
const TELLING: [&str; 9] = [
    "index.html",
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    ".yarnrc.yml",
    "bun.lock",
    "bun.lockb",
];

/// What is known of the folder before anything is run: only the names that count are asked for, however many there are.
pub(super) fn look(workspace: &Workspace) -> Result<Project, BuildFailure> {
    let mut project = Project::default();
    for name in TELLING.iter().chain(&CONFIG_FILES).chain(&USUAL) {
        if workspace.stat(&Name::parse(name)?).is_ok() {
            project.names.insert((*name).to_owned());
        }
    }
    if project.names.contains("package.json") {
        let text = workspace.read_text(&Name::parse("package.json")?, MAX_TEXT_BYTES)?;
        project.package_json = Some(text);
    }
    for name in CONFIG_FILES {
        if project.names.contains(name)
            && let Ok(text) = workspace.read_text(&Name::parse(name)?, MAX_TEXT_BYTES)
        {
            project.texts.insert(name.to_owned(), text);
        }
    }
    Ok(project)
}

/// Copies what a build gets, and names the files with settings that it does not get.
pub(super) fn copy(
    workspace: &Workspace,
    into: &Path,
    limits: SnapshotLimits,
    cancel: &CancellationToken,
) -> Result<Vec<String>, BuildFailure> {
    let mut told = Vec::new();
    let mut leave_out = |name: &str, _: FileKind| {
        let own = name.rsplit('/').next().unwrap_or(name);
        if own.starts_with(".env") {
            if told.len() < MAX_TOLD {
                told.push(name.to_owned());
            }
            return true;
        }
        NOT_COPIED.contains(&own)
    };
    workspace.snapshot(into, limits, &mut leave_out, cancel)?;
    Ok(told)
}

/// The folder that is published. One that the user named has to be there and is believed otherwise.
pub(super) fn output(workspace: &Workspace, plan: &Plan, named: bool) -> Result<(Name, Index), BuildFailure> {
    if named && let [only] = plan.outputs.as_slice() {
        let name = Name::folder(only)?;
        let is_folder = name.as_str().is_empty()
            || workspace.stat(&name).is_ok_and(|found| found.kind == FileKind::Folder);
        if is_folder {
            return Ok((name, Index::Optional));
        }
    }
    let with_index = with_index(workspace, &plan.outputs)?;
    let chosen = choose_output(plan, &with_index)?;
    Ok((Name::folder(&chosen)?, Index::Required))
}

/// Those of the wanted folders that have a page.
fn with_index(workspace: &Workspace, wanted: &[String]) -> Result<BTreeSet<String>, BuildFailure> {
    let mut found = BTreeSet::new();
    for folder in wanted {
        if let Some((above, _)) = folder.split_once("/*") {
            let limits = WalkLimits { max_entries: MAX_OUTPUT_NAMES, skip_heavy: true };
            // Where the folder above is missing there is nothing.
            let Ok(listing) = workspace.list(&Name::folder(above)?, limits) else { continue };
            let pages = listing.entries.iter().filter(|entry| entry.kind == FileKind::File);
            found.extend(
                pages.filter_map(|entry| entry.name.strip_suffix(&format!("/{INDEX}")).map(str::to_owned)),
            );
            continue;
        }
        let page = if folder == "." { INDEX.to_owned() } else { format!("{folder}/{INDEX}") };
        if workspace.stat(&Name::parse(&page)?).is_ok_and(|found| found.kind == FileKind::File) {
            found.insert(folder.clone());
        }
    }
    Ok(found)
}
