//! Attacks by opening, writing, linking and running files.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::blocked;
use crate::Outcome;
use crate::raw::call;

/// Reads a file of the host, by its path and through every root that could still be reachable.
pub fn read(path: &str, marker: &str) -> Outcome {
    let relative = path.trim_start_matches('/');
    for root in
        ["/", "/proc/self/root", "/proc/1/root", "/proc/1/cwd", "/proc/self/cwd/..", "/oldroot", "/.old"]
    {
        let candidate = Path::new(root).join(relative);
        if let Ok(text) = std::fs::read(&candidate)
            && String::from_utf8_lossy(&text).contains(marker)
        {
            return Ok(candidate.display().to_string());
        }
    }
    blocked(format!("{path} not readable"))
}

pub fn list(path: &str) -> Outcome {
    let entries = std::fs::read_dir(path)?.count();
    if entries > 0 { Ok(format!("{entries} entries in {path}")) } else { blocked(format!("{path} is empty")) }
}

pub fn create(folder: &str) -> Outcome {
    let path = Path::new(folder).join("sandbox-attack-file");
    std::fs::write(&path, "attack")?;
    std::fs::remove_file(&path)?;
    Ok(path.display().to_string())
}

pub fn open_write(path: &str) -> Outcome {
    OpenOptions::new().write(true).open(path)?;
    Ok(path.to_owned())
}

pub fn symlink(target: &str, marker: &str) -> Outcome {
    let link = format!("attack-link-{}", std::process::id());
    std::os::unix::fs::symlink(target, &link)?;
    let found = std::fs::read_to_string(&link);
    std::fs::remove_file(&link)?;
    if found?.contains(marker) { Ok(target.to_owned()) } else { blocked("other content") }
}

pub fn process_list(marker: &str) -> Outcome {
    let own = std::process::id().to_string();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == own || !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        // The attack itself carries the marker too, and so may its own interpreter.
        if line.contains(marker) && !line.contains("process-list") {
            return Ok(format!("{name}: {line}"));
        }
    }
    blocked("not visible")
}

pub fn environment(name: &str) -> Outcome {
    for path in ["/proc/self/environ", "/proc/1/environ"] {
        if let Ok(text) = std::fs::read(path)
            && String::from_utf8_lossy(&text).contains(&format!("{name}="))
        {
            return Ok(path.to_owned());
        }
    }
    blocked("not there")
}

/// Any descriptor above the three, besides the one for reading the list.
pub fn inherited_file() -> Outcome {
    let folder = File::open("/proc/self/fd")?;
    for entry in std::fs::read_dir("/proc/self/fd")?.flatten() {
        let number: i32 = entry.file_name().to_string_lossy().parse()?;
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        let own = target.to_string_lossy().ends_with("/fd");
        if number > 2 && number != folder.as_raw_fd() && !own {
            return Ok(format!("{number} is {}", target.display()));
        }
    }
    blocked("none")
}

/// The first process of the sandbox must not be readable or writable, nor its program or ours.
pub fn init_files() -> Outcome {
    for path in ["/proc/1/mem", "/proc/1/exe", "/proc/self/exe", "/run/sandbox-helper"] {
        if OpenOptions::new().write(true).open(path).is_ok() {
            return Ok(format!("{path} can be written"));
        }
    }
    for path in ["/proc/1/mem", "/proc/1/environ", "/proc/1/maps"] {
        if File::open(path)
            .and_then(|mut file| std::io::Read::read(&mut file, &mut [0; 1]))
            .is_ok_and(|n| n > 0)
        {
            return Ok(format!("{path} can be read"));
        }
    }
    if std::fs::read_dir("/proc/1/fd").is_ok_and(|entries| entries.count() > 0) {
        return Ok("/proc/1/fd can be listed".to_owned());
    }
    blocked("closed")
}

/// Leaves a file with a setuid or setgid bit in the current folder.
pub fn plant_setuid(way: &str) -> Outcome {
    let name = format!("planted-{way}");
    let path = Path::new(&name);
    let c_name = std::ffi::CString::new(name.clone())?;
    let at = libc::AT_FDCWD as usize;
    let address = c_name.as_ptr() as usize;
    let _ = std::fs::remove_file(path);
    let made = match way {
        "chmod" => File::create(path)
            .and_then(|_| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o4755))),
        "chmod-group" => File::create(path)
            .and_then(|_| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o2755))),
        "fchmod" => {
            File::create(path).and_then(|file| file.set_permissions(std::fs::Permissions::from_mode(0o4755)))
        }
        "fchmodat2" => File::create(path).and_then(|_| call(452, [at, address, 0o4755, 0]).map(drop)),
        "create" => OpenOptions::new().write(true).create_new(true).mode(0o4755).open(path).map(drop),
        "openat2" => {
            let how: [u64; 3] = [(libc::O_CREAT | libc::O_WRONLY) as u64, 0o4755, 0];
            call(libc::SYS_openat2, [at, address, how.as_ptr() as usize, 24]).map(drop)
        }
        "nameless" => nameless(path),
        "mknod" => call(libc::SYS_mknodat, [at, address, (libc::S_IFREG | 0o4755) as usize, 0]).map(drop),
        _ => return blocked("no such way"),
    };
    let error = made.err().map(|error| error.to_string()).unwrap_or_default();
    match std::fs::metadata(path) {
        Ok(found) if found.mode() & 0o6000 != 0 => Ok(format!("{:o}", found.mode())),
        _ => blocked(error),
    }
}

fn nameless(path: &Path) -> std::io::Result<()> {
    let file = OpenOptions::new().write(true).custom_flags(libc::O_TMPFILE).mode(0o4755).open(".")?;
    let from = std::ffi::CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let to = std::ffi::CString::new(path.as_os_str().as_encoded_bytes())?;
    let at = libc::AT_FDCWD as usize;
    let follow = libc::AT_SYMLINK_FOLLOW as usize;
    call(libc::SYS_linkat, [at, from.as_ptr() as usize, at, to.as_ptr() as usize, follow]).map(drop)
}

/// Runs a setuid copy of this program that tells whether it has become root.
#[expect(clippy::disallowed_methods, reason = "an attack")]
pub fn run_setuid(path: &str) -> Outcome {
    let output = std::process::Command::new(path).args(["attack", "am-root"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.starts_with("ESCAPED") { Ok(text) } else { blocked(text) }
}

pub fn am_root() -> Outcome {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default().trim().to_owned();
    if ids.split_whitespace().nth(1) == Some("0") { Ok(ids) } else { blocked(ids) }
}

pub fn capabilities() -> Outcome {
    let status = std::fs::read_to_string("/proc/self/status")?;
    for line in status.lines().filter(|line| line.starts_with("Cap")) {
        let mask = line.split_whitespace().nth(1).unwrap_or_default();
        if u64::from_str_radix(mask, 16)? != 0 {
            return Ok(line.to_owned());
        }
    }
    blocked("none")
}

/// Any device of the host but the harmless ones.
pub fn device() -> Outcome {
    for path in [
        "/dev/vda",
        "/dev/sda",
        "/dev/kvm",
        "/dev/mem",
        "/dev/fuse",
        "/dev/kmsg",
        "/dev/net/tun",
        "/dev/port",
    ] {
        if File::open(path).is_ok() {
            return Ok(path.to_owned());
        }
    }
    std::io::stdout().flush()?;
    blocked("none")
}
