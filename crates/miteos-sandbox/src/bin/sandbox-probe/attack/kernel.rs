//! Attacks by system calls.

use std::ffi::CString;

use super::blocked;
use crate::Outcome;
use crate::raw::{self, call};

const NUL: usize = 0;

fn text(text: &str) -> Result<CString, std::ffi::NulError> {
    CString::new(text)
}

pub fn signal(pid: usize) -> Outcome {
    call(libc::SYS_kill, [pid, 0])?;
    Ok(format!("process {pid} can be signalled"))
}

pub fn ptrace_process(pid: usize) -> Outcome {
    call(libc::SYS_ptrace, [libc::PTRACE_SEIZE as usize, pid, NUL, NUL])?;
    Ok(format!("process {pid} is traced"))
}

pub fn ptrace_child() -> Outcome {
    match raw::fork()? {
        None => raw::exit(i32::from(
            call(libc::SYS_ptrace, [libc::PTRACE_TRACEME as usize, 0, NUL, NUL]).is_err(),
        )),
        Some(child) => {
            if raw::wait(child)? == 0 {
                Ok("traced".to_owned())
            } else {
                blocked("refused")
            }
        }
    }
}

pub fn read_memory(pid: usize) -> Outcome {
    // The first mapped address of the process is not known here: being allowed to ask is enough, and shows as an
    // error about the address instead of the right.
    let mut byte = [0_u8; 1];
    let local = [byte.as_mut_ptr() as usize, 1];
    let remote = [8_usize, 1];
    let tried =
        call(libc::SYS_process_vm_readv, [pid, local.as_ptr() as usize, 1, remote.as_ptr() as usize, 1, 0]);
    match tried {
        Ok(_) => Ok("read".to_owned()),
        Err(error) if error.raw_os_error() == Some(libc::EFAULT) => Ok("allowed to read".to_owned()),
        Err(error) => Err(error.into()),
    }
}

pub fn make_device() -> Outcome {
    let path = text("attack-device")?;
    let device = libc::makedev(1, 1) as usize;
    call(
        libc::SYS_mknodat,
        [libc::AT_FDCWD as usize, path.as_ptr() as usize, (libc::S_IFCHR | 0o666) as usize, device],
    )?;
    std::fs::remove_file("attack-device")?;
    Ok("made".to_owned())
}

/// Each way changes only what is private to this process where it is run outside a sandbox: see the tests.
pub fn mount(way: &str, path: &str) -> Outcome {
    let (tmpfs, usr, target) = (text("tmpfs")?, text("/usr")?, text(path)?);
    let (kind, usr, target) = (tmpfs.as_ptr() as usize, usr.as_ptr() as usize, target.as_ptr() as usize);
    let at = libc::AT_FDCWD as usize;
    let remount = (libc::MS_REMOUNT | libc::MS_BIND) as usize;
    match way {
        "tmpfs" => call(libc::SYS_mount, [kind, target, kind, 0, NUL])?,
        "bind" => call(libc::SYS_mount, [usr, target, NUL, libc::MS_BIND as usize, NUL])?,
        "remount" => call(libc::SYS_mount, [NUL, target, NUL, remount, NUL])?,
        "umount" => call(libc::SYS_umount2, [target, libc::MNT_DETACH as usize])?,
        "fsopen" => call(libc::SYS_fsopen, [kind, 0])?,
        "open-tree" => call(libc::SYS_open_tree, [at, target, 1])?,
        "setattr" => {
            let attributes = [0_u64, 1, 0, 0];
            call(libc::SYS_mount_setattr, [at, target, 0, attributes.as_ptr() as usize, 32])?
        }
        "chroot" => call(libc::SYS_chroot, [target])?,
        "pivot" => call(libc::SYS_pivot_root, [target, target])?,
        _ => return blocked("no such way"),
    };
    Ok(way.to_owned())
}

pub fn user_namespace(way: &str) -> Outcome {
    let child = match way {
        "unshare" => {
            call(libc::SYS_unshare, [libc::CLONE_NEWUSER as usize])?;
            return Ok("unshared".to_owned());
        }
        "clone" => call(libc::SYS_clone, [(libc::CLONE_NEWUSER | libc::SIGCHLD) as usize, 0, 0, 0, 0])?,
        "clone3" => {
            let arguments = [libc::CLONE_NEWUSER as u64, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0];
            call(libc::SYS_clone3, [arguments.as_ptr() as usize, 64])?
        }
        _ => return blocked("no such way"),
    };
    if child == 0 {
        raw::exit(0);
    }
    raw::wait(child as i32)?;
    Ok("cloned".to_owned())
}

