//! What a file is, by its name alone: nobody guesses from its bytes, neither this server nor, told so, the browser. Pure.

/// What is not known is bytes, which no browser runs or shows.
pub const UNKNOWN: &str = "application/octet-stream";
/// A page.
pub const HTML: &str = "text/html; charset=utf-8";

/// Types by the last part of the name, sorted by it. Texts are UTF-8.
const TYPES: &[(&str, &str)] = &[
    ("aac", "audio/aac"),
    ("apng", "image/apng"),
    ("atom", "application/atom+xml; charset=utf-8"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("cjs", JAVASCRIPT),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("eot", "application/vnd.ms-fontobject"),
    ("flac", "audio/flac"),
    ("geojson", "application/geo+json"),
    ("gif", "image/gif"),
    ("glb", "model/gltf-binary"),
    ("gltf", "model/gltf+json"),
    ("htm", HTML),
    ("html", HTML),
    ("ico", "image/x-icon"),
    ("ics", "text/calendar; charset=utf-8"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", JAVASCRIPT),
    ("json", JSON),
    ("json5", TEXT),
    ("jsonld", "application/ld+json"),
    ("log", TEXT),
    ("m4a", "audio/mp4"),
    ("m4v", "video/mp4"),
    ("map", JSON),
    ("markdown", "text/markdown; charset=utf-8"),
    ("md", "text/markdown; charset=utf-8"),
    ("mjs", JAVASCRIPT),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("oga", "audio/ogg"),
    ("ogg", "audio/ogg"),
    ("ogv", "video/ogg"),
    ("opus", "audio/ogg"),
    ("otf", "font/otf"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("rss", "application/rss+xml; charset=utf-8"),
    ("svg", "image/svg+xml; charset=utf-8"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("toml", TEXT),
    ("tsv", "text/tab-separated-values; charset=utf-8"),
    ("ttf", "font/ttf"),
    ("txt", TEXT),
    ("vtt", "text/vtt; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("weba", "audio/webm"),
    ("webm", "video/webm"),
    ("webmanifest", "application/manifest+json; charset=utf-8"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xhtml", "application/xhtml+xml; charset=utf-8"),
    ("xml", "application/xml; charset=utf-8"),
    ("yaml", TEXT),
    ("yml", TEXT),
    ("zip", "application/zip"),
];
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Types that become smaller when they are packed, besides all texts.
const PACKABLE: &[&str] = &[
    "application/atom+xml",
    "application/geo+json",
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/rss+xml",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/xhtml+xml",
    "application/xml",
    "font/otf",
    "font/ttf",
    "image/bmp",
    "image/svg+xml",
    "image/x-icon",
    "model/gltf+json",
];

/// The last part of a file's own name, behind a dot.
pub fn extension(path: &str) -> Option<&str> {
    let own = path.rsplit('/').next().unwrap_or(path);
    own.rsplit_once('.').filter(|(name, _)| !name.is_empty()).map(|(_, extension)| extension)
}

/// The type of a file.
pub fn media_type(path: &str) -> &'static str {
    let Some(extension) = extension(path).map(str::to_ascii_lowercase) else { return UNKNOWN };
    let found = TYPES.binary_search_by(|(known, _)| (*known).cmp(&extension));
    found.ok().and_then(|at| TYPES.get(at)).map_or(UNKNOWN, |(_, media_type)| media_type)
}

pub fn is_packable(media_type: &str) -> bool {
    let plain = media_type.split(';').next().unwrap_or_default();
    plain.starts_with("text/") || PACKABLE.contains(&plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_each_type_is_known_by_its_name() {
        assert!(TYPES.is_sorted_by(|a, b| a.0 < b.0), "it is searched by halves");
        assert!(PACKABLE.is_sorted());
        for (path, expected) in [
            ("index.html", HTML),
            ("a/B.HTML", HTML),
            ("app.4f3a.js", JAVASCRIPT),
            ("x.svg", "image/svg+xml; charset=utf-8"),
            ("f.woff2", "font/woff2"),
            ("noextension", UNKNOWN),
            ("folder.html/file", UNKNOWN),
            (".html", UNKNOWN),
            ("x.", UNKNOWN),
            ("x.php", UNKNOWN),
            ("x.html.bin", UNKNOWN),
            ("x.hta", UNKNOWN),
        ] {
            assert_eq!(media_type(path), expected, "{path}");
        }
        for (_, media_type) in TYPES.iter().filter(|(_, known)| known.starts_with("text/")) {
            assert!(media_type.ends_with("; charset=utf-8"), "{media_type}");
        }
        assert!(
            is_packable(HTML) && is_packable("image/svg+xml; charset=utf-8") && !is_packable("image/png")
        );
    }
}
