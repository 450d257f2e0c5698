//! Why an outgoing call gave no answer. Texts are fit for a model or a client: they name the host, never a whole
//! address with its secrets, nor what lies behind a refused one.

use std::error::Error as StdError;
use std::io;

#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The text cannot be an address to call.
    #[error("\"{url}\" cannot be fetched: {why}")]
    BadUrl { url: String, why: &'static str },
    /// The address is one that outgoing calls may not reach.
    #[error(
        "{host} cannot be reached from here: its address is not a public one ({what}); use a public address"
    )]
    Refused { host: String, what: &'static str },
    #[error("the name {host} does not exist or cannot be looked up; check its spelling")]
    NoSuchName {
        host: String,
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    #[error("{host} could not be reached: {why}")]
    Unreachable {
        host: String,
        why: &'static str,
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    #[error("{host} did not answer completely within {seconds} s")]
    TimedOut { host: String, seconds: u64 },
    #[error("{host} redirected more than {limit} times")]
    TooManyRedirects { host: String, limit: usize },
    #[error("{host} redirected to an address that cannot be used")]
    BadRedirect { host: String },
    #[error("the answer of {host} is bigger than {limit} bytes")]
    TooBig { host: String, limit: u64 },
    #[error("the call was cancelled")]
    Cancelled,
    /// The server's machine cannot make calls at all.
    #[error("no outgoing call can be made: {why}")]
    Unusable { why: String },
}

impl HttpError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::NoSuchName { .. } => true,
            Self::BadUrl { .. }
            | Self::Refused { .. }
            | Self::TooManyRedirects { .. }
            | Self::BadRedirect { .. }
            | Self::TooBig { .. }
            | Self::Cancelled
            | Self::Unusable { .. } => false,
        }
    }

    pub(super) fn of(host: &str, seconds: u64, error: reqwest::Error) -> Self {
        let host = host.to_owned();
        // Without the address: it can hold a key.
        let error = error.without_url();
        if let Some(refused) = cause::<RefusedAddress>(&error) {
            return Self::Refused { host, what: refused.what };
        }
        if cause::<NoName>(&error).is_some() {
            return Self::NoSuchName { host, source: Some(error.into()) };
        }
        if error.is_timeout() && error.is_connect() {
            return Self::Unreachable {
                host,
                why: "no connection could be made in time",
                source: Some(error.into()),
            };
        }
        if error.is_timeout() {
            return Self::TimedOut { host, seconds };
        }
        let why = why(&error);
        Self::Unreachable { host, why, source: Some(error.into()) }
    }
}

fn why(error: &reqwest::Error) -> &'static str {
    match cause::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => return "nothing listens there",
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted) => {
            return "it broke the connection off";
        }
        Some(io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable) => {
            return "the network does not lead there";
        }
        Some(io::ErrorKind::InvalidData) => return "its certificate is not valid or it does not speak TLS",
        _ => {}
    }
    if error.is_connect() {
        "no connection could be made"
    } else if error.is_decode() || error.is_body() {
        "its answer broke off or was damaged"
    } else {
        "it does not answer in HTTP"
    }
}

/// The first error of this type in the chain.
fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // An io::Error hides the error it was made of from the chain.
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = inner.downcast_ref::<T>()
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// Raised at connection time, when a name turns out to lead to an address that may not be reached.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to an address that is {what}")]
pub(super) struct RefusedAddress {
    pub(super) what: &'static str,
}

#[derive(Debug, thiserror::Error)]
#[error("the name cannot be looked up")]
pub(super) struct NoName(#[source] pub(super) Option<io::Error>);
