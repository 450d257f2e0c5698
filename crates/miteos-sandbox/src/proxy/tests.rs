//! The proxy on an ordinary socket: what it passes on, what it refuses, and that it ends.

use std::net::SocketAddr;

use super::hello::{named, written};
use super::*;
use crate::egress::{AllowList, Dial, Dialing, EgressLimits};

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// Connects to one address, whatever the name, but for a name that is judged private.
struct To(SocketAddr);

impl Dial for To {
    fn dial<'a>(&'a self, to: &'a HostPort) -> Dialing<'a> {
        Box::pin(async move {
            match to.host() {
                "private.example" => Err(DialError::Refused("its address is private".to_owned())),
                "dead.example" => Err(DialError::Unreachable("nothing listens there".to_owned())),
                "slow.example" => std::future::pending().await,
                _ => TcpStream::connect(self.0)
                    .await
                    .map_err(|error| DialError::Unreachable(error.to_string())),
            }
        })
    }
}

struct Place {
    server: TcpListener,
    proxy: Proxy,
    at: SocketAddr,
    egress: Arc<Egress>,
}

impl Place {
    async fn new(limits: EgressLimits) -> Self {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hosts = ["packages.example", "private.example", "dead.example", "slow.example", "10.0.0.9"];
        let allow = AllowList::new(hosts.map(|host| HostPort::new(host, 443).unwrap()));
        let egress = Egress::new(allow, Arc::new(To(server.local_addr().unwrap())), limits);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let proxy = Proxy::start(listener, Arc::clone(&egress)).unwrap();
        Self { server, proxy, at, egress }
    }

    /// Everything that comes back for one request.
    async fn answer(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.at).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
        text
    }

    /// A tunnel in which nothing was said yet, and the server's end of it.
    async fn silent(&self, to: &str) -> (TcpStream, TcpStream) {
        let mut stream = TcpStream::connect(self.at).await.unwrap();
        let request = format!("CONNECT {to}:443 HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let (server, _) = timeout(PATIENCE, self.server.accept()).await.unwrap().unwrap();
        let mut head = [0; 39];
        timeout(PATIENCE, stream.read_exact(&mut head)).await.unwrap().unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 Connection established\r\n\r\n");
        (stream, server)
    }

    /// A tunnel that was begun as TLS is.
    async fn tunnel(&self) -> (TcpStream, TcpStream) {
        let (mut stream, mut server) = self.silent("packages.example").await;
        let hello = written(&[named("packages.example")], 4096);
        stream.write_all(&hello).await.unwrap();
        let mut got = vec![0; hello.len()];
        timeout(PATIENCE, server.read_exact(&mut got)).await.unwrap().unwrap();
        assert_eq!(got, hello);
        (stream, server)
    }
}

/// Whether the other side closes, in order or not, without sending anything more.
async fn closes(stream: &mut TcpStream) -> bool {
    !matches!(timeout(PATIENCE, stream.read(&mut [0; 1])).await.unwrap(), Ok(read) if read > 0)
}

#[tokio::test]
async fn a_listed_host_is_reached_and_bytes_go_both_ways() {
    let place = Place::new(EgressLimits::packages()).await;
    let (mut program, mut server) = place.tunnel().await;
    program.write_all(b"hello").await.unwrap();
    let mut text = [0; 5];
    server.read_exact(&mut text).await.unwrap();
    server.write_all(&text).await.unwrap();
    program.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"hello");
    // One side's end is told to the other, which can still speak.
    program.shutdown().await.unwrap();
    assert!(closes(&mut server).await);
    server.write_all(b"late").await.unwrap();
    drop(server);
    let mut late = String::new();
    timeout(PATIENCE, program.read_to_string(&mut late)).await.unwrap().unwrap();
    assert_eq!(late, "late");
    place.proxy.end().await;
}

/// Registries share machines with others, who would be reached by another name in the first message.
#[tokio::test]
async fn a_tunnel_is_for_the_host_that_it_was_asked_for_and_for_no_neighbour() {
    let place = Place::new(EgressLimits::packages()).await;
    let hidden = (0xfe0d, vec![0; 8]);
    for (to, first, told) in [
        (
            "packages.example",
            written(&[named("neighbour.example")], 9),
            "neighbour.example through packages.example:443",
        ),
        ("packages.example", written(&[named("sub.packages.example")], 4096), "sub.packages.example through"),
        ("packages.example", written(&[], 4096), "a host without a name through"),
        (
            "packages.example",
            written(&[named("packages.example"), hidden], 4096),
            "a host that an encrypted ClientHello may hide (ECH or its GREASE; Bun sends none since 1.3.14) through packages.example:443",
        ),
        (
            "packages.example",
            b"GET / HTTP/1.1\r\nHost: neighbour.example\r\n\r\n".to_vec(),
            "something else than TLS",
        ),
        ("10.0.0.9", written(&[named("neighbour.example")], 4096), "neighbour.example through 10.0.0.9:443"),
    ] {
        let (mut program, mut server) = place.silent(to).await;
        program.write_all(&first).await.unwrap();
        let mut got = Vec::new();
        let _ = timeout(PATIENCE, server.read_to_end(&mut got)).await.unwrap();
        assert_eq!(got, b"", "{told}");
        assert!(closes(&mut program).await);
        assert!(
            place.egress.refused().iter().any(|line| line.contains(told)),
            "{told}: {:?}",
            place.egress.refused()
        );
    }
    let (mut program, mut server) = place.silent("10.0.0.9").await;
    program.write_all(&written(&[], 4096)).await.unwrap();
    timeout(PATIENCE, server.read_exact(&mut [0; 40])).await.unwrap().unwrap();
    // Who closes without a word asked for nothing.
    let refused = place.egress.refused().len();
    let (program, mut server) = place.silent("packages.example").await;
    drop(program);
    assert!(closes(&mut server).await && place.egress.refused().len() == refused);
    place.proxy.end().await;
}

