//! Asking the machine's package managers where they get packages from. Only addresses are taken from their answers;
//! credentials that stand beside them stay where they are.
//!
//! The programs are the machine owner's own and run as the server, outside the sandbox, in an empty folder: nothing of a
//! workspace has a say in their answer.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use miteos_sandbox::HostPort;
use miteos_tools::http::{Guarded, Request, Url, header};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use super::registries::{Registries, address_of, is_scope};

/// A question that takes longer has no answer.
const TIME: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read.
const MAX_ANSWER_BYTES: u64 = 1024 * 1024;
/// Bytes of an index's page that are read.
const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;
/// Scopes that are taken over.
const MAX_SCOPES: usize = 32;
/// The form in which an index of Python packages tells its files.
const SIMPLE_JSON: &str = "application/vnd.pypi.simple.v1+json";
/// How much of a program's complaint is logged (characters).
const SHOWN_CHARS: usize = 200;

/// Package managers that share their settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    Npm,
    Pnpm,
    Yarn,
    Python,
}

/// A command that changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    pub program: &'static str,
    pub arguments: &'static [&'static str],
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.program)?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {argument}"))
    }
}

const NPM_LIST: Question = Question { program: "npm", arguments: &["config", "list", "--json"] };
const NPM_GET: Question = Question { program: "npm", arguments: &["config", "get", "registry"] };
const PNPM_GET: Question = Question { program: "pnpm", arguments: &["config", "get", "registry"] };
const PNPM_LIST: Question = Question { program: "pnpm", arguments: &["config", "list", "--json"] };
const YARN_GET: Question = Question { program: "yarn", arguments: &["config", "get", "npmRegistryServer"] };
const YARN_FIRST_GET: Question = Question { program: "yarn", arguments: &["config", "get", "registry"] };
const PIP_LIST: Question = Question { program: "python3", arguments: &["-m", "pip", "config", "list"] };
const PIP_HELP: Question = Question { program: "python3", arguments: &["-m", "pip", "install", "--help"] };

#[derive(Debug, Clone, thiserror::Error)]
pub enum AskError {
    #[error(
        "where packages come from is not known: `{command}` {why}; mend that on the server's machine, or set \
         MITEOS_BUILD_REGISTRIES there, such as npm=https://registry.example.org/"
    )]
    Unanswered { command: String, why: String },
    #[error(
        "where packages come from is not known: `{command}` is not installed; mend that on the server's machine, or set \
         MITEOS_BUILD_REGISTRIES there, such as npm=https://registry.example.org/"
    )]
    NotInstalled { command: String },
    #[error("the question was cancelled")]
    Cancelled,
}

impl AskError {
    fn unanswered(question: Question, why: impl Into<String>) -> Self {
        Self::Unanswered { command: question.to_string(), why: why.into() }
    }
}

/// The machine, as far as it can be asked.
#[async_trait]
pub trait Asking: Send + Sync {
    /// What the command prints, when it ends well.
    async fn ask(&self, question: Question) -> Result<String, AskError>;

    /// A page of an index, in JSON where it speaks that.
    async fn page(&self, url: &Url) -> Option<Value>;
}

/// The registries of a family, as the machine knows them.
pub(super) async fn ask(asking: &dyn Asking, family: Family) -> Result<Registries, AskError> {
    match family {
        Family::Npm => npm(asking, NPM_LIST, NPM_GET).await,
        Family::Pnpm => or_npm(npm(asking, PNPM_LIST, PNPM_GET).await, asking).await,
        Family::Yarn => or_npm(yarn(asking).await, asking).await,
        Family::Python => python(asking).await,
    }
}

/// A build may get a package manager by corepack that the machine does not have. It is told npm's registry then.
async fn or_npm(own: Result<Registries, AskError>, asking: &dyn Asking) -> Result<Registries, AskError> {
    match own {
        Err(missing @ AskError::NotInstalled { .. }) => {
            npm(asking, NPM_LIST, NPM_GET).await.map_err(|error| match error {
                AskError::Cancelled => AskError::Cancelled,
                AskError::Unanswered { .. } | AskError::NotInstalled { .. } => missing,
            })
        }
        told => told,
    }
}

