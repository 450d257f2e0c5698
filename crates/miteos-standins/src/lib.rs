//! Stand-ins of the deploy providers: servers on loopback that keep state, check requests as strictly as the providers
//! are known to, and fail on demand. For tests alone; nothing of the product is built with them.
//!
//! They know nothing of the client that they test, and share no code with it: where both hash or read a form, both do it
//! themselves. What they check was read from the providers' published descriptions and their own tools.

#![forbid(unsafe_code)]

pub mod appstore;
pub mod cloudflare;
pub mod fault;
mod form;
pub mod netlify;
mod record;
mod server;
pub mod vercel;

pub use fault::{Fault, What, When};
pub use record::Recorded;
pub use server::{Provider, Standin};
