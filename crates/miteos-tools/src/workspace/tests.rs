//! Attacks on the door, and that what is meant to work does.

use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use super::*;

struct Place {
    workspace: Workspace,
    /// Beside the workspace there is a file `secret`.
    around: TempDir,
}

fn place() -> Place {
    let around = TempDir::new().unwrap();
    std::fs::write(around.path().join("secret"), "secret").unwrap();
    let workspace = Workspace::create(around.path().join("ws")).unwrap();
    Place { workspace, around }
}

impl Place {
    fn host(&self, name: &str) -> PathBuf {
        self.around.path().join("ws").join(name)
    }

    fn secret_is_safe(&self) {
        assert_eq!(std::fs::read_to_string(self.around.path().join("secret")).unwrap(), "secret");
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

#[test]
fn names_that_are_refused() {
    for bad in [
        "",
        "/etc/passwd",
        "//x",
        "a//b",
        "a/",
        "/",
        ".",
        "./a",
        "a/.",
        "a/./b",
        "a\0b",
        &"x".repeat(4097),
        &"y".repeat(256),
        &format!("{}/z", "y".repeat(256)),
    ] {
        assert!(matches!(Name::parse(bad), Err(WorkspaceError::BadName { .. })), "{bad:?}");
    }
    for out in ["..", "../secret", "a/../../secret", "a/..", "../ws/x"] {
        assert!(matches!(Name::parse(out), Err(WorkspaceError::Outside { .. })), "{out:?}");
    }
    let error = Name::parse("../a\nb").unwrap_err().to_string();
    assert!(!error.contains('\n'), "an error stays on one line: {error}");
    assert_eq!(Name::folder("").unwrap(), Name::folder(".").unwrap());
    assert_eq!(Name::folder("src/").unwrap().as_str(), "src");
    assert!(Name::folder("src//").is_err());
}

#[test]
fn strange_names_are_only_names() {
    let place = place();
    // Full-width dots, a division slash, a backslash, a combining accent beside its composed letter, a leading dash.
    for odd in
        ["．．", "a∕b", "..\\secret", "e\u{301}", "é", "-rf", "with space", "…", "日本/語", "a:b", "%2e%2e"]
    {
        place.workspace.write(&name(odd), odd.as_bytes()).unwrap();
    }
    for odd in ["．．", "..\\secret", "e\u{301}", "é", "日本/語"] {
        assert_eq!(place.workspace.read(&name(odd), 100).unwrap(), odd.as_bytes(), "{odd}");
    }
    place.secret_is_safe();
    let outside: Vec<_> =
        std::fs::read_dir(place.around.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(outside.len(), 2, "{outside:?}");
}

#[test]
fn links_do_not_lead_out() {
    let place = place();
    symlink("/etc", place.host("etc")).unwrap();
    symlink("../secret", place.host("up")).unwrap();
    symlink("/proc/self/root", place.host("root")).unwrap();
    symlink("/proc/self/cwd", place.host("cwd")).unwrap();
    std::fs::create_dir(place.host("deep")).unwrap();
    symlink("../..", place.host("deep/er")).unwrap();
    symlink("chain2", place.host("chain")).unwrap();
    symlink("deep/er/secret", place.host("chain2")).unwrap();
    for out in ["etc/passwd", "up", "root/etc/passwd", "cwd/Cargo.toml", "deep/er/secret", "chain"] {
        let target = name(out);
        assert!(
            matches!(place.workspace.read(&target, 100), Err(WorkspaceError::Outside { .. })),
            "read {out}"
        );
        assert!(matches!(place.workspace.stat(&target), Err(WorkspaceError::Outside { .. })), "stat {out}");
    }
    for out in ["etc/new", "root/tmp/new", "deep/er/new", "deep/er/new/er"] {
        let error = place.workspace.write(&name(out), b"x").unwrap_err();
        assert!(matches!(error, WorkspaceError::Outside { .. }), "{out}: {error:?}");
        assert!(place.workspace.delete(&name(out)).is_err());
    }
    for folder in ["etc", "root", "deep/er"] {
        assert!(place.workspace.list(&Name::folder(folder).unwrap(), ALL).is_err(), "{folder}");
    }
    assert!(!place.around.path().join("new").exists());
    // Writing to a name that is a link replaces the link; deleting it leaves its target.
    place.workspace.write(&name("up"), b"mine").unwrap();
    assert_eq!(place.workspace.read(&name("up"), 10).unwrap(), b"mine");
    place.workspace.delete(&name("chain")).unwrap();
    assert!(place.host("chain2").is_symlink());
    place.secret_is_safe();
}

const ALL: WalkLimits = WalkLimits { max_entries: 10_000, skip_heavy: false };

#[test]
fn links_inside_are_followed_and_loops_end() {
    let place = place();
    place.workspace.write(&name("real/a.txt"), b"a").unwrap();
    symlink("real", place.host("alias")).unwrap();
    symlink("loop", place.host("loop")).unwrap();
    assert_eq!(place.workspace.read(&name("alias/a.txt"), 10).unwrap(), b"a");
    assert!(place.workspace.read(&name("loop"), 10).is_err());
    let listing = place.workspace.list(&Name::folder("").unwrap(), ALL).unwrap();
    let names: Vec<_> = listing.entries.iter().map(|e| (e.name.as_str(), e.kind)).collect();
    assert_eq!(
        names,
        [
            ("alias", FileKind::Link),
            ("loop", FileKind::Link),
            ("real", FileKind::Folder),
            ("real/a.txt", FileKind::File)
        ]
    );
}

#[test]
fn a_folder_swapped_for_a_link_while_it_is_used_leads_nowhere() {
    let place = place();
    std::fs::create_dir(place.host("dir")).unwrap();
    std::fs::write(place.host("dir/secret"), "harmless").unwrap();
    std::fs::rename(place.host("dir"), place.host("away")).unwrap();
    symlink("..", place.host("dir")).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // Swaps `dir` between the real folder and the way out.
                let _ = std::fs::rename(place.host("dir"), place.host("link"));
                let _ = std::fs::rename(place.host("away"), place.host("dir"));
                let _ = std::fs::rename(place.host("dir"), place.host("away"));
                let _ = std::fs::rename(place.host("link"), place.host("dir"));
            }
        });
        for _ in 0..300 {
            if let Ok(read) = place.workspace.read(&name("dir/secret"), 100) {
                assert_ne!(read, b"secret");
            }
            let _ = place.workspace.write(&name("dir/new"), b"x");
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(!place.around.path().join("new").exists());
    place.secret_is_safe();
}

#[test]
fn a_hard_link_is_not_written_through() {
    let place = place();
    std::fs::hard_link(place.around.path().join("secret"), place.host("hard")).unwrap();
    place.workspace.write(&name("hard"), b"changed").unwrap();
    place.secret_is_safe();
    assert_eq!(place.workspace.read(&name("hard"), 100).unwrap(), b"changed");
}

#[test]
fn special_files_are_refused_at_once() {
    let place = place();
    rustix::fs::mkfifoat(rustix::fs::CWD, place.host("pipe"), rustix::fs::Mode::RWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place.host("sock")).unwrap();
    symlink("pipe", place.host("to-pipe")).unwrap();
    symlink("/dev/zero", place.host("zero")).unwrap();
    for special in ["pipe", "sock", "to-pipe"] {
        let error = place.workspace.open_file(&name(special)).unwrap_err();
        assert!(matches!(error, WorkspaceError::Special { .. }), "{special}: {error:?}");
    }
    assert!(matches!(place.workspace.read(&name("zero"), 9), Err(WorkspaceError::Outside { .. })));
    place.workspace.write(&name("pipe"), b"now a file").unwrap();
    assert_eq!(place.workspace.read(&name("pipe"), 100).unwrap(), b"now a file");
}

#[test]
fn the_servers_folder_is_closed() {
    let place = place();
    let shown = place.workspace.write_output("call_1.txt", "long").unwrap();
    assert_eq!(shown, ".miteos/outputs/call_1.txt");
    place.workspace.write_private("receipts", "r", b"r").unwrap();
    assert_eq!(place.workspace.read(&name(&shown), 10).unwrap(), b"long");
    symlink(".miteos", place.host("alias")).unwrap();
    for hidden in
        [".miteos/receipts/r", ".MITEOS/receipts/r", "alias/receipts/r", ".miteos/outputsx", ".miteos"]
    {
        let error = place.workspace.read(&name(hidden), 10).unwrap_err();
        assert!(matches!(error, WorkspaceError::Reserved { .. }), "{hidden}: {error:?}");
    }
    for closed in [".miteos", ".miteos/x", ".Miteos/x", ".miteos/outputs/x", "alias/x", "alias/outputs/x"] {
        let error = place.workspace.write(&name(closed), b"x").unwrap_err();
        assert!(matches!(error, WorkspaceError::Reserved { .. }), "{closed}: {error:?}");
        assert!(place.workspace.delete(&name(".miteos/receipts/r")).is_err());
    }
    place.workspace.write(&name("plain"), b"1").unwrap();
    let listing = place.workspace.list(&Name::folder("").unwrap(), ALL).unwrap();
    let names: Vec<_> = listing.entries.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, [".miteos/outputs/call_1.txt", "alias", "plain"]);
    assert!(place.workspace.list(&Name::folder("alias").unwrap(), ALL).is_err());
    assert_eq!(place.workspace.list(&Name::folder(OUTPUTS).unwrap(), ALL).unwrap().entries.len(), 1);
    assert_eq!(place.workspace.file_list(1000).unwrap(), "alias (link)\nplain (1 bytes)\n");
}

