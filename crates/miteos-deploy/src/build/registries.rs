//! Where packages come from: the addresses that builds may reach. They are what the owner set, or else what the machine's
//! own package managers answer; none is written down here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use miteos_sandbox::{AllowList, HostPort};
use miteos_tools::http::Url;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::ask::{AskError, Asking, Family, ask};
use crate::detect::{PackageManager, Plan};

/// The port of an address that names none: only TLS is tunnelled.
const HTTPS_PORT: u16 = 443;

/// How much of a wrong entry is repeated (characters).
const SHOWN_CHARS: usize = 100;

/// The registries of one build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registries {
    /// Where packages of JavaScript come from unless their scope says otherwise.
    pub npm: Option<Url>,
    /// By scope, with its `@`.
    pub scopes: BTreeMap<String, Url>,
    /// The index of Python packages.
    pub python: Option<Url>,
    /// Further hosts, such as those that a registry hands its files out from.
    pub hosts: BTreeSet<HostPort>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{entry}\" {why}; write npm=https://host/path/, @scope=https://host/, python=https://host/simple, or a further \
     host as https://host"
)]
pub struct BadRegistry {
    entry: String,
    why: &'static str,
}

impl Registries {
    /// From the owner's setting, a comma list.
    pub fn parse(list: &str) -> Result<Self, BadRegistry> {
        let mut found = Self::default();
        for entry in list.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let bad = |why| BadRegistry { entry: shown(entry), why };
            let (key, address) = match entry.split_once('=') {
                Some((key, address)) => (key.trim(), address.trim()),
                None => ("", entry),
            };
            let url = address_of(address).map_err(bad)?;
            match key {
                "npm" => found.npm = Some(url),
                "python" => found.python = Some(url),
                "" => {
                    found.hosts.insert(host_of(&url).ok_or_else(|| bad("has no host"))?);
                }
                scope if is_scope(scope) => {
                    found.scopes.insert(scope.to_owned(), url);
                }
                _ => return Err(bad("begins with a word that is not known")),
            }
        }
        Ok(found)
    }

    /// Every host of these, and no other.
    pub fn allowed(&self) -> AllowList {
        let urls = self.npm.iter().chain(self.scopes.values()).chain(&self.python);
        AllowList::new(urls.filter_map(host_of).chain(self.hosts.iter().cloned()))
    }

    pub fn is_empty(&self) -> bool {
        self.allowed().is_empty()
    }

    fn add(&mut self, other: Self) {
        self.npm = other.npm.or(self.npm.take());
        self.python = other.python.or(self.python.take());
        self.scopes.extend(other.scopes);
        self.hosts.extend(other.hosts);
    }
}

/// Only TLS, and nothing that would give a credential away.
pub(super) fn address_of(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "is no address")?;
    if url.scheme() != "https" {
        return Err("is not https, and builds reach registries over TLS only");
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err("holds a credential or a query, and builds are given none");
    }
    host_of(&url).map(|_| url).ok_or("has no host")
}

fn host_of(url: &Url) -> Option<HostPort> {
    HostPort::new(url.host_str()?, url.port().unwrap_or(HTTPS_PORT)).ok()
}

/// `@` and a plain word.
pub(super) fn is_scope(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    text.strip_prefix('@').is_some_and(|name| !name.is_empty() && name.bytes().all(fits))
}

/// Without what may be secret in it.
fn shown(entry: &str) -> String {
    let cut = match (entry.find("://"), entry.find('@')) {
        (Some(scheme), Some(at)) if at > scheme => &entry[..scheme + 3],
        _ => entry.split('?').next().unwrap_or_default(),
    };
    cut.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect()
}

/// Knows the registries, or finds them out once.
pub struct RegistrySource {
    set: Option<Registries>,
    asking: Arc<dyn Asking>,
    answers: Mutex<BTreeMap<Family, Registries>>,
}

impl RegistrySource {
    /// With the owner's setting, if there is one: then nobody is asked.
    pub fn new(set: Option<Registries>, asking: Arc<dyn Asking>) -> Self {
        Self { set, asking, answers: Mutex::default() }
    }

