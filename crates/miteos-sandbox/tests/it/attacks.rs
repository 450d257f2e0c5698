//! Each attack works on the host, as far as that is harmless, and not in the sandbox.

use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::{Child, Command, Stdio};

use super::bench::{Bench, Who, With, everywhere, is_root, probe, text_of, token};

/// Where an attack is known to work without a sandbox.
#[derive(Clone, Copy, PartialEq)]
enum Works {
    ForAnybody,
    ForRoot,
    /// For root, tried in a mount namespace of its own, so that the host keeps its mounts.
    ForRootInOwnMounts,
    /// Trying it on the host would hurt, or nothing there allows it: only the sandbox's answer is checked.
    NotTried,
}

use Works::{ForAnybody, ForRoot, ForRootInOwnMounts, NotTried};

/// Attacks that need nothing prepared.
const FIXED: &[(&str, Works)] = &[
    ("list /root", ForRoot),
    ("list /sys", ForAnybody),
    ("list /var/lib", ForAnybody),
    ("list /etc/ssl/private", NotTried),
    ("read /etc/passwd daemon", ForAnybody),
    ("read /etc/shadow root", ForRoot),
    ("symlink /etc/passwd daemon", ForAnybody),
    ("create /usr", ForRoot),
    ("create /etc", ForRoot),
    ("create /", ForRoot),
    ("create /dev", ForRoot),
    ("create /run", ForRoot),
    ("create /opt", ForRoot),
    ("create /proc/self", NotTried),
    ("open-write /proc/sys/kernel/core_pattern", ForRoot),
    ("open-write /proc/sys/kernel/hostname", ForRoot),
    ("open-write /proc/sys/vm/drop_caches", ForRoot),
    ("open-write /proc/sysrq-trigger", NotTried),
    ("init-files", ForRoot),
    ("capabilities", ForAnybody),
    ("am-root", ForRoot),
    ("device", ForRoot),
    ("make-device", ForRoot),
    ("ptrace-child", ForAnybody),
    ("plant-setuid chmod", ForAnybody),
    ("plant-setuid chmod-group", ForAnybody),
    ("plant-setuid fchmod", ForAnybody),
    ("plant-setuid fchmodat2", ForAnybody),
    ("plant-setuid create", ForAnybody),
    ("plant-setuid openat2", ForAnybody),
    ("plant-setuid nameless", ForAnybody),
    ("plant-setuid mknod", ForAnybody),
    ("mount tmpfs /tmp", ForRootInOwnMounts),
    ("mount bind /tmp", ForRootInOwnMounts),
    ("mount remount /", ForRootInOwnMounts),
    ("mount remount /usr", NotTried),
    ("mount remount /workspace", NotTried),
    ("mount umount /dev", ForRootInOwnMounts),
    ("mount umount /usr", NotTried),
    ("mount umount /proc", NotTried),
    ("mount fsopen /", ForRoot),
    ("mount open-tree /usr", ForRoot),
    ("mount setattr /", ForRootInOwnMounts),
    ("mount setattr /usr", NotTried),
    ("mount chroot /tmp", ForRoot),
    ("mount pivot /tmp", NotTried),
    ("user-namespace unshare", ForAnybody),
    ("user-namespace clone", ForAnybody),
    ("user-namespace clone3", ForAnybody),
    ("file-handle", ForRoot),
    ("keyring session", ForAnybody),
    ("keyring add", ForAnybody),
    ("surface io_uring", ForAnybody),
    ("surface bpf", ForRoot),
    ("surface perf", ForRoot),
    ("surface userfaultfd", ForAnybody),
    ("surface dmesg", ForRoot),
    ("surface sethostname", NotTried),
    ("surface adjtimex", ForAnybody),
    ("surface msgget", ForAnybody),
    ("surface semget", ForAnybody),
    ("memory-file", ForAnybody),
    ("second-abi", NotTried),
    ("family vsock", ForAnybody),
    ("family packet", ForRoot),
    ("family raw", ForRoot),
    ("family alg", NotTried),
    ("family netfilter", ForAnybody),
    ("family audit", ForAnybody),
];

/// What a user that is nobody special cannot do anyway is not "known to work" for it.
const NOT_FOR_USERS: &[&str] = &["capabilities", "surface userfaultfd", "surface adjtimex"];

fn words(line: &str) -> Vec<&str> {
    ["attack"].into_iter().chain(line.split(' ')).collect()
}

