//! Tests of the domain through its three functions: `handle`, `apply`, `pending`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod closing;
mod control;
mod late;
mod machine;
mod scenarios;
mod world;
