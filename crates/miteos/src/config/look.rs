//! What a person wants to know of the settings: where each value comes from, what is spelled wrong, what cannot be. No
//! secret leaves this module.

use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

use super::table::{self, Kind, VARIABLES, Variable};
use super::{Settings, Source};

/// A key that is so many letters away from a known one is a slip of the fingers.
const MAX_SLIPS: usize = 3;
/// Shown in place of a secret.
const HIDDEN: &str = "(not shown)";

/// A value that is not the default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Effective {
    pub name: &'static str,
    /// As it was given; a secret is not.
    pub value: String,
    /// `flag`, `environment`, or the file.
    pub source: String,
}

/// Something in the settings that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The setting whose value cannot be; `None` where a key is unknown, which stops nothing.
    pub variable: Option<&'static str>,
    pub what: String,
    pub mend: String,
}

impl Settings {
    /// Every setting that something sets, in the table's order.
    pub fn effective(&self) -> Vec<Effective> {
        let found = VARIABLES.iter().filter_map(|variable| {
            let (value, source) = self.found(variable.name)?;
            Some(Effective {
                name: variable.name,
                value: shown(variable, &value),
                source: source.to_string(),
            })
        });
        found.collect()
    }

    /// Unknown keys of the files, and values that cannot be.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let unknown = self.unknown.iter().map(|(key, file)| unknown(key, file));
        let wrong = VARIABLES.iter().filter_map(|variable| {
            let (value, source) = self.found(variable.name)?;
            let right = wrong(variable.kind, &value)?;
            let what = match variable.kind {
                Kind::Secret | Kind::Reserved => format!("{} ({source})", variable.name),
                _ => format!("{} is \"{}\" ({source})", variable.name, shown(variable, &value)),
            };
            Some(Mistake { variable: Some(variable.name), what, mend: right })
        });
        unknown.chain(wrong).collect()
    }

    /// The value of a number, refused where it is none or out of range.
    pub fn number(&self, name: &'static str) -> Result<Option<u64>, Mistake> {
        let (Some(text), Some(variable)) = (self.get(name), table::variable(name)) else { return Ok(None) };
        match wrong(variable.kind, &text) {
            None => Ok(text.trim().parse().ok()),
            Some(mend) => Err(Mistake { variable: Some(name), what: format!("{name} is \"{text}\""), mend }),
        }
    }

    /// The value of a URL, refused where it is none.
    pub fn url(&self, name: &'static str, flag: Option<&str>) -> Result<Option<String>, Mistake> {
        let Some(url) = flag.map(str::to_owned).or_else(|| self.get(name)) else { return Ok(None) };
        match wrong(Kind::Url, &url) {
            None => Ok(Some(url)),
            Some(mend) => {
                let what = format!("{name} is \"{}\"", without_login(&url));
                Err(Mistake { variable: Some(name), what, mend })
            }
        }
    }
}

fn shown(variable: &Variable, value: &str) -> String {
    match variable.kind {
        Kind::Secret | Kind::Reserved => HIDDEN.to_owned(),
        Kind::Url
        | Kind::Path
        | Kind::Address
        | Kind::Word(_)
        | Kind::Text
        | Kind::Number(..)
        | Kind::List => without_login(value),
    }
}

/// What stands between `//` and `@` in an address is a secret too.
fn without_login(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://…{}", &rest[at..]),
        None => value.to_owned(),
    }
}

/// What would be right; `None` if the value may be. What needs more than its letters to judge is judged where it is used.
fn wrong(kind: Kind, value: &str) -> Option<String> {
    match kind {
        Kind::Address => {
            let bad = value.parse::<SocketAddr>().is_err();
            bad.then(|| "one looks like 127.0.0.1:7700".to_owned())
        }
        Kind::Url => (!is_url(value)).then(|| "one looks like https://miteos.example.org".to_owned()),
        Kind::Word(words) => {
            let known = words.contains(&value.to_lowercase().as_str());
            (!known).then(|| format!("{} would be right", one_of(words)))
        }
        Kind::Number(least, most) => {
            let fits = value.trim().parse().is_ok_and(|number| (least..=most).contains(&number));
            (!fits).then(|| format!("a whole number from {least} to {most} would be right"))
        }
        Kind::Reserved => Some("take it away: this version does not know it yet".to_owned()),
        Kind::Path | Kind::Secret | Kind::Text | Kind::List => None,
    }
}

