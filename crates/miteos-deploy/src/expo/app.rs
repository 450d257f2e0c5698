//! Which project of Expo a deployment belongs to: read from its `app.json`, which is data. A configuration that is code
//! (`app.config.js`) is never run for it: whoever runs it gives it the token. Makes no call.

use miteos_tools::workspace::{Name, Workspace};
use serde_json::{Value, json};

use crate::error::{DeployError, ErrorKind};

/// The configuration that is data.
const APP_JSON: &str = "app.json";
/// A longer one is not read (bytes).
const MAX_APP_JSON_BYTES: u64 = 1024 * 1024;
/// The longest name of an account or a project (bytes).
const MAX_NAME_BYTES: usize = 255;
/// A project's id: a UUID as it is written.
const ID_BYTES: usize = 36;

/// A project as Expo knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The account it belongs to; without it, the token's own.
    pub owner: Option<String>,
    pub slug: String,
    /// `extra.eas.projectId`.
    pub id: String,
}

impl App {
    /// Reads the `app.json` of a project. Blocks.
    pub fn of(workspace: &Workspace) -> Result<Self, DeployError> {
        let name = Name::parse(APP_JSON).map_err(|error| config(error.to_string()))?;
        let text = workspace.read_text(&name, MAX_APP_JSON_BYTES).map_err(|_| {
            config(
                "the project has no app.json that can be read; its extra.eas.projectId, slug and owner say where it \
                 belongs (`eas init` writes them). A configuration that is code, such as app.config.js, is not run here, \
                 since it would run with the token in reach"
                    .to_owned(),
            )
        })?;
        Self::read(&text)
    }

    fn read(text: &str) -> Result<Self, DeployError> {
        let found: Value = serde_json::from_str(text)
            .map_err(|_| config("app.json is not valid JSON; mend it and deploy again".to_owned()))?;
        let expo = found.get("expo").unwrap_or(&found);
        let word = |pointer: &str| expo.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let id = word("/extra/eas/projectId").ok_or_else(|| {
            config(
                "app.json has no extra.eas.projectId; run `eas init` in the project once, and write the id into app.json \
                 where the configuration is code"
                    .to_owned(),
            )
        })?;
        let slug = word("/slug")
            .ok_or_else(|| config("app.json has no slug; it is the project's short name".to_owned()))?;
        Self { owner: word("/owner"), slug, id }.checked()
    }

    /// As it is kept in a state and a release: `owner/slug/id`, or without the owner.
    pub(super) fn reference(&self) -> String {
        match &self.owner {
            Some(owner) => format!("{owner}/{}/{}", self.slug, self.id),
            None => format!("{}/{}", self.slug, self.id),
        }
    }

    pub(super) fn from_reference(text: &str) -> Result<Self, DeployError> {
        let parts: Vec<&str> = text.split('/').collect();
        let (owner, slug, id) = match parts.as_slice() {
            [owner, slug, id] => (Some((*owner).to_owned()), *slug, *id),
            [slug, id] => (None, *slug, *id),
            _ => return Err(DeployError::lost("project")),
        };
        Self { owner, slug: slug.to_owned(), id: id.to_owned() }.checked()
    }

    /// The `app.json` that says this and nothing else.
    pub fn json(&self) -> Value {
        let mut expo = json!({
            "name": self.slug,
            "slug": self.slug,
            "extra": { "eas": { "projectId": self.id } },
        });
        if let Some(owner) = &self.owner {
            expo["owner"] = json!(owner);
        }
        json!({ "expo": expo })
    }

    /// These become parts of a stored reference, so nothing in them may be a slash.
    fn checked(self) -> Result<Self, DeployError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        for (field, word) in [("slug", Some(&self.slug)), ("owner", self.owner.as_ref())] {
            let Some(word) = word else { continue };
            if word.is_empty() || word.len() > MAX_NAME_BYTES || !word.chars().all(fits) {
                return Err(config(format!(
                    "the {field} in app.json cannot be a name at Expo; use letters, digits, -, _ and dots"
                )));
            }
        }
        let id = &self.id;
        if id.len() != ID_BYTES || !id.chars().all(|c| c.is_ascii_hexdigit() || c == '-') {
            return Err(config(
                "extra.eas.projectId in app.json is no project's id; `eas init` writes the right one"
                    .to_owned(),
            ));
        }
        Ok(self)
    }
}

fn config(message: String) -> DeployError {
    DeployError::new(ErrorKind::Config, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "5ab9c0de-0000-4000-8000-0123456789ab";

    #[test]
    fn an_app_is_read_and_comes_back_from_its_reference() {
        let text = json!({ "expo": { "name": "Shop", "slug": "shop", "owner": "acme",
                                     "extra": { "eas": { "projectId": ID } } } });
        let app = App::read(&text.to_string()).unwrap();
        assert_eq!(app.reference(), format!("acme/shop/{ID}"));
        assert_eq!(App::from_reference(&app.reference()).unwrap(), app);
        assert_eq!(App::read(&app.json().to_string()).unwrap(), app);
        // The part `expo` may be left out, and so may the owner.
        let text = json!({ "slug": "shop", "extra": { "eas": { "projectId": ID } } });
        let app = App::read(&text.to_string()).unwrap();
        assert_eq!((app.owner.as_deref(), app.reference()), (None, format!("shop/{ID}")));
        assert_eq!(App::from_reference(&app.reference()).unwrap(), app);
    }

    #[test]
    fn what_names_no_project_is_refused_with_the_mend() {
        for (text, part) in [
            ("{", "not valid JSON"),
            ("{}", "no extra.eas.projectId"),
            (r#"{"expo":{"extra":{"eas":{"projectId":"x"}}}}"#, "no slug"),
            (r#"{"expo":{"slug":"a","extra":{"eas":{"projectId":"x"}}}}"#, "no project's id"),
            (r#"{"expo":{"slug":"a/b","extra":{"eas":{"projectId":"x"}}}}"#, "the slug in app.json"),
            (
                r#"{"expo":{"slug":"a","owner":"","extra":{"eas":{"projectId":"x"}}}}"#,
                "the owner in app.json",
            ),
        ] {
            let error = App::read(text).unwrap_err();
            assert!(error.kind == ErrorKind::Config && error.message.contains(part), "{part}: {error}");
        }
        for text in ["", "a", "a/b/c/d", "../shop/x"] {
            App::from_reference(text).unwrap_err();
        }
    }
}
