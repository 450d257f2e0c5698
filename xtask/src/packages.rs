//! The workspace's packages as `cargo metadata` tells them: who uses whom, and what each manifest inherits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::tables::Table;

/// What every manifest takes from the workspace.
const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    pub manifest: PathBuf,
    /// What it is built with, without its tests.
    pub uses: BTreeSet<String>,
    /// What its tests are built with besides.
    pub tests_use: BTreeSet<String>,
}

/// All packages of the workspace.
pub fn packages(root: &Path) -> Result<Vec<Package>, String> {
    let text = metadata(root)?;
    let document: Value = serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))?;
    let listed = document["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    listed.iter().map(package).collect()
}

#[expect(clippy::disallowed_methods, reason = "a test of the repository asks cargo about it")]
fn metadata(root: &Path) -> Result<String, String> {
    // The manifests alone: no registry is asked and no lock is taken.
    let output = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    String::from_utf8(output.stdout).map_err(|error| format!("cargo metadata: {error}"))
}

fn package(value: &Value) -> Result<Package, String> {
    let text = |key: &str| {
        value[key].as_str().map(str::to_owned).ok_or_else(|| format!("a package has no {key}: {value}"))
    };
    let dependencies = value["dependencies"].as_array().ok_or("a package has no list of dependencies")?;
    let of = |test: bool| {
        let wanted = dependencies.iter().filter(|one| (one["kind"] == "dev") == test);
        wanted.filter_map(|one| one["name"].as_str().map(str::to_owned)).collect()
    };
    Ok(Package {
        name: text("name")?,
        manifest: text("manifest_path")?.into(),
        uses: of(false),
        tests_use: of(true),
    })
}

/// Where the edges between packages and the table differ. Edges of tests count too.
pub fn edges_that_differ(packages: &[Package], table: &Table) -> Vec<String> {
    let names: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let nothing = BTreeSet::new();
    let mut wrong = Vec::new();
    for package in packages {
        let Some(allowed) = table.get(&package.name) else {
            wrong.push(format!("{} is not in the table", package.name));
            continue;
        };
        let is: BTreeSet<&String> =
            package.uses.union(&package.tests_use).filter(|name| names.contains(name.as_str())).collect();
        let has = |name: &String| table.get(&package.name).unwrap_or(&nothing).contains(name);
        wrong.extend(
            is.iter()
                .filter(|name| !has(name))
                .map(|name| format!("{} uses {name}, which the table does not allow", package.name)),
        );
        wrong.extend(
            allowed
                .iter()
                .filter(|name| !is.contains(name))
                .map(|name| format!("{} does not use {name}, although the table says so", package.name)),
        );
    }
    let gone = table.keys().filter(|name| !names.contains(name.as_str()));
    wrong.extend(gone.map(|name| format!("the table has {name}, which is no package")));
    wrong
}

/// Packages that use what the table keeps to others. What tests use does not count.
pub fn not_kept_to_their_place(packages: &[Package], table: &Table) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut users: BTreeMap<&str, u32> = BTreeMap::new();
    for package in packages {
        for (dependency, homes) in table.iter().filter(|(name, _)| package.uses.contains(*name)) {
            *users.entry(dependency).or_default() += 1;
            if !homes.contains(&package.name) {
                wrong.push(format!("{} uses {dependency}, which is kept to {homes:?}", package.name));
            }
        }
    }
    let unused = table.keys().filter(|name| !users.contains_key(name.as_str()));
    wrong.extend(unused.map(|name| format!("nobody uses {name}, which the table keeps to one place")));
    wrong
}

/// What the manifest does not take from the workspace.
pub fn not_inherited(manifest: &str) -> Vec<String> {
    let mut section = "";
    let mut lines = BTreeSet::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else {
            lines.insert((section, line.replace(' ', "")));
        }
    }
    let has =
        |section: &str, line: String| lines.iter().any(|(found, text)| *found == section && *text == line);
    let mut missing: Vec<String> = INHERITED
        .iter()
        .filter(|key| !has("[package]", format!("{key}.workspace=true")))
        .map(|key| format!("{key}.workspace = true"))
        .collect();
    if !has("[lints]", "workspace=true".to_owned()) {
        missing.push("[lints] workspace = true".to_owned());
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, uses: &[&str], tests_use: &[&str]) -> Package {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Package {
            name: name.to_owned(),
            manifest: PathBuf::new(),
            uses: set(uses),
            tests_use: set(tests_use),
        }
    }

    fn table(rows: &[(&str, &[&str])]) -> Table {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        rows.iter().map(|(key, names)| ((*key).to_owned(), set(names))).collect()
    }

    #[test]
    fn table_and_truth_must_be_equal() {
        let all = [package("a", &["b", "serde"], &[]), package("b", &[], &["a"])];
        assert!(edges_that_differ(&all, &table(&[("a", &["b"]), ("b", &["a"])])).is_empty());
        let wrong = edges_that_differ(&all, &table(&[("a", &[]), ("c", &[])]));
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        let wrong = edges_that_differ(&all, &table(&[("a", &["b"]), ("b", &["a", "b"])]));
        assert_eq!(wrong, ["b does not use b, although the table says so"]);
    }

    #[test]
    fn what_has_a_home_stays_there() {
        let all = [package("web", &["axum"], &[]), package("sdk", &[], &["axum"])];
        assert!(not_kept_to_their_place(&all, &table(&[("axum", &["web"])])).is_empty());
        let wrong = not_kept_to_their_place(&all, &table(&[("axum", &["sdk"]), ("clap", &["web"])]));
        assert_eq!(wrong.len(), 2, "{wrong:?}");
    }

    #[test]
    fn manifests_that_go_their_own_way_are_named() {
        let good = "[package]\nversion.workspace = true\nedition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\n[lints]\nworkspace = true\n";
        assert!(not_inherited(good).is_empty());
        let bad = good.replace("edition.workspace = true", "edition = \"2021\"").replace("[lints]", "[lib]");
        assert_eq!(not_inherited(&bad), ["edition.workspace = true", "[lints] workspace = true"]);
    }

    #[test]
    fn cargo_tells_of_this_package() {
        let all = packages(&crate::tree::root()).unwrap();
        let own = all.iter().find(|package| package.name == "xtask").unwrap();
        assert!(own.uses.contains("serde_json") && own.manifest.ends_with("xtask/Cargo.toml"));
    }
}
