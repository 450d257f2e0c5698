//! Reads `multipart/form-data` strictly: what is not exactly a form is refused.

pub(crate) struct Field {
    pub name: String,
    pub filename: Option<String>,
    pub content_type: Option<String>,
    pub body: Vec<u8>,
}

/// The fields in order; `None` when it is no form.
pub(crate) fn read(content_type: &str, body: &[u8]) -> Option<Vec<Field>> {
    let boundary = content_type.strip_prefix("multipart/form-data")?.split_once("boundary=")?.1;
    let boundary = boundary.split(';').next()?.trim().trim_matches('"');
    let mark = format!("--{boundary}");
    let mut rest = body.strip_prefix(mark.as_bytes())?;
    let mut fields = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Some(fields);
        }
        rest = rest.strip_prefix(b"\r\n")?;
        let end = find(rest, format!("\r\n{mark}").as_bytes())?;
        fields.push(field(&rest[..end])?);
        rest = &rest[end + 2 + mark.len()..];
    }
}

fn field(part: &[u8]) -> Option<Field> {
    let end = find(part, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&part[..end]).ok()?;
    let mut field =
        Field { name: String::new(), filename: None, content_type: None, body: part[end + 4..].to_vec() };
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':')?;
        match name.trim().to_ascii_lowercase().as_str() {
            "content-disposition" => {
                field.name = parameter(value, "name")?;
                field.filename = parameter(value, "filename");
            }
            "content-type" => field.content_type = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    (!field.name.is_empty()).then_some(field)
}

fn parameter(value: &str, name: &str) -> Option<String> {
    let parts = value.split(';').map(str::trim);
    let found = parts.filter_map(|part| part.split_once('=')).find(|(key, _)| *key == name)?;
    Some(found.1.trim_matches('"').to_owned())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    // Windows of a big body are many; the first byte sorts most out.
    let first = *wanted.first()?;
    let mut at = 0;
    while let Some(next) = bytes.get(at..)?.iter().position(|byte| *byte == first) {
        if bytes[at + next..].starts_with(wanted) {
            return Some(at + next);
        }
        at += next + 1;
    }
    None
}
