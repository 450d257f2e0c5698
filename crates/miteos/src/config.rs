//! Where settings come from: flags, then environment, then `miteos.toml`, then defaults. The only module that
//! reads the environment. What there is to set stands in `config/table.rs`.

mod look;
#[cfg(test)]
mod page;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

pub use look::Effective;
pub use table::*;

/// The address that `serve` listens on by default, and that clients try.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:7700";
/// The variable that every system keeps the places of programs in. It is no setting of ours.
const PROGRAMS: &str = "PATH";
/// The configuration file's name.
pub const FILE_NAME: &str = "miteos.toml";
/// A configuration file larger than this is some other file.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The environment, or a stand-in for it.
pub struct Env {
    lookup: Box<Lookup>,
    /// A setting whose value is no text.
    unreadable: Option<&'static str>,
}

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Env {
    /// That of this process.
    #[expect(clippy::disallowed_methods, reason = "this is the configuration")]
    pub fn process() -> Self {
        let no_text = |name: &str| matches!(std::env::var(name), Err(std::env::VarError::NotUnicode(_)));
        let unreadable = VARIABLES.iter().map(|variable| variable.name).find(|name| no_text(name));
        Self { lookup: Box::new(|name| std::env::var(name).ok()), unreadable }
    }

    #[cfg(test)]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        let pairs: BTreeMap<String, String> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { lookup: Box::new(move |name| pairs.get(name).cloned()), unreadable: None }
    }

    /// A variable that is set to something.
    pub fn get(&self, name: &str) -> Option<String> {
        (self.lookup)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }
}

/// Who asks: only `serve` reads a file in the current folder, as that folder may be a stranger's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Serve,
    Client,
}

/// What set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Flag,
    Environment,
    File(PathBuf),
}

/// Environment and file in one; flags stand above and are the commands' own.
pub struct Settings {
    env: Env,
    file: BTreeMap<&'static str, (String, PathBuf)>,
    /// Keys of the files that are no setting.
    unknown: Vec<(String, PathBuf)>,
    data_dir: PathBuf,
    /// Those of every command, as far as they name a value of the table.
    flags: BTreeMap<&'static str, String>,
}

impl Settings {
    /// Reads the file, if there is one. `data_dir` and `file` are the flags.
    pub fn load(
        env: Env,
        purpose: Purpose,
        data_dir: Option<&Path>,
        file: Option<&Path>,
    ) -> Result<Self, Failure> {
        // As if it were not set would be another data folder, say.
        if let Some(name) = env.unreadable {
            let hint = "set it again as UTF-8, or take it away";
            return Err(Failure::usage(format!("the value of {name} is not UTF-8")).hint(hint));
        }
        let named = file.map(Path::to_owned).or_else(|| env.get(CONFIG).map(PathBuf::from));
        let here = Path::new(FILE_NAME);
        let mut read = File::default();
        match &named {
            Some(path) => read.add(path)?,
            None if purpose == Purpose::Serve && here.is_file() => read.add(here)?,
            None => {}
        }
        let mut flags = BTreeMap::new();
        flags.extend(data_dir.map(|path| (DATA_DIR, path.display().to_string())));
        flags.extend(file.map(|path| (CONFIG, path.display().to_string())));
        let data_dir = match data_dir
            .map(Path::to_owned)
            .or_else(|| env.get(DATA_DIR).map(PathBuf::from))
            .or_else(|| read.values.get(DATA_DIR).map(|(value, _)| PathBuf::from(value)))
        {
            Some(path) => {
                std::path::absolute(&path).map_err(|error| Failure::io("find the data folder", &error))?
            }
            None => default_data_dir()?,
        };
        let own = data_dir.join(FILE_NAME);
        if named.is_none() && own.is_file() {
            read.add(&own)?;
        }
        Ok(Self { env, file: read.values, unknown: read.unknown, data_dir, flags })
    }

    /// Also the flags of one command, for whoever looks at all values.
    pub fn with_flag(mut self, name: &'static str, value: Option<&str>) -> Self {
        self.flags.extend(value.map(|value| (name, value.to_owned())));
        self
    }

