//! The owner's node and package managers, wherever the server's `PATH` leads to them: builds use the same ones.
//!
//! What lies with the system is seen by builds anyway. Of what lies elsewhere (below a home, `/opt`, a version manager's
//! folder) a build is shown those very files, read-only and at a place of their own: a program alone, or the folder of a
//! package. Never the folder around it, where the owner may keep other things. Commands find all of them by links in their
//! home. Knows nothing of registries, projects or deployments.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use miteos_sandbox::{ReadOnly, SYSTEM_PATH};
use tokio_util::sync::CancellationToken;

use super::ask::{AskError, Asking, Question};
use super::failure::{BuildErrorKind, BuildFailure};
use crate::detect::Plan;

/// Where an isolated build sees what does not lie with the system.
const TOOLS: &str = "/tools";

/// Folders that every program of the sandbox sees at their own places.
const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// Folders of package managers that hold programs and what those load, by absolute paths, and nothing of anybody's: they
/// are shown whole and at their own places.
const STORES: [&str; 2] = ["/nix/store", "/home/linuxbrew/.linuxbrew"];

const NODE: &str = "node";
/// Programs that node runs.
const SCRIPTS: [&str; 7] = ["npm", "npx", "corepack", "pnpm", "pnpx", "yarn", "yarnpkg"];
/// Programs of one file.
const SINGLE: [&str; 5] = ["bun", "bunx", "deno", "hugo", "zola"];

/// What Node.js' own launcher of package managers has beside itself: it gets the one that a project names.
const COREPACK: &str = "corepack";
const BEHIND_COREPACK: [(&str, &str); 4] =
    [("pnpm", "pnpm.js"), ("pnpx", "pnpx.js"), ("yarn", "yarn.js"), ("yarnpkg", "yarnpkg.js")];

/// Asked when `node` is the launcher of a version manager.
const WHERE_NODE_IS: Question = Question { program: NODE, arguments: &["-p", "process.execPath"] };

/// How programs of this system begin.
const ELF: &[u8; 4] = b"\x7fELF";

/// Where the owner's programs are looked for. Cheap to clone.
#[derive(Clone)]
pub struct ToolSource {
    folders: Vec<PathBuf>,
    asking: Arc<dyn Asking>,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    /// What an isolated build has to be shown.
    pub shown: Vec<ReadOnly>,
    links: BTreeMap<&'static str, Place>,
    /// Launchers whose program was not found.
    launchers: BTreeMap<&'static str, PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// On this machine.
    real: PathBuf,
    /// As an isolated build sees it.
    inside: PathBuf,
}

impl ToolSource {
    /// `folders` are those of the server's `PATH`, in its order.
    pub fn new(folders: Vec<PathBuf>, asking: Arc<dyn Asking>) -> Self {
        Self { folders, asking }
    }

    /// The same, looking in other folders.
    pub(crate) fn with_folders(&self, folders: Vec<PathBuf>) -> Self {
        Self { folders, asking: Arc::clone(&self.asking) }
    }

    /// The folders, in their order.
    pub(crate) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Looks anew each time: version managers change what a name leads to.
    pub(crate) async fn find(&self, cancel: &CancellationToken) -> Result<Tools, BuildFailure> {
        let folders = self.folders.clone();
        let (folders, mut tools) = super::blocking(move || {
            let mut tools = Tools::default();
            tools.node(&folders);
            Ok((folders, tools))
        })
        .await?;
        if tools.launchers.contains_key(NODE) {
            let asked = tokio::select! {
                asked = self.asking.ask(WHERE_NODE_IS) => asked,
                () = cancel.cancelled() => return Err(AskError::Cancelled.into()),
            };
            match asked {
                Ok(told) => tools.told(Path::new(told.trim())),
                Err(error) => tracing::warn!(%error, "the launcher of node does not tell where node is"),
            }
        }
        super::blocking(move || {
            tools.others(&folders);
            Ok(tools)
        })
        .await
    }
}

impl Tools {
    /// The first node of the folders. Blocks, like all of these.
    fn node(&mut self, folders: &[PathBuf]) {
        let Some(found) = first(folders, NODE) else { return };
        if !self.add(NODE, &found) {
            self.launchers.insert(NODE, found);
        }
    }

    /// What the launcher of node tells.
    fn told(&mut self, path: &Path) {
        let is_there = path.is_absolute() && path.is_file();
        if is_there && self.add(NODE, path) {
            self.launchers.remove(NODE);
        }
    }

    /// Everything else: what the folders lead to, else what lies beside node, else what corepack gets.
    fn others(&mut self, folders: &[PathBuf]) {
        let beside: Vec<PathBuf> = self
            .links
            .get(NODE)
            .and_then(|node| node.real.parent())
            .map(Path::to_owned)
            .into_iter()
            .collect();
        for name in SCRIPTS.into_iter().chain(SINGLE) {
            let Some(found) = first(folders, name).or_else(|| first(&beside, name)) else { continue };
            let added =
                self.add(name, &found) || first(&beside, name).is_some_and(|own| self.add(name, &own));
            if !added {
                self.launchers.insert(name, found);
            }
        }
        let Some(corepack) = self.links.get(COREPACK).cloned() else { return };
        for (name, file) in BEHIND_COREPACK {
            let place = Place {
                real: corepack.real.with_file_name(file),
                inside: corepack.inside.with_file_name(file),
            };
            if !self.links.contains_key(name) && place.real.is_file() {
                self.launchers.remove(name);
                self.links.insert(name, place);
            }
        }
    }