fn works_on_host(bench: &Bench, who: Who, line: &str, works: Works) -> Option<String> {
    let plain = || bench.on_host(&words(line));
    let answer = match (works, who) {
        (ForAnybody, Who::User) if NOT_FOR_USERS.contains(&line) => return None,
        (ForAnybody, _) | (ForRoot, Who::Root) => plain(),
        (ForRootInOwnMounts, Who::Root) => {
            let mut command = bench.command("unshare");
            command.arg("--mount").arg(bench.path("probe")).args(words(line)).stdin(Stdio::null());
            text_of(&command.output().unwrap())
        }
        (NotTried, _) | (ForRoot | ForRootInOwnMounts, Who::User) => return None,
    };
    (!answer.starts_with("ESCAPED")).then(|| format!("on the host as {who:?}: {answer}"))
}

#[test]
fn attacks_that_need_no_preparation_are_blocked() {
    for (who, with) in everywhere() {
        let bench = Bench::new(who);
        let mut wrong: Vec<String> =
            FIXED.iter().filter_map(|(line, works)| works_on_host(&bench, who, line, *works)).collect();
        let runs: Vec<_> = FIXED.iter().map(|(line, _)| probe(&words(line))).collect();
        for result in bench.drive(with, &runs).results {
            let answer = result.map_or_else(|error| error, |outcome| outcome.stdout.to_text());
            if !answer.starts_with("blocked") {
                wrong.push(format!("in the sandbox: {answer}"));
            }
        }
        assert!(wrong.is_empty(), "{who:?} {with:?}:\n{}", wrong.join("\n"));
        assert_no_privileged_file(&bench);
    }
}

/// Whatever was tried, no file that the host would run with another's rights is left.
fn assert_no_privileged_file(bench: &Bench) {
    for entry in std::fs::read_dir(bench.workspace()).unwrap() {
        let found = entry.unwrap().metadata().unwrap();
        assert_eq!(found.mode() & 0o6000, 0);
        assert!(found.is_file() || found.is_dir(), "a device or socket was left");
    }
}

/// A process, sockets and files of the host that an attack could reach.
struct Targets {
    victim: Child,
    tcp: TcpListener,
    udp: UdpSocket,
    _socket: UnixListener,
    _abstract_socket: UnixListener,
    abstract_name: String,
    token: String,
}

impl Targets {
    fn new(bench: &Bench) -> Self {
        let token = token("victim");
        // The program does not change its user, so that an ordinary server could trace it.
        let victim = bench
            .command(bench.path("probe"))
            .args(["strain", "sleep", &token])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        std::fs::write(bench.path("host/secret"), "the marker is here").unwrap();
        std::fs::write(format!("/dev/shm/{token}"), "the marker is here").unwrap();
        let socket = UnixListener::bind(bench.path("host/socket")).unwrap();
        std::fs::set_permissions(bench.path("host/socket"), std::fs::Permissions::from_mode(0o777)).unwrap();
        let abstract_name = format!("abstract-{token}");
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let answering = udp.try_clone().unwrap();
        std::thread::spawn(move || {
            while let Ok((_, from)) = answering.recv_from(&mut [0; 16]) {
                let _ = answering.send_to(b"hi", from);
            }
        });
        Self {
            victim,
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            udp,
            _socket: socket,
            _abstract_socket: UnixListener::bind_addr(&address).unwrap(),
            abstract_name,
            token,
        }
    }

    fn attacks(&self, bench: &Bench) -> Vec<Vec<String>> {
        let pid = self.victim.id();
        let at = |name: &str| bench.path(name).display().to_string();
        [
            format!("read {} marker", at("host/secret")),
            format!("read /dev/shm/{} marker", self.token),
            format!("symlink {} marker", at("host/secret")),
            format!("list {}", at("host")),
            format!("process-list {}", self.token),
            format!("signal {pid}"),
            format!("ptrace-process {pid}"),
            format!("read-memory {pid}"),
            format!("tcp {}", self.tcp.local_addr().unwrap().port()),
            format!("udp {}", self.udp.local_addr().unwrap().port()),
            format!("unix {}", at("host/socket")),
            format!("abstract {}", self.abstract_name),
        ]
        .iter()
        .map(|line| words(line).into_iter().map(str::to_owned).collect())
        .collect()
    }
}

impl Drop for Targets {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
        let _ = std::fs::remove_file(format!("/dev/shm/{}", self.token));
    }
}

