//! What a person sees: API objects and events in, text out. Pure: no terminal, clock or network in here.
//!
//! Everything that came from a model, a file or the server goes through [`text`] before it is shown, so that no
//! escape sequence in it can reach the terminal.

pub mod account;
pub mod approval;
pub mod bar;
pub mod checks;
pub mod deployments;
pub mod log;
pub mod paint;
pub mod serve;
pub mod shares;
pub mod show;
pub mod summary;
pub mod table;
pub mod text;
pub mod tree;
pub mod units;
pub mod webhooks;

#[cfg(test)]
mod tests;
