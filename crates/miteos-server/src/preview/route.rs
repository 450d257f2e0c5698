//! From the path of a request to a file of a manifest. Pure: a path is decoded once, judged, and then a key of a map, so
//! there is no folder that it could lead out of.

use miteos_deploy::site::INDEX;

use super::manifest::{Entry, Manifest};
use super::media;

/// Longest path, decoded (bytes).
const MAX_PATH_BYTES: usize = 4_096;
/// The page for what is missing, if the site has one.
const NOT_FOUND: &str = "404.html";
/// The one folder whose name begins with a dot that is shown.
const WELL_KNOWN: &str = ".well-known";

/// Why a path names nothing that there could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    #[error("the address has a % that no two hexadecimal digits follow")]
    Percent,
    #[error("the address is not UTF-8")]
    NotUtf8,
    #[error("the address holds a control character, a backslash or an encoded slash")]
    Character,
    #[error("the address has an empty part, or one that is . or ..")]
    Part,
    #[error("the address is too long")]
    TooLong,
}

/// The path of a request, without the slash in front. It may be empty, and end with a slash.
pub fn decode(raw: &str) -> Result<String, BadPath> {
    let raw = raw.strip_prefix('/').unwrap_or(raw);
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(BadPath::Percent) };
        let decoded = u8::try_from(high * 16 + low).unwrap_or(0);
        if decoded == b'/' {
            return Err(BadPath::Character);
        }
        bytes.push(decoded);
    }
    let path = String::from_utf8(bytes).map_err(|_| BadPath::NotUtf8)?;
    let name = path.strip_suffix('/').unwrap_or(&path);
    if !path.is_empty() {
        check(name)?;
    }
    Ok(path)
}

/// Refuses what no file of a site can be called.
pub fn check(path: &str) -> Result<(), BadPath> {
    if path.len() > MAX_PATH_BYTES {
        return Err(BadPath::TooLong);
    }
    if path.chars().any(|c| c.is_control() || c == '\\') {
        return Err(BadPath::Character);
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(BadPath::Part);
    }
    Ok(())
}

/// Whether a path is never shown, whatever the manifest says.
pub fn is_hidden(path: &str) -> bool {
    let parts = path.strip_prefix(WELL_KNOWN).filter(|rest| rest.starts_with('/')).unwrap_or(path);
    parts.split('/').any(|part| part.starts_with('.'))
}

/// What is done about a path that names no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrElse {
    Missing,
    /// The first page, which finds its way by itself.
    FirstPage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'m> {
    File(&'m str, &'m Entry),
    /// The path is that of a folder, and lacks the slash at its end.
    Folder,
    /// With the site's own page for that.
    Missing(Option<(&'m str, &'m Entry)>),
}

/// Looks a decoded path up.
pub fn resolve<'m>(manifest: &'m Manifest, path: &str, or_else: OrElse) -> Found<'m> {
    let get = |path: &str| {
        let found = manifest.files.get_key_value(path).filter(|_| !is_hidden(path));
        found.map(|(path, entry)| (path.as_str(), entry))
    };
    let file = |(path, entry)| Found::File(path, entry);
    if path.is_empty() || path.ends_with('/') {
        if let Some(found) = get(&format!("{path}{INDEX}")) {
            return file(found);
        }
    } else {
        if let Some(found) = get(path) {
            return file(found);
        }
        if get(&format!("{path}/{INDEX}")).is_some() {
            return Found::Folder;
        }
        if let Some(found) = get(&format!("{path}.html")) {
            return file(found);
        }
    }
    // What has an ending was meant as a file: a page in its place would only be run or parsed as something else.
    let last = path.rsplit('/').next().unwrap_or(path);
    let first_page = match or_else {
        OrElse::FirstPage if media::extension(last).is_none() && !is_hidden(path) => get(INDEX),
        OrElse::FirstPage | OrElse::Missing => None,
    };
    first_page.map_or_else(|| Found::Missing(get(NOT_FOUND)), file)
}

