//! Where the server is and which key opens it: flags, settings, or what a local server left in its data folder.

use std::path::{Path, PathBuf};

use miteos_client::{Client, is_same_server, is_this_machine};
use serde::{Deserialize, Serialize};

use crate::config::{self, Settings};
use crate::failure::{Exit, Failure};

/// Written by the server at its first start, mode 0600.
pub const KEYS_FILE: &str = "keys.json";
/// Written by a running server: where it listens.
pub const SERVER_FILE: &str = "server.json";

/// The two keys of the local server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalKeys {
    pub live: String,
    pub test: String,
}

/// What a running server says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    pub url: String,
    pub pid: u32,
}

/// Which of the two worlds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum World {
    Live,
    Test,
}

/// The address that was named, if any was.
pub fn named_url(flag: Option<&str>, settings: &Settings) -> Option<String> {
    flag.map(str::to_owned).or_else(|| settings.get(config::URL))
}

/// A client for the named server, or else the local one.
pub fn client(
    url: Option<&str>,
    key: Option<&str>,
    world: World,
    settings: &Settings,
) -> Result<Client, Failure> {
    let running = running(settings.data_dir()).map(|running| running.url);
    let url = named_url(url, settings)
        .or_else(|| running.clone())
        .unwrap_or_else(|| format!("http://{}", config::DEFAULT_LISTEN));
    let key = match given_key(key, world, settings)? {
        Some(key) => key,
        None if is_local(&url, running.as_deref())? => {
            let key = local_key(world, settings)?;
            // Whoever else listens at its address, or at the usual one, must not learn the key.
            if running.is_none() {
                return Err(nobody_runs(settings.data_dir(), &url));
            }
            key
        }
        None => {
            return Err(Failure::usage(format!("there is no API key for {url}: none was given")).hint(
                "give one with --key or MITEOS_API_KEY; the local server's own keys are sent to it alone",
            ));
        }
    };
    Ok(Client::new(&url, &key)?)
}

fn nobody_runs(data_dir: &Path, url: &str) -> Failure {
    let what = format!("cannot reach the server: none runs on the data folder {}", data_dir.display());
    Failure::new(Exit::Unreachable, what).hint(format!(
        "start one with `miteos serve`, or give the key of the one at {url} with --key or MITEOS_API_KEY"
    ))
}

/// Whether an address is this machine, or that of the server on this data folder: the keys there are its own.
fn is_local(url: &str, running: Option<&str>) -> Result<bool, Failure> {
    let is_announced = running.is_some_and(|running| is_same_server(url, running).unwrap_or(false));
    Ok(is_this_machine(url)? || is_announced)
}

/// The key for the local server: the one that was given, or else its own.
pub fn key(flag: Option<&str>, world: World, settings: &Settings) -> Result<String, Failure> {
    match given_key(flag, world, settings)? {
        Some(key) => Ok(key),
        None => local_key(world, settings),
    }
}

fn given_key(flag: Option<&str>, world: World, settings: &Settings) -> Result<Option<String>, Failure> {
    let given = flag.map(str::to_owned).or_else(|| settings.get(config::API_KEY));
    if given.as_ref().is_some_and(|key| world == World::Test && !key.starts_with("mt_test_")) {
        return Err(Failure::usage("--test needs a test key, and the key that was given is none")
            .hint("leave --key and MITEOS_API_KEY out to use the local server's own"));
    }
    Ok(given)
}

fn local_key(world: World, settings: &Settings) -> Result<String, Failure> {
    let path = settings.data_dir().join(KEYS_FILE);
    let keys = local_keys(settings.data_dir())?.ok_or_else(|| {
        Failure::usage(format!("there is no API key: none was given, and {} is not there", path.display()))
            .hint("give one with --key or MITEOS_API_KEY, or start a server here with `miteos serve`")
    })?;
    Ok(match world {
        World::Live => keys.live,
        World::Test => keys.test,
    })
}

/// The keys in a data folder, if a server was ever started there.
pub fn local_keys(data_dir: &Path) -> Result<Option<LocalKeys>, Failure> {
    let path = data_dir.join(KEYS_FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::io(format!("read {}", path.display()), &error)),
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| Failure::usage(format!("{} is no key file: {error}", path.display())))
}

/// What a server that runs on the data folder says of itself. What one left that is gone is not believed: somebody else
/// may listen there now.
pub fn running(data_dir: &Path) -> Option<Running> {
    if miteos_server::is_in_use(data_dir) { said(data_dir) } else { None }
}

fn said(data_dir: &Path) -> Option<Running> {
    let text = std::fs::read_to_string(data_dir.join(SERVER_FILE)).ok()?;
    serde_json::from_str(&text).ok()
}

