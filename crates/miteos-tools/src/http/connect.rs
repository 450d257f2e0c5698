//! A bare connection under the same judge as a call: for tunnels whose content is none of this server's business.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

use super::client::Guarded;
use super::error::{HttpError, RefusedAddress};

/// One address of several is tried for so long before the next one.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(5);

impl Guarded {
    /// Connects to a host by its name or address (an IPv6 one may stand in brackets). What is connected to is what was
    /// judged: one address that may not be reached spoils them all.
    pub async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, HttpError> {
        let addresses = self.judged_addresses(host).await?;
        let mut last = None;
        for address in addresses {
            let connecting = TcpStream::connect(SocketAddr::new(address, port));
            match tokio::time::timeout(ADDRESS_TIMEOUT, connecting).await {
                Ok(Ok(stream)) => {
                    // Small records of TLS must not wait for one another.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "a connection keeps its delay");
                    }
                    return Ok(stream);
                }
                Ok(Err(error)) => last = Some(error),
                Err(_) => last = Some(std::io::ErrorKind::TimedOut.into()),
            }
        }
        let why = match last.as_ref().map(std::io::Error::kind) {
            Some(std::io::ErrorKind::ConnectionRefused) => "nothing listens there",
            _ => "no connection could be made",
        };
        Err(HttpError::Unreachable { host: host.to_owned(), why, source: last.map(Into::into) })
    }

    async fn judged_addresses(&self, host: &str) -> Result<Vec<IpAddr>, HttpError> {
        let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = literal.parse::<IpAddr>() {
            return match self.names().judge.refusal(address) {
                Some(what) => Err(HttpError::Refused { host: host.to_owned(), what }),
                None => Ok(vec![address]),
            };
        }
        self.names().addresses(host).await.map_err(|error| match error.downcast_ref::<RefusedAddress>() {
            Some(refused) => HttpError::Refused { host: host.to_owned(), what: refused.what },
            None => HttpError::NoSuchName { host: host.to_owned(), source: Some(error) },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use async_trait::async_trait;
    use tokio::net::TcpListener;

    use super::*;
    use crate::http::{EgressPolicy, Names};

    /// Each name leads to fixed addresses.
    struct Fixed;

    #[async_trait]
    impl Names for Fixed {
        async fn look_up(&self, host: &str) -> io::Result<Vec<IpAddr>> {
            Ok(match host {
                "inner.example" => vec!["127.0.0.1".parse().unwrap()],
                "metadata.example" => vec!["169.254.169.254".parse().unwrap()],
                "mixed.example" => vec!["8.8.8.8".parse().unwrap(), "10.0.0.1".parse().unwrap()],
                "empty.example" => vec![],
                _ => return Err(io::ErrorKind::NotFound.into()),
            })
        }
    }

    fn client(allow: &str) -> Guarded {
        Guarded::with_names(EgressPolicy::parse(allow).unwrap(), Arc::new(Fixed))
    }

    #[tokio::test]
    async fn an_address_that_the_owner_did_not_allow_is_refused_by_name_and_by_number() {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let guarded = client("");
        for host in [
            "inner.example",
            "metadata.example",
            "mixed.example",
            "127.0.0.1",
            "[::1]",
            "::1",
            "169.254.169.254",
        ] {
            let refused = guarded.connect(host, port).await;
            assert!(matches!(refused, Err(HttpError::Refused { .. })), "{host}: {refused:?}");
        }
        for host in ["empty.example", "nobody.example"] {
            let unknown = guarded.connect(host, port).await;
            assert!(matches!(unknown, Err(HttpError::NoSuchName { .. })), "{host}: {unknown:?}");
        }
    }

    #[tokio::test]
    async fn what_the_owner_allows_is_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let guarded = client("127.0.0.0/8");
        for host in ["inner.example", "127.0.0.1"] {
            let (client, server) = tokio::join!(guarded.connect(host, port), listener.accept());
            assert_eq!(client.unwrap().local_addr().unwrap(), server.unwrap().1, "{host}");
        }
        drop(listener);
        let refused = guarded.connect("inner.example", port).await.unwrap_err();
        assert!(refused.to_string().contains("nothing listens there"), "{refused}");
    }
}