#[test]
fn the_hosts_processes_files_and_sockets_are_out_of_reach() {
    for (who, with) in everywhere() {
        let bench = Bench::new(who);
        let targets = Targets::new(&bench);
        let attacks = targets.attacks(&bench);
        let mut wrong = Vec::new();
        for attack in &attacks {
            let answer = bench.on_host(&attack.iter().map(String::as_str).collect::<Vec<_>>());
            if !answer.starts_with("ESCAPED") {
                wrong.push(format!("on the host: {answer}"));
            }
        }
        let runs: Vec<_> = attacks
            .iter()
            .map(|attack| probe(&attack.iter().map(String::as_str).collect::<Vec<_>>()))
            .collect();
        for result in bench.drive(with, &runs).results {
            let answer = result.map_or_else(|error| error, |outcome| outcome.stdout.to_text());
            if !answer.starts_with("blocked") {
                wrong.push(format!("in the sandbox: {answer}"));
            }
        }
        assert!(wrong.is_empty(), "{who:?} {with:?}:\n{}", wrong.join("\n"));
    }
}

/// What an ordinary server may read below `/opt`, such as its own configuration, is not for its programs.
#[test]
fn what_is_installed_beside_the_system_is_hidden() {
    if !is_root() {
        // Only root can put something there.
        return;
    }
    std::fs::create_dir_all("/opt").unwrap();
    let beside = tempfile::Builder::new().prefix("sandbox-test").tempdir_in("/opt").unwrap();
    std::fs::set_permissions(beside.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(beside.path().join("settings"), "the marker is here").unwrap();
    let line = format!("read {}/settings marker", beside.path().display());
    for (who, with) in everywhere() {
        let bench = Bench::new(who);
        assert!(bench.on_host(&words(&line)).starts_with("ESCAPED"));
        let inside = bench.outcome(with, probe(&words(&line))).stdout.to_text();
        assert!(inside.starts_with("blocked"), "{who:?} {with:?} {inside}");
    }
}

#[test]
fn a_system_v_segment_of_the_host_is_not_found() {
    for (who, with) in everywhere() {
        let bench = Bench::new(who);
        let made = text_of(&bench.command("ipcmk").args(["--shmem", "4096"]).output().unwrap());
        let id = made.split_whitespace().last().unwrap().to_owned();
        let listed = text_of(&bench.command("ipcs").arg("--shmems").output().unwrap());
        let key = listed
            .lines()
            .find(|line| line.split_whitespace().nth(1) == Some(id.as_str()))
            .and_then(|line| {
                u32::from_str_radix(line.split_whitespace().next()?.trim_start_matches("0x"), 16).ok()
            })
            .unwrap()
            .to_string();
        let on_host = bench.on_host(&["attack", "shared-segment", &key]);
        let inside = bench.output(with, probe(&["attack", "shared-segment", &key]));
        bench.command("ipcrm").args(["--shmem-id", &id]).status().unwrap();
        assert!(on_host.starts_with("ESCAPED"), "{on_host}");
        assert!(inside.starts_with("blocked"), "{who:?} {with:?} {inside}");
    }
}

#[test]
fn the_servers_environment_and_open_files_stay_with_it() {
    for (who, with) in everywhere() {
        let bench = Bench::new(who);
        let script = "exec 9</etc/hostname; exec \"$0\" \"$@\"";
        let shell = |words: &[&str]| {
            let mut command = bench.command("sh");
            command.args(["-c", script]).arg(bench.path("probe")).args(words).env("SERVER_SECRET", "s3cret");
            command
        };
        let attacks = [["attack", "environment", "SERVER_SECRET"].as_slice(), &["attack", "inherited-file"]];
        for attack in attacks {
            let answer = text_of(&shell(attack).stdin(Stdio::null()).output().unwrap());
            assert!(answer.starts_with("ESCAPED"), "{answer}");
        }
        let runs: Vec<_> = attacks.iter().map(|attack| probe(attack)).collect();
        let answer = bench.drive_by(shell(&["drive"]), &bench.request(with, &runs, false, false));
        for result in answer.results {
            let text = result.unwrap().stdout.to_text();
            assert!(text.starts_with("blocked"), "{who:?} {with:?} {text}");
        }
    }
}

#[test]
fn a_setuid_root_program_gives_nothing() {
    if !is_root() {
        // Only root can prepare one.
        return;
    }
    for (who, with) in everywhere() {
        let bench = Bench::new(who);
        for folder in ["host", "workspace"] {
            let path = bench.path(folder).join("setuid");
            super::bench::copy(&bench.path("probe"), &path);
            std::fs::hard_link(&path, bench.path(folder).join("setuid-second-name")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o4755)).unwrap();
        }
        let on_host = bench.on_host(&["attack", "run-setuid", "./setuid"]);
        assert!(on_host.starts_with("ESCAPED"), "{on_host}");
        let inside = bench.output(with, probe(&["attack", "run-setuid", "./setuid"]));
        assert!(inside.starts_with("blocked"), "{who:?} {with:?} {inside}");
        if who == Who::Root {
            let found = std::fs::metadata(bench.path("workspace/setuid")).unwrap();
            assert_eq!(found.mode() & 0o6000, 0, "the bits are taken after the run");
        }
    }
}