/// Says that a server runs here, until it is dropped.
#[derive(Debug)]
pub struct Announcement {
    path: PathBuf,
    running: Running,
}

impl Announcement {
    pub fn write(data_dir: &Path, url: &str) -> Result<Self, Failure> {
        let path = data_dir.join(SERVER_FILE);
        let running = Running { url: url.to_owned(), pid: std::process::id() };
        let write = || -> std::io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(data_dir)?;
            serde_json::to_writer(&mut file, &running)?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| Failure::io(format!("write {}", path.display()), &error))?;
        Ok(Self { path, running })
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // Another server may have started here since; its word stays.
        let folder = self.path.parent().unwrap_or(Path::new("."));
        if said(folder).as_ref() == Some(&self.running) {
            // If it cannot be removed it points to nobody, which every reader expects.
            let _gone = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, Purpose};

    fn settings(folder: &Path, env: &[(&str, &str)]) -> Settings {
        Settings::load(Env::of(env), Purpose::Client, Some(folder), None).unwrap()
    }

    #[test]
    fn a_key_is_the_flag_then_the_environment_then_the_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        let nothing = settings(folder.path(), &[]);
        assert!(key(None, World::Live, &nothing).unwrap_err().hint.is_some());
        std::fs::write(folder.path().join(KEYS_FILE), r#"{"live":"mt_live_a","test":"mt_test_b"}"#).unwrap();
        assert_eq!(key(None, World::Live, &nothing).unwrap(), "mt_live_a");
        assert_eq!(key(None, World::Test, &nothing).unwrap(), "mt_test_b");
        let env = settings(folder.path(), &[(config::API_KEY, "mt_live_env")]);
        assert_eq!(key(None, World::Live, &env).unwrap(), "mt_live_env");
        assert_eq!(key(Some("mt_live_flag"), World::Live, &env).unwrap(), "mt_live_flag");
        assert!(key(None, World::Test, &env).is_err(), "a live key must not be used for a test");
        std::fs::write(folder.path().join(KEYS_FILE), "{").unwrap();
        assert!(key(None, World::Live, &nothing).is_err());
    }

    #[test]
    fn the_local_keys_go_to_the_local_server_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(KEYS_FILE), r#"{"live":"mt_live_a","test":"mt_test_b"}"#).unwrap();
        let nothing = settings(folder.path(), &[]);
        let elsewhere = "https://other.example";
        let failure = client(Some(elsewhere), None, World::Live, &nothing).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.hint.unwrap().contains("--key or MITEOS_API_KEY"));
        let by_environment = settings(folder.path(), &[(config::URL, elsewhere)]);
        assert!(client(None, None, World::Live, &by_environment).is_err());
        assert!(client(Some(elsewhere), Some("mt_live_x"), World::Live, &nothing).is_ok());
        let env = settings(folder.path(), &[(config::API_KEY, "mt_live_env")]);
        assert!(client(Some(elsewhere), None, World::Live, &env).is_ok());
        let local = [None, Some("http://127.0.0.1:9"), Some("http://localhost:9")];
        for here in local {
            let failure = client(here, None, World::Live, &nothing).unwrap_err();
            assert_eq!(
                failure.exit,
                Exit::Unreachable,
                "{here:?}: nobody runs here, so somebody else would get it"
            );
        }
        let lock = std::fs::File::create(folder.path().join("miteos.lock")).unwrap();
        lock.try_lock().unwrap();
        let _announced = Announcement::write(folder.path(), "https://other.example:443/v1").unwrap();
        assert!(client(Some(elsewhere), None, World::Live, &nothing).is_ok(), "it runs on this folder");
        assert!(client(Some("https://third.example"), None, World::Live, &nothing).is_err());
        for here in local {
            assert!(client(here, None, World::Live, &nothing).is_ok(), "{here:?}");
        }
        drop(lock);
        assert_eq!(running(folder.path()), None, "the announcement is stale");
    }

    #[test]
    fn an_announcement_goes_with_its_server_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let lock = std::fs::File::create(folder.path().join("miteos.lock")).unwrap();
        lock.try_lock().unwrap();
        let first = Announcement::write(folder.path(), "http://127.0.0.1:1").unwrap();
        assert_eq!(running(folder.path()).unwrap().url, "http://127.0.0.1:1");
        let second = Announcement::write(folder.path(), "http://127.0.0.1:2").unwrap();
        drop(first);
        assert_eq!(running(folder.path()).unwrap().url, "http://127.0.0.1:2");
        drop(second);
        assert_eq!(running(folder.path()), None);
    }
}