pub fn file_handle() -> Outcome {
    let path = text("/usr")?;
    let mut handle = vec![0_u8; 136];
    handle.splice(0..4, 128_u32.to_ne_bytes());
    let mut mount = 0_i32;
    let at = libc::AT_FDCWD as usize;
    call(
        libc::SYS_name_to_handle_at,
        [at, path.as_ptr() as usize, handle.as_mut_ptr() as usize, &raw mut mount as usize, 0],
    )?;
    let folder = std::fs::File::open("/usr")?;
    let fd = std::os::fd::AsRawFd::as_raw_fd(&folder) as usize;
    call(libc::SYS_open_by_handle_at, [fd, handle.as_ptr() as usize, libc::O_RDONLY as usize])?;
    Ok("opened".to_owned())
}

pub fn keyring(way: &str) -> Outcome {
    let session = -3_isize as usize;
    match way {
        "session" => call(libc::SYS_keyctl, [0, session, 1])?,
        "add" => {
            let (kind, name, value) = (text("user")?, text("sandbox-attack")?, b"x");
            let process = -2_isize as usize;
            let arguments =
                [kind.as_ptr() as usize, name.as_ptr() as usize, value.as_ptr() as usize, 1, process];
            call(libc::SYS_add_key, arguments)?
        }
        _ => return blocked("no such way"),
    };
    Ok(way.to_owned())
}

/// Calls that are a wide surface of the kernel and of no use to programs.
pub fn surface(name: &str) -> Outcome {
    let mut buffer = [0_u64; 32];
    let address = buffer.as_mut_ptr() as usize;
    match name {
        "io_uring" => call(libc::SYS_io_uring_setup, [1, address])?,
        "bpf" => {
            // An array map with one entry of four bytes.
            let attributes: [u32; 16] = [2, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            call(libc::SYS_bpf, [0, attributes.as_ptr() as usize, 64])?
        }
        "perf" => {
            let mut attributes = [0_u32; 32];
            // PERF_TYPE_SOFTWARE with the structure's size.
            attributes[0] = 1;
            attributes[1] = 128;
            call(libc::SYS_perf_event_open, [attributes.as_ptr() as usize, 0, usize::MAX, usize::MAX, 0])?
        }
        "userfaultfd" => call(libc::SYS_userfaultfd, [1])?,
        "dmesg" => call(libc::SYS_syslog, [3, address, 128])?,
        "sethostname" => call(libc::SYS_sethostname, [address, 0])?,
        "adjtimex" => call(libc::SYS_adjtimex, [address])?,
        "msgget" => removed(libc::SYS_msgctl, call(libc::SYS_msgget, [0, 0o1600])?, 1)?,
        "semget" => removed(libc::SYS_semctl, call(libc::SYS_semget, [0, 1, 0o1600])?, 2)?,
        _ => return blocked("no such call"),
    };
    Ok(name.to_owned())
}

/// Takes a queue or a set of semaphores away again; `at` is where the command stands among the arguments.
fn removed(control: libc::c_long, id: i64, at: usize) -> std::io::Result<i64> {
    let mut arguments = [0_usize; 4];
    arguments[0] = id as usize;
    arguments[at] = libc::IPC_RMID as usize;
    call(control, arguments)
}

pub fn memory_file() -> Outcome {
    let name = text("attack")?;
    call(libc::SYS_memfd_create, [name.as_ptr() as usize, 0])?;
    Ok("made".to_owned())
}

/// getpid by its x32 number: if it works, every filter by number has a way around it.
#[cfg(target_arch = "x86_64")]
pub fn second_abi() -> Outcome {
    call(libc::SYS_getpid | 0x4000_0000, [])?;
    Ok("x32".to_owned())
}

#[cfg(not(target_arch = "x86_64"))]
pub fn second_abi() -> Outcome {
    blocked("there is none here")
}

pub fn shared_segment(key: usize) -> Outcome {
    call(libc::SYS_shmget, [key, 4096, 0])?;
    Ok("found".to_owned())
}

/// Puts a character into the input of the controlling terminal.
pub fn terminal() -> Outcome {
    let letter = b'#';
    let tty = std::fs::File::options().read(true).write(true).open("/dev/tty");
    let numbers: Vec<i32> = match &tty {
        Ok(tty) => vec![std::os::fd::AsRawFd::as_raw_fd(tty), 0, 1, 2],
        Err(_) => vec![0, 1, 2],
    };
    for number in numbers {
        if call(libc::SYS_ioctl, [number as usize, libc::TIOCSTI as usize, &raw const letter as usize])
            .is_ok()
        {
            return Ok(format!("through {number}"));
        }
    }
    blocked("no terminal takes it")
}
