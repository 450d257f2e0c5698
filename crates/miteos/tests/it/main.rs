//! The real binary against a stand-in server on loopback.

#![allow(clippy::unwrap_used, reason = "in a helper of a test, a failure is the failure of the test")]

mod backup;
mod deploy;
mod logs;
mod program;
mod reading;
mod run;
mod standin;
mod usage;
mod webhooks;