/// The list has the scopes too. It leaves out a registry whose address holds a password, and some versions leave out the
/// built-in one; then the question for the one value is asked.
async fn npm(asking: &dyn Asking, list: Question, get: Question) -> Result<Registries, AskError> {
    let text = asking.ask(list).await?;
    let settings: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    let default = match settings.get("registry").and_then(Value::as_str) {
        Some(address) => address_from(list, address)?,
        None => address_from(get, &asking.ask(get).await?)?,
    };
    let mut found = Registries { npm: Some(default), ..Registries::default() };
    for (key, value) in settings.as_object().into_iter().flatten() {
        let Some(scope) = key.strip_suffix(":registry").filter(|scope| is_scope(scope)) else { continue };
        if found.scopes.len() == MAX_SCOPES {
            break;
        }
        match value.as_str().map(without_credentials).as_deref().map(address_of) {
            Some(Ok(url)) => {
                found.scopes.insert(scope.to_owned(), url);
            }
            Some(Err(why)) => tracing::warn!(scope, why, "a scope's registry is not used for builds"),
            None => {}
        }
    }
    Ok(found)
}

/// From version 2 on the setting has another name, which version 1 answers with `undefined`.
async fn yarn(asking: &dyn Asking) -> Result<Registries, AskError> {
    let default = match asking.ask(YARN_GET).await {
        Ok(text) if text.trim().starts_with("http") => address_from(YARN_GET, &text)?,
        Ok(_) | Err(AskError::Unanswered { .. } | AskError::NotInstalled { .. }) => {
            address_from(YARN_FIRST_GET, &asking.ask(YARN_FIRST_GET).await?)?
        }
        Err(AskError::Cancelled) => return Err(AskError::Cancelled),
    };
    Ok(Registries { npm: Some(default), ..Registries::default() })
}

/// What is set, or else the built-in one, which only the help tells. Its files may lie on another host, which the index
/// itself knows.
async fn python(asking: &dyn Asking) -> Result<Registries, AskError> {
    let set = asking.ask(PIP_LIST).await?;
    let index = match index_of_list(&set) {
        Some(address) => address_from(PIP_LIST, &address)?,
        None => {
            let help = asking.ask(PIP_HELP).await?;
            let address = index_of_help(&help)
                .ok_or_else(|| AskError::unanswered(PIP_HELP, "does not name the index of packages"))?;
            address_from(PIP_HELP, &address)?
        }
    };
    let mut found = Registries { python: Some(index.clone()), ..Registries::default() };
    found.hosts.extend(file_host(asking, &index).await);
    Ok(found)
}

/// A line such as `global.index-url='https://…'`. The environment's wins over a command's, that over the global one.
fn index_of_list(text: &str) -> Option<String> {
    [":env:.index-url=", "install.index-url=", "global.index-url="].into_iter().find_map(|key| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(key))?;
        Some(line.trim_matches(['\'', '"']).to_owned())
    })
}

/// The default that stands behind the option, perhaps on the next line.
fn index_of_help(text: &str) -> Option<String> {
    let (_, behind) = text.split_once("--index-url")?;
    let (_, behind) = behind.split_once("(default")?;
    let address = behind.trim_start().split(|c: char| c.is_whitespace() || c == ')').next()?;
    (!address.is_empty()).then(|| address.to_owned())
}

/// The host that the index sends to for the files of a package that every index has: pip's own.
async fn file_host(asking: &dyn Asking, index: &Url) -> Option<HostPort> {
    let mut page = index.clone();
    page.path_segments_mut().ok()?.pop_if_empty().extend(["pip", ""]);
    let found = asking.page(&page).await?;
    let file = found.pointer("/files/0/url")?.as_str()?;
    let url = index.join(file).ok()?;
    let url = address_of(&without_credentials(url.as_str())).ok()?;
    HostPort::new(url.host_str()?, url.port_or_known_default()?).ok()
}