    /// Takes a program up, unless it is a launcher, which would not find its program in a build.
    fn add(&mut self, name: &'static str, found: &Path) -> bool {
        let Ok(real) = std::fs::canonicalize(found) else { return false };
        let Some((shown, inside)) = place(&real, name) else { return false };
        if let Some(shown) = shown {
            let taken = self.shown.iter().find(|other| other.seen_at == shown.seen_at);
            match taken {
                Some(other) if other.source != shown.source => return false,
                Some(_) => {}
                None => self.shown.push(shown),
            }
        }
        self.links.insert(name, Place { real, inside });
        true
    }

    /// Makes links to all of them in a new folder: to where they are, or to where an isolated program sees them. Blocks.
    pub(crate) fn link(&self, folder: &Path, isolated: bool) -> std::io::Result<()> {
        std::fs::create_dir(folder)?;
        for (name, place) in &self.links {
            let to = if isolated { &place.inside } else { &place.real };
            std::os::unix::fs::symlink(to, folder.join(name))?;
        }
        Ok(())
    }

    /// Where commands look for programs that see the links here.
    pub(crate) fn path(links: &Path) -> String {
        format!("{}:{SYSTEM_PATH}", links.display())
    }

    fn has(&self, name: &str) -> bool {
        self.links.contains_key(name) || is_with_system(name)
    }

    /// Why a plan's commands would not find their program: the first of each line is looked at.
    pub(super) fn lacking(&self, plan: &Plan) -> Option<BuildFailure> {
        plan.commands.iter().find_map(|line| {
            let wanted = line.split_whitespace().next()?;
            let is_script = SCRIPTS.contains(&wanted);
            if !is_script && wanted != NODE && !SINGLE.contains(&wanted) {
                return None;
            }
            let missing = if is_script && !self.has(NODE) { NODE } else { wanted };
            (!self.has(missing)).then(|| self.failure(line, missing))
        })
    }

    fn failure(&self, line: &str, missing: &str) -> BuildFailure {
        let what = match self.launchers.get(missing) {
            None => {
                format!(
                    "`{line}` needs {missing}, which is neither on the server's PATH nor below /usr there"
                )
            }
            // Where that lies is none of a user's business.
            Some(launcher) => {
                tracing::warn!(missing, launcher = %launcher.display(), "the program behind a launcher was not found");
                format!(
                    "`{line}` needs {missing}, and what the server's PATH has is a launcher whose program was not found"
                )
            }
        };
        let mend = match missing {
            "pnpm" | "pnpx" | "yarn" | "yarnpkg" => {
                format!("install it with `npm install --global {missing}`")
            }
            NODE | "npm" | "npx" => "install Node.js".to_owned(),
            other => format!("install {other}"),
        };
        let text = format!(
            "{what}; {mend}, or start the server with a PATH on which `{missing} --version` answers, and deploy again"
        );
        BuildFailure::new(BuildErrorKind::Install, text)
    }
}

/// The first file of this name.
fn first(folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    // A relative folder would be one of wherever the server was started.
    folders
        .iter()
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// What has to be shown for a program, if anything, and where it is then. `None`: it is a launcher.
fn place(real: &Path, name: &str) -> Option<(Option<ReadOnly>, PathBuf)> {
    let at = |roots: &[&'static str]| roots.iter().find(|root| real.starts_with(root)).copied();
    if let Some(store) = at(&STORES) {
        let shown = ReadOnly { source: store.into(), seen_at: store.into() };
        return fits(real, name).then(|| (Some(shown), real.to_owned()));
    }
    if at(&SYSTEM).is_some() {
        return fits(real, name).then(|| (None, real.to_owned()));
    }
    if let Some((folder, package)) = package(real) {
        let seen_at = Path::new(TOOLS).join("lib/node_modules").join(package);
        let inside = seen_at.join(real.strip_prefix(&folder).ok()?);
        return Some((Some(ReadOnly { source: folder, seen_at }), inside));
    }
    if !(is_program(real) && fits(real, name)) {
        return None;
    }
    let seen_at = Path::new(TOOLS).join("bin").join(real.file_name()?);
    Some((Some(ReadOnly { source: real.to_owned(), seen_at: seen_at.clone() }), seen_at))
}

/// A program of many names runs whatever its own folders say, which are not there in a build. Scripts of the system do
/// not, and some are called otherwise.
fn fits(real: &Path, name: &str) -> bool {
    let own = real.file_name().and_then(|own| own.to_str()).unwrap_or_default();
    let other = match name {
        NODE => "nodejs",
        "bunx" => "bun",
        same => same,
    };
    own == name || own == other || !is_program(real)
}

fn is_program(path: &Path) -> bool {
    let mut begin = [0; ELF.len()];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut begin));
    read.is_ok() && &begin == ELF
}

/// The folder of the package that a script belongs to, and the package's name.
fn package(real: &Path) -> Option<(PathBuf, PathBuf)> {
    let parts: Vec<Component<'_>> = real.components().collect();
    let modules = parts.iter().rposition(|part| part.as_os_str() == "node_modules")?;
    let is_scope = parts.get(modules + 1)?.as_os_str().as_encoded_bytes().starts_with(b"@");
    let end = modules + if is_scope { 3 } else { 2 };
    // The script itself lies in it.
    (end < parts.len()).then(|| (parts[..end].iter().collect(), parts[modules + 1..end].iter().collect()))
}

fn is_with_system(name: &str) -> bool {
    SYSTEM_PATH.split(':').any(|folder| Path::new(folder).join(name).is_file())
}

#[cfg(test)]
mod tests;
