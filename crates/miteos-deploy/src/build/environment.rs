//! What the commands of a build find in their environment and their home: where packages come from, whom to trust, and to
//! keep quiet. No credential is among it, and nothing of the server's own environment.

use std::io;
use std::path::Path;

use miteos_sandbox::PROXY_URL;

use super::registries::Registries;

/// Where distributions keep the certificates of the authorities that the machine trusts; the sandbox shows these folders.
const CERTIFICATES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// By which programs are told to trust them: the machine may know an authority that they do not.
const CERTIFICATE_VARIABLES: [&str; 5] =
    ["NODE_EXTRA_CA_CERTS", "npm_config_cafile", "SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"];

/// Package managers with settings for a proxy of their own, which the project's files could have set.
const PROXY_VARIABLES: [&str; 4] =
    ["npm_config_https_proxy", "npm_config_proxy", "YARN_HTTPS_PROXY", "YARN_HTTP_PROXY"];

/// Where package managers of JavaScript look for their registry.
const NPM_VARIABLES: [&str; 5] = [
    "npm_config_registry",
    "pnpm_config_registry",
    "YARN_NPM_REGISTRY_SERVER",
    "YARN_REGISTRY",
    "BUN_CONFIG_REGISTRY",
];

/// The same for corepack, which puts a slash of its own behind it.
const COREPACK_REGISTRY: &str = "COREPACK_NPM_REGISTRY";

const PYTHON_VARIABLES: [&str; 3] = ["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"];

/// No questions, no colours, no advertisements, nothing told about its user, and nothing newer than was asked for.
const QUIET: [(&str, &str); 21] = [
    ("CI", "1"),
    ("NO_COLOR", "1"),
    ("DO_NOT_TRACK", "1"),
    ("npm_config_audit", "false"),
    ("npm_config_fund", "false"),
    ("npm_config_progress", "false"),
    ("npm_config_update_notifier", "false"),
    ("npm_config_noproxy", "localhost,127.0.0.1,::1"),
    ("YARN_ENABLE_TELEMETRY", "0"),
    ("YARN_ENABLE_PROGRESS_BARS", "0"),
    ("COREPACK_ENABLE_DOWNLOAD_PROMPT", "0"),
    ("COREPACK_ENABLE_AUTO_PIN", "0"),
    // A project that names no version gets the one that corepack knows the hash of, not whatever is newest.
    ("COREPACK_DEFAULT_TO_LATEST", "0"),
    ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
    ("PIP_NO_INPUT", "1"),
    ("NEXT_TELEMETRY_DISABLED", "1"),
    ("ASTRO_TELEMETRY_DISABLED", "1"),
    ("GATSBY_TELEMETRY_DISABLED", "1"),
    ("NUXT_TELEMETRY_DISABLED", "1"),
    ("EXPO_NO_TELEMETRY", "1"),
    ("NG_CLI_ANALYTICS", "false"),
];

/// The file of them that this machine has.
pub fn trusted_certificates() -> Option<&'static str> {
    CERTIFICATES.into_iter().find(|file| Path::new(file).is_file())
}

/// All variables of a build. `isolated`: whether there is a proxy.
pub(super) fn variables(registries: &Registries, isolated: bool) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: &str| all.push((name.to_owned(), value.to_owned()));
    for (name, value) in QUIET {
        set(name, value);
    }
    if isolated {
        PROXY_VARIABLES.iter().for_each(|name| set(name, PROXY_URL));
    }
    if let Some(url) = &registries.npm {
        NPM_VARIABLES.iter().for_each(|name| set(name, url.as_str()));
        set(COREPACK_REGISTRY, url.as_str().trim_end_matches('/'));
    }
    if let Some(url) = &registries.python {
        PYTHON_VARIABLES.iter().for_each(|name| set(name, url.as_str()));
    }
    if let Some(file) = trusted_certificates() {
        CERTIFICATE_VARIABLES.iter().for_each(|name| set(name, file));
    }
    all
}

/// Writes the settings of package managers that no variable can have: a scope's registry would be one whose name is none,
/// and a shell hands such a one on or not. Blocks.
pub(crate) fn write_settings(home: &Path, registries: &Registries) -> io::Result<()> {
    if registries.scopes.is_empty() {
        return Ok(());
    }
    let (mut npm, mut yarn) = (String::new(), "npmScopes:\n".to_owned());
    for (scope, url) in &registries.scopes {
        npm.push_str(&format!("{scope}:registry={url}\n"));
        yarn.push_str(&format!(
            "  {:?}:\n    npmRegistryServer: {:?}\n",
            scope.trim_start_matches('@'),
            url.as_str()
        ));
    }
    std::fs::write(home.join(".npmrc"), npm)?;
    std::fs::write(home.join(".yarnrc.yml"), yarn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_told_to_every_manager_and_no_name_twice() {
        let list = "npm=https://npm.example/,@acme=https://acme.example/,python=https://py.example/simple";
        let registries = Registries::parse(list).unwrap();
        let all = variables(&registries, true);
        let value = |name: &str| all.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
        assert_eq!(value("npm_config_registry"), Some("https://npm.example/"));
        assert_eq!(value("COREPACK_NPM_REGISTRY"), Some("https://npm.example"));
        assert_eq!(value("UV_DEFAULT_INDEX"), Some("https://py.example/simple"));
        assert_eq!(value("npm_config_https_proxy"), Some(PROXY_URL));
        let mut names: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all.len());
        assert!(variables(&registries, false).iter().all(|(_, value)| value != PROXY_URL));
        // What a shell would drop is in no variable but in files.
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        assert!(names.iter().all(|name| name.chars().all(is_name)), "{names:?}");
        let home = tempfile::tempdir().unwrap();
        write_settings(home.path(), &registries).unwrap();
        let written = |name: &str| std::fs::read_to_string(home.path().join(name)).unwrap();
        assert_eq!(written(".npmrc"), "@acme:registry=https://acme.example/\n");
        assert_eq!(
            written(".yarnrc.yml"),
            "npmScopes:\n  \"acme\":\n    npmRegistryServer: \"https://acme.example/\"\n"
        );
    }
}
