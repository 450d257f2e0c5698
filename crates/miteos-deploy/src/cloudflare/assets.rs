//! Multipart and JSON bodies that carry files as Base64, read from the disk while they are sent.

use serde_json::json;

use crate::body::{Encoding, Payload};
use crate::error::{DeployError, ErrorKind};
use crate::site::{Site, SiteFile};

/// The type that a file is served with.
pub(super) fn served_type(path: &str) -> String {
    let guessed = mime_guess::from_path(path).first();
    match guessed {
        Some(mime) if mime.type_() == "text" && mime.get_param("charset").is_none() => {
            format!("{mime}; charset=utf-8")
        }
        Some(mime) => mime.to_string(),
        // The providers' own tools send this for a type that they do not know.
        None => "application/octet-stream".to_owned(),
    }
}

/// A form whose parts are added one after the other.
pub(super) struct Form {
    payload: Payload,
    /// Chosen by chance: some files are sent as they are, and whoever wrote one could put a known boundary into it, and
    /// behind that parts of their own.
    boundary: String,
}

impl Form {
    pub fn new() -> Result<Self, DeployError> {
        let mut chance = [0_u8; 16];
        getrandom::fill(&mut chance).map_err(|error| {
            let message = "the system gave no randomness to part a form with";
            DeployError::new(ErrorKind::Unavailable, message).with_source(error)
        })?;
        Ok(Self { payload: Payload::default(), boundary: format!("----miteos-{}", hex::encode(chance)) })
    }

    /// A field. `name` is one of ours.
    pub fn text(mut self, name: &str, value: &str) -> Self {
        self.payload.push(format!(
            "--{}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n",
            self.boundary
        ));
        self
    }

    /// A file as it is.
    pub fn raw_file(mut self, name: &str, content_type: &str, site: &Site, file: &SiteFile) -> Self {
        self.head(name, content_type);
        self.payload.push_file(site, file, Encoding::Raw);
        self.payload.push("\r\n");
        self
    }

    /// A file as Base64 text, named by its hash.
    pub fn base64_file(mut self, hash: &str, site: &Site, file: &SiteFile) -> Self {
        self.head(hash, &served_type(&file.path));
        self.payload.push_file(site, file, Encoding::Base64);
        self.payload.push("\r\n");
        self
    }

    fn head(&mut self, name: &str, content_type: &str) {
        self.payload.push(format!(
            "--{}\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n\
             content-type: {content_type}\r\n\r\n",
            self.boundary
        ));
    }

    /// The body and its content type.
    pub fn done(mut self) -> (Payload, String) {
        self.payload.push(format!("--{}--\r\n", self.boundary));
        (self.payload, format!("multipart/form-data; boundary={}", self.boundary))
    }
}

/// The list of files that Pages takes in one request.
pub(super) fn pages_bucket(site: &Site, files: &[(String, &SiteFile)]) -> Payload {
    let mut payload = Payload::default();
    for (index, (hash, file)) in files.iter().enumerate() {
        let separator = if index == 0 { '[' } else { ',' };
        let metadata = json!({ "contentType": served_type(&file.path) });
        // Neither the hash nor Base64 has a letter that JSON would escape.
        payload.push(format!("{separator}{{\"key\":\"{hash}\",\"value\":\""));
        payload.push_file(site, file, Encoding::Base64);
        payload.push(format!("\",\"metadata\":{metadata},\"base64\":true}}"));
    }
    payload.push(if files.is_empty() { "[]" } else { "]" });
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_forms_are_parted_alike() {
        let (_, one) = Form::new().unwrap().text("a", "b").done();
        let (_, other) = Form::new().unwrap().text("a", "b").done();
        assert!(one != other && one.starts_with("multipart/form-data; boundary=----miteos-"), "{one}");
    }

    #[test]
    fn types_are_named_with_their_charset() {
        for (path, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("a/b.css", "text/css; charset=utf-8"),
            ("x.png", "image/png"),
            ("x.wasm", "application/wasm"),
            ("LICENSE", "application/octet-stream"),
        ] {
            assert_eq!(served_type(path), expected, "{path}");
        }
    }
}
