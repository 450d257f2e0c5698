//! Requests as they are kept, to be compared with those of somebody else: headers, query, and bodies taken apart. A file's
//! content stands there as its length and hash.

use serde_json::{Map, Value, json};

use crate::form;
use crate::server::{Asked, sha1};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    /// Without parameters.
    pub content_type: String,
    /// All of them, in order.
    pub headers: Vec<(String, String)>,
    /// JSON as it is, also of a form, by the names of its fields; else the length and SHA-1 of the bytes.
    pub body: String,
    pub status: u16,
}

impl Recorded {
    pub(crate) fn of(asked: &Asked, status: u16) -> Self {
        let headers = asked.headers.iter();
        Self {
            method: asked.method.clone(),
            path: asked.path.clone(),
            query: asked.query.clone(),
            content_type: asked.header("content-type").split(';').next().unwrap_or_default().to_owned(),
            headers: headers
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
                .collect(),
            body: body(asked),
            status,
        }
    }

    /// A request whose body never came whole.
    pub(crate) fn broken_off(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: Vec::new(),
            content_type: String::new(),
            headers: Vec::new(),
            body: "broken off".to_owned(),
            status: 0,
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "content_type": self.content_type,
            "headers": self.headers,
            "body": serde_json::from_str::<Value>(&self.body).unwrap_or_else(|_| json!(self.body)),
            "status": self.status,
        })
    }
}

fn body(asked: &Asked) -> String {
    if asked.body.is_empty() {
        return String::new();
    }
    let fields = form::read(asked.header("content-type"), &asked.body);
    match (asked.json(), fields) {
        (Some(json), _) => json.to_string(),
        (None, Some(fields)) => {
            let fields = fields.into_iter().map(|field| (field.name.clone(), part(&field)));
            Value::Object(fields.collect::<Map<_, _>>()).to_string()
        }
        (None, None) => hashed(&asked.body),
    }
}

/// A field of a form. One without a file's name is a value.
fn part(field: &form::Field) -> Value {
    let value = match (serde_json::from_slice::<Value>(&field.body), &field.filename) {
        (Ok(json), None) => json,
        (Err(_), None) => json!(String::from_utf8_lossy(&field.body)),
        (_, Some(_)) => json!(hashed(&field.body)),
    };
    json!({ "filename": field.filename, "content_type": field.content_type, "value": value })
}

fn hashed(bytes: &[u8]) -> String {
    format!("{} bytes, sha1 {}", bytes.len(), sha1(bytes))
}
