//! What may be published, told from real folders.

use std::os::unix::fs::PermissionsExt as _;

use miteos_deploy::site::{Index, SiteLimits, scan};
use miteos_deploy::{SiteError, TargetKind};
use miteos_tools::workspace::Name;

use crate::setup::Folder;

fn refused(folder: &Folder) -> SiteError {
    folder.scan(TargetKind::Netlify).err().expect("it is refused")
}

#[test]
fn a_site_is_listed_hashed_and_named_the_same_everywhere() {
    let folder = Folder::site();
    folder.write(".well-known/assetlinks.json", b"[]");
    folder.write(".DS_Store", b"x");
    folder.write("node_modules/a/index.js", b"x");
    let site = folder.scan(TargetKind::Netlify).unwrap();
    let paths: Vec<&str> = site.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            ".well-known/assetlinks.json",
            "assets/copy.txt",
            "assets/deep/na\u{ef}ve name.txt",
            "assets/empty.js",
            "big.bin",
            "index.html",
            "style.css",
        ]
    );
    assert_eq!(site.left_out.len(), 2);
    assert_eq!(site.total_bytes(), 150_042);
    assert_eq!(
        site.get("assets/empty.js").unwrap().digests.sha1_hex(),
        "da39a3ee5e6b4b0d3255bfef95601890afd80709"
    );
    let again = Folder::site();
    again.write(".well-known/assetlinks.json", b"[]");
    assert_eq!(again.scan(TargetKind::Netlify).unwrap().digest(), site.digest());
    again.write("style.css", b"h1 { color: navy }");
    assert_ne!(again.scan(TargetKind::Netlify).unwrap().digest(), site.digest());
}

#[test]
fn a_folder_below_is_a_site_of_its_own() {
    let folder = Folder::new(&[("dist/index.html", b"x"), ("dist/a/b.js", b"y"), ("src/main.js", b"z")]);
    let limits = TargetKind::Vercel.limits();
    let site = scan(&folder.workspace, &Name::folder("dist").unwrap(), limits, Index::Required, &[]).unwrap();
    let paths: Vec<&str> = site.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["a/b.js", "index.html"]);
    let error = refused(&folder);
    assert!(error.to_string().contains("there is one in dist/: publish that folder"), "{error}");
    assert!(matches!(refused(&Folder::new(&[])), SiteError::Empty { .. }));
}

#[test]
fn a_folder_that_is_a_link_to_secrets_is_none() {
    let folder = Folder::new(&[(".git/index.html", b"x"), ("real/index.html", b"x")]);
    for (link, to) in [("dist", ".git"), ("out", "real")] {
        std::os::unix::fs::symlink(to, folder.path().join(link)).unwrap();
    }
    let limits = TargetKind::Netlify.limits();
    let named = |name: &str| {
        scan(&folder.workspace, &Name::folder(name).unwrap(), limits, Index::Required, &[]).err()
    };
    for name in [".git", "dist"] {
        let error = named(name).expect("it is refused");
        assert!(matches!(&error, SiteError::Secrets { names } if *names == [".git"]), "{name}: {error}");
    }
    assert!(named("out").is_none());
}

#[test]
fn a_folder_that_cannot_be_read_is_not_left_out() {
    let folder = Folder::site();
    let locked = folder.path().join("assets");
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o000)).unwrap();
    // Nothing is locked for root.
    let readable = std::fs::read_dir(&locked).is_ok();
    let scanned = folder.scan(TargetKind::Netlify);
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o755)).unwrap();
    match scanned {
        Ok(site) => assert!(readable && site.get("assets/copy.txt").is_some()),
        Err(error) => assert!(!readable && matches!(error, SiteError::Changed { .. }), "{error}"),
    }
}