#[test]
fn whatever_stands_in_the_servers_place_gives_way() {
    let place = place();
    std::fs::write(place.host(".miteos"), "in the way").unwrap();
    place.workspace.write(&name("a"), b"1").unwrap();
    std::fs::remove_dir_all(place.host(".miteos")).unwrap();
    symlink(place.around.path(), place.host(".miteos")).unwrap();
    place.workspace.write(&name("b"), b"2").unwrap();
    assert!(!place.around.path().join("tmp").exists());
    place.workspace.write_private("run", "x", b"1").unwrap();
    assert_eq!(place.workspace.read_private("run", "x").unwrap(), b"1");
    std::fs::remove_file(place.host(".miteos/run/x")).unwrap();
    symlink(place.around.path().join("secret"), place.host(".miteos/run/x")).unwrap();
    assert_eq!(place.workspace.read_private("run", "x"), None);
    place.secret_is_safe();
}

#[test]
fn writes_are_whole_and_keep_the_mode() {
    let place = place();
    place.workspace.write(&name("a/b/c.sh"), b"one").unwrap();
    std::fs::set_permissions(place.host("a/b/c.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (mut reader, _) = place.workspace.open_file(&name("a/b/c.sh")).unwrap();
    place.workspace.write(&name("a/b/c.sh"), b"two and more").unwrap();
    let mut old = String::new();
    reader.read_to_string(&mut old).unwrap();
    assert_eq!(old, "one", "a reader keeps the file it opened");
    assert_eq!(std::fs::metadata(place.host("a/b/c.sh")).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(matches!(place.workspace.write(&name("a/b"), b""), Err(WorkspaceError::IsDirectory { .. })));
    assert!(matches!(
        place.workspace.write(&name("a/b/c.sh/d"), b""),
        Err(WorkspaceError::NotDirectory { .. })
    ));
    assert_eq!(std::fs::read_dir(place.host(".miteos/tmp")).unwrap().count(), 0, "nothing is left over");
    assert!(matches!(place.workspace.delete(&name("a")), Err(WorkspaceError::NotEmpty { .. })));
    place.workspace.delete(&name("a/b/c.sh")).unwrap();
    place.workspace.delete(&name("a/b")).unwrap();
    assert!(matches!(place.workspace.delete(&name("a/b")), Err(WorkspaceError::NotFound { .. })));
}

#[test]
fn a_tree_is_deleted_without_following_its_links() {
    let place = place();
    place.workspace.write(&name("tree/a/b"), b"x").unwrap();
    place.workspace.write(&name("kept"), b"x").unwrap();
    symlink(place.around.path(), place.host("tree/out")).unwrap();
    symlink("../kept", place.host("tree/in")).unwrap();
    assert!(place.workspace.delete_tree(&name(".miteos")).is_err());
    place.workspace.delete_tree(&name("tree")).unwrap();
    assert!(!place.host("tree").exists() && place.host("kept").exists());
    assert!(matches!(place.workspace.delete_tree(&name("tree")), Err(WorkspaceError::NotFound { .. })));
    assert!(place.workspace.delete_tree(&name("kept")).is_err(), "a file is no tree");
    place.secret_is_safe();
}

#[test]
fn new_files_belong_to_the_workspaces_owner() {
    use std::os::unix::fs::MetadataExt;
    let place = place();
    let root = place.host("");
    if std::os::unix::fs::chown(&root, Some(64_001), Some(64_001)).is_err() {
        // Only root can give folders away; for everybody else the files are their own already.
        assert_ne!(rustix_uid(&root), 64_001);
        return;
    }
    place.workspace.write(&name("sub/file"), b"x").unwrap();
    for made in ["sub", "sub/file", ".miteos", ".miteos/tmp"] {
        assert_eq!(std::fs::metadata(place.host(made)).unwrap().uid(), 64_001, "{made}");
    }
}

fn rustix_uid(path: &Path) -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).unwrap().uid()
}

#[test]
fn limits_hold() {
    let place = place();
    place.workspace.write(&name("big"), &[b'x'; 1000]).unwrap();
    assert!(matches!(
        place.workspace.read(&name("big"), 999),
        Err(WorkspaceError::TooBig { bytes: 1000, .. })
    ));
    assert_eq!(place.workspace.read(&name("big"), 1000).unwrap().len(), 1000);
    place.workspace.write(&name("bytes"), b"\xff\xfe").unwrap();
    assert!(matches!(place.workspace.read_text(&name("bytes"), 10), Err(WorkspaceError::NotText { .. })));
    for n in 0..30 {
        place.workspace.write(&name(&format!("many/{n:02}")), b"").unwrap();
    }
    let few = WalkLimits { max_entries: 5, skip_heavy: false };
    let listing = place.workspace.list(&Name::folder("many").unwrap(), few).unwrap();
    assert!(listing.truncated && listing.entries.len() == 5 && listing.entries[4].name == "many/04");
    let text = place.workspace.file_list(100).unwrap();
    assert!(text.ends_with("more; list_files shows them]\n") && text.len() < 200, "{text}");
    assert_eq!(place.workspace.size().unwrap(), (32, 1002));
    std::fs::create_dir_all(place.host("x/node_modules/y")).unwrap();
    assert!(place.workspace.file_list(10_000).unwrap().contains("x/node_modules/ (not listed)"));
}

#[tokio::test]
async fn streams_are_copied_in_whole_or_not_at_all() {
    let place = place();
    let copied = place.workspace.copy_in(&name("up/load"), &b"streamed"[..], 8).await.unwrap();
    assert_eq!(copied, 8);
    assert_eq!(place.workspace.read(&name("up/load"), 10).unwrap(), b"streamed");
    let error = place.workspace.copy_in(&name("up/load"), &b"much longer"[..], 8).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::TooBig { .. }));
    assert_eq!(place.workspace.read(&name("up/load"), 10).unwrap(), b"streamed");
    assert_eq!(std::fs::read_dir(place.host(".miteos/tmp")).unwrap().count(), 0);
    assert!(place.workspace.copy_in(&name(".miteos/x"), &b""[..], 8).await.is_err());
    std::fs::File::create(place.host(".miteos/tmp/left-over")).unwrap().write_all(b"x").unwrap();
    place.workspace.sweep().unwrap();
    assert!(!place.host(".miteos/tmp").exists());
    place.workspace.sweep().unwrap();
}

