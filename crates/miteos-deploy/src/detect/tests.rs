//! Projects as people have them, and what is done with each.

use super::*;

fn project(names: &[&str], package: Option<&str>) -> Project {
    let mut names: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    if package.is_some() {
        names.insert("package.json".to_owned());
    }
    Project { names, package_json: package.map(str::to_owned), texts: BTreeMap::new() }
}

fn with(mut project: Project, name: &str, text: &str) -> Project {
    project.texts.insert(name.to_owned(), text.to_owned());
    project.names.insert(name.to_owned());
    project
}

fn plan(project: &Project) -> Plan {
    detect(project, &BuildSettings::default()).unwrap()
}

#[test]
fn a_plain_folder_is_published_as_it_is() {
    let plan = plan(&project(&["index.html", "style.css"], None));
    assert_eq!((plan.commands, plan.outputs), (vec![], vec![".".to_owned()]));
    let finished = detect(&project(&["dist", "src"], None), &BuildSettings::default()).unwrap();
    assert_eq!(finished.outputs, ["dist"]);
    let nothing = detect(&project(&["notes.md"], None), &BuildSettings::default());
    assert_eq!(nothing, Err(DetectError::Nothing));
    let tools = r#"{"devDependencies":{"prettier":"3"},"scripts":{"format":"prettier ."}}"#;
    let beside = detect(&project(&["index.html"], Some(tools)), &BuildSettings::default()).unwrap();
    assert_eq!((beside.commands, beside.outputs, beside.notes.len()), (vec![], vec![".".to_owned()], 1));
}

