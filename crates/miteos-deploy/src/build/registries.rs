//! Where packages come from: the addresses that builds may reach. They are what the owner set, or else what the machine's
//! own package managers answer; none is written down here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use miteos_sandbox::{AllowList, HostPort};
use miteos_tools::http::Url;
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use super::ask::{AskError, Asking, Family, ask};
use crate::detect::{PackageManager, Plan};

/// The port of an address that names none: only TLS is tunnelled.
const HTTPS_PORT: u16 = 443;

/// How long a question without an answer is not asked again.
const SILENCE: Duration = Duration::from_secs(60);

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
    answers: Mutex<BTreeMap<Family, Answer>>,
}

/// What the machine said last.
#[derive(Clone)]
enum Answer {
    Known(Registries),
    /// Not asked again until then: eight builds would wait for the same silence one after the other.
    Unknown {
        error: AskError,
        until: Instant,
    },
}

/// The registries of one build, and what its log should say of those that are not known.
#[derive(Debug)]
pub(crate) struct Found {
    pub found: Registries,
    pub notes: Vec<String>,
}

/// Why a family is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// The project is installed by it.
    Manager,
    /// A command line begins with its program. It may do without.
    Named,
}

impl RegistrySource {
    /// With the owner's setting, if there is one: then nobody is asked.
    pub fn new(set: Option<Registries>, asking: Arc<dyn Asking>) -> Self {
        Self { set, asking, answers: Mutex::default() }
    }

    /// Those that a build of this plan needs. What the machine answered is kept; a question without an answer is asked
    /// again after a while.
    pub(crate) async fn of(&self, plan: &Plan, cancel: &CancellationToken) -> Result<Found, AskError> {
        if let Some(set) = &self.set {
            return Ok(Found { found: set.clone(), notes: Vec::new() });
        }
        let mut all = Found { found: Registries::default(), notes: Vec::new() };
        for (family, why) in families(plan) {
            let answer = tokio::select! {
                answer = self.answer(family) => answer,
                () = cancel.cancelled() => return Err(AskError::Cancelled),
            };
            match (answer, why) {
                (Ok(found), _) => all.found.add(found),
                (Err(error), Why::Named) => all.notes.push(error.to_string()),
                (Err(error), Why::Manager) => return Err(error),
            }
        }
        Ok(all)
    }

    /// One build asks at a time; the others find the answer.
    async fn answer(&self, family: Family) -> Result<Registries, AskError> {
        let mut answers = self.answers.lock().await;
        match answers.get(&family) {
            Some(Answer::Known(known)) => return Ok(known.clone()),
            Some(Answer::Unknown { error, until }) if Instant::now() < *until => return Err(error.clone()),
            Some(Answer::Unknown { .. }) | None => {}
        }
        let found = ask(&*self.asking, family).await;
        let answer = match &found {
            Ok(found) => Answer::Known(found.clone()),
            Err(error) => Answer::Unknown { error: error.clone(), until: Instant::now() + SILENCE },
        };
        answers.insert(family, answer);
        found
    }
}

/// Who installs packages in this plan: the manager of the project, and whoever a line runs.
fn families(plan: &Plan) -> BTreeMap<Family, Why> {
    let simple = plan.commands.iter().flat_map(|line| line.split([';', '&', '|', '(', ')', '{', '}', '\n']));
    let mut found: BTreeMap<Family, Why> =
        simple.filter_map(family_of).map(|family| (family, Why::Named)).collect();
    found.extend(plan.manager.map(|manager| (of_manager(manager), Why::Manager)));
    found
}

