//! The server through its own door: HTTP in; HTTP, events and files out. The models are scripted.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bank;
mod harness;
mod receiver;
mod relay;
mod socket;
mod sse;
mod standin;

mod approvals;
mod bad_input;
mod budgets;
mod cancel;
mod clients;
mod control;
mod conventions;
mod crash;
mod deliverables;
mod events;
mod keys;
mod kills;
mod ledger;
mod limits;
mod loops;
mod lost;
mod operations;
mod plans;
mod provider;
mod repeats;
mod sockets;
mod steering;
mod streams;
mod tiers;
mod uploads;
mod usage;
mod webhooks;
