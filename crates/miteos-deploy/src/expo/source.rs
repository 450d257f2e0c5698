//! A project as its tool may read it while it holds the token: nothing in it that the tool would run. What would be run is
//! refused, or stands in with nothing in it; Expo's machines build from the files themselves, with all of their code.
//! Blocks.

use miteos_tools::workspace::{Name, Workspace};
use serde_json::Value;

use super::app::App;
use crate::error::{DeployError, ErrorKind};

/// Names at the top of a project that are looked at.
const MAX_NAMES: usize = 5_000;
/// A longer `app.json` is not read (bytes).
const MAX_APP_JSON_BYTES: u64 = 1024 * 1024;
/// Plugins of one app.
const MAX_PLUGINS: usize = 200;

/// Folders that the tool gets nothing of: packages are code, and Expo's machines install them anew.
pub const LEFT_OUT: [&str; 4] = ["node_modules", ".git", ".hg", ".svn"];

/// How the names of files at the top begin that the tool, or a library in it, would run. `app.config.json` is data, but it
/// counts before `app.json`, and names plugins that would be run.
const CODE: [(&str, &str); 3] = [
    ("app.config.", "write the configuration into app.json"),
    ("fingerprint.config.", "leave it out, or build with Expo's own tool"),
    (".fingerprint.", "leave it out, or build with Expo's own tool"),
];

/// A key that programs in JavaScript may take for an object's ancestor, whose fields then seem to be its own.
const ANCESTOR: &str = "__proto__";

/// A plugin that changes nothing: what the real one does is done where the app is built.
const NO_PLUGIN: &str = "module.exports = (config) => config;\n";

/// Makes a copy of a project fit for the tool, and says which one it is. Can be repeated.
pub fn prepare(copy: &Workspace) -> Result<App, DeployError> {
    let app = App::of(copy)?;
    let top = Name::folder("").map_err(unreadable)?;
    let listing = copy.list_top(&top, MAX_NAMES).map_err(unreadable)?;
    if listing.truncated || listing.missed {
        return Err(config(format!(
            "the project's folder has more than {MAX_NAMES} names at its top, or some that cannot be read, so it is not known \
             what Expo's tool would run of it; leave out what does not belong there"
        )));
    }
    for entry in &listing.entries {
        if let Some((_, mend)) = CODE.iter().find(|(start, _)| entry.name.starts_with(start)) {
            return Err(config(format!(
                "{} is run, or names what is run, by Expo's tool with the token in reach, so it is not taken here; {mend}",
                entry.name
            )));
        }
    }
    for plugin in plugins(copy)? {
        stand_in(copy, &plugin)?;
    }
    Ok(app)
}

/// The names of the app's plugins, which the tool would load.
fn plugins(copy: &Workspace) -> Result<Vec<String>, DeployError> {
    let name = Name::parse("app.json").map_err(unreadable)?;
    let text = copy.read_text(&name, MAX_APP_JSON_BYTES).map_err(unreadable)?;
    let found: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    if has_ancestor(&found) {
        return Err(config(format!(
            "app.json has a field {ANCESTOR}, which has no meaning there; leave it out"
        )));
    }
    let expo = found.get("expo").unwrap_or(&found);
    let listed = expo.get("plugins").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if listed.len() > MAX_PLUGINS {
        return Err(config(format!("app.json names more than {MAX_PLUGINS} plugins")));
    }
    listed
        .iter()
        .map(|plugin| {
            // A name, or a list that begins with one.
            let name = plugin.as_str().or_else(|| plugin.get(0).and_then(Value::as_str)).unwrap_or_default();
            if is_package(name) {
                return Ok(name.to_owned());
            }
            Err(config(format!(
                "the plugin \"{}\" of app.json is no package but code of the project, which Expo's tool would run with the \
                 token in reach; make it a package, or build with Expo's own tool",
                name.chars().filter(|c| !c.is_control()).take(64).collect::<String>()
            )))
        })
        .collect()
}

fn has_ancestor(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(name, inner)| name == ANCESTOR || has_ancestor(inner)),
        Value::Array(list) => list.iter().any(has_ancestor),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// `name`, `@scope/name`, and a path in it; nothing that could lead to a file of the project.
fn is_package(name: &str) -> bool {
    let part = |part: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
        !part.is_empty() && !part.starts_with('.') && part.len() <= 128 && part.chars().all(fits)
    };
    name.strip_prefix('@').unwrap_or(name).split('/').all(part)
}

