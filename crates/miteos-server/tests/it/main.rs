//! The server through its own door: HTTP in; HTTP, events and files out. The models are scripted.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bank;
mod collector;
mod harness;
mod receiver;
mod relay;
mod socket;
mod sse;
mod standin;

mod approvals;
mod backup;
mod bad_input;
mod budgets;
mod cancel;
mod clients;
mod control;
mod conventions;
mod crash;
mod deliverables;
mod events;
mod examples;
mod keys;
mod kills;
mod ledger;
mod limits;
mod loops;
mod lost;
mod metrics;
mod openapi;
mod operations;
mod plans;
mod provider;
mod repeats;
mod sockets;
mod steering;
mod streams;
mod test_mode;
mod tiers;
mod traces;
mod upgrade;
mod uploads;
mod usage;
mod webhooks;
mod workspaces;
