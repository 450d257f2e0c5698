//! Deploy configurations: what a client sent is parsed once, the provider is asked, and the credentials are sealed.
//! They are opened again only to be used.

use std::time::Duration;

use miteos_core::deployment::{BuildWishes, Environment, Failure, FailureCode, FailureStep, Target};
use miteos_core::ids::DeployConfigId;
use miteos_deploy::detect::BuildSettings;
use miteos_deploy::{Config, DeployError, ErrorKind, ExpoSettings, TargetKind, Verified, open};
use miteos_store::DeployConfigRow;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::Parts;
use super::keep::DeploymentError;
use super::traced::Traced;
use crate::secrets::{CannotOpen, Sealed};

/// How long a provider may take to say whether it takes the credentials.
const VERIFY_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest line for a shell, and the longest name of a folder (characters).
pub const MAX_BUILD_CHARS: usize = 1_000;

/// A configuration as it was asked for.
#[derive(Debug)]
pub struct Parsed {
    pub config: Config,
    pub build: BuildWishes,
}

/// A stored configuration, ready to be used.
pub struct Opened {
    pub target: Box<dyn miteos_deploy::Target>,
    pub build: BuildWishes,
    /// What is done with a project of Expo; for other targets the usual.
    pub expo: ExpoSettings,
    /// What must never be shown or published.
    pub secrets: Vec<String>,
}

/// The provider of a target; `None`: it is this server.
pub fn kind(target: Target) -> Option<TargetKind> {
    match target {
        Target::Vercel => Some(TargetKind::Vercel),
        Target::Netlify => Some(TargetKind::Netlify),
        Target::Cloudflare => Some(TargetKind::Cloudflare),
        Target::Expo => Some(TargetKind::Expo),
        Target::Appstore => Some(TargetKind::Appstore),
        Target::Preview => None,
    }
}

/// Reads what a client sent, or what was stored of it. The error repeats no credential.
pub fn parse(kind: TargetKind, credentials: &Value, settings: &Map<String, Value>) -> Result<Parsed, String> {
    let mut settings = settings.clone();
    let mut take = |name: &str| match settings.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.chars().count() <= MAX_BUILD_CHARS => Ok(Some(text)),
        Some(_) => Err(format!("settings.{name} must be a text of at most {MAX_BUILD_CHARS} characters")),
    };
    let build = BuildWishes { install: take("install")?, build: take("build")?, output: take("output")? };
    let config =
        Config::parse(kind, credentials, &Value::Object(settings)).map_err(|error| error.to_string())?;
    Ok(Parsed { config, build })
}

/// Checks what a client says about the build of one deployment.
pub fn wishes(asked: miteos_api::BuildSettings) -> Result<BuildWishes, String> {
    let miteos_api::BuildSettings { install, build, output } = asked;
    let named = [("install", &install), ("build", &build), ("output", &output)];
    for (name, text) in named {
        if text.as_ref().is_some_and(|text| text.chars().count() > MAX_BUILD_CHARS) {
            return Err(format!("settings.{name} has more than {MAX_BUILD_CHARS} characters"));
        }
    }
    Ok(BuildWishes { install, build, output })
}

/// The deployment's own wishes before those of its configuration.
pub fn settings(own: &BuildWishes, config: &BuildWishes) -> BuildSettings {
    let one = |own: &Option<String>, config: &Option<String>| own.clone().or_else(|| config.clone());
    BuildSettings {
        install: one(&own.install, &config.install),
        build: one(&own.build, &config.build),
        output: one(&own.output, &config.output),
    }
}

/// The folder that is published, where the configuration names it.
pub fn output(parsed: &Parsed) -> Option<String> {
    let export = match &parsed.config {
        // The name that Expo's own tool has for it.
        Config::Expo(config) => config.settings.export_dir.clone(),
        Config::Netlify(_) | Config::Vercel(_) | Config::Cloudflare(_) | Config::Appstore(_) => None,
    };
    parsed.build.output.clone().or(export)
}

/// Whether it takes the place of what is live.
pub fn environment(config: &Config) -> Environment {
    let environment = match config {
        Config::Netlify(config) => config.settings.environment,
        Config::Vercel(config) => config.settings.environment,
        Config::Cloudflare(config) => config.settings.environment,
        Config::Expo(config) => config.settings.environment,
        Config::Appstore(_) => miteos_deploy::Environment::Production,
    };
    match environment {
        miteos_deploy::Environment::Production => Environment::Production,
        miteos_deploy::Environment::Preview => Environment::Preview,
    }
}