fn is_url(value: &str) -> bool {
    let rest = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty() && !rest.contains(char::is_whitespace)
    })
}

fn one_of(words: &[&str]) -> String {
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.join(""),
    }
}

fn unknown(key: &str, file: &Path) -> Mistake {
    let what = format!("{} has \"{key}\", which is no setting", file.display());
    let near = VARIABLES.iter().map(|known| (distance(&key.to_lowercase(), &known.key()), known));
    let mend = match near.min_by_key(|(distance, _)| *distance) {
        Some((slips, known)) if slips <= MAX_SLIPS => format!("did you mean {}?", known.key()),
        _ => match table::variable(&key.to_uppercase()) {
            Some(known) => format!("in the file it is called {}", known.key()),
            None => "take it away; docs/configuration.md lists what there is".to_owned(),
        },
    };
    Mistake { variable: None, what, mend }
}

/// How many letters have to be changed, added or taken away.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = before + usize::from(from != *to);
            before = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Environment => f.write_str("environment"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, FILE_NAME, LISTEN, Purpose};

    fn settings(file: &str, env: &[(&str, &str)]) -> (tempfile::TempDir, Settings) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE_NAME), file).unwrap();
        let settings = Settings::load(Env::of(env), Purpose::Client, Some(folder.path()), None).unwrap();
        (folder, settings)
    }

    #[test]
    fn each_value_is_shown_with_its_source_and_no_secret_is() {
        let (folder, settings) = settings(
            "listen = \"1.2.3.4:5\"\nopenai_api_key = \"sk-hush\"\nopenai_base_url = \"http://me:hush@h/v1\"\n",
            &[
                ("MITEOS_SECRET_KEY", "hush-hush-hush-hush"),
                ("MITEOS_MODEL", "a/b"),
                ("MITEOS_DATABASE_URL", "p://u:hush@h"),
            ],
        );
        let shown = settings.effective();
        let text = format!("{shown:?} {:?}", settings.mistakes());
        assert!(!text.contains("hush"), "{text}");
        let of = |name: &str| shown.iter().find(|one| one.name == name).unwrap();
        let file = folder.path().join(FILE_NAME).display().to_string();
        assert_eq!((of(LISTEN).value.as_str(), &of(LISTEN).source), ("1.2.3.4:5", &file));
        assert_eq!(of("MITEOS_MODEL").source, "environment");
        assert_eq!(of("MITEOS_SECRET_KEY").value, HIDDEN);
        assert_eq!(of("OPENAI_BASE_URL").value, "http://…@h/v1");
        assert_eq!(of("MITEOS_DATA_DIR").source, "flag");
        assert_eq!(shown.len(), 7);
    }

    #[test]
    fn slips_and_impossible_values_are_named_with_what_is_right() {
        let (_folder, settings) = settings(
            "lisen = \"127.0.0.1:1\"\nmiteos_model = \"a/b\"\nweather = \"fine\"\nsandbox = \"dokcer\"\npublic_url = \"miteos.example.org\"\n",
            &[("MITEOS_LISTEN", "here"), ("MITEOS_SEARCH", "Brave")],
        );
        let mistakes = settings.mistakes();
        let mend = |what: &str| {
            let found = mistakes.iter().find(|mistake| mistake.what.contains(what));
            found.unwrap_or_else(|| panic!("{what}: {mistakes:?}")).mend.clone()
        };
        assert_eq!(mend("\"lisen\""), "did you mean listen?");
        assert_eq!(mend("\"miteos_model\""), "in the file it is called model");
        assert!(mend("\"weather\"").starts_with("take it away"));
        assert_eq!(mend("MITEOS_SANDBOX is \"dokcer\""), "auto, namespaces, bwrap or none would be right");
        assert!(mend("MITEOS_PUBLIC_URL").contains("https://"));
        assert!(mend("MITEOS_LISTEN is \"here\" (environment)").contains("127.0.0.1:7700"));
        assert_eq!(mistakes.len(), 6);
    }

    #[test]
    fn urls_have_a_scheme_and_a_host() {
        for good in ["http://h", "https://h:1/a?b", "http://[::1]:7700"] {
            assert!(is_url(good), "{good}");
        }
        for bad in ["h", "ftp://h", "https://", "https:///a", "http://a b"] {
            assert!(!is_url(bad), "{bad}");
        }
    }

    #[test]
    fn distances() {
        assert_eq!(distance("listen", "listen"), 0);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