#[test]
fn links_do_not_lead_out() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret.txt"), "secret").unwrap();
    for target in
        [outside.path().join("secret.txt"), outside.path().to_owned(), "/etc/passwd".into(), "gone".into()]
    {
        let folder = Folder::site();
        std::os::unix::fs::symlink(&target, folder.path().join("link")).unwrap();
        assert!(matches!(refused(&folder), SiteError::LinkLeaves { path } if path == "link"), "{target:?}");
    }
    let folder = Folder::site();
    std::os::unix::fs::symlink("style.css", folder.path().join("inside.css")).unwrap();
    std::os::unix::fs::symlink("assets", folder.path().join("loop")).unwrap();
    let site = folder.scan(TargetKind::Netlify).unwrap();
    assert!(site.get("inside.css").is_none() && site.left_out.len() == 2);
}

#[test]
fn secrets_are_refused_by_name_and_by_content() {
    let base64 = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgFloTxuKJrBCZGHNH";
    let sealed = "Proc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,0123456789ABCDEF";
    for (path, bytes) in [
        (".env", "A=1".to_owned()),
        ("config/.env.production", "A=1".to_owned()),
        ("server.key", "x".to_owned()),
        (".git/config", "x".to_owned()),
        ("js/app.js", format!("{}-----BEGIN RSA PRIVATE{}\n{base64}", "x".repeat(70_000), " KEY-----")),
        ("js/app.js", format!("{}-----BEGIN PRIVATE{}\\n{base64}", "x".repeat(65_530), " KEY-----")),
        ("js/app.js", format!("{}-----BEGIN DSA PRIVATE{}\n{base64}", "x".repeat(65_490), " KEY-----")),
        ("js/app.js", format!("-----BEGIN RSA PRIVATE{}\n{sealed}\n\n{base64}", " KEY-----")),
        ("prod.env", "A=1".to_owned()),
    ] {
        let folder = Folder::site();
        folder.write(path, bytes.as_bytes());
        let error = refused(&folder);
        let first = path.split('/').next().unwrap();
        assert!(
            matches!(&error, SiteError::Secrets { names } if names[0].starts_with(first)),
            "{path}: {error}"
        );
    }
    // A library that reads keys knows how they begin, and has none.
    let folder = Folder::site();
    let reader = concat!(
        "if(0!==e.indexOf(\"-----BEGIN PRIVATE",
        " KEY-----\"))throw TypeError('\"pkcs8\" is no key')"
    );
    folder.write("jose.js", format!("{reader}{}", ";a()".repeat(40_000)).as_bytes());
    folder.write("other.js", reader.as_bytes());
    folder.scan(TargetKind::Netlify).unwrap();
    let folder = Folder::site();
    folder.write("app.js", b"const token = 'nfp_0123456789abcdef';");
    let (limits, root) = (TargetKind::Netlify.limits(), Name::folder("").unwrap());
    let with = |secret: &str| scan(&folder.workspace, &root, limits, Index::Required, &[secret]);
    let error = with("nfp_0123456789abcdef").err().unwrap();
    assert!(matches!(&error, SiteError::Secrets { names } if *names == ["app.js"]));
    assert!(!error.to_string().contains("nfp_0123"));
    assert!(with("short").is_ok() && with("nfp_another0123456789").is_ok());
}

#[test]
fn limits_are_kept() {
    let folder = Folder::site();
    let root = Name::folder("").unwrap();
    let limits = SiteLimits { max_files: 100, max_file_bytes: 1 << 20, max_total_bytes: 1 << 20 };
    let with = |limits| scan(&folder.workspace, &root, limits, Index::Optional, &[]).err().unwrap();
    assert!(matches!(with(SiteLimits { max_files: 5, ..limits }), SiteError::TooManyFiles { limit: 5, .. }));
    let error = with(SiteLimits { max_file_bytes: 1000, ..limits });
    assert!(matches!(&error, SiteError::FileTooLarge { path, bytes: 150_000, .. } if path == "big.bin"));
    assert!(matches!(with(SiteLimits { max_total_bytes: 149_999, ..limits }), SiteError::TooLarge { .. }));
    let strange = Folder::site();
    strange.write("what?.html", b"x");
    assert!(matches!(refused(&strange), SiteError::BadName { .. }));
}
