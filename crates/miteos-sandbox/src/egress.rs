//! Which hosts a program may reach through the server, and who makes the connections.
//!
//! Pure but for the note of what was asked for. It does not know how a name is looked up or which addresses are
//! private: that is for whoever [dials](Dial).

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Most hosts of one list.
pub const MAX_HOSTS: usize = 64;

/// Longest name of a host (bytes), by the rules of the domain name system.
const MAX_HOST_BYTES: usize = 253;

/// Refused hosts that are remembered for whoever explains the run's failure.
const MAX_REFUSED: usize = 16;

/// A host by its name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    host: String,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no host with a port; one looks like packages.example.org:443")]
pub struct InvalidHost(String);

impl HostPort {
    /// The host in lower case; letters, digits, hyphens and underscores between single dots, or an address.
    ///
    /// # Errors
    ///
    /// When it could not be the name of a host, or the port is 0.
    pub fn new(host: &str, port: u16) -> Result<Self, InvalidHost> {
        let invalid = || InvalidHost(host.chars().filter(|c| !c.is_control()).take(MAX_HOST_BYTES).collect());
        let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
            Some(Some(inner)) => format!("[{}]", inner.parse::<Ipv6Addr>().map_err(|_| invalid())?),
            Some(None) => return Err(invalid()),
            None => name(host).ok_or_else(invalid)?,
        };
        if port == 0 { Err(invalid()) } else { Ok(Self { host, port }) }
    }

    /// The name, or the address, an IPv6 one in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it is an address, and no name.
    pub fn is_address(&self) -> bool {
        self.host.starts_with('[') || self.host.parse::<Ipv4Addr>().is_ok()
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A name as it is compared. What only looks like an IPv4 address (`127.1`, `0x7f.1`, `010.0.0.1`) is none: programs
/// read such a thing as one.
fn name(text: &str) -> Option<String> {
    let label = |part: &str| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !part.is_empty() && part.len() <= 63 && part.bytes().all(fits)
    };
    if text.len() > MAX_HOST_BYTES || !text.split('.').all(label) {
        return None;
    }
    let text = text.to_ascii_lowercase();
    let last = text.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    let is_address = text.parse::<Ipv4Addr>().is_ok();
    (!numeric || is_address).then_some(text)
}

impl FromStr for HostPort {
    type Err = InvalidHost;

    /// As it stands behind `CONNECT`: a host, a colon, a port in plain digits.
    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let invalid = || InvalidHost(text.chars().filter(|c| !c.is_control()).take(MAX_HOST_BYTES).collect());
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let plain =
            !port.is_empty() && !port.starts_with('0') && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|_| plain).ok_or_else(invalid)?;
        Self::new(host, port).map_err(|_| invalid())
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Exactly these hosts, each with its port. No wildcard, and nothing below a listed name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(BTreeSet<HostPort>);

impl AllowList {
    /// At most [`MAX_HOSTS`]; more are not taken in.
    pub fn new(hosts: impl IntoIterator<Item = HostPort>) -> Self {
        Self(hosts.into_iter().take(MAX_HOSTS).collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = &HostPort> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn holds(&self, asked: &HostPort) -> bool {
        self.0.contains(asked)
    }
}

impl fmt::Display for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, host) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{host}")?;
        }
        Ok(())
    }
}

/// Why a listed host was not reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Its address may not be reached from this server.
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Unreachable(String),
}

pub type Dialing<'a> = Pin<Box<dyn Future<Output = Result<TcpStream, DialError>> + Send + 'a>>;

/// Connects to hosts of the list. The one who looks names up, and so the one who judges what they lead to.
pub trait Dial: Send + Sync {
    fn dial<'a>(&'a self, to: &'a HostPort) -> Dialing<'a>;
}

/// What one run may do through the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EgressLimits {
    /// Connections at once; further ones wait.
    pub connections: usize,
    /// Bytes that the program gets, all connections together. At one more everything is closed.
    pub down_bytes: u64,
    /// Bytes that the program sends. Far less: a build that gets packages sends requests only.
    pub up_bytes: u64,
    /// A connection on which nothing moves for so long is closed.
    pub idle: Duration,
    /// From the first byte of a request to its last.
    pub head: Duration,
    /// Looking the name up and connecting.
    pub dial: Duration,
}

impl EgressLimits {
    /// For a package manager.
    pub const fn packages() -> Self {
        Self {
            connections: 64,
            down_bytes: 4 << 30,
            up_bytes: 64 << 20,
            idle: Duration::from_secs(60),
            head: Duration::from_secs(10),
            dial: Duration::from_secs(20),
        }
    }
}

