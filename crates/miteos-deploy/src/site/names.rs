//! What a file's name says about it: published, left out, or a secret. Pure.

/// What is thought of a name before its file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// Nothing: it is published.
    None,
    /// It is of no use to visitors and is left out.
    LeftOut(&'static str),
    /// Most likely a secret: the whole folder is refused.
    Secret,
}

/// Whole names of files that hold secrets, in lower case.
const SECRET_NAMES: [&str; 17] = [
    ".dockercfg",
    ".dev.vars",
    ".git-credentials",
    ".htpasswd",
    ".netrc",
    ".npmrc",
    ".pgpass",
    ".pypirc",
    ".vault-token",
    ".yarnrc",
    "credentials.json",
    "id_dsa",
    "id_ecdsa",
    "id_ed25519",
    "id_rsa",
    "secrets.json",
    "serviceaccountkey.json",
];
/// Ends of names of files that hold keys.
const SECRET_ENDS: [&str; 9] =
    [".pem", ".key", ".p8", ".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".mobileprovision"];
/// Folders whose presence means that more is being published than a site.
const SECRET_FOLDERS: [&str; 7] = [".git", ".hg", ".svn", ".ssh", ".aws", ".gnupg", ".kube"];
/// Folders that begin with a dot and belong to a site.
const PUBLIC_DOT: [&str; 1] = [".well-known"];

/// Judges a path below the site's root.
pub fn suspicion(path: &str) -> Suspicion {
    let mut folders: Vec<&str> = path.split('/').collect();
    let own = folders.pop().unwrap_or_default().to_ascii_lowercase();
    if folders.iter().any(|folder| SECRET_FOLDERS.contains(&folder.to_ascii_lowercase().as_str())) {
        return Suspicion::Secret;
    }
    let samples = [".example", ".sample", ".template", ".dist"];
    let is_env = own.ends_with(".env") || own == ".envrc" || own.starts_with(".env.");
    if is_env && !samples.iter().any(|end| own.ends_with(end)) {
        return Suspicion::Secret;
    }
    let is_secret = SECRET_NAMES.contains(&own.as_str())
        || SECRET_FOLDERS.contains(&own.as_str())
        || SECRET_ENDS.iter().any(|end| own.ends_with(end) && own.len() > end.len());
    if is_secret {
        return Suspicion::Secret;
    }
    if folders.contains(&"node_modules") {
        return Suspicion::LeftOut("it is a package of the build");
    }
    let public = folders.first().is_some_and(|first| PUBLIC_DOT.contains(first));
    // Only the folder itself may begin with a dot, and nothing in it.
    let judged = folders.get(usize::from(public)..).unwrap_or_default();
    if own.starts_with('.') || judged.iter().any(|folder| folder.starts_with('.')) {
        return Suspicion::LeftOut("its name begins with a dot");
    }
    if own == "thumbs.db" || own == "desktop.ini" {
        return Suspicion::LeftOut("it is the desktop's");
    }
    Suspicion::None
}

/// Why a path cannot be an address, if it cannot.
pub(super) fn bad_name(path: &str) -> Option<&'static str> {
    if path.contains('\u{fffd}') {
        return Some("its name is not UTF-8; rename it");
    }
    if path.chars().any(char::is_control) {
        return Some("its name holds a control character; rename it");
    }
    if path.contains(['\\', '#', '?']) {
        return Some("its name holds \\, # or ?, which no address can; rename it");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        for path in [
            ".env",
            ".env.production",
            "config/.ENV",
            ".env.local",
            "server.key",
            "certs/site.pem",
            "AuthKey_ABC.p8",
            "a/id_rsa",
            ".git/config",
            "x/.git/HEAD",
            ".git",
            ".ssh/known_hosts",
            ".aws/credentials",
            ".npmrc",
            "Credentials.json",
            ".htpasswd",
            ".well-known/.env",
            "prod.env",
            "config/staging.ENV",
        ] {
            assert_eq!(suspicion(path), Suspicion::Secret, "{path}");
        }
    }

    #[test]
    fn the_rest_is_published_or_left_out() {
        for path in [
            "index.html",
            "assets/app.js",
            ".well-known/assetlinks.json",
            ".well-known/apple-app-site-association",
            "_headers",
            "key.html",
            "monkey.svg",
            "docs/pem.html",
            "env",
            "git/index.html",
        ] {
            assert_eq!(suspicion(path), Suspicion::None, "{path}");
        }
        for path in [
            ".DS_Store",
            "a/.DS_Store",
            "Thumbs.db",
            ".env.example",
            ".github/x.yml",
            "node_modules/a/b.js",
            ".well-known/.htaccess",
            ".well-known/.x/y",
            "a/.well-known/x",
        ] {
            assert!(matches!(suspicion(path), Suspicion::LeftOut(_)), "{path}");
        }
    }

    #[test]
    fn names_that_no_address_can_have() {
        for path in ["a#b.html", "what?.html", "a\\b", "new\nline", "bad\u{fffd}"] {
            assert!(bad_name(path).is_some(), "{path}");
        }
        for path in ["naïve name.txt", "100%.html", "a+b&c=d.html", "[id].html"] {
            assert!(bad_name(path).is_none(), "{path}");
        }
    }
}
