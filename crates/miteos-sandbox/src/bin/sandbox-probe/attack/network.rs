//! Attacks over sockets. All addresses are of this machine.

use std::io::Read;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixStream};
use std::time::Duration;

use super::blocked;
use crate::Outcome;
use crate::raw::call;

const PATIENCE: Duration = Duration::from_millis(300);

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
