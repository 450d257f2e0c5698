//! The pieces in which Apple wants a file, read and doubted. Makes no call.

use miteos_tools::http::{Method, Url};
use serde_json::Value;

use crate::call::text;
use crate::error::{DeployError, ErrorKind};

/// More pieces of one file are not believed.
const MAX_OPERATIONS: usize = 10_000;

/// One piece of the file, as Apple wants it.
pub(super) struct Operation {
    pub method: Method,
    pub url: Url,
    pub offset: u64,
    pub bytes: u64,
    pub headers: Vec<(String, String)>,
}

/// Reads what is to be sent where, and that together it is the file.
pub(super) fn read_operations(file: &Value, file_bytes: u64) -> Result<Vec<Operation>, DeployError> {
    let odd = |what: &str| {
        DeployError::new(
            ErrorKind::Rejected,
            format!("App Store Connect's orders for the upload {what}; try again later"),
        )
    };
    let list = file.get("uploadOperations").and_then(Value::as_array);
    let list =
        list.filter(|list| list.len() <= MAX_OPERATIONS).ok_or_else(|| odd("are missing or too many"))?;
    let mut operations = Vec::with_capacity(list.len());
    for one in list {
        let number = |key: &str| one.get(key).and_then(Value::as_u64);
        let (Some(offset), Some(bytes)) = (number("offset"), number("length")) else {
            return Err(odd("have a part without a place"));
        };
        let url = text(one, "url")
            .and_then(|url| Url::parse(url).ok())
            .ok_or_else(|| odd("have a part without an address"))?;
        let method =
            text(one, "method").unwrap_or("PUT").parse().map_err(|_| odd("have a part without a method"))?;
        let headers = one.get("requestHeaders").and_then(Value::as_array).into_iter().flatten();
        let headers = headers
            .filter_map(|header| Some((text(header, "name")?.to_owned(), text(header, "value")?.to_owned())))
            .collect();
        operations.push(Operation { method, url, offset, bytes, headers });
    }
    operations.sort_by_key(|one| one.offset);
    let mut end = 0;
    for one in &operations {
        if one.offset != end {
            return Err(odd("do not add up to the file"));
        }
        end = one.offset.saturating_add(one.bytes);
    }
    if end == file_bytes { Ok(operations) } else { Err(odd("do not add up to the file")) }
}