/// A decoded path as an address writes it, with the slash in front.
pub fn encode(path: &str) -> String {
    let mut text = String::with_capacity(path.len() + 1);
    text.push('/');
    for byte in path.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=:@".contains(&byte);
        if plain {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(paths: &[&str]) -> Manifest {
        let entry = |path: &str| {
            let media_type = media::media_type(path);
            serde_json::json!({"sha256": "0".repeat(64), "bytes": 1, "type": media_type})
        };
        let files: serde_json::Map<_, _> =
            paths.iter().map(|path| ((*path).to_owned(), entry(path))).collect();
        serde_json::from_value(serde_json::json!({"version": 1, "files": files})).unwrap()
    }

    #[test]
    fn paths_are_decoded_once_and_judged() {
        for (raw, path) in [
            ("/", ""),
            ("/a/b.js", "a/b.js"),
            ("/a/", "a/"),
            ("/na%C3%AFve%20name.txt", "na\u{ef}ve name.txt"),
            ("/%252e%252e/x", "%2e%2e/x"),
            ("/a%2eb", "a.b"),
            ("/...", "..."),
            ("/%E2%80%AE", "\u{202e}"),
        ] {
            assert_eq!(decode(raw).as_deref(), Ok(path), "{raw}");
        }
        for (raw, why) in [
            ("/..", BadPath::Part),
            ("/../x", BadPath::Part),
            ("/a/../x", BadPath::Part),
            ("/a/..", BadPath::Part),
            ("/a/../", BadPath::Part),
            ("/%2e%2e/x", BadPath::Part),
            ("/%2E%2e/x", BadPath::Part),
            ("/.%2e/x", BadPath::Part),
            ("/./x", BadPath::Part),
            ("/%2e/x", BadPath::Part),
            ("//x", BadPath::Part),
            ("/a//b", BadPath::Part),
            ("//", BadPath::Part),
            ("/a%2fb", BadPath::Character),
            ("/..%2f..%2fx", BadPath::Character),
            ("/%2fetc/passwd", BadPath::Character),
            ("/..\\x", BadPath::Character),
            ("/%5c..%5cx", BadPath::Character),
            ("/a%00.html", BadPath::Character),
            ("/a%0d%0aX:1", BadPath::Character),
            ("/a%7f", BadPath::Character),
            ("/%c2%85", BadPath::Character),
            ("/%c0%ae%c0%ae/x", BadPath::NotUtf8),
            ("/%e0%80%ae/x", BadPath::NotUtf8),
            ("/%c0%af", BadPath::NotUtf8),
            ("/%ff", BadPath::NotUtf8),
            ("/%ed%a0%80", BadPath::NotUtf8),
            ("/%", BadPath::Percent),
            ("/%2", BadPath::Percent),
            ("/%zz", BadPath::Percent),
            ("/%u002e", BadPath::Percent),
            ("/%+1", BadPath::Percent),
        ] {
            assert_eq!(decode(raw), Err(why), "{raw}");
        }
        assert_eq!(decode(&format!("/{}", "a".repeat(4_097))), Err(BadPath::TooLong));
    }

    #[test]
    fn paths_lead_to_files_folders_and_pages() {
        let site = manifest(&["index.html", "a.html", "b/index.html", "b.html", "js/app.js", "c.txt"]);
        let to = |path: &str| match resolve(&site, path, OrElse::Missing) {
            Found::File(path, _) => path.to_owned(),
            Found::Folder => "folder".to_owned(),
            Found::Missing(None) => "missing".to_owned(),
            Found::Missing(Some((path, _))) => format!("missing: {path}"),
        };
        for (path, found) in [
            ("", "index.html"),
            ("index.html", "index.html"),
            ("a", "a.html"),
            ("a/", "missing"),
            ("b", "folder"),
            ("b/", "b/index.html"),
            ("js", "missing"),
            ("js/", "missing"),
            ("js/app.js", "js/app.js"),
            ("JS/app.js", "missing"),
            ("c.txt/", "missing"),
            ("%2e%2e/x", "missing"),
        ] {
            assert_eq!(to(path), found, "{path}");
        }
    }

    #[test]
    fn the_first_page_stands_in_for_pages_alone() {
        let site = manifest(&["index.html", "404.html"]);
        let to = |path: &str, or_else| match resolve(&site, path, or_else) {
            Found::File(path, _) => path,
            Found::Missing(Some((path, _))) => path,
            Found::Folder | Found::Missing(None) => "",
        };
        for (path, found) in
            [("about", "index.html"), ("a/b", "index.html"), ("a/", "index.html"), ("app.js", "404.html")]
        {
            assert_eq!(to(path, OrElse::FirstPage), found, "{path}");
            assert_eq!(to(path, OrElse::Missing), "404.html", "{path}");
        }
        assert_eq!(to(".env", OrElse::FirstPage), "404.html");
    }

    #[test]
    fn what_begins_with_a_dot_is_not_there_whatever_the_manifest_says() {
        let hidden = [".env", ".git/config", "a/.htaccess", ".well-known/.env", ".well-known", "a/.b/c.html"];
        let site = manifest(&[&hidden[..], &[".well-known/assetlinks.json"]].concat());
        for path in hidden {
            assert_eq!(resolve(&site, path, OrElse::Missing), Found::Missing(None), "{path}");
        }
        let found = resolve(&site, ".well-known/assetlinks.json", OrElse::Missing);
        assert!(matches!(found, Found::File(..)));
    }

    #[test]
    fn an_encoded_path_is_decoded_to_itself() {
        for path in ["", "a/", "na\u{ef}ve name.txt", "100%/x?y#z", "a+b&c=d", "%2e%2e/x"] {
            assert_eq!(decode(&encode(path)).as_deref(), Ok(path));
            assert!(encode(path).is_ascii());
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_asked_for_stays_inside(raw in "/[%./\\\\a-c0-9\\x00\\xc0 ]{0,40}") {
            if let Ok(path) = decode(&raw) {
                proptest::prop_assert!(!path.starts_with('/') && !path.contains('\\') && !path.contains('\0'));
                proptest::prop_assert!(path.split('/').all(|part| part != "." && part != ".."));
                proptest::prop_assert_eq!(decode(&encode(&path)), Ok(path));
            }
        }
    }
}