/// By the program that a simple command begins with, behind its variables.
fn family_of(command: &str) -> Option<Family> {
    let mut words = command.split_whitespace().skip_while(|word| word.contains('='));
    let program = words.next()?;
    let rest = || words.clone();
    match program.rsplit('/').next()? {
        "npm" | "npx" | "bun" | "bunx" => Some(Family::Npm),
        "pnpm" | "pnpx" => Some(Family::Pnpm),
        "yarn" | "yarnpkg" => Some(Family::Yarn),
        "pip" | "pip3" | "uv" | "uvx" | "pipx" | "poetry" | "pdm" => Some(Family::Python),
        "python" | "python3" => {
            let mut module = rest().skip_while(|word| *word != "-m").skip(1);
            matches!(module.next()?, "pip" | "uv" | "pipx" | "poetry" | "pdm").then_some(Family::Python)
        }
        "corepack" | "exec" | "env" | "time" | "command" => family_of(&rest().collect::<Vec<_>>().join(" ")),
        _ => None,
    }
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use serde_json::Value;

    use super::super::ask::Question;
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
        use Why::{Manager, Named};
        let npm = plan(Some(PackageManager::Npm), &["npm ci", "npm run build"]);
        assert_eq!(families(&npm), [(Family::Npm, Manager)].into());
        let bun = plan(Some(PackageManager::Bun), &["bun install"]);
        assert_eq!(families(&bun), [(Family::Npm, Manager)].into());
        let mixed = plan(Some(PackageManager::Pnpm), &["pip install -r r.txt && pnpm install", "make"]);
        assert_eq!(families(&mixed), [(Family::Pnpm, Manager), (Family::Python, Named)].into());
        for (line, family) in [
            ("A=1 B=2 /usr/bin/npm ci", Some(Family::Npm)),
            ("(cd docs; yarn)", Some(Family::Yarn)),
            ("corepack pnpm install", Some(Family::Pnpm)),
            ("python3 -u -m pip install x", Some(Family::Python)),
            ("python3 tools/pip.py", None),
            ("node tools/uv.js", None),
            ("make pip", None),
            ("hugo --minify", None),
            ("A=1", None),
        ] {
            let expected = family.map(|family| (family, Named)).into_iter().collect();
            assert_eq!(families(&plan(None, &[line])), expected, "{line}");
        }
    }

    /// Counts questions; answers none, or hangs for ever.
    #[derive(Default)]
    struct Silent {
        asked: AtomicUsize,
        hangs: bool,
    }

    #[async_trait]
    impl Asking for Silent {
        async fn ask(&self, question: Question) -> Result<String, AskError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if self.hangs {
                std::future::pending::<()>().await;
            }
            Err(AskError::Unanswered { command: question.to_string(), why: "failed".to_owned() })
        }

        async fn page(&self, _: &Url) -> Option<Value> {
            None
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_without_an_answer_is_asked_again_only_after_a_while() {
        let silent = Arc::new(Silent::default());
        let source = RegistrySource::new(None, silent.clone());
        let npm = plan(Some(PackageManager::Npm), &["npm ci"]);
        for _ in 0..3 {
            let error = source.of(&npm, &CancellationToken::new()).await.unwrap_err();
            assert!(matches!(error, AskError::Unanswered { .. }), "{error}");
        }
        assert_eq!(silent.asked.load(Ordering::SeqCst), 1);
        tokio::time::advance(SILENCE).await;
        source.of(&npm, &CancellationToken::new()).await.unwrap_err();
        assert_eq!(silent.asked.load(Ordering::SeqCst), 2);
        // A family that a line names may be silent: the log says so, and the build goes on.
        let named = source.of(&plan(None, &["npm ci"]), &CancellationToken::new()).await.unwrap();
        assert!(named.found.is_empty() && named.notes.len() == 1, "{named:?}");
    }

    #[tokio::test]
    async fn who_waits_for_anothers_question_can_be_cancelled() {
        let silent = Arc::new(Silent { hangs: true, ..Silent::default() });
        let source = RegistrySource::new(None, silent);
        let npm = plan(Some(PackageManager::Npm), &["npm ci"]);
        let (never, cancel) = (CancellationToken::new(), CancellationToken::new());
        cancel.cancel();
        tokio::select! {
            biased;
            _ = source.of(&npm, &never) => panic!("it hangs"),
            ended = source.of(&npm, &cancel) => assert!(matches!(ended, Err(AskError::Cancelled))),
        }
    }
}
