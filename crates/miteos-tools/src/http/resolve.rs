//! Looking names up, and judging what they lead to at the moment the connection is made. The addresses judged are
//! the ones connected to, so a name that answers differently the second time gains nothing.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::EgressPolicy;
use super::error::{NoName, RefusedAddress};

/// Any port but 0 would do to ask for the way to an address.
const DISCARD_PORT: u16 = 9;

/// Where names are looked up.
#[async_trait]
pub trait Names: Send + Sync {
    async fn look_up(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's way.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNames;

#[async_trait]
impl Names for SystemNames {
    async fn look_up(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Which addresses a client takes.
#[derive(Clone)]
pub(super) enum Judge {
    /// Public ones and those the owner allows.
    Policy(Arc<EgressPolicy>),
    /// All: for addresses from the owner's own configuration.
    Owner,
}

impl Judge {
    pub(super) fn refusal(&self, address: IpAddr) -> Option<&'static str> {
        match self {
            Self::Policy(policy) if policy.allows(address) => None,
            Self::Policy(policy) => {
                policy.refusal(address).or_else(|| is_own(address).then_some("this machine"))
            }
            Self::Owner => None,
        }
    }
}

/// Whether a public address is one of this machine's own: services that trust the machine itself listen there too.
/// Only own addresses can be bound, unless the machine is set to let any be, which shows at one that is nobody's.
/// Then it is asked from which address it would call this one: mostly its own from themselves. Nothing is sent.
fn is_own(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let (any, nobodys): (IpAddr, IpAddr) = match address {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        IpAddr::V6(_) => {
            (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into())
        }
    };
    let binds = |address: IpAddr| UdpSocket::bind((address, 0));
    if binds(nobodys).is_err() {
        return binds(address).is_ok();
    }
    let from = binds(any).and_then(|socket| {
        socket.connect((address, DISCARD_PORT))?;
        socket.local_addr()
    });
    from.is_ok_and(|from| from.ip() == address)
}

#[derive(Clone)]
pub(super) struct JudgedNames {
    pub(super) names: Arc<dyn Names>,
    pub(super) judge: Judge,
}

impl JudgedNames {
    /// All addresses of the name. One that may not be reached spoils the rest: who mixes them means mischief.
    pub(super) async fn addresses(
        &self,
        host: &str,
    ) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let found = self.names.look_up(host).await.map_err(|error| NoName(Some(error)))?;
        if found.is_empty() {
            return Err(NoName(None).into());
        }
        if let Some(what) = found.iter().find_map(|address| self.judge.refusal(*address)) {
            return Err(RefusedAddress { what }.into());
        }
        Ok(found)
    }
}

impl Resolve for JudgedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let own = self.clone();
        Box::pin(async move {
            let found = own.addresses(name.as_str()).await?;
            // Port 0: the address's own port is taken.
            let addresses: Addrs = Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_own_addresses_are_known() {
        for own in ["127.0.0.1", "127.9.9.9", "::ffff:127.0.0.1"] {
            assert!(is_own(own.parse().unwrap()), "{own}");
        }
        for other in ["192.0.2.1", "198.51.100.7", "2001:db8::1"] {
            assert!(!is_own(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn an_own_address_is_refused_unless_the_owner_allows_it() {
        // Stands for a public one: the list of private blocks would refuse it too, with the same word.
        let own: IpAddr = "127.0.0.1".parse().unwrap();
        let judge = |allowed: &str| Judge::Policy(Arc::new(EgressPolicy::parse(allowed).unwrap()));
        assert_eq!(judge("").refusal(own), Some("this machine"));
        assert_eq!(judge("127.0.0.0/8").refusal(own), None);
    }
}