fn address_from(question: Question, text: &str) -> Result<Url, AskError> {
    let text = without_credentials(text.trim());
    address_of(&text).map_err(|why| {
        let host = Url::parse(&text).ok().and_then(|url| url.host_str().map(str::to_owned));
        let what = host.unwrap_or_else(|| "nothing that is an address".to_owned());
        AskError::unanswered(question, format!("answers {what}, which {why}"))
    })
}

/// A registry's address may hold a password; builds get the address without it.
fn without_credentials(text: &str) -> String {
    let Ok(mut url) = Url::parse(text.trim()) else { return text.trim().to_owned() };
    // Refused only by addresses without a host, which are refused anyway.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// Asks by running the programs.
pub struct Machine {
    /// An empty folder of the server's own.
    folder: PathBuf,
    http: Guarded,
}

impl Machine {
    pub fn new(folder: PathBuf, http: Guarded) -> Self {
        Self { folder, http }
    }
}

#[async_trait]
impl Asking for Machine {
    async fn ask(&self, question: Question) -> Result<String, AskError> {
        let unanswered = |why: String| AskError::unanswered(question, why);
        let asked = async {
            std::fs::create_dir_all(&self.folder)?;
            run(question, &self.folder).await
        };
        let (status, stdout, stderr) = match tokio::time::timeout(TIME, asked).await {
            Ok(Ok(ran)) => ran,
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(AskError::NotInstalled { command: question.to_string() });
            }
            Ok(Err(error)) => return Err(unanswered(format!("could not be run ({error})"))),
            Err(_) => return Err(unanswered(format!("did not answer within {} s", TIME.as_secs()))),
        };
        if status.success() {
            return Ok(String::from_utf8_lossy(&stdout).into_owned());
        }
        let complaint = String::from_utf8_lossy(&stderr);
        let complaint = complaint.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let complaint: String = complaint.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect();
        // Its words may name the owner's folders and hosts, which are none of a user's business.
        tracing::warn!(command = %question, %status, complaint, "a package manager does not answer");
        Err(unanswered(format!("failed ({status}), and the server's log says why")))
    }

    async fn page(&self, url: &Url) -> Option<Value> {
        let cancel = CancellationToken::new();
        let wanted = header::HeaderValue::from_static(SIMPLE_JSON);
        let request = Request::get(url.clone()).header(header::ACCEPT, wanted).timeout(TIME);
        let answer = self.http.send(request, &cancel).await;
        let body = match answer {
            Ok(answer) if answer.status().is_success() => answer.read_all(MAX_PAGE_BYTES).await,
            Ok(_) => return None,
            Err(error) => Err(error),
        };
        match body {
            Ok(body) => serde_json::from_slice(&body).ok(),
            Err(error) => {
                tracing::info!(%error, "the index of Python packages does not tell where its files are");
                None
            }
        }
    }
}

/// Runs a program to its end. Its environment is the server's own, as its settings may stand there.
#[expect(clippy::disallowed_methods, reason = "a fixed question to the owner's own package manager")]
async fn run(
    question: Question,
    folder: &std::path::Path,
) -> std::io::Result<(std::process::ExitStatus, Vec<u8>, Vec<u8>)> {
    let mut child = tokio::process::Command::new(question.program)
        .args(question.arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let out = child.stdout.take().map(|pipe| pipe.take(MAX_ANSWER_BYTES));
    let err = child.stderr.take().map(|pipe| pipe.take(MAX_ANSWER_BYTES));
    if let (Some(mut out), Some(mut err)) = (out, err) {
        tokio::try_join!(out.read_to_end(&mut stdout), err.read_to_end(&mut stderr))?;
    }
    Ok((child.wait().await?, stdout, stderr))
}

#[cfg(test)]
mod tests;
