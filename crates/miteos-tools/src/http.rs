//! The one client for outgoing calls. It reaches public addresses over http and https and nothing else, unless the
//! server's owner allows more; what it gets is bounded in size and time. Knows nothing of what is fetched or why.
//!
//! Nothing else in the project builds an HTTP client for addresses that a user, a model or a page can choose.
//!
//! Proxies named in the environment are ignored on purpose: a proxy resolves the name itself, so the check of the
//! address would be made of the proxy's and not of the one that is reached in the end.

mod address;
mod client;
mod connect;
mod error;
mod request;
mod resolve;
mod response;

pub use address::{Cidr, EgressPolicy, InvalidCidr};
pub(crate) use client::parse_url;
pub use client::{Guarded, MAX_REDIRECTS};
pub use error::HttpError;
pub use request::{Redirects, Request};
pub use reqwest::header;
pub use reqwest::{Method, StatusCode};
pub use resolve::{Names, SystemNames};
pub use response::{Body, Response};
pub use url::Url;

#[cfg(test)]
mod tests;