/// The way out of one run.
pub struct Egress {
    allow: AllowList,
    dial: Arc<dyn Dial>,
    limits: EgressLimits,
    down_left: AtomicU64,
    up_left: AtomicU64,
    pub(crate) spent: CancellationToken,
    refused: Mutex<BTreeSet<String>>,
}

impl Egress {
    pub fn new(allow: AllowList, dial: Arc<dyn Dial>, limits: EgressLimits) -> Arc<Self> {
        Arc::new(Self {
            allow,
            dial,
            limits,
            down_left: AtomicU64::new(limits.down_bytes),
            up_left: AtomicU64::new(limits.up_bytes),
            spent: CancellationToken::new(),
            refused: Mutex::default(),
        })
    }

    pub fn allowed(&self) -> &AllowList {
        &self.allow
    }

    /// What was asked for and not given, in short words; the first few of it.
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Whether more was moved than the limits allow.
    pub fn is_spent(&self) -> bool {
        self.spent.is_cancelled()
    }

    pub(crate) fn limits(&self) -> &EgressLimits {
        &self.limits
    }

    pub(crate) fn dial<'a>(&'a self, to: &'a HostPort) -> Dialing<'a> {
        self.dial.dial(to)
    }

    pub(crate) fn note_refused(&self, what: impl Into<String>) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() < MAX_REFUSED {
            refused.insert(what.into());
        }
    }

    /// Counts bytes; `false` when there were too many, for good.
    pub(crate) fn spend(&self, way: Way, bytes: usize) -> bool {
        let left = match way {
            Way::Up => &self.up_left,
            Way::Down => &self.down_left,
        };
        let taken =
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes as u64));
        if taken.is_err() {
            self.spent.cancel();
        }
        taken.is_ok()
    }
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("allow", &self.allow)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Which way bytes go, as the program sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> AllowList {
        AllowList::new(
            ["packages.example:443", "10.0.0.9:4873", "[::1]:80"].map(|text| text.parse().unwrap()),
        )
    }

    #[test]
    fn a_listed_host_is_found_however_its_letters_are_written() {
        for text in ["packages.example:443", "PACKAGES.Example:443", "10.0.0.9:4873", "[0:0::1]:80"] {
            assert!(list().holds(&text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn nothing_that_only_resembles_a_listed_host_is_one() {
        for text in [
            "packages.example:80",
            "packages.example:22",
            "sub.packages.example:443",
            "packages.example.evil.test:443",
            "xpackages.example:443",
            "example:443",
            "10.0.0.9:443",
            "[::ffff:10.0.0.9]:4873",
        ] {
            assert!(!list().holds(&text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_no_plain_host_and_port_is_no_host_at_all() {
        for text in [
            "packages.example.:443",
            ".packages.example:443",
            "packages..example:443",
            "packages.example",
            "packages.example:",
            "packages.example:0",
            "packages.example:0443",
            "packages.example:+443",
            "packages.example:65979",
            "packages.example:443 ",
            " packages.example:443",
            "user@packages.example:443",
            "packages.example/:443",
            "packages.example\0.evil.test:443",
            "packages.example%2eevil:443",
            "p\u{e4}ckages.example:443",
            "packages.\u{ff45}xample:443",
            "10.0.0.9.:4873",
            "010.0.0.9:4873",
            "10.9:4873",
            "167772169:4873",
            "0xa000009:4873",
            "0xa.0.0.0x9:4873",
            "[::1:80",
            "::1:80",
            "[::1]",
            "[fe80::1%eth0]:80",
            "",
            ":443",
        ] {
            assert!(text.parse::<HostPort>().is_err(), "{text:?}");
        }
        assert!(format!("{}:443", "a.".repeat(127) + "a").parse::<HostPort>().is_err());
    }

    #[test]
    fn bytes_are_counted_each_way() {
        struct Nobody;
        impl Dial for Nobody {
            fn dial<'a>(&'a self, _to: &'a HostPort) -> Dialing<'a> {
                Box::pin(async { Err(DialError::Unreachable("nobody".to_owned())) })
            }
        }
        let limits = EgressLimits { up_bytes: 10, down_bytes: 20, ..EgressLimits::packages() };
        let egress = Egress::new(list(), Arc::new(Nobody), limits);
        assert!(egress.spend(Way::Up, 10) && egress.spend(Way::Down, 20) && !egress.is_spent());
        assert!(!egress.spend(Way::Up, 1));
        assert!(egress.is_spent());
    }
}
