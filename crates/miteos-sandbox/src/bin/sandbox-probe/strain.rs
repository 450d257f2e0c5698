//! Uses up something, within a bound given by the test, and tells how far it came.

use std::error::Error;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use crate::Outcome;
use crate::raw;

const MIB: usize = 1024 * 1024;

pub fn run(name: &str, rest: &[&str]) -> Outcome {
    let made = match (name, rest) {
        ("processes", [most]) => processes(most.parse()?)?,
        ("memory", [most]) => memory(most.parse()?),
        ("tree-memory", [children, each]) => return tree_memory(children.parse()?, each.parse()?),
        ("churn-memory", [children, each]) => return churn_memory(children.parse()?, each.parse()?),
        ("leaderless-memory", [mib]) => return leaderless_memory(mib.parse()?),
        ("inherited-memory", [children, mib]) => return inherited_memory(children.parse()?, mib.parse()?),
        ("shared-memory", [mib]) => {
            raw::shared_memory(mib.parse::<usize>()? * MIB)?;
            raw::sleep_for_ever()
        }
        ("fill", [path, most]) => fill(path, most.parse()?)?,
        ("fill-files", [folder, each, most]) => fill_files(folder, each.parse()?, most.parse()?)?,
        ("fill-nameless", [each, most]) => fill_nameless(each.parse()?, most.parse()?)?,
        ("entries", [folder, most]) => entries(folder, most.parse()?),
        ("deep", [most]) => deep(most.parse()?)?,
        ("files", [most]) => files(most.parse()?),
        ("processor", []) => loop {
            std::hint::spin_loop();
        },
        ("flood", []) => loop {
            std::io::stdout().write_all(&[b'y'; 8192])?;
        },
        ("sleep", [_token]) => raw::sleep_for_ever(),
        ("daemon", [token]) => return daemon(token),
        ("stubborn", [_token]) => {
            raw::ignore_signals();
            raw::sleep_for_ever()
        }
        ("echo-arguments", rest) => rest.len(),
        ("signal-self", [signal]) => {
            raw::call(libc::SYS_kill, [std::process::id() as usize, signal.parse()?])?;
            0
        }
        _ => return Err(format!("no strain {name} with these arguments").into()),
    };
    Ok(format!("{made}\n"))
}

/// Counts children that stay alive.
fn processes(most: usize) -> Result<usize, Box<dyn Error>> {
    for made in 0..most {
        match raw::fork() {
            Ok(None) => raw::sleep_for_ever(),
            Ok(Some(_)) => {}
            Err(_) => return Ok(made),
        }
    }
    Ok(most)
}

/// Counts MiB that could be had and touched.
fn memory(most: usize) -> usize {
    let mut held: Vec<Vec<u8>> = Vec::new();
    while held.len() < most {
        let mut block = Vec::new();
        if block.try_reserve_exact(MIB).is_err() {
            break;
        }
        block.resize(MIB, 1);
        held.push(block);
    }
    held.len()
}

fn tree_memory(children: usize, each: usize) -> Outcome {
    for _ in 0..children {
        if raw::fork()?.is_none() {
            let got = memory_kept(each);
            drop(got);
            raw::exit(0);
        }
    }
    raw::sleep_for_ever()
}

/// As [`tree_memory`], while the parent's threads come and go all the time.
fn churn_memory(children: usize, each: usize) -> Outcome {
    for _ in 0..children {
        if raw::fork()?.is_none() {
            let got = memory_kept(each);
            drop(got);
            raw::exit(0);
        }
    }
    loop {
        let threads: Vec<_> = (0..40).filter_map(|_| std::thread::Builder::new().spawn(|| ()).ok()).collect();
        for thread in threads {
            let _ = thread.join();
        }
    }
}

/// Memory of a process whose first thread has ended.
fn leaderless_memory(mib: usize) -> Outcome {
    std::thread::spawn(move || memory_kept(mib));
    raw::call(libc::SYS_exit, [0])?;
    Ok("the first thread goes on".to_owned())
}

/// Children that have all of their parent's memory and change none of it.
fn inherited_memory(children: usize, mib: usize) -> Outcome {
    let held = vec![1_u8; mib * MIB];
    for _ in 0..children {
        if raw::fork()?.is_none() {
            std::hint::black_box(&held);
            raw::sleep_for_ever();
        }
    }
    raw::sleep_for_ever()
}

fn memory_kept(each: usize) -> Vec<Vec<u8>> {
    let held: Vec<Vec<u8>> = (0..each).map(|_| vec![1_u8; MIB]).collect();
    std::hint::black_box(&held);
    raw::sleep_for_ever()
}

/// MiB written to one file.
fn fill(path: &str, most: usize) -> Result<usize, Box<dyn Error>> {
    raw::ignore_signals();
    let mut file = File::create(path)?;
    for made in 0..most {
        if file.write_all(&[1; MIB]).is_err() {
            return Ok(made);
        }
    }
    Ok(most)
}

/// Many files of `each` MiB, then waits to be found.
fn fill_files(folder: &str, each: usize, most: usize) -> Result<usize, Box<dyn Error>> {
    for number in 0..most {
        fill(&Path::new(folder).join(format!("part{number}")).to_string_lossy(), each)?;
    }
    raw::sleep_for_ever()
}

/// Open files of `each` MiB without a name, then waits to be found.
fn fill_nameless(each: usize, most: usize) -> Result<usize, Box<dyn Error>> {
    let mut held = Vec::new();
    for number in 0..most {
        let path = format!("nameless{number}");
        let mut file = File::create(&path)?;
        std::fs::remove_file(&path)?;
        for _ in 0..each {
            file.write_all(&[1; MIB])?;
        }
        held.push(file);
    }
    raw::sleep_for_ever()
}

/// Empty files made.
fn entries(folder: &str, most: usize) -> usize {
    for number in 0..most {
        if File::create(Path::new(folder).join(number.to_string())).is_err() {
            return number;
        }
    }
    most
}

/// Folders in folders, then waits to be found.
fn deep(most: usize) -> Result<usize, Box<dyn Error>> {
    for _ in 0..most {
        match std::fs::create_dir("d") {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
            _ => std::env::set_current_dir("d")?,
        }
    }
    raw::sleep_for_ever()
}

/// Open files.
fn files(most: usize) -> usize {
    let mut held = Vec::new();
    while held.len() < most {
        match File::open("/dev/null") {
            Ok(file) => held.push(file),
            Err(_) => break,
        }
    }
    held.len()
}

/// Leaves a process behind that has its own session, no parent, no open output, and ignores every signal.
fn daemon(token: &str) -> Outcome {
    if raw::fork()?.is_none() {
        raw::call(libc::SYS_setsid, [])?;
        if raw::fork()?.is_none() {
            raw::ignore_signals();
            for number in 0..3 {
                raw::call(libc::SYS_close, [number])?;
            }
            raw::sleep_for_ever();
        }
        raw::exit(0);
    }
    std::thread::sleep(Duration::from_millis(50));
    Ok(format!("{token} started\n"))
}
