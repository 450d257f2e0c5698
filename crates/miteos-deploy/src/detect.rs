//! How a project becomes a folder of files: which install command, which build command, and where the output is. Pure:
//! it is given names and texts, and runs nothing. The commands are for the sandbox.

mod frameworks;
mod output;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use frameworks::Framework;
pub(crate) use output::USUAL;
pub use output::{OutputError, choose_output};

/// Configuration files whose text tells whether a build writes files or needs a server. [`Project::texts`] may hold
/// them; a missing one counts as empty.
pub const CONFIG_FILES: [&str; 17] = [
    "next.config.js",
    "next.config.mjs",
    "next.config.ts",
    "nuxt.config.js",
    "nuxt.config.ts",
    "astro.config.js",
    "astro.config.mjs",
    "astro.config.ts",
    "svelte.config.js",
    "svelte.config.ts",
    "react-router.config.ts",
    "react-router.config.js",
    "vite.config.js",
    "vite.config.mjs",
    "vite.config.ts",
    "angular.json",
    "app.json",
];

/// What is known of a project's folder.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// Names at the top of the folder, files and folders.
    pub names: BTreeSet<String>,
    /// The text of `package.json`, if there is one.
    pub package_json: Option<String>,
    /// Texts of those of [`CONFIG_FILES`] that are there.
    pub texts: BTreeMap<String, String>,
}

/// What the user says about the build; each takes the place of what would be found out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BuildSettings {
    /// A line for a shell. Empty: nothing is installed.
    pub install: Option<String>,
    /// A line for a shell. Empty: nothing is built.
    pub build: Option<String>,
    /// The folder that is published, below the project.
    pub output: Option<String>,
}

/// Which program installs packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackageManager {
    Npm,
    Pnpm,
    Yarn,
    Bun,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub manager: Option<PackageManager>,
    pub framework: Option<Framework>,
    /// Lines for a shell in the project's folder, in this order: install, then build. Empty for a plain folder.
    pub commands: Vec<String>,
    /// Whether the first of them installs packages.
    pub installs: bool,
    /// Where the output may be, the likeliest first; `.` for the folder itself. `*` stands for one name.
    pub outputs: Vec<String>,
    /// What the user should know, such as a missing lockfile.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DetectError {
    #[error("package.json is not valid JSON; mend it and deploy again")]
    BadPackageJson,
    #[error(
        "there is neither an index.html nor a package.json here, so there is nothing to publish or build; name the \
         folder to publish (settings.output)"
    )]
    Nothing,
    #[error("{framework} makes a program for a server here, and this target publishes files only; {mend}")]
    NeedsServer { framework: &'static str, mend: &'static str },
    #[error(
        "package.json has no script \"build\", and its framework is not known here; add one, or set settings.build"
    )]
    NoBuild,
    #[error("\"{output}\" cannot be the output folder; name one below the project, such as dist")]
    BadOutput { output: String },
}

/// Finds out how to build.
pub fn detect(project: &Project, settings: &BuildSettings) -> Result<Plan, DetectError> {
    let output = settings.output.as_deref().map(checked_output).transpose()?;
    let Some(text) = &project.package_json else { return without_package(project, settings, output) };
    let package: Value = serde_json::from_str(text).map_err(|_| DetectError::BadPackageJson)?;
    if !package.is_object() {
        return Err(DetectError::BadPackageJson);
    }
    let framework = Framework::of(&package);
    let script = ["build", "generate", "export"].into_iter().find(|name| has_script(&package, name));
    let built = settings.build.as_deref().map(str::trim);
    if script.is_none() && framework.is_none() && built.is_none() {
        // A package.json without anything to build beside a page is a plain folder with tools around it.
        if project.names.contains("index.html") {
            return Ok(plain(
                output,
                vec!["package.json has nothing to build; the folder is published as it is".into()],
            ));
        }
        return Err(DetectError::NoBuild);
    }
    if let Some(framework) = framework
        && built.is_none()
    {
        framework.writes_files(project, &package)?;
    }
    let manager = manager(project, &package);
    let mut notes = Vec::new();
    let install = match settings.install.as_deref().map(str::trim) {
        Some(line) => line.to_owned(),
        None => install_line(manager, project, &package, &mut notes),
    };
    let build = match (built, framework) {
        (Some(line), _) => line.to_owned(),
        (None, Some(framework)) => framework.build_line(manager, script),
        (None, None) => run_line(manager, script.unwrap_or("build")),
    };
    let installs = !install.is_empty();
    let commands = [install, build].into_iter().filter(|line| !line.is_empty()).collect();
    let outputs = outputs(output, framework);
    Ok(Plan { manager: Some(manager), framework, commands, installs, outputs, notes })
}

fn without_package(
    project: &Project,
    settings: &BuildSettings,
    output: Option<String>,
) -> Result<Plan, DetectError> {
    let lines = [&settings.install, &settings.build].into_iter().flatten().map(|line| line.trim().to_owned());
    let commands: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    if !commands.is_empty() {
        return Ok(Plan {
            manager: None,
            framework: None,
            commands,
            installs: settings.install.as_deref().is_some_and(|line| !line.trim().is_empty()),
            outputs: outputs(output, None),
            notes: vec![],
        });
    }
    if output.is_some() || project.names.contains("index.html") {
        return Ok(plain(output, vec![]));
    }
    // A build that somebody ran before.
    let built: Vec<String> = output::USUAL
        .iter()
        .filter(|name| project.names.contains(**name))
        .map(|name| (*name).to_owned())
        .collect();
    if built.is_empty() {
        return Err(DetectError::Nothing);
    }
    Ok(Plan { manager: None, framework: None, commands, installs: false, outputs: built, notes: vec![] })
}

