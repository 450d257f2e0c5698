//! The plug is pulled: in the process, by dropping a runtime where it stands, and with `kill -9` of a real process.

use std::future::Future;
use std::process::Stdio;
use std::sync::{Arc, Condvar, Mutex};

use miteos_server::CrashHook;
use serde_json::{Value, json};

use crate::harness::PATIENCE;

/// Lets go when the test says so.
#[derive(Default)]
pub struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    pub fn wait(&self) {
        let mut open = self.open.lock().unwrap();
        while !*open {
            open = self.changed.wait(open).unwrap();
        }
    }

    pub fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

/// Lives on a runtime of its own that is dropped where it stands after the k-th durable write: what it had in memory is
/// gone, nobody was told of the write. Gives whether it got that far.
pub async fn pulled<F>(k: u64, life: impl FnOnce(CrashHook) -> F + Send + 'static) -> bool
where
    F: Future<Output = ()> + Send + 'static,
{
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel::<()>();
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let hook: CrashHook = Arc::new(move |n| {
        if n == k {
            let _ = told.send(());
            held.wait();
            // Writes that wait behind it are never made.
            std::panic::resume_unwind(Box::new("the plug is pulled"));
        }
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (done, over) = tokio::sync::oneshot::channel();
    let living = life(hook);
    runtime.spawn(async move {
        living.await;
        let _ = done.send(());
    });
    let pulled = tokio::select! {
        _ = heard.recv() => true,
        over = over => { over.expect("it fails before the plug is pulled"); false }
    };
    runtime.shutdown_background();
    gate.open();
    pulled
}

/// Where the parent tells the child what to do.
const CHILD: &str = "MITEOS_TEST_VICTIM";

/// What a parent wants done, and the hook that kills this process at its k-th durable write; nothing, if this process is
/// nobody's child.
#[expect(clippy::disallowed_methods, reason = "the parent's instructions come by the environment")]
pub fn order() -> Option<(Value, CrashHook)> {
    let text = std::env::var(CHILD).ok()?;
    let mut order: Value = serde_json::from_str(&text).unwrap();
    let k = order["k"].as_u64().unwrap();
    let hook: CrashHook = Arc::new(move |n| {
        if n == k {
            let pid = std::process::id().to_string();
            let _ = std::process::Command::new("kill").args(["-9", &pid]).status();
            std::thread::sleep(PATIENCE);
        }
    });
    Some((order["order"].take(), hook))
}

/// Runs a test of this program, which carries the order out, in a process that kills itself after its k-th durable write.
/// False if it ended before.
#[expect(clippy::disallowed_methods, reason = "this is about real processes that die")]
pub async fn killed(test: &str, order: &Value, k: u64) -> bool {
    let status = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, json!({"order": order, "k": k}).to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await
        .unwrap();
    if status.success() {
        return false;
    }
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    assert_eq!(signal, Some(9), "after write {k}: {status}");
    true
}
