//! The domain of Miteos, without input or output: what a task is, what may happen to it, and what the world
//! owes it next. No clock, no randomness, no async, no storage, no network.

#![forbid(unsafe_code)]

// The vocabulary.
pub mod content;
pub mod ids;
pub mod money;
pub mod time;
pub mod tool;

// The task: its state, its records, and the three functions between them.
pub mod agent;
pub mod apply;
pub mod approval;
pub mod chat;
pub mod command;
pub mod decide;
pub mod event;
pub mod pending;
pub mod plan;
pub mod task;

// The deployment: the same again, much smaller.
pub mod deployment;

// The rules.
pub mod invariants;
pub mod policy;
pub mod redact;
pub mod settings;
