//! Where the preview host listens, and so under which names previews are seen.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use miteos_store::Store;
use tokio::net::TcpListener;

use super::{Hosts, Parts, Previews};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::secrets::MasterKey;
use crate::server::{StartError, listen};

/// The preview host before it answers.
pub struct PreviewHost {
    pub listener: TcpListener,
    pub address: SocketAddr,
}

impl PreviewHost {
    /// Listens where the owner said, and nowhere else. Where nothing was said it is seen on this machine alone, at the
    /// port behind the API's or, if somebody has that, at any free one.
    pub async fn listen(config: &Config, api: SocketAddr) -> Result<Self, StartError> {
        let failed = |error| match error {
            StartError::Listen { address, source } => StartError::ListenForPreviews { address, source },
            other => other,
        };
        if let Some(asked) = config.preview.listen {
            let (listener, address) = listen(asked).await.map_err(failed)?;
            return Ok(Self { listener, address });
        }
        let here = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        // A server at any port has its previews at any port, too.
        let next = if config.listen.port() == 0 { None } else { api.port().checked_add(1) };
        if let Some(port) = next {
            match listen(here(port)).await {
                Ok((listener, address)) => return Ok(Self { listener, address }),
                Err(_) => tracing::warn!(port, "the port for previews is taken, so they are at another one"),
            }
        }
        let (listener, address) = listen(here(0)).await.map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// The previews that this host shows.
    pub fn previews(
        &self,
        config: &Config,
        store: &Store,
        master: &MasterKey,
        metrics: &Arc<Metrics>,
        api: SocketAddr,
    ) -> Result<Previews, StartError> {
        let hosts = match &config.preview.hosts {
            Some(hosts) => hosts.clone(),
            None => Hosts::at_home(self.address.port()),
        };
        let public = config.public_url.as_deref().and_then(origin);
        if let Some(public) = public.as_deref().and_then(|origin| origin.split("://").nth(1))
            && hosts.touches(public)
        {
            return Err(StartError::Setting(format!(
                "the server's own host {public} and those of previews lie below one another; give previews a domain of their own"
            )));
        }
        let framers = match public {
            Some(origin) => vec![origin],
            None => vec![format!("http://{api}"), format!("http://localhost:{}", api.port())],
        };
        let (store, clock, master) = (store.clone(), config.clock.clone(), master.clone());
        let (metrics, max_bytes, lives_ms) =
            (Arc::clone(metrics), config.preview.max_bytes, config.preview.lives_ms);
        let parts = Parts { store, clock, master, hosts, framers, metrics, max_bytes, lives_ms };
        Ok(Previews::new(parts))
    }
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    // What is before an @ is no part of it.
    let host = host.rsplit('@').next()?;
    Some(format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (url, expected) in [
            ("https://m.example", "https://m.example"),
            ("https://m.example:8443/below/?x=1", "https://m.example:8443"),
            ("http://me:hush@m.example/", "http://m.example"),
        ] {
            assert_eq!(origin(url).as_deref(), Some(expected));
        }
        assert_eq!(origin("m.example"), None);
    }
}