fn plain(output: Option<String>, notes: Vec<String>) -> Plan {
    let outputs = vec![output.unwrap_or_else(|| ".".to_owned())];
    Plan { manager: None, framework: None, commands: vec![], installs: false, outputs, notes }
}

fn outputs(output: Option<String>, framework: Option<Framework>) -> Vec<String> {
    if let Some(output) = output {
        return vec![output];
    }
    let own = framework.map_or(&[][..], Framework::outputs);
    let mut outputs: Vec<String> = own.iter().map(|name| (*name).to_owned()).collect();
    for usual in output::USUAL {
        if !outputs.iter().any(|name| name == usual) {
            outputs.push(usual.to_owned());
        }
    }
    outputs
}

fn checked_output(output: &str) -> Result<String, DetectError> {
    let trimmed = output.trim().trim_end_matches('/');
    let trimmed = trimmed.strip_prefix("./").unwrap_or(trimmed);
    if trimmed.is_empty() || trimmed == "." {
        return Ok(".".to_owned());
    }
    let bad = trimmed.starts_with('/')
        || trimmed.contains(['\\', '*'])
        || trimmed.chars().any(char::is_control)
        || trimmed.split('/').any(|part| matches!(part, "" | "." | ".." | ".git" | "node_modules"));
    if bad {
        let output = output.chars().filter(|c| !c.is_control()).take(100).collect();
        return Err(DetectError::BadOutput { output });
    }
    Ok(trimmed.to_owned())
}

fn has_script(package: &Value, name: &str) -> bool {
    package
        .pointer(&format!("/scripts/{name}"))
        .and_then(Value::as_str)
        .is_some_and(|line| !line.trim().is_empty())
}

/// Whether a package is among the dependencies.
fn depends_on(package: &Value, name: &str) -> bool {
    ["dependencies", "devDependencies"]
        .iter()
        .any(|list| package.get(list).and_then(Value::as_object).is_some_and(|list| list.contains_key(name)))
}

/// `packageManager` says it; else the lockfile does; else it is npm.
fn manager(project: &Project, package: &Value) -> PackageManager {
    let said = package.get("packageManager").and_then(Value::as_str).unwrap_or_default();
    match said.split('@').next() {
        Some("npm") => return PackageManager::Npm,
        Some("pnpm") => return PackageManager::Pnpm,
        Some("yarn") => return PackageManager::Yarn,
        Some("bun") => return PackageManager::Bun,
        Some(_) | None => {}
    }
    let has = |name: &str| project.names.contains(name);
    if has("pnpm-lock.yaml") {
        PackageManager::Pnpm
    } else if has("bun.lock") || has("bun.lockb") {
        PackageManager::Bun
    } else if has("yarn.lock") {
        PackageManager::Yarn
    } else {
        PackageManager::Npm
    }
}

/// True to the lockfile where there is one: what was tested is what is installed.
fn install_line(
    manager: PackageManager,
    project: &Project,
    package: &Value,
    notes: &mut Vec<String>,
) -> String {
    let has = |name: &str| project.names.contains(name);
    let (lock, locked, loose) = match manager {
        PackageManager::Npm => {
            (has("package-lock.json") || has("npm-shrinkwrap.json"), "npm ci", "npm install")
        }
        PackageManager::Pnpm => {
            (has("pnpm-lock.yaml"), "pnpm install --frozen-lockfile", "pnpm install --no-frozen-lockfile")
        }
        PackageManager::Bun => {
            (has("bun.lock") || has("bun.lockb"), "bun install --frozen-lockfile", "bun install")
        }
        PackageManager::Yarn => {
            let is_first = !is_modern_yarn(project, package);
            let locked = if is_first { "yarn install --frozen-lockfile" } else { "yarn install --immutable" };
            (has("yarn.lock"), locked, "yarn install")
        }
    };
    if lock {
        return locked.to_owned();
    }
    let empty = !["dependencies", "devDependencies"]
        .iter()
        .any(|list| package.get(list).and_then(Value::as_object).is_some_and(|list| !list.is_empty()));
    if empty {
        return String::new();
    }
    notes.push("there is no lockfile, so the newest fitting versions are installed, which can differ from tested ones".into());
    loose.to_owned()
}

/// Yarn from version 2 on calls the option differently.
fn is_modern_yarn(project: &Project, package: &Value) -> bool {
    let said = package.get("packageManager").and_then(Value::as_str).unwrap_or_default();
    match said.strip_prefix("yarn@").and_then(|version| version.split('.').next()) {
        Some(major) => major != "1",
        None => project.names.contains(".yarnrc.yml"),
    }
}

fn run_line(manager: PackageManager, script: &str) -> String {
    match manager {
        PackageManager::Npm => format!("npm run {script}"),
        PackageManager::Pnpm => format!("pnpm run {script}"),
        PackageManager::Yarn => format!("yarn run {script}"),
        PackageManager::Bun => format!("bun run {script}"),
    }
}

#[cfg(test)]
mod tests;
