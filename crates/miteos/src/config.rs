//! Where settings come from: flags, then environment, then `miteos.toml`, then defaults. The only module that
//! reads the environment. Every variable stands here once, with its meaning.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A setting from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    pub name: &'static str,
    pub meaning: &'static str,
}

macro_rules! variables {
    ($($constant:ident = $name:literal: $meaning:literal;)+) => {
        $(
            #[doc = $meaning]
            #[allow(dead_code, reason = "some are read by the crates they belong to, through `Settings::get`")]
            pub const $constant: &str = $name;
        )+
        /// All of them, as the help shows them.
        pub const VARIABLES: &[Variable] = &[$(Variable { name: $name, meaning: $meaning }),+];
    };
}

variables! {
    URL = "MITEOS_URL": "The server that the client commands talk to.";
    API_KEY = "MITEOS_API_KEY": "The key they use; unset: keys.json in the data folder.";
    CONFIG = "MITEOS_CONFIG": "The configuration file; unset: miteos.toml in the data folder, for serve also in the current folder.";
    DATA_DIR = "MITEOS_DATA_DIR": "The data folder; unset: the platform's own place for data.";
    LISTEN = "MITEOS_LISTEN": "Where the server listens. Default 127.0.0.1:7700.";
    DATABASE_URL = "MITEOS_DATABASE_URL": "The database; unset: SQLite in the data folder.";
    PUBLIC_URL = "MITEOS_PUBLIC_URL": "The address that the server puts into links.";
    BOOTSTRAP_KEY = "MITEOS_BOOTSTRAP_KEY": "The live key of a new server; unset: one is made.";
    SECRET_KEY = "MITEOS_SECRET_KEY": "Master key for secrets and signatures; unset: made and kept in the data folder.";
    MODEL = "MITEOS_MODEL": "The default model, provider/model.";
    PLANNER_MODEL = "MITEOS_PLANNER_MODEL": "The model that plans; unset: the default one.";
    FALLBACK_MODELS = "MITEOS_FALLBACK_MODELS": "Models that are tried in order when one fails, with commas between them.";
    PRICES = "MITEOS_PRICES": "Prices of models, provider/model=INPUT/OUTPUT in dollars per million tokens, with commas between them.";
    WINDOWS = "MITEOS_WINDOWS": "Windows of models, provider/model=TOKENS, with commas between them.";
    SANDBOX = "MITEOS_SANDBOX": "auto (default), namespaces, bwrap, or none: no isolation.";
    SEARCH = "MITEOS_SEARCH": "brave, tavily, serper, searxng or duckduckgo; unset: the first with a key.";
    EGRESS_ALLOW = "MITEOS_EGRESS_ALLOW": "CIDRs that the server may reach although they are private, with commas between them.";
    METRICS_LISTEN = "MITEOS_METRICS_LISTEN": "An address for the server's own figures; unset: none of their own.";
    METRICS_TOKEN = "MITEOS_METRICS_TOKEN": "The token that opens /v1/metrics; unset: it is not there.";
    LOG_FORMAT = "MITEOS_LOG_FORMAT": "text or json; unset: text on a terminal, else a line of JSON for each event.";
    LOG = "MITEOS_LOG": "What is logged: error, warn, info, debug or trace, also by module.";
}

/// The address that `serve` listens on by default, and that clients try.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:7700";
/// The configuration file's name.
pub const FILE_NAME: &str = "miteos.toml";
/// A configuration file larger than this is some other file.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The environment, or a stand-in for it.
pub struct Env(Box<Lookup>);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Env {
    /// That of this process.
    #[expect(clippy::disallowed_methods, reason = "this is the configuration")]
    pub fn process() -> Self {
        Self(Box::new(|name| std::env::var(name).ok()))
    }

    #[cfg(test)]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        let pairs: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self(Box::new(move |name| pairs.get(name).cloned()))
    }

    /// A variable that is set to something.
    pub fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }
}

/// Who asks: only `serve` reads a file in the current folder, as that folder may be a stranger's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Serve,
    Client,
}

/// Environment and file in one; flags stand above and are the commands' own.
pub struct Settings {
    env: Env,
    file: BTreeMap<String, String>,
    data_dir: PathBuf,
}

impl Settings {
    /// Reads the file, if there is one. `data_dir` and `file` are the flags.
    pub fn load(
        env: Env,
        purpose: Purpose,
        data_dir: Option<&Path>,
        file: Option<&Path>,
    ) -> Result<Self, Failure> {
        let named = file.map(Path::to_owned).or_else(|| env.get(CONFIG).map(PathBuf::from));
        let here = Path::new(FILE_NAME);
        let mut values = match &named {
            Some(path) => read_file(path)?,
            None if purpose == Purpose::Serve && here.is_file() => read_file(here)?,
            None => BTreeMap::new(),
        };
        let data_dir = match data_dir
            .map(Path::to_owned)
            .or_else(|| env.get(DATA_DIR).map(PathBuf::from))
            .or_else(|| values.get(DATA_DIR).map(PathBuf::from))
        {
            Some(path) => {
                std::path::absolute(&path).map_err(|error| Failure::io("find the data folder", &error))?
            }
            None => default_data_dir()?,
        };
        let own = data_dir.join(FILE_NAME);
        if named.is_none() && own.is_file() {
            for (name, value) in read_file(&own)? {
                values.entry(name).or_insert(value);
            }
        }
        Ok(Self { env, file: values, data_dir })
    }

