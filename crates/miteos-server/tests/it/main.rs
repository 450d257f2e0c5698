//! The server through its own door: HTTP in; HTTP, events and files out. The models are scripted.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bank;
mod harness;
mod standin;

mod approvals;
mod bad_input;
mod budgets;
mod cancel;
mod control;
mod conventions;
mod crash;
mod deliverables;
mod events;
mod keys;
mod ledger;
mod limits;
mod loops;
mod operations;
mod plans;
mod provider;
mod repeats;
mod steering;
mod tiers;
mod uploads;
mod usage;