    /// Those that a build of this plan needs. What the machine answered is kept; a question without an answer is asked
    /// again at the next build.
    pub async fn of(&self, plan: &Plan, cancel: &CancellationToken) -> Result<Registries, AskError> {
        if let Some(set) = &self.set {
            return Ok(set.clone());
        }
        let mut all = Registries::default();
        // One build asks at a time; the others find the answer.
        let mut answers = self.answers.lock().await;
        for family in families(plan) {
            let found = match answers.get(&family) {
                Some(known) => known.clone(),
                None => {
                    let found = tokio::select! {
                        found = ask(&*self.asking, family) => found?,
                        () = cancel.cancelled() => return Err(AskError::Cancelled),
                    };
                    answers.insert(family, found.clone());
                    found
                }
            };
            all.add(found);
        }
        Ok(all)
    }
}

/// Who installs packages in this plan: the manager of the project, and whoever a line names.
fn families(plan: &Plan) -> BTreeSet<Family> {
    let mut found: BTreeSet<Family> = plan.manager.map(of_manager).into_iter().collect();
    let words =
        plan.commands.iter().flat_map(|line| line.split(|c: char| !(c.is_alphanumeric() || c == '-')));
    for word in words {
        found.extend(match word {
            "npm" | "npx" => Some(Family::Npm),
            "pnpm" | "pnpx" => Some(Family::Pnpm),
            "yarn" => Some(Family::Yarn),
            "bun" | "bunx" => Some(Family::Npm),
            "pip" | "pip3" | "uv" | "uvx" | "pipx" | "poetry" | "pdm" => Some(Family::Python),
            _ => None,
        });
    }
    found
}

/// Bun has no command that tells, and reads what npm is set to.
fn of_manager(manager: PackageManager) -> Family {
    match manager {
        PackageManager::Npm | PackageManager::Bun => Family::Npm,
        PackageManager::Pnpm => Family::Pnpm,
        PackageManager::Yarn => Family::Yarn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(manager: Option<PackageManager>, commands: &[&str]) -> Plan {
        Plan {
            manager,
            framework: None,
            commands: commands.iter().map(|line| (*line).to_owned()).collect(),
            installs: true,
            outputs: vec![],
            notes: vec![],
        }
    }

    #[test]
    fn the_owners_list_is_read() {
        let list = "npm=https://npm.example/a/, @acme=https://acme.example:8443/,python=https://py.example/simple, \
                    https://files.example";
        let found = Registries::parse(list).unwrap();
        assert_eq!(found.npm.as_ref().unwrap().as_str(), "https://npm.example/a/");
        assert_eq!(found.scopes["@acme"].as_str(), "https://acme.example:8443/");
        let allowed = "acme.example:8443, files.example:443, npm.example:443, py.example:443";
        assert_eq!(found.allowed().to_string(), allowed);
        assert!(Registries::parse(" , ").unwrap().is_empty());
        for wrong in [
            "npm=http://npm.example/",
            "npm=https://user:secret@npm.example/",
            "https://npm.example/?token=secret",
            "npm=npm.example",
            "cargo=https://x.example/",
            "@=https://x.example/",
            "@a/b=https://x.example/",
            "file:///etc",
            "npm=",
        ] {
            let error = Registries::parse(wrong).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_plan_says_who_is_asked() {
        let npm = plan(Some(PackageManager::Npm), &["npm ci", "npm run build"]);
        assert_eq!(families(&npm), [Family::Npm].into());
        let bun = plan(Some(PackageManager::Bun), &["bun install"]);
        assert_eq!(families(&bun), [Family::Npm].into());
        let mixed = plan(Some(PackageManager::Pnpm), &["pip install -r r.txt && pnpm install", "make"]);
        assert_eq!(families(&mixed), [Family::Pnpm, Family::Python].into());
        assert_eq!(families(&plan(None, &["hugo --minify"])), [].into());
    }
}
