//! Deployments through the crate's boundary, against stand-ins of the providers.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod appstore;
mod cloudflare;
mod crash;
mod eas;
mod expo;
mod netlify;
mod setup;
mod site;
mod vercel;