/// Folders in folders, deeper than any path and than a stack is long. Made by moving what there is into a new one.
fn nest(inside: &Path, depth: usize) {
    let mut at = std::fs::File::open(inside).unwrap();
    for _ in 0..depth {
        rustix::fs::mkdirat(&at, "d", rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::RDONLY;
        at = rustix::fs::openat(&at, "d", flags, rustix::fs::Mode::empty()).unwrap().into();
    }
    rustix::fs::openat(
        &at,
        "file",
        rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY,
        rustix::fs::Mode::from_raw_mode(0o600),
    )
    .unwrap();
}

#[test]
fn trees_of_any_depth_are_removed() {
    let place = place();
    place.workspace.write(&name("kept"), b"x").unwrap();
    std::fs::create_dir(place.host("tree")).unwrap();
    nest(&place.host("tree"), 20_000);
    // Names that the moved folders want, taken by a file and by a full folder; and a link out.
    std::fs::write(place.host("tree/.removed-1"), "").unwrap();
    std::fs::create_dir_all(place.host("tree/.removed-2/full")).unwrap();
    symlink(place.around.path(), place.host("tree/.removed-3")).unwrap();
    place.workspace.delete_tree(&name("tree")).unwrap();
    assert!(!place.host("tree").exists() && place.host("kept").exists());

    place.workspace.write(&name("x"), b"x").unwrap();
    nest(&place.host(".miteos/tmp"), 5_000);
    place.workspace.sweep().unwrap();
    assert!(!place.host(".miteos/tmp").exists());

    nest(&place.host(""), 5_000);
    Workspace::remove(&place.host("")).unwrap();
    assert!(!place.host("").exists());
    Workspace::remove(&place.host("")).unwrap();
    place.secret_is_safe();
}

#[test]
fn what_a_program_has_locked_up_is_opened_and_removed() {
    let place = place();
    std::fs::create_dir_all(place.host("tree/a/b")).unwrap();
    std::fs::write(place.host("tree/a/b/c"), "").unwrap();
    for folder in ["tree/a/b", "tree/a", "tree"] {
        std::fs::set_permissions(place.host(folder), std::fs::Permissions::from_mode(0o000)).unwrap();
    }
    place.workspace.delete_tree(&name("tree")).unwrap();
    assert!(!place.host("tree").exists());
    let root = place.host("");
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o000)).unwrap();
    let again = Workspace::open(root).unwrap();
    again.write(&name("x"), b"x").unwrap();
    assert_eq!(std::fs::metadata(place.host("")).unwrap().permissions().mode() & 0o700, 0o700);
}

#[test]
fn the_first_use_in_a_process_removes_what_a_crash_left() {
    let around = TempDir::new().unwrap();
    let root = around.path().join("ws");
    std::fs::create_dir_all(root.join(".miteos/tmp")).unwrap();
    std::fs::write(root.join(".miteos/tmp/1-1"), "half").unwrap();
    std::fs::create_dir_all(root.join(".miteos/run")).unwrap();
    std::fs::write(root.join(".miteos/run/call.sh"), "echo").unwrap();
    let first = Workspace::open(root.clone()).unwrap();
    assert!(!root.join(".miteos/tmp").exists() && !root.join(".miteos/run").exists());
    let staged = first.stage(&name("x")).unwrap();
    let _second = Workspace::open(root.clone()).unwrap();
    staged.put(&first, &name("x")).unwrap();
    assert!(root.join("x").exists(), "a later use sweeps nothing, since something may be under way");
}
