//! Answers as package managers give them, and what is taken from them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::json;

use super::*;

/// Answers from a table, and remembers what it was asked.
#[derive(Default)]
struct Told {
    answers: BTreeMap<String, Result<String, &'static str>>,
    page: Option<Value>,
    asked: Mutex<Vec<String>>,
}

impl Told {
    fn new(answers: &[(&str, Result<&str, &'static str>)]) -> Self {
        let answers =
            answers.iter().map(|(question, answer)| ((*question).to_owned(), answer.map(str::to_owned)));
        Self { answers: answers.collect(), ..Self::default() }
    }
}

#[async_trait]
impl Asking for Told {
    async fn ask(&self, question: Question) -> Result<String, AskError> {
        self.asked.lock().unwrap().push(question.to_string());
        match self.answers.get(&question.to_string()) {
            Some(Ok(answer)) => Ok(answer.clone()),
            Some(Err(why)) => Err(AskError::unanswered(question, *why)),
            None => Err(AskError::NotInstalled { command: question.to_string() }),
        }
    }

    async fn page(&self, url: &Url) -> Option<Value> {
        self.asked.lock().unwrap().push(url.to_string());
        self.page.clone()
    }
}

const LIST: &str = "npm config list --json";
const GET: &str = "npm config get registry";

#[tokio::test]
async fn npm_tells_its_registry_and_those_of_scopes_without_their_credentials() {
    let list = json!({
        "registry": "https://user:secret@npm.example/a/?token=secret",
        "@acme:registry": "https://acme.example/",
        "@plain:registry": "http://plain.example/",
        "@bad scope:registry": "https://bad.example/",
        "//acme.example/:_authToken": "secret",
        "replace-registry-host": "npmjs",
        "proxy": null,
    });
    let found = ask(&Told::new(&[(LIST, Ok(&list.to_string()))]), Family::Npm).await.unwrap();
    assert_eq!(found.npm.as_ref().unwrap().as_str(), "https://npm.example/a/");
    assert_eq!(found.allowed().to_string(), "acme.example:443, npm.example:443");
    assert!(!format!("{found:?}").contains("secret"));
}

#[tokio::test]
async fn what_a_list_leaves_out_is_asked_for_alone() {
    let told = Told::new(&[(LIST, Ok("{}")), (GET, Ok("https://npm.example/\n"))]);
    assert_eq!(ask(&told, Family::Npm).await.unwrap().allowed().to_string(), "npm.example:443");
    let told = Told::new(&[(LIST, Ok("{}")), (GET, Err("failed (exit status: 1): npm error protected"))]);
    let error = ask(&told, Family::Npm).await.unwrap_err().to_string();
    assert!(error.contains("`npm config get registry` failed") && error.contains("MITEOS_BUILD_REGISTRIES"));
}

#[tokio::test]
async fn without_an_answer_the_command_and_the_mend_are_named() {
    let error = ask(&Told::new(&[]), Family::Npm).await.unwrap_err().to_string();
    assert!(error.contains("`npm config list --json` is not installed"), "{error}");
    let error = ask(&Told::new(&[]), Family::Yarn).await.unwrap_err().to_string();
    assert!(error.contains("`yarn config get registry` is not installed"), "{error}");
    for (answer, part) in
        [("http://npm.example/", "npm.example, which is not https"), ("undefined", "no address")]
    {
        let told = Told::new(&[(LIST, Ok("{}")), (GET, Ok(answer))]);
        let error = ask(&told, Family::Npm).await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn both_generations_of_yarn_and_pnpm_are_asked_in_their_words() {
    let modern = "yarn config get npmRegistryServer";
    let told = Told::new(&[(modern, Ok("https://yarn.example\n"))]);
    assert_eq!(ask(&told, Family::Yarn).await.unwrap().allowed().to_string(), "yarn.example:443");
    let told =
        Told::new(&[(modern, Ok("undefined\n")), ("yarn config get registry", Ok("https://one.example/\n"))]);
    assert_eq!(ask(&told, Family::Yarn).await.unwrap().allowed().to_string(), "one.example:443");
    let told = Told::new(&[("pnpm config list --json", Ok(r#"{"registry":"https://pnpm.example:8443/"}"#))]);
    assert_eq!(ask(&told, Family::Pnpm).await.unwrap().allowed().to_string(), "pnpm.example:8443");
}

#[tokio::test]
async fn who_gets_pnpm_or_yarn_by_corepack_has_npms_registry() {
    let list = json!({"registry": "https://npm.example/"}).to_string();
    for family in [Family::Pnpm, Family::Yarn] {
        let told = Told::new(&[(LIST, Ok(&list))]);
        assert_eq!(ask(&told, family).await.unwrap().allowed().to_string(), "npm.example:443");
    }
    // One that is there and fails is not passed over.
    let told = Told::new(&[(LIST, Ok(&list)), ("pnpm config list --json", Err("failed"))]);
    let error = ask(&told, Family::Pnpm).await.unwrap_err().to_string();
    assert!(error.contains("`pnpm config list --json` failed"), "{error}");
}

#[tokio::test]
async fn the_index_of_python_packages_is_set_or_told_by_the_help_and_tells_its_files_host() {
    let list = "python3 -m pip config list";
    let set = "global.cert='/etc/x'\nglobal.index-url='https://py.example/simple'\n:env:.index-url='https://env.example/simple'\n";
    let told = Told::new(&[(list, Ok(set))]);
    let found = ask(&told, Family::Python).await.unwrap();
    assert_eq!(found.python.unwrap().as_str(), "https://env.example/simple");

    let help = "  -i, --index-url <url>       Base URL of the Python Package Index (default\n        \
                https://default.example/simple). This should point\n";
    let mut told = Told::new(&[(list, Ok("")), ("python3 -m pip install --help", Ok(help))]);
    told.page = Some(json!({"files": [{"url": "https://files.example/packages/pip.whl#sha256=1"}]}));
    let found = ask(&told, Family::Python).await.unwrap();
    assert_eq!(found.allowed().to_string(), "default.example:443, files.example:443");
    assert_eq!(told.asked.lock().unwrap().last().unwrap(), "https://default.example/simple/pip/");
    told.page = Some(json!({"files": [{"url": "../../packages/pip.whl"}]}));
    let found = ask(&told, Family::Python).await.unwrap();
    assert_eq!(found.allowed().to_string(), "default.example:443");
}

#[tokio::test]
async fn a_program_that_is_missing_or_fails_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let http = Guarded::new(miteos_tools::http::EgressPolicy::default());
    let machine = Machine::new(folder.path().join("asked"), http);
    let missing = Question { program: "miteos-no-such-program", arguments: &["config"] };
    let error = machine.ask(missing).await.unwrap_err().to_string();
    assert!(error.contains("`miteos-no-such-program config` is not installed"), "{error}");
    let failing = Question { program: "sh", arguments: &["-c", "echo the reason $((40 + 2)) >&2; exit 3"] };
    let error = machine.ask(failing).await.unwrap_err().to_string();
    assert!(error.contains("failed (exit status: 3), and the server's log says why;"), "{error}");
    assert!(!error.contains("the reason 42"), "{error}");
    let telling = Question { program: "sh", arguments: &["-c", "pwd"] };
    let here = machine.ask(telling).await.unwrap();
    assert!(here.trim().ends_with("asked"), "{here}");
}
