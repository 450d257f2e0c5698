//! Looks after the repository itself: what its files and crates must be like. The rules are applied by
//! `tests/tidy.rs`; here is how each one is looked at.
//!
//! It knows text, manifests and `cargo metadata`. It knows nothing of what the other crates do.

#![forbid(unsafe_code)]

pub mod contract;
pub mod docs;
pub mod packages;
pub mod source;
pub mod tables;
pub mod tree;
pub mod words;