/// The server is started from a terminal; a program must not be able to type into it.
#[test]
fn the_operators_terminal_takes_no_input_from_programs() {
    for (who, with) in everywhere() {
        let bench = Bench::new(who);
        let request = bench.path("host/request");
        let answer = bench.path("host/answer");
        std::fs::write(&request, bench.request(with, &[probe(&["attack", "terminal"])], false, false))
            .unwrap();
        let on_terminal = |line: &str| {
            let mut command = bench.command("script");
            command.args(["-q", "-e", "-c", line, "/dev/null"]).stdin(Stdio::null());
            text_of(&command.output().unwrap())
        };
        let program = bench.path("probe").display().to_string();
        let may_type = std::fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti")
            .map_or(true, |text| text.trim() == "1");
        let on_host = on_terminal(&format!("{program} attack terminal"));
        assert!(!may_type || on_host.contains("ESCAPED"), "{on_host}");
        on_terminal(&format!("{program} drive <{} >{}", request.display(), answer.display()));
        let text = std::fs::read_to_string(&answer).unwrap();
        let answer: super::bench::Answer = serde_json::from_str(&text).unwrap();
        let inside = answer.results.into_iter().next().unwrap().unwrap().stdout.to_text();
        assert!(inside.starts_with("blocked"), "{who:?} {with:?} {inside}");
    }
}

#[test]
fn a_link_planted_for_the_server_does_not_lead_its_walk_outside() {
    if !is_root() {
        return;
    }
    for with in [With::Namespaces, With::Bwrap] {
        let bench = Bench::new(Who::Root);
        std::fs::write(bench.path("host/secret"), "x").unwrap();
        let secret = bench.path("host/secret").display().to_string();
        let host = bench.path("host").display().to_string();
        let script = format!("ln -s {secret} file; ln -s {host} folder; mkdir d; ln -s {host} d/again");
        bench.output(with, super::bench::run(&["sh", "-c", &script]));
        // The second run gives the workspace to the sandbox's user once more.
        bench.output(with, super::bench::run(&["true"]));
        for path in ["host/secret", "host"] {
            assert_eq!(std::fs::metadata(bench.path(path)).unwrap().uid(), 0, "{path}");
        }
    }
}

#[test]
fn files_that_root_makes_between_runs_can_be_used() {
    if !is_root() {
        return;
    }
    for with in [With::Namespaces, With::Bwrap] {
        let bench = Bench::new(Who::Root);
        std::fs::create_dir(bench.path("workspace/made")).unwrap();
        let mut file = std::fs::File::create(bench.path("workspace/made/file")).unwrap();
        file.write_all(b"by root").unwrap();
        let script = "cat made/file && echo more >> made/file && touch made/new && mv made other";
        assert_eq!(bench.output(with, super::bench::run(&["sh", "-c", script])), "by root");
        assert_eq!(std::fs::read_to_string(bench.path("workspace/other/file")).unwrap(), "by rootmore\n");
        let owner = std::fs::metadata(bench.path("workspace/other/new")).unwrap().uid();
        assert!((64_000..64_512).contains(&owner), "{owner}");
    }
}

#[test]
fn python_snippets_meet_the_same_walls() {
    let found = Command::new("/usr/bin/python3").arg("--version").output();
    if found.is_err() {
        return;
    }
    for (who, with) in everywhere() {
        let bench = Bench::new(who);
        let code = "import socket, os\n\
                    try: socket.create_connection(('127.0.0.1', 1), 1)\n\
                    except OSError as e: print(type(e).__name__)\n\
                    print(os.path.exists('/home/sandbox'), os.listdir('/home'))\n\
                    import multiprocessing as m\n\
                    print(sum(m.Pool(2).map(abs, range(10))))\n";
        let text = bench.output(with, super::bench::run(&["/usr/bin/python3", "-c", code]));
        assert_eq!(text, "ConnectionRefusedError\nTrue ['sandbox']\n45\n", "{who:?} {with:?}");
    }
}
