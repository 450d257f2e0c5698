//! The HTTP clients that providers are called with, and the limits of a call. It knows no provider.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long to wait for a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a provider may take until its answer begins.
pub const FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(120);
/// How long an answer may stand still. Models that think in silence send nothing for minutes.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(180);
/// A model on a small machine reads a long prompt for minutes before its first word.
pub const LOCAL_FIRST_BYTE_TIMEOUT: Duration = Duration::from_secs(900);
/// The longest that one call may take altogether.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// The most of an answer that is taken: its text, thoughts and arguments together.
pub const MAX_ANSWER_BYTES: usize = 4 << 20;
/// The most that a stream may send to say it; every few letters come in an envelope of hundreds of bytes.
pub const MAX_STREAM_BYTES: usize = 64 << 20;

/// How long a dead connection goes unnoticed.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// What one call may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub first_byte: Duration,
    pub idle: Duration,
    pub whole: Duration,
    pub answer_bytes: usize,
    pub stream_bytes: usize,
}

impl Limits {
    pub const CLOUD: Self = Self {
        first_byte: FIRST_BYTE_TIMEOUT,
        idle: IDLE_TIMEOUT,
        whole: CALL_TIMEOUT,
        answer_bytes: MAX_ANSWER_BYTES,
        stream_bytes: MAX_STREAM_BYTES,
    };
    pub const LOCAL: Self = Self { first_byte: LOCAL_FIRST_BYTE_TIMEOUT, ..Self::CLOUD };
}

/// A client, or why there is none. Made at the first use, because reading the machine's certificates takes a while.
type Lazy = Arc<OnceLock<Result<reqwest::Client, String>>>;

/// The clients; one for the world, one that no proxy setting applies to.
#[derive(Clone, Default)]
pub(crate) struct Http {
    world: Lazy,
    this_machine: Lazy,
}

impl Http {
    /// The client for an address, or why there is none.
    pub fn for_address(&self, url: &str) -> Result<reqwest::Client, String> {
        let direct = is_loopback(url);
        let lazy = if direct { &self.this_machine } else { &self.world };
        lazy.get_or_init(|| client(direct)).clone()
    }
}

fn client(direct: bool) -> Result<reqwest::Client, String> {
    // Fails only if the process has chosen its cryptography already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // A machine without certificates of its own (a bare container) gets the built-in ones.
    let own = builder(direct).build();
    let built = own.or_else(|_| {
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        let roots: Vec<_> = roots.filter_map(|der| reqwest::Certificate::from_der(der).ok()).collect();
        builder(direct).tls_certs_only(roots).build()
    });
    built.map_err(|error| error.to_string())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the addresses of model servers are the operator's own settings and may well be private"
)]
fn builder(direct: bool) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_keepalive(KEEP_ALIVE)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .user_agent(concat!("miteos/", env!("CARGO_PKG_VERSION")))
        // A key is never carried to where a redirect points.
        .redirect(reqwest::redirect::Policy::none());
    if direct { builder.no_proxy() } else { builder }
}

/// Whether an address is of this machine.
pub(crate) fn is_loopback(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_from_the_world() {
        for near in ["http://127.0.0.1:1/v1/", "http://localhost/", "http://[::1]:8080/"] {
            assert!(is_loopback(near), "{near}");
        }
        for far in ["https://api.example/v1/", "http://10.0.0.1/", "http://127.0.0.1.example/", "nonsense"] {
            assert!(!is_loopback(far), "{far}");
        }
    }

    #[test]
    fn clients_can_be_built_without_the_machines_certificates() {
        assert!(Http::default().for_address("https://api.example/").is_ok());
        let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
        let roots: Vec<_> = roots.filter_map(|der| reqwest::Certificate::from_der(der).ok()).collect();
        assert!(roots.len() > 50);
        assert!(builder(false).tls_certs_only(roots).build().is_ok());
    }
}
