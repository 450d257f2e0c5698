//! The frameworks that are known: how each is recognised, built, and where it writes. A short table of our own; what is
//! not in it is built by its script and found among the usual folders.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DetectError, PackageManager, Project, depends_on, has_script, run_line};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framework {
    Next,
    Nuxt,
    Astro,
    SvelteKit,
    ReactRouter,
    Remix,
    Gatsby,
    Angular,
    CreateReactApp,
    Docusaurus,
    Eleventy,
    VuePress,
    VitePress,
    VueCli,
    Expo,
    Ember,
    Vite,
    Parcel,
}

/// Looked for in this order: one that builds on another stands before it.
const BY_PACKAGE: [(&str, Framework); 20] = [
    ("next", Framework::Next),
    ("nuxt", Framework::Nuxt),
    ("astro", Framework::Astro),
    ("@sveltejs/kit", Framework::SvelteKit),
    ("@react-router/dev", Framework::ReactRouter),
    ("@remix-run/dev", Framework::Remix),
    ("gatsby", Framework::Gatsby),
    ("@angular/cli", Framework::Angular),
    ("@angular/core", Framework::Angular),
    ("react-scripts", Framework::CreateReactApp),
    ("@docusaurus/core", Framework::Docusaurus),
    ("@11ty/eleventy", Framework::Eleventy),
    ("vuepress", Framework::VuePress),
    ("vitepress", Framework::VitePress),
    ("@vue/cli-service", Framework::VueCli),
    ("expo", Framework::Expo),
    ("ember-cli", Framework::Ember),
    ("vite", Framework::Vite),
    ("parcel", Framework::Parcel),
    ("parcel-bundler", Framework::Parcel),
];

impl Framework {
    pub(super) fn of(package: &Value) -> Option<Self> {
        BY_PACKAGE.iter().find(|(name, _)| depends_on(package, name)).map(|(_, framework)| *framework)
    }

    /// Where it writes files for publishing, the likeliest first.
    pub(super) fn outputs(self) -> &'static [&'static str] {
        match self {
            Self::Next => &["out"],
            Self::Nuxt => &[".output/public", "dist"],
            Self::Astro | Self::Vite | Self::VueCli | Self::Expo | Self::Parcel | Self::Ember => &["dist"],
            Self::SvelteKit | Self::CreateReactApp | Self::Docusaurus => &["build"],
            Self::ReactRouter | Self::Remix => &["build/client"],
            Self::Gatsby => &["public"],
            Self::Angular => &["dist/*/browser", "dist/*", "dist"],
            Self::Eleventy => &["_site"],
            Self::VuePress => &["docs/.vuepress/dist", ".vuepress/dist", "src/.vuepress/dist"],
            Self::VitePress => &["docs/.vitepress/dist", ".vitepress/dist"],
        }
    }

    /// The project's own script where it has one; else the framework's command.
    pub(super) fn build_line(self, manager: PackageManager, script: Option<&str>) -> String {
        // Nuxt's build makes a server and its generate makes files; Expo's web export is no script by default.
        if self == Self::Nuxt {
            return match script {
                Some("generate") => run_line(manager, "generate"),
                Some(_) | None => exec_line(manager, "nuxi generate"),
            };
        }
        if let Some(script) = script {
            return run_line(manager, script);
        }
        let command = match self {
            Self::Next => "next build",
            Self::Nuxt => "nuxi generate",
            Self::Astro => "astro build",
            Self::SvelteKit | Self::Vite => "vite build",
            Self::ReactRouter => "react-router build",
            Self::Remix => "remix vite:build",
            Self::Gatsby => "gatsby build",
            Self::Angular => "ng build",
            Self::CreateReactApp => "react-scripts build",
            Self::Docusaurus => "docusaurus build",
            Self::Eleventy => "eleventy",
            Self::VuePress => "vuepress build docs",
            Self::VitePress => "vitepress build docs",
            Self::VueCli => "vue-cli-service build",
            Self::Expo => "expo export --platform web --output-dir dist",
            Self::Ember => "ember build --environment=production",
            Self::Parcel => "parcel build",
        };
        exec_line(manager, command)
    }

    /// Refuses what would make a program for a server.
    pub(super) fn writes_files(self, project: &Project, package: &Value) -> Result<(), DetectError> {
        let text = |stem: &str| {
            let found = project.texts.iter().find(|(name, _)| name.starts_with(stem));
            found.map(|(_, text)| squeezed(text)).unwrap_or_default()
        };
        let refused = |framework, mend| Err(DetectError::NeedsServer { framework, mend });
        match self {
            Self::Next => {
                let config = text("next.config");
                let scripts = has_script(package, "export");
                if config.contains("output:'export'") || config.contains("\"output\":'export'") || scripts {
                    return Ok(());
                }
                refused("Next.js", "set output: 'export' in next.config, which writes the site into out/")
            }
            Self::SvelteKit => {
                if depends_on(package, "@sveltejs/adapter-static") {
                    return Ok(());
                }
                refused("SvelteKit", "use @sveltejs/adapter-static")
            }
            Self::Astro => {
                let config = text("astro.config");
                if config.contains("output:'server'") || config.contains("output:'hybrid'") {
                    return refused("Astro", "set output: 'static' in astro.config");
                }
                Ok(())
            }
            Self::ReactRouter => {
                if text("react-router.config").contains("ssr:false") {
                    return Ok(());
                }
                refused("React Router", "set ssr: false in react-router.config")
            }
            Self::Remix => {
                if text("vite.config").contains("ssr:false") {
                    return Ok(());
                }
                refused("Remix", "set ssr: false in vite.config (single-page mode)")
            }
            Self::Angular => {
                if text("angular.json").contains("'outputMode':'server'") {
                    return refused("Angular", "set outputMode to static in angular.json");
                }
                Ok(())
            }
            Self::Expo => {
                if text("app.json").contains("'output':'server'") {
                    return refused("Expo", "set web.output to static in app.json");
                }
                Ok(())
            }
            Self::Nuxt
            | Self::Gatsby
            | Self::CreateReactApp
            | Self::Docusaurus
            | Self::Eleventy
            | Self::VuePress
            | Self::VitePress
            | Self::VueCli
            | Self::Ember
            | Self::Vite
            | Self::Parcel => Ok(()),
        }
    }
}

/// Without blanks and lines of comment, and with one kind of quotes, so that a setting is found however it is written.
fn squeezed(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .map(|c| if matches!(c, '"' | '`') { '\'' } else { c })
        .collect()
}

fn exec_line(manager: PackageManager, command: &str) -> String {
    match manager {
        PackageManager::Npm => format!("npx --no-install {command}"),
        PackageManager::Pnpm => format!("pnpm exec {command}"),
        PackageManager::Yarn => format!("yarn run {command}"),
        PackageManager::Bun => format!("bun x --no-install {command}"),
    }
}
