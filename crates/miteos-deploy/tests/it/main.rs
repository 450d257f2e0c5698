//! Deployments through the crate's boundary, against stand-ins of the providers.

mod appstore;
mod cloudflare;
mod crash;
mod expo;
mod netlify;
mod setup;
mod site;
mod vercel;
