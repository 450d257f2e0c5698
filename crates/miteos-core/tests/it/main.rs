//! Tests of the domain through its three functions: `handle`, `apply`, `pending`.

#![allow(clippy::unwrap_used)]

mod control;
mod machine;
mod scenarios;
mod world;
