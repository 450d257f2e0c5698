//! The server through its own door: HTTP in; HTTP, events and files out. The models are scripted.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;
mod receiver;
mod standin;

mod bad_input;
mod crash;
mod deliverables;
mod events;
mod loops;
mod plans;
mod provider;
mod steering;
mod tiers;
mod webhooks;