#[test]
fn the_lockfile_decides_who_installs() {
    let package = r#"{"scripts":{"build":"vite build"},"devDependencies":{"vite":"6"}}"#;
    for (lock, commands) in [
        ("package-lock.json", ["npm ci", "npm run build"]),
        ("npm-shrinkwrap.json", ["npm ci", "npm run build"]),
        ("pnpm-lock.yaml", ["pnpm install --frozen-lockfile", "pnpm run build"]),
        ("yarn.lock", ["yarn install --frozen-lockfile", "yarn run build"]),
        ("bun.lock", ["bun install --frozen-lockfile", "bun run build"]),
        ("bun.lockb", ["bun install --frozen-lockfile", "bun run build"]),
    ] {
        let plan = plan(&project(&[lock], Some(package)));
        assert_eq!(
            (plan.commands.as_slice(), plan.notes.len()),
            (&commands.map(str::to_owned)[..], 0),
            "{lock}"
        );
    }
    let modern = plan(&project(&["yarn.lock", ".yarnrc.yml"], Some(package)));
    assert_eq!(modern.commands[0], "yarn install --immutable");
    let loose = plan(&project(&[], Some(package)));
    assert_eq!((loose.commands[0].as_str(), loose.notes.len()), ("npm install", 1));
    for (said, install) in [
        ("pnpm@9.1.0", "pnpm install --no-frozen-lockfile"),
        ("yarn@4.2.0", "yarn install"),
        ("bun@1.1", "bun install"),
    ] {
        let package = format!(
            r#"{{"packageManager":"{said}","scripts":{{"build":"x"}},"dependencies":{{"vite":"6"}}}}"#
        );
        // Its own lockfile is missing, so the one of another manager is not used.
        assert_eq!(plan(&project(&["package-lock.json"], Some(&package))).commands[0], install, "{said}");
    }
    let bare = plan(&project(&[], Some(r#"{"scripts":{"build":"node build.js"}}"#)));
    assert_eq!(bare.commands, ["npm run build"]);
}

#[test]
fn each_framework_has_its_folder() {
    for (package, framework, output, build) in [
        ("vite", Framework::Vite, "dist", "npx --no-install vite build"),
        ("astro", Framework::Astro, "dist", "npx --no-install astro build"),
        ("react-scripts", Framework::CreateReactApp, "build", "npx --no-install react-scripts build"),
        ("@docusaurus/core", Framework::Docusaurus, "build", "npx --no-install docusaurus build"),
        ("gatsby", Framework::Gatsby, "public", "npx --no-install gatsby build"),
        ("@angular/core", Framework::Angular, "dist/*/browser", "npx --no-install ng build"),
        ("@11ty/eleventy", Framework::Eleventy, "_site", "npx --no-install eleventy"),
        ("nuxt", Framework::Nuxt, ".output/public", "npx --no-install nuxi generate"),
        ("vitepress", Framework::VitePress, "docs/.vitepress/dist", "npx --no-install vitepress build docs"),
        ("expo", Framework::Expo, "dist", "npx --no-install expo export --platform web --output-dir dist"),
        ("@vue/cli-service", Framework::VueCli, "dist", "npx --no-install vue-cli-service build"),
    ] {
        let package = format!(r#"{{"dependencies":{{"{package}":"1","vite":"6"}}}}"#);
        let plan = plan(&project(&["package-lock.json"], Some(&package)));
        assert_eq!(plan.framework, Some(framework));
        assert_eq!(plan.outputs[0], output, "{framework:?}");
        assert_eq!(plan.commands, ["npm ci", build], "{framework:?}");
    }
    let nuxt = r#"{"dependencies":{"nuxt":"3"},"scripts":{"build":"nuxt build"}}"#;
    assert_eq!(
        plan(&project(&["package-lock.json"], Some(nuxt))).commands[1],
        "npx --no-install nuxi generate"
    );
}

#[test]
fn what_needs_a_server_is_refused_with_the_way_out() {
    let of = |package: &str| {
        let package = format!(r#"{{"scripts":{{"build":"x"}},"dependencies":{{"{package}":"1"}}}}"#);
        project(&["package-lock.json"], Some(&package))
    };
    let refused = |project: &Project| {
        matches!(detect(project, &BuildSettings::default()), Err(DetectError::NeedsServer { .. }))
    };
    for package in ["next", "@sveltejs/kit", "@react-router/dev", "@remix-run/dev"] {
        assert!(refused(&of(package)), "{package}");
    }
    assert!(!refused(&with(of("next"), "next.config.mjs", "export default {\n  output: \"export\",\n}")));
    assert!(refused(&with(of("next"), "next.config.mjs", "export default {\n  // output: 'export',\n}")));
    assert!(refused(&with(of("astro"), "astro.config.mjs", "defineConfig({ output: 'server' })")));
    assert!(!refused(&of("astro")));
    assert!(!refused(&with(
        of("@react-router/dev"),
        "react-router.config.ts",
        "export default { ssr: false }"
    )));
    assert!(refused(&with(of("expo"), "app.json", r#"{"expo":{"web":{"output":"server"}}}"#)));
    let adapter =
        r#"{"scripts":{"build":"x"},"devDependencies":{"@sveltejs/kit":"2","@sveltejs/adapter-static":"3"}}"#;
    assert!(!refused(&project(&[], Some(adapter))));
    // Who names the command is believed.
    let own = BuildSettings { build: Some("make site".into()), ..BuildSettings::default() };
    assert_eq!(detect(&of("next"), &own).unwrap().commands, ["npm ci", "make site"]);
}

#[test]
fn what_the_user_says_counts() {
    let package = r#"{"scripts":{"build":"x"},"dependencies":{"vite":"6"}}"#;
    let settings = BuildSettings {
        install: Some(String::new()),
        build: Some("  make  ".into()),
        output: Some("./site/".into()),
    };
    let plan = detect(&project(&["package-lock.json"], Some(package)), &settings).unwrap();
    assert_eq!((plan.commands, plan.outputs), (vec!["make".to_owned()], vec!["site".to_owned()]));
    for bad in ["/etc", "../x", "a/../b", "a//b", "node_modules/x", ".git", "a\\b", "*"] {
        let settings = BuildSettings { output: Some(bad.into()), ..BuildSettings::default() };
        let error = detect(&project(&["index.html"], None), &settings).unwrap_err();
        assert!(matches!(error, DetectError::BadOutput { .. }), "{bad}");
    }
    let hugo = BuildSettings { build: Some("hugo".into()), ..BuildSettings::default() };
    assert_eq!(detect(&project(&["config.toml"], None), &hugo).unwrap().commands, ["hugo"]);
}

#[test]
fn broken_projects_are_told() {
    for text in ["", "{", "[]", "1"] {
        let broken = detect(&project(&[], Some(text)), &BuildSettings::default());
        assert_eq!(broken, Err(DetectError::BadPackageJson), "{text}");
    }
    let nothing = detect(&project(&[], Some(r#"{"scripts":{"test":"x"}}"#)), &BuildSettings::default());
    assert_eq!(nothing, Err(DetectError::NoBuild));
}

#[test]
fn the_output_is_the_first_with_a_page() {
    let angular = plan(&project(&["package-lock.json"], Some(r#"{"dependencies":{"@angular/core":"19"}}"#)));
    let folders = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(
        choose_output(&angular, &folders(&[".", "dist", "dist/shop/browser"])).unwrap(),
        "dist/shop/browser"
    );
    assert_eq!(choose_output(&angular, &folders(&["dist/shop"])).unwrap(), "dist/shop");
    assert_eq!(choose_output(&angular, &folders(&["www", "."])).unwrap(), "www");
    let error = choose_output(&angular, &folders(&[".", "src"])).unwrap_err();
    assert!(error.to_string().contains("dist/*/browser, dist/*, dist, build"), "{error}");
}
