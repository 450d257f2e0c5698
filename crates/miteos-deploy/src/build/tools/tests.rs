//! Toolchains as version managers lay them out, and what a build is shown of each.

use std::os::unix::fs::{PermissionsExt, symlink};

use async_trait::async_trait;
use miteos_tools::http::Url;
use serde_json::Value;

use super::*;

/// A node that tells this when it is asked, or nothing.
struct Told(Option<PathBuf>);

#[async_trait]
impl Asking for Told {
    async fn ask(&self, question: Question) -> Result<String, AskError> {
        assert_eq!(question, WHERE_NODE_IS);
        let told = self.0.as_ref().map(|path| format!("{}\n", path.display()));
        told.ok_or_else(|| AskError::NotInstalled { command: question.to_string() })
    }

    async fn page(&self, _: &Url) -> Option<Value> {
        None
    }
}

/// A home with programs in it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        // As programs are found: without links on the way.
        std::fs::canonicalize(self.0.path()).unwrap().join(name)
    }

    fn write(&self, name: &str, begin: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, begin).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn program(&self, name: &str) {
        self.write(name, b"\x7fELF and more");
    }

    fn link(&self, name: &str, to: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(to, path).unwrap();
    }

    /// As Node.js is unpacked.
    fn distribution(&self, at: &str) {
        self.program(&format!("{at}/bin/node"));
        for (name, to) in [
            ("npm", "npm/bin/npm-cli.js"),
            ("npx", "npm/bin/npx-cli.js"),
            ("corepack", "corepack/dist/corepack.js"),
        ] {
            self.write(&format!("{at}/lib/node_modules/{to}"), b"#!/usr/bin/env node\n");
            self.link(&format!("{at}/bin/{name}"), &format!("../lib/node_modules/{to}"));
        }
        for name in ["pnpm.js", "pnpx.js", "yarn.js", "yarnpkg.js"] {
            self.write(&format!("{at}/lib/node_modules/corepack/dist/{name}"), b"#!/usr/bin/env node\n");
        }
    }

    async fn find(&self, folders: &[&str], told: Option<&str>) -> Tools {
        let folders = folders.iter().map(|name| self.path(name)).collect();
        let source = ToolSource::new(folders, Arc::new(Told(told.map(|name| self.path(name)))));
        source.find(&CancellationToken::new()).await.unwrap()
    }

    /// What is shown: below the home, and where.
    fn shown(&self, tools: &Tools) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let below = |path: &Path| text(path.strip_prefix(self.path("")).unwrap());
        tools.shown.iter().map(|one| (below(&one.source), text(&one.seen_at))).collect()
    }
}

fn inside<'a>(tools: &'a Tools, name: &str) -> Option<&'a str> {
    tools.links.get(name).map(|place| place.inside.to_str().unwrap())
}

fn plan(commands: &[&str]) -> Plan {
    Plan {
        manager: None,
        framework: None,
        commands: commands.iter().map(|line| (*line).to_owned()).collect(),
        installs: true,
        outputs: vec![],
        notes: vec![],
    }
}

/// A program that this machine does not have.
fn not_with_system() -> &'static str {
    SINGLE.into_iter().find(|name| !is_with_system(name)).expect("a program that is not installed here")
}

#[tokio::test]
async fn of_a_version_managers_folder_node_and_its_packages_are_shown_and_nothing_else() {
    let home = Home::new();
    home.distribution(".nvm/v22");
    home.write(".nvm/v22/bin/notes", b"the owner's");
    let tools = home.find(&[".nvm/v22/bin"], None).await;
    let modules =
        |name: &str| (format!(".nvm/v22/lib/node_modules/{name}"), format!("/tools/lib/node_modules/{name}"));
    let node = (".nvm/v22/bin/node".to_owned(), "/tools/bin/node".to_owned());
    assert_eq!(home.shown(&tools), [node, modules("npm"), modules("corepack")]);
    for (name, at) in [
        ("node", "/tools/bin/node"),
        ("npm", "/tools/lib/node_modules/npm/bin/npm-cli.js"),
        ("npx", "/tools/lib/node_modules/npm/bin/npx-cli.js"),
        ("pnpm", "/tools/lib/node_modules/corepack/dist/pnpm.js"),
        ("yarn", "/tools/lib/node_modules/corepack/dist/yarn.js"),
    ] {
        assert_eq!(inside(&tools, name), Some(at), "{name}");
    }
    for (isolated, to) in [(true, "/tools/bin/node".into()), (false, home.path(".nvm/v22/bin/node"))] {
        let own = tempfile::tempdir().unwrap();
        tools.link(&own.path().join(".tools"), isolated).unwrap();
        assert_eq!(std::fs::read_link(own.path().join(".tools/node")).unwrap(), to);
    }
    assert!(Tools::path(Path::new("/x/.tools")).starts_with("/x/.tools:/usr/local/sbin:"));
}