#[tokio::test]
async fn everything_else_is_refused_and_remembered() {
    let limits = EgressLimits { dial: Duration::from_millis(50), ..EgressLimits::packages() };
    let place = Place::new(limits).await;
    for (request, status) in [
        ("CONNECT other.example:443 HTTP/1.1\r\n\r\n", "403"),
        ("CONNECT packages.example:22 HTTP/1.1\r\n\r\n", "403"),
        ("CONNECT packages.example.:443 HTTP/1.1\r\n\r\n", "403"),
        ("CONNECT 127.0.0.1:443 HTTP/1.1\r\n\r\n", "403"),
        ("CONNECT 169.254.169.254:80 HTTP/1.1\r\n\r\n", "403"),
        ("CONNECT private.example:443 HTTP/1.1\r\n\r\n", "403"),
        ("CONNECT dead.example:443 HTTP/1.1\r\n\r\n", "502"),
        ("CONNECT slow.example:443 HTTP/1.1\r\n\r\n", "504"),
        ("GET http://packages.example/ HTTP/1.1\r\nHost: packages.example\r\n\r\n", "405"),
        ("POST http://packages.example/ HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405"),
        ("nonsense\r\n\r\n", "400"),
    ] {
        let answer = place.answer(request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
    }
    let refused = place.egress.refused();
    for part in ["other.example:443", "packages.example:22", "169.254.169.254:80", "its address is private"] {
        assert!(refused.iter().any(|line| line.contains(part)), "{refused:?}");
    }
    assert!(place.answer("CONNECT x.example:1 HTTP/1.1\r\n\r\n").await.contains("packages.example:443"));
    place.proxy.end().await;
}

#[tokio::test]
async fn when_it_ends_every_tunnel_is_closed_and_nothing_listens() {
    let place = Place::new(EgressLimits::packages()).await;
    let (mut program, mut server) = place.tunnel().await;
    let silent = TcpStream::connect(place.at).await.unwrap();
    place.proxy.end().await;
    assert!(closes(&mut program).await && closes(&mut server).await);
    drop(silent);
    assert!(TcpStream::connect(place.at).await.is_err());
}

#[tokio::test]
async fn dropped_it_ends_too() {
    let place = Place::new(EgressLimits::packages()).await;
    let (mut program, mut server) = place.tunnel().await;
    drop(place.proxy);
    assert!(closes(&mut program).await && closes(&mut server).await);
}

#[tokio::test]
async fn too_many_bytes_close_everything() {
    let place = Place::new(EgressLimits { up_bytes: 1500, ..EgressLimits::packages() }).await;
    let (mut quiet, _quiet_server) = place.tunnel().await;
    let (mut program, mut server) = place.tunnel().await;
    program.write_all(&[7; 1501]).await.unwrap();
    let mut got = Vec::new();
    // What the limit broke off may end in a reset.
    let _ = timeout(PATIENCE, server.read_to_end(&mut got)).await.unwrap();
    assert!(got.len() <= 1500);
    assert!(closes(&mut quiet).await && place.egress.is_spent());
    place.proxy.end().await;
}

#[tokio::test]
async fn an_idle_tunnel_and_a_slow_request_are_ended() {
    let short = Duration::from_millis(50);
    let place = Place::new(EgressLimits { idle: short, head: short, ..EgressLimits::packages() }).await;
    let (mut program, mut server) = place.tunnel().await;
    assert!(closes(&mut program).await && closes(&mut server).await);
    assert!(place.answer("CONNECT packages.exam").await.starts_with("HTTP/1.1 408 "));
    place.proxy.end().await;
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_a_place() {
    let place = Place::new(EgressLimits { connections: 1, ..EgressLimits::packages() }).await;
    let (program, server) = place.tunnel().await;
    let mut second = TcpStream::connect(place.at).await.unwrap();
    second.write_all(b"CONNECT other.example:443 HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(timeout(Duration::from_millis(50), second.read(&mut [0; 1])).await.is_err(), "it was served");
    drop((program, server));
    let mut text = String::new();
    timeout(PATIENCE, second.read_to_string(&mut text)).await.unwrap().unwrap();
    assert!(text.starts_with("HTTP/1.1 403 "), "{text}");
    place.proxy.end().await;
}
