//! The server through its own door: HTTP in; HTTP, events and files out. The models are scripted.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;
mod relay;
mod socket;
mod sse;
mod standin;

mod bad_input;
mod clients;
mod crash;
mod deliverables;
mod events;
mod kills;
mod loops;
mod plans;
mod provider;
mod sockets;
mod steering;
mod streams;
mod tiers;