/// Puts a package in the plugin's place that does nothing.
fn stand_in(copy: &Workspace, plugin: &str) -> Result<(), DeployError> {
    let parts = if plugin.starts_with('@') { 2 } else { 1 };
    let package: Vec<&str> = plugin.split('/').take(parts).collect();
    let package = package.join("/");
    let manifest = serde_json::json!({ "name": package, "version": "0.0.0", "main": "app.plugin.js" });
    write(copy, &format!("node_modules/{package}/package.json"), &manifest.to_string())?;
    write(copy, &format!("node_modules/{package}/app.plugin.js"), NO_PLUGIN)?;
    match plugin.strip_prefix(&format!("{package}/")) {
        Some(path) => {
            let path = path.strip_suffix(".js").unwrap_or(path);
            write(copy, &format!("node_modules/{package}/{path}.js"), NO_PLUGIN)
        }
        None => Ok(()),
    }
}

fn write(copy: &Workspace, path: &str, text: &str) -> Result<(), DeployError> {
    let name = Name::parse(path).map_err(unreadable)?;
    copy.write(&name, text.as_bytes()).map_err(unreadable)
}

fn config(message: String) -> DeployError {
    DeployError::new(ErrorKind::Config, message)
}

fn unreadable(error: miteos_tools::WorkspaceError) -> DeployError {
    config(format!("the project cannot be read: {error}")).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Workspace) {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path().to_owned()).unwrap();
        for (path, text) in files {
            write(&workspace, path, text).unwrap();
        }
        (folder, workspace)
    }

    fn app(plugins: &str) -> String {
        format!(
            r#"{{"expo":{{"slug":"shop","plugins":{plugins},
                "extra":{{"eas":{{"projectId":"5ab9c0de-0000-4000-8000-0123456789ab"}}}}}}}}"#
        )
    }

    #[test]
    fn packages_that_are_plugins_are_replaced_by_nothing() {
        let text = app(r#"["expo-router", ["@acme/camera", {"a": 1}], "pkg/deep/plugin.js"]"#);
        let (folder, copy) = project(&[("app.json", &text), ("metro.config.js", "x")]);
        for _ in 0..2 {
            assert_eq!(prepare(&copy).unwrap().slug, "shop");
        }
        for file in ["expo-router/app.plugin.js", "@acme/camera/app.plugin.js", "pkg/deep/plugin.js"] {
            let text = std::fs::read_to_string(folder.path().join("node_modules").join(file)).unwrap();
            assert_eq!(text, NO_PLUGIN, "{file}");
        }
    }

    #[test]
    fn nothing_is_overlooked_behind_many_files() {
        let text = app("[]");
        let (folder, copy) = project(&[("app.json", &text), ("app.config.js", "")]);
        let many = |below: &str| {
            std::fs::create_dir_all(folder.path().join(below)).unwrap();
            for number in 0..=MAX_NAMES {
                std::fs::write(folder.path().join(below).join(format!("a{number}")), "").unwrap();
            }
        };
        // They stand before it in the order of names.
        many("a");
        let error = prepare(&copy).unwrap_err();
        assert!(error.message.contains("app.config.js is run"), "{error}");
        std::fs::remove_file(folder.path().join("app.config.js")).unwrap();
        prepare(&copy).unwrap();
        many("");
        let error = prepare(&copy).unwrap_err();
        assert!(error.kind == ErrorKind::Config && error.message.contains("more than 5000 names"), "{error}");
    }

    #[test]
    fn what_the_tool_would_run_is_refused() {
        for (files, part) in [
            (vec![("app.json", app("[]")), ("app.config.js", String::new())], "app.config.js is run"),
            (vec![("app.json", app("[]")), ("app.config.ts", String::new())], "app.config.ts is run"),
            // It counts before app.json.
            (
                vec![("app.json", app("[]")), ("app.config.json", app(r#"["./x.js"]"#))],
                "app.config.json is run",
            ),
            (vec![("app.json", app(r#"[], "__proto__": {"plugins": ["./x.js"]}"#))], "a field __proto__"),
            (
                vec![("app.json", app("[]")), ("fingerprint.config.js", String::new())],
                "fingerprint.config.js",
            ),
            (vec![("app.json", app(r#"["./plugin.js"]"#))], "\"./plugin.js\" of app.json is no package"),
            (vec![("app.json", app(r#"["/etc/x"]"#))], "is no package"),
            (vec![("app.json", app(r#"["a/../../x"]"#))], "is no package"),
            (vec![("app.json", app(r#"[7]"#))], "is no package"),
            (vec![], "no app.json"),
        ] {
            let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
            let (_folder, copy) = project(&files);
            let error = prepare(&copy).unwrap_err();
            assert!(error.kind == ErrorKind::Config && error.message.contains(part), "{part}: {error}");
        }
    }
}