    /// A variable, from the environment or else from the file.
    pub fn get(&self, name: &str) -> Option<String> {
        self.env.get(name).or_else(|| self.file.get(name).map(|(value, _)| value.clone()))
    }

    /// The same with the flags above, and who set it.
    fn found(&self, name: &str) -> Option<(String, Source)> {
        let flag = self.flags.get(name).map(|value| (value.clone(), Source::Flag));
        flag.or_else(|| self.env.get(name).map(|value| (value, Source::Environment)))
            .or_else(|| self.file.get(name).map(|(value, path)| (value.clone(), Source::File(path.clone()))))
    }

    /// The folders in which programs are found, as whoever started this one has them.
    pub fn programs(&self) -> Vec<PathBuf> {
        self.env.get(PROGRAMS).map(|list| std::env::split_paths(&list).collect()).unwrap_or_default()
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

/// What stands in the files; the first one that names a setting decides.
#[derive(Default)]
struct File {
    values: BTreeMap<&'static str, (String, PathBuf)>,
    unknown: Vec<(String, PathBuf)>,
}

impl File {
    /// `listen = "…"` is `MITEOS_LISTEN`; a name that is none of ours (`openai_api_key`) is its variable in small letters.
    fn add(&mut self, path: &Path) -> Result<(), Failure> {
        for (key, value) in read_table(path)? {
            let text = text_of(&key, value, path)?;
            match table::by_key(&key) {
                // An empty value counts as not set, as in the environment.
                Some(variable) if !text.trim().is_empty() => {
                    self.values.entry(variable.name).or_insert((text, path.to_owned()));
                }
                Some(_) => {}
                None => self.unknown.push((key, path.to_owned())),
            }
        }
        Ok(())
    }
}

fn read_table(path: &Path) -> Result<toml::Table, Failure> {
    let reading = || format!("read {}", path.display());
    let size = std::fs::metadata(path).map_err(|error| Failure::io(reading(), &error))?.len();
    if size > MAX_FILE_BYTES {
        return Err(Failure::usage(format!("{} is too large to be a configuration", path.display())));
    }
    let text = std::fs::read_to_string(path).map_err(|error| Failure::io(reading(), &error))?;
    text.parse()
        .map_err(|error: toml::de::Error| Failure::usage(format!("{}: {}", path.display(), error.message())))
}

fn text_of(key: &str, value: toml::Value, path: &Path) -> Result<String, Failure> {
    match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(truth) => Ok(truth.to_string()),
        toml::Value::Array(items) if items.iter().all(toml::Value::is_str) => {
            Ok(items.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => {
            Err(Failure::usage(format!(
                "{}: {key} is no text, whole number, truth or list of texts",
                path.display()
            )))
        }
    }
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
    fn every_setting_is_read_from_the_file_and_the_environment_beats_it() {
        for variable in VARIABLES.iter().filter(|variable| ![DATA_DIR, CONFIG].contains(&variable.name)) {
            for key in [variable.key(), variable.key().to_uppercase()] {
                let folder = folder(&format!("{key} = \"from the file\"\n"));
                let load = |env: &[(&str, &str)]| {
                    Settings::load(Env::of(env), Purpose::Client, Some(folder.path()), None).unwrap()
                };
                let settings = load(&[]);
                assert_eq!(settings.get(variable.name).as_deref(), Some("from the file"), "{key}");
                assert_eq!(settings.unknown, [], "{key}");
                let settings = load(&[(variable.name, "from the environment")]);
                assert_eq!(settings.get(variable.name).as_deref(), Some("from the environment"), "{key}");
                let settings = load(&[(variable.name, "")]).with_flag(variable.name, Some("flag"));
                let found = settings.found(variable.name).unwrap();
                assert_eq!(found, ("flag".to_owned(), Source::Flag), "{key}");
            }
        }
    }

    #[test]
    fn programs_are_where_the_path_says() {
        let of = |env: &[(&str, &str)]| {
            Settings::load(Env::of(env), Purpose::Serve, Some(Path::new("/d")), None).unwrap().programs()
        };
        assert_eq!(of(&[("PATH", "/a/bin:/b")]), [PathBuf::from("/a/bin"), PathBuf::from("/b")]);
        assert!(of(&[]).is_empty());
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
