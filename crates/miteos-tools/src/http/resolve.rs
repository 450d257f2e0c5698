//! Looking names up, and judging what they lead to at the moment the connection is made. The addresses judged are
//! the ones connected to, so a name that answers differently the second time gains nothing.

use std::io;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::EgressPolicy;
use super::error::{NoName, RefusedAddress};

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
            Self::Policy(policy) => policy.refusal(address),
            Self::Owner => None,
        }
    }
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