impl Parts {
    /// Asks the provider whether the configuration would work.
    pub async fn verify(&self, config: Config) -> Result<Verified, DeployError> {
        let (target, cancel) = (open(config, &self.tools), CancellationToken::new());
        match tokio::time::timeout(VERIFY_TIMEOUT, target.verify(&cancel)).await {
            Ok(verified) => verified,
            Err(_) => {
                let seconds = VERIFY_TIMEOUT.as_secs();
                let message = format!("the provider has not answered within {seconds} s; try again later");
                Err(DeployError::new(ErrorKind::TimedOut, message))
            }
        }
    }

    pub fn seal_credentials(&self, id: DeployConfigId, credentials: &Value) -> Result<Vec<u8>, CannotOpen> {
        let text = credentials.to_string();
        self.master.seal(Sealed::DeployCredentials, &id.to_string(), text.as_bytes())
    }

    /// The configuration of a row, with its credentials.
    pub fn unseal(&self, row: &DeployConfigRow) -> Result<(Value, Parsed), Failure> {
        let broken =
            |message: String| Failure::new(FailureCode::ConfigInvalid, FailureStep::Prepare, message);
        let opened = self.master.open(Sealed::DeployCredentials, &row.id.to_string(), &row.credentials);
        let opened = opened.map_err(|error| {
            tracing::error!(config = %row.id, %error, "a deploy configuration cannot be opened");
            broken("its stored credentials cannot be opened with this master key; store them anew".to_owned())
        })?;
        let unreadable =
            |_| broken("the stored deploy configuration cannot be read; make a new one".to_owned());
        let credentials: Value = serde_json::from_slice(&opened).map_err(unreadable)?;
        let settings: Map<String, Value> = serde_json::from_str(&row.settings).map_err(unreadable)?;
        let kind = TargetKind::parse(&row.target);
        let kind = kind.ok_or_else(|| broken(format!("{} is no target any more", row.target)))?;
        let parsed = parse(kind, &credentials, &settings).map_err(broken)?;
        Ok((credentials, parsed))
    }

    /// A stored configuration, ready to be used; or why it cannot be.
    pub async fn open_config(&self, id: DeployConfigId) -> Result<Result<Opened, Failure>, DeploymentError> {
        let Some(row) = self.store.deploy_config(id).await? else {
            let message = "the deploy configuration is gone; deploy with another one";
            return Ok(Err(Failure::new(FailureCode::ConfigInvalid, FailureStep::Prepare, message)));
        };
        Ok(self.unseal(&row).map(|(_, Parsed { config, build })| {
            let secrets = config.secrets().into_iter().map(str::to_owned).collect();
            let expo = match &config {
                Config::Expo(config) => config.settings.clone(),
                Config::Netlify(_) | Config::Vercel(_) | Config::Cloudflare(_) | Config::Appstore(_) => {
                    ExpoSettings::default()
                }
            };
            let target = Traced { target: open(config, &self.tools), traces: self.traces.clone() };
            Opened { target: Box::new(target), build, expo, secrets }
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_build_is_told_from_the_provider_and_nothing_secret_is_repeated() {
        let settings = json!({"site": "a", "environment": "preview", "build": "make", "output": "site"});
        let token = json!({"token": "nfp_0123456789"});
        let parsed = parse(TargetKind::Netlify, &token, settings.as_object().unwrap()).unwrap();
        assert_eq!(
            (parsed.build.build.as_deref(), parsed.build.output.as_deref()),
            (Some("make"), Some("site"))
        );
        assert_eq!(environment(&parsed.config), Environment::Preview);
        for settings in
            [json!({"build": 1}), json!({"output": "x".repeat(1_001)}), json!({"nonsense": "hush"})]
        {
            let error = parse(TargetKind::Netlify, &token, settings.as_object().unwrap()).unwrap_err();
            assert!(!error.contains("nfp_") && !error.contains("hush"), "{error}");
        }
        let own = BuildWishes { build: Some("own".into()), ..BuildWishes::default() };
        let both = self::settings(&own, &parsed.build);
        assert_eq!((both.build.as_deref(), both.output.as_deref()), (Some("own"), Some("site")));
        assert!(
            wishes(miteos_api::BuildSettings { output: Some("x".repeat(1_001)), ..Default::default() })
                .is_err()
        );
    }
}
