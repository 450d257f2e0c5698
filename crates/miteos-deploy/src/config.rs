//! A deploy configuration: credentials and settings as the API takes them, parsed once. Knows what each target needs
//! and makes no call.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::target::{Environment, TargetKind};
use miteos_tools::secret::Secret;

/// The longest value of a credential (bytes): a private key in PEM is the longest.
pub const MAX_CREDENTIAL_BYTES: usize = 8 * 1024;

/// What is wrong with a configuration. It repeats names, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{part} of a {target} configuration: {why}")]
    Shape { target: &'static str, part: &'static str, why: String },
    #[error(
        "the credential {name} is empty, too long, or holds what it cannot hold; paste it as the provider showed it"
    )]
    Credential { name: &'static str },
    #[error("{name} cannot be \"{value}\"; {right}")]
    Value { name: &'static str, value: String, right: &'static str },
}

/// A parsed configuration.
#[derive(Debug, Clone)]
pub enum Config {
    Netlify(NetlifyConfig),
    Vercel(VercelConfig),
    Cloudflare(CloudflareConfig),
    Expo(ExpoConfig),
    Appstore(AppstoreConfig),
}

#[derive(Debug, Clone)]
pub struct NetlifyConfig {
    pub token: Secret,
    pub settings: NetlifySettings,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetlifySettings {
    /// The site's id or its domain (`name.netlify.app`). Without it a site is made, named after the workspace.
    pub site: Option<String>,
    /// The team that a new site belongs to.
    pub team: Option<String>,
    pub environment: Environment,
    /// Answer unknown paths with the index page.
    pub single_page: bool,
}

#[derive(Debug, Clone)]
pub struct VercelConfig {
    pub token: Secret,
    pub settings: VercelSettings,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VercelSettings {
    pub team_id: Option<String>,
    /// The project's name or id. Without it one is made, named after the workspace.
    pub project: Option<String>,
    pub environment: Environment,
    pub single_page: bool,
    pub upload: VercelUpload,
}

/// In which form a folder is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VercelUpload {
    /// As a finished build (Build Output API 3): nothing is built there.
    #[default]
    Prebuilt,
    /// As plain files, with every build step switched off.
    Files,
}

#[derive(Debug, Clone)]
pub struct CloudflareConfig {
    pub token: Secret,
    pub settings: CloudflareSettings,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CloudflareSettings {
    pub account_id: String,
    pub product: CloudflareProduct,
    /// The Worker's or the Pages project's name. Needed for Pages, whose project must be there already.
    pub project: Option<String>,
    pub environment: Environment,
    pub single_page: bool,
    /// The name below `workers.dev` to register if the account has none yet.
    pub register_subdomain: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CloudflareProduct {
    #[default]
    Workers,
    Pages,
}

#[derive(Debug, Clone)]
pub struct ExpoConfig {
    pub token: Secret,
    pub settings: ExpoSettings,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExpoSettings {
    pub action: ExpoAction,
    pub environment: Environment,
    /// Where the web build is, below the project.
    pub export_dir: Option<String>,
    /// `ios` or `android`, for a native build.
    pub platform: Option<ExpoPlatform>,
    /// The build profile of `eas.json`.
    pub profile: Option<String>,
}

impl ExpoSettings {
    /// Where the web build is, or would be.
    pub fn export_dir(&self) -> &str {
        self.export_dir.as_deref().unwrap_or("dist")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpoAction {
    /// The web build on EAS Hosting.
    #[default]
    Web,
    /// A native build on the provider's machines.
    Build,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExpoPlatform {
    Ios,
    Android,
}

#[derive(Debug, Clone)]
pub struct AppstoreConfig {
    pub issuer_id: String,
    pub key_id: String,
    /// The key's `.p8` file.
    pub private_key: Secret,
    pub settings: AppstoreSettings,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppstoreSettings {
    /// The app's id: the number in its address in App Store Connect.
    pub app_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenOnly {
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AppleKey {
    issuer_id: String,
    key_id: String,
    private_key: String,
}

impl Config {
    /// Reads what a client sent, or what was stored of it.
    pub fn parse(target: TargetKind, credentials: &Value, settings: &Value) -> Result<Self, ConfigError> {
        let config = match target {
            TargetKind::Netlify => Self::Netlify(NetlifyConfig {
                token: token(target, credentials)?,
                settings: part(target, "settings", settings)?,
            }),
            TargetKind::Vercel => Self::Vercel(VercelConfig {
                token: token(target, credentials)?,
                settings: part(target, "settings", settings)?,
            }),
            TargetKind::Cloudflare => Self::Cloudflare(CloudflareConfig {
                token: token(target, credentials)?,
                settings: part(target, "settings", settings)?,
            }),
            TargetKind::Expo => Self::Expo(ExpoConfig {
                token: token(target, credentials)?,
                settings: part(target, "settings", settings)?,
            }),
            TargetKind::Appstore => Self::Appstore(appstore(credentials, settings)?),
        };
        config.check()?;
        Ok(config)
    }

    pub fn kind(&self) -> TargetKind {
        match self {
            Self::Netlify(_) => TargetKind::Netlify,
            Self::Vercel(_) => TargetKind::Vercel,
            Self::Cloudflare(_) => TargetKind::Cloudflare,
            Self::Expo(_) => TargetKind::Expo,
            Self::Appstore(_) => TargetKind::Appstore,
        }
    }

    /// The folder of the project that is published as it is, where the target's own tool does that: it is looked
    /// through first and handed over as [`Artifact::Site`](crate::Artifact::Site).
    pub fn export_dir(&self) -> Option<&str> {
        match self {
            Self::Expo(config) => match config.settings.action {
                ExpoAction::Web => Some(config.settings.export_dir()),
                ExpoAction::Build => None,
            },
            Self::Netlify(_) | Self::Vercel(_) | Self::Cloudflare(_) | Self::Appstore(_) => None,
        }
    }

    /// The texts that must never be published or logged.
    pub fn secrets(&self) -> Vec<&str> {
        match self {
            Self::Netlify(config) => vec![config.token.reveal()],
            Self::Vercel(config) => vec![config.token.reveal()],
            Self::Cloudflare(config) => vec![config.token.reveal()],
            Self::Expo(config) => vec![config.token.reveal()],
            Self::Appstore(config) => vec![config.private_key.reveal()],
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::Netlify(config) => {
                word("settings.site", config.settings.site.as_deref())?;
                word("settings.team", config.settings.team.as_deref())
            }
            Self::Vercel(config) => {
                word("settings.team_id", config.settings.team_id.as_deref())?;
                word("settings.project", config.settings.project.as_deref())
            }
            Self::Cloudflare(config) => check_cloudflare(&config.settings),
            Self::Expo(config) => check_expo(&config.settings),
            Self::Appstore(config) => {
                let id = &config.settings.app_id;
                if id.is_empty() || !id.chars().all(|c| c.is_ascii_digit()) {
                    let right = "it is the number in the app's address in App Store Connect";
                    return Err(ConfigError::Value { name: "settings.app_id", value: shown(id), right });
                }
                // Perhaps a key or a token that was pasted into the wrong field, so it is not repeated.
                let unfit = |name| move |_| ConfigError::Credential { name };
                word("issuer_id", Some(&config.issuer_id)).map_err(unfit("issuer_id"))?;
                word("key_id", Some(&config.key_id)).map_err(unfit("key_id"))
            }
        }
    }
}

fn check_cloudflare(settings: &CloudflareSettings) -> Result<(), ConfigError> {
    let id = &settings.account_id;
    if id.is_empty() || id.len() > 64 || !id.chars().all(|c| c.is_ascii_alphanumeric()) {
        let right = "it is the account's id, 32 hexadecimal digits, from the dashboard's address";
        return Err(ConfigError::Value { name: "settings.account_id", value: shown(id), right });
    }
    word("settings.project", settings.project.as_deref())?;
    word("settings.register_subdomain", settings.register_subdomain.as_deref())?;
    if settings.product == CloudflareProduct::Pages && settings.project.is_none() {
        let right =
            "Pages publishes to a project that is there already: name it, or leave product out for Workers";
        return Err(ConfigError::Value { name: "settings.project", value: String::new(), right });
    }
    if settings.product == CloudflareProduct::Workers && settings.environment == Environment::Preview {
        let right = "a Worker of static files is published at once; use product \"pages\" for previews";
        return Err(ConfigError::Value { name: "settings.environment", value: "preview".into(), right });
    }
    Ok(())
}

fn check_expo(settings: &ExpoSettings) -> Result<(), ConfigError> {
    word("settings.profile", settings.profile.as_deref())?;
    if settings.action == ExpoAction::Build && settings.platform.is_none() {
        let right = "a build needs \"ios\" or \"android\"";
        return Err(ConfigError::Value { name: "settings.platform", value: String::new(), right });
    }
    let dir = settings.export_dir();
    if dir.is_empty() || dir.starts_with(['/', '-']) || dir.split('/').any(|part| part == "..") {
        let right = "it is a folder below the project, such as dist";
        return Err(ConfigError::Value { name: "settings.export_dir", value: shown(dir), right });
    }
    Ok(())
}

/// A value that becomes a part of an address or an argument: no slash can turn it into another one.
fn word(name: &'static str, value: Option<&str>) -> Result<(), ConfigError> {
    const MAX_WORD_BYTES: usize = 255;
    let Some(value) = value else { return Ok(()) };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let leads = value.starts_with(['-', '.']);
    if value.is_empty() || value.len() > MAX_WORD_BYTES || leads || !value.chars().all(fits) {
        let right = "use letters, digits, -, _ and dots, beginning with a letter or digit";
        return Err(ConfigError::Value { name, value: shown(value), right });
    }
    Ok(())
}

fn token(target: TargetKind, credentials: &Value) -> Result<Secret, ConfigError> {
    let TokenOnly { token } = part(target, "credentials", credentials)?;
    secret("token", &token)
}

fn secret(name: &'static str, value: &str) -> Result<Secret, ConfigError> {
    let value = value.trim();
    if value.is_empty() || value.len() > MAX_CREDENTIAL_BYTES || !value.chars().all(|c| c.is_ascii_graphic())
    {
        return Err(ConfigError::Credential { name });
    }
    Ok(Secret::new(value))
}

fn appstore(credentials: &Value, settings: &Value) -> Result<AppstoreConfig, ConfigError> {
    let key: AppleKey = part(TargetKind::Appstore, "credentials", credentials)?;
    if key.private_key.len() > MAX_CREDENTIAL_BYTES || crate::appstore::read_key(&key.private_key).is_err() {
        return Err(ConfigError::Credential { name: "private_key" });
    }
    Ok(AppstoreConfig {
        issuer_id: key.issuer_id,
        key_id: key.key_id,
        private_key: Secret::new(key.private_key),
        settings: part(TargetKind::Appstore, "settings", settings)?,
    })
}

/// Nothing given means an empty object. Serde's text of a wrong value repeats it, so only the field's name is told.
fn part<T: DeserializeOwned>(
    target: TargetKind,
    part: &'static str,
    value: &Value,
) -> Result<T, ConfigError> {
    let value = if value.is_null() { Value::Object(Map::new()) } else { value.clone() };
    let shape = |why| ConfigError::Shape { target: target.word(), part, why };
    if !value.is_object() {
        return Err(shape("it must be an object".to_owned()));
    }
    T::deserialize(value).map_err(|error| shape(without_values(&error.to_string())))
}

/// Serde repeats a wrong value behind its kind, in quotes or backticks; a token may be a number as well.
fn without_values(text: &str) -> String {
    for start in ["invalid type: ", "invalid value: "] {
        let Some(rest) = text.strip_prefix(start) else { continue };
        let kind = rest.split(['`', '"', ',']).next().unwrap_or_default().trim_end();
        let expected = rest.rsplit_once(", expected ").map_or("", |(_, expected)| expected);
        return format!("{start}{kind}, expected {expected}");
    }
    text.to_owned()
}

fn shown(value: &str) -> String {
    const MAX_SHOWN_CHARS: usize = 64;
    value.chars().filter(|c| !c.is_control()).take(MAX_SHOWN_CHARS).collect()
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
