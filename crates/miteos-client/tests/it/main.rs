//! The client against a small stand-in on loopback that fails on purpose.

#![allow(clippy::unwrap_used, reason = "in a helper of a test, a failure is the failure of the test")]

mod calls;
mod deployments;
mod downloads;
mod public;
mod standin;
mod streams;
mod uploads;
mod webhooks;