    /// A variable, from the environment or else from the file.
    pub fn get(&self, name: &str) -> Option<String> {
        self.env.get(name).or_else(|| self.file.get(name).cloned())
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }
}

fn default_data_dir() -> Result<PathBuf, Failure> {
    use etcetera::BaseStrategy;
    match etcetera::base_strategy::choose_native_strategy() {
        Ok(places) => Ok(places.data_dir().join("miteos")),
        Err(_) => {
            Err(Failure::usage("there is no home folder to keep data in").hint("name one with --data-dir"))
        }
    }
}

/// `listen = "…"` is `MITEOS_LISTEN`; a name that is none of ours (`openai_api_key`) is its variable in capitals.
fn read_file(path: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let reading = || format!("read {}", path.display());
    let size = std::fs::metadata(path).map_err(|error| Failure::io(reading(), &error))?.len();
    if size > MAX_FILE_BYTES {
        return Err(Failure::usage(format!("{} is too large to be a configuration", path.display())));
    }
    let text = std::fs::read_to_string(path).map_err(|error| Failure::io(reading(), &error))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        Failure::usage(format!("{}: {}", path.display(), error.message()))
    })?;
    let mut values = BTreeMap::new();
    for (key, value) in table {
        let capitals = key.to_uppercase();
        let ours = format!("MITEOS_{capitals}");
        let name = if VARIABLES.iter().any(|variable| variable.name == ours) { ours } else { capitals };
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(truth) => truth.to_string(),
            toml::Value::Array(items) if items.iter().all(toml::Value::is_str) => {
                items.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().join(",")
            }
            toml::Value::Float(_)
            | toml::Value::Datetime(_)
            | toml::Value::Array(_)
            | toml::Value::Table(_) => {
                return Err(Failure::usage(format!(
                    "{}: {key} is no text, whole number, truth or list of texts",
                    path.display()
                )));
            }
        };
        values.insert(name, text);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE_NAME), text).unwrap();
        folder
    }

    #[test]
    fn the_environment_beats_the_file_and_empty_is_unset() {
        let folder = folder(
            "listen = \"1.2.3.4:5\"\nmodel = \"a/b\"\nopenai_api_key = \"sk\"\nfallback_models = [\"c/d\", \"e/f\"]\n",
        );
        let env = Env::of(&[(LISTEN, "127.0.0.1:9"), (MODEL, " ")]);
        let settings = Settings::load(env, Purpose::Client, Some(folder.path()), None).unwrap();
        assert_eq!(settings.get(LISTEN).as_deref(), Some("127.0.0.1:9"));
        assert_eq!(settings.get(MODEL).as_deref(), Some("a/b"));
        assert_eq!(settings.get("OPENAI_API_KEY").as_deref(), Some("sk"));
        assert_eq!(settings.get(FALLBACK_MODELS).as_deref(), Some("c/d,e/f"));
        assert_eq!(settings.get(SANDBOX), None);
    }

    #[test]
    fn a_named_file_stands_alone_and_must_be_there() {
        let own = folder("model = \"own/model\"\n");
        let other = folder("search = \"brave\"\n");
        let named = other.path().join(FILE_NAME);
        let settings = Settings::load(Env::of(&[]), Purpose::Client, Some(own.path()), Some(&named)).unwrap();
        assert_eq!(settings.get(SEARCH).as_deref(), Some("brave"));
        assert_eq!(settings.get(MODEL), None);
        let missing = other.path().join("none.toml");
        assert!(Settings::load(Env::of(&[]), Purpose::Client, None, Some(&missing)).is_err());
    }

    #[test]
    fn what_is_wrong_in_a_file_is_named() {
        for (text, said) in [
            ("listen = ", "string values must be quoted"),
            ("listen = 1.5", "listen is no text"),
            ("[listen]\n", "listen is no text"),
        ] {
            let folder = folder(text);
            let failure =
                Settings::load(Env::of(&[]), Purpose::Client, Some(folder.path()), None).err().unwrap();
            assert!(failure.message.contains(FILE_NAME), "{}", failure.message);
            if text != "listen = " {
                assert!(failure.message.contains(said), "{}", failure.message);
            }
        }
    }

    #[test]
    fn the_data_folder_is_absolute_and_the_flag_wins() {
        let env = || Env::of(&[(DATA_DIR, "/from/env")]);
        let settings = Settings::load(env(), Purpose::Client, None, None).unwrap();
        assert_eq!(settings.data_dir(), Path::new("/from/env"));
        let settings = Settings::load(env(), Purpose::Client, Some(Path::new("relative")), None).unwrap();
        assert!(settings.data_dir().is_absolute() && settings.data_dir().ends_with("relative"));
    }
}
