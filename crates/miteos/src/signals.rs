//! Ctrl-C and SIGTERM as streams. What arrives between two looks is kept: a listener lives as long as its wait.

use crate::failure::Failure;

/// Which signals are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-C and SIGTERM.
    Stop,
}

#[cfg(unix)]
pub struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    /// From now on none of them ends the process by itself.
    pub fn new(which: Which) -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| Failure::io("watch for signals", &error));
        let terminate = match which {
            Which::Interrupt => None,
            Which::Stop => Some(listen(SignalKind::terminate())?),
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate })
    }

    pub async fn next(&mut self) {
        match &mut self.terminate {
            None => {
                self.interrupt.recv().await;
            }
            Some(terminate) => tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = terminate.recv() => {}
            },
        }
    }
}

#[cfg(windows)]
pub struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    pub fn new(_which: Which) -> Result<Self, Failure> {
        tokio::signal::windows::ctrl_c().map(Self).map_err(|error| Failure::io("watch for Ctrl-C", &error))
    }

    pub async fn next(&mut self) {
        self.0.recv().await;
    }
}

impl Signals {
    /// What comes of some work; `None` if a signal comes first, and the work is dropped where it stands.
    pub async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.next() => None,
        }
    }
}