#[tokio::test]
async fn what_stands_first_on_the_path_is_taken_wherever_it_lies() {
    let home = Home::new();
    home.distribution("opt/node");
    home.write(".npm-global/lib/node_modules/pnpm/bin/pnpm.cjs", b"#!/usr/bin/env node\n");
    home.link(".npm-global/bin/pnpm", "../lib/node_modules/pnpm/bin/pnpm.cjs");
    home.write(".npm-global/lib/node_modules/@acme/yarn/cli.js", b"#!/usr/bin/env node\n");
    home.link(".npm-global/bin/yarn", "../lib/node_modules/@acme/yarn/cli.js");
    home.program(".bun/bin/bun");
    home.link(".bun/bin/bunx", "bun");
    let tools = home.find(&[".npm-global/bin", ".bun/bin", "opt/node/bin", "nowhere"], None).await;
    assert_eq!(inside(&tools, "pnpm"), Some("/tools/lib/node_modules/pnpm/bin/pnpm.cjs"));
    assert_eq!(inside(&tools, "yarn"), Some("/tools/lib/node_modules/@acme/yarn/cli.js"));
    assert_eq!(inside(&tools, "bun"), Some("/tools/bin/bun"));
    assert_eq!(inside(&tools, "bunx"), Some("/tools/bin/bun"));
    assert!(tools.launchers.is_empty());
    let places: std::collections::BTreeSet<&PathBuf> = tools.shown.iter().map(|one| &one.seen_at).collect();
    assert_eq!(places.len(), tools.shown.len(), "each place is used once: {:?}", tools.shown);
}

#[tokio::test]
async fn behind_a_launcher_the_real_node_is_asked_for_and_what_lies_beside_it_is_taken() {
    let home = Home::new();
    home.distribution(".volta/tools/image/node/22.1.0");
    home.program(".volta/bin/volta-shim");
    for name in ["node", "npm", "npx", "yarn"] {
        home.link(&format!(".volta/bin/{name}"), "volta-shim");
    }
    let tools = home.find(&[".volta/bin"], Some(".volta/tools/image/node/22.1.0/bin/node")).await;
    assert_eq!(inside(&tools, "node"), Some("/tools/bin/node"));
    assert_eq!(inside(&tools, "npm"), Some("/tools/lib/node_modules/npm/bin/npm-cli.js"));
    assert_eq!(inside(&tools, "yarn"), Some("/tools/lib/node_modules/corepack/dist/yarn.js"));
    assert!(tools.launchers.is_empty(), "{:?}", tools.launchers);
    assert!(tools.shown.iter().all(|one| !one.source.ends_with("volta-shim")));

    // A script that leads on is a launcher, too.
    let home = Home::new();
    home.write("shims/node", b"#!/bin/sh\nexec asdf exec node\n");
    let name = not_with_system();
    home.write(&format!("shims/{name}"), b"#!/bin/sh\nexec asdf exec it\n");
    let tools = home.find(&["shims"], None).await;
    assert!(tools.shown.is_empty() && tools.links.is_empty());
    let failure = tools.lacking(&plan(&[&format!("{name} build")])).unwrap();
    assert_eq!(failure.kind, BuildErrorKind::Install);
    assert!(failure.message.contains("is a launcher whose program was not found"), "{failure}");
    assert!(!failure.message.contains("shims"), "{failure}");
}

#[tokio::test]
async fn what_is_missing_is_named_with_its_mend() {
    let none = Tools::default();
    let said = |line: &str| none.lacking(&plan(&["true", line])).map(|failure| failure.message);
    let name = not_with_system();
    let missing = said(&format!("{name} build")).unwrap();
    let begin = format!("`{name} build` needs {name}, which is neither on the server's PATH");
    assert!(missing.starts_with(&begin), "{missing}");
    let mend = format!("install {name}, or start the server with a PATH on which `{name} --version` answers");
    assert!(missing.contains(&mend), "{missing}");
    assert_eq!(said("make site"), None);
    assert_eq!(said(""), None);
    let home = Home::new();
    home.distribution("node");
    let tools = home.find(&["node/bin"], None).await;
    for line in ["npm ci", "npx --no-install vite build", "pnpm install", "node build.js"] {
        assert!(tools.lacking(&plan(&[line])).is_none(), "{line}");
    }
    // Two packages of one name cannot both be there: the first one is.
    home.write("other/lib/node_modules/npm/bin/npx-cli.js", b"#!/usr/bin/env node\n");
    home.link("other/bin/npx", "../lib/node_modules/npm/bin/npx-cli.js");
    let tools = home.find(&["other/bin", "node/bin"], None).await;
    assert_eq!(inside(&tools, "npx"), Some("/tools/lib/node_modules/npm/bin/npx-cli.js"));
    assert_eq!(tools.links["npx"].real, home.path("node/lib/node_modules/npm/bin/npx-cli.js"));
}

#[test]
fn what_lies_with_the_system_or_in_a_store_stays_where_it_is() {
    let shell = std::fs::canonicalize("/bin/sh").unwrap();
    let name = shell.file_name().unwrap().to_str().unwrap();
    assert_eq!(place(&shell, name), Some((None, shell.clone())));
    assert_eq!(place(&shell, "npm"), None, "a program of another name is a launcher");
    let store = Path::new("/nix/store/abc-nodejs/bin/node");
    let shown = ReadOnly { source: "/nix/store".into(), seen_at: "/nix/store".into() };
    assert_eq!(place(store, "node"), Some((Some(shown), store.to_owned())));
}

#[test]
fn relative_folders_are_not_looked_at() {
    assert_eq!(first(&[PathBuf::from("."), PathBuf::from("src")], "lib.rs"), None);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    assert_eq!(first(&["src".into(), here.clone()], "lib.rs"), Some(here.join("lib.rs")));
}
