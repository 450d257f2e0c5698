//! Attacks over sockets. All addresses are of this machine.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixStream};
use std::time::Duration;

use super::blocked;
use crate::Outcome;
use crate::raw::call;

const PATIENCE: Duration = Duration::from_millis(300);

/// For what goes through another process.
const TUNNEL_PATIENCE: Duration = Duration::from_secs(10);

pub fn tcp(port: u16) -> Outcome {
    TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), PATIENCE)?;
    Ok("connected".to_owned())
}

/// The listener answers every packet.
pub fn udp(port: u16) -> Outcome {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send_to(b"hello", ("127.0.0.1", port))?;
    socket.recv(&mut [0; 16])?;
    Ok("answered".to_owned())
}

/// The first message of a TLS client that asks for this host: as little of it as there can be.
fn client_hello(host: &str) -> Result<Vec<u8>, std::num::TryFromIntError> {
    let long = |bytes: Vec<u8>| -> Result<Vec<u8>, std::num::TryFromIntError> {
        Ok([&u16::try_from(bytes.len())?.to_be_bytes()[..], &bytes].concat())
    };
    let name = [vec![0], long(host.as_bytes().to_vec())?].concat();
    let extensions = [vec![0, 0], long(long(name)?)?].concat();
    let body = [vec![3, 3], vec![7; 32], vec![0, 0, 2, 0x13, 1, 1, 0], long(extensions)?].concat();
    let message = [vec![1, 0], long(body)?].concat();
    Ok([vec![22, 3, 1], long(message)?].concat())
}

/// A request to the proxy that the environment names, with this host's name in the tunnel. It works when there is a tunnel
/// and something answers in it.
#[expect(clippy::disallowed_methods, reason = "the environment that the run was given is looked at")]
pub fn through_proxy(method: &str, target: &str, named_inside: &str) -> Outcome {
    let named = std::env::var_os("HTTPS_PROXY").ok_or("no proxy is named")?.into_string();
    let named = named.map_err(|_| "the proxy's name is not UTF-8")?;
    let address: SocketAddr = named.strip_prefix("http://").ok_or("the proxy is not http")?.parse()?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(TUNNEL_PATIENCE))?;
    write!(stream, "{method} {target} HTTP/1.1\r\nHost: packages.example\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    if head != *b"HTTP/1.1 200" {
        return blocked(String::from_utf8_lossy(&head).into_owned());
    }
    stream.write_all(&client_hello(named_inside)?)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.lines().last() {
        None | Some("") => blocked("the tunnel was closed"),
        Some(last) => Ok(last.to_owned()),
    }
}

/// Listens where the proxy should be.
pub fn proxy_port() -> Outcome {
    for address in ["127.0.0.1:3128", "0.0.0.0:3128"] {
        if TcpListener::bind(address).is_ok() {
            return Ok(address.to_owned());
        }
    }
    blocked("it is taken")
}

pub fn unix(path: &str) -> Outcome {
    UnixStream::connect(path)?;
    Ok("connected".to_owned())
}

pub fn abstract_name(name: &str) -> Outcome {
    let mut stream = UnixStream::connect_addr(&UnixAddress::from_abstract_name(name)?)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let _ = stream.read(&mut [0; 1]);
    Ok("connected".to_owned())
}

pub fn family(way: &str) -> Outcome {
    let (family, kind, protocol) = match way {
        "vsock" => (libc::AF_VSOCK, libc::SOCK_STREAM, 0),
        "packet" => (libc::AF_PACKET, libc::SOCK_DGRAM, 0),
        "raw" => (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
        "alg" => (libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
        "netfilter" => (libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_NETFILTER),
        "audit" => (libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_KOBJECT_UEVENT),
        _ => return blocked("no such way"),
    };
    call(libc::SYS_socket, [family as usize, kind as usize, protocol as usize])?;
    Ok(way.to_owned())
}
