//! A listening socket that is made inside a sandbox and served outside.
//!
//! A socket belongs to the network it was made in, whoever holds it. So the inner stage binds a port of the sandbox's
//! own loopback and hands the socket out, and the server accepts there: no other program runs inside for it, nothing
//! is bound into the file system, and the port is gone when the server lets go of the socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// Port of the proxy on the sandbox's loopback, the one of [`PROXY_URL`](crate::PROXY_URL). Nothing else can have it: the
/// network is new.
const PROXY_PORT: u16 = 3128;

/// The byte that comes with the socket. No report begins with it.
const MARK: u8 = b'L';

/// What came first over a channel on which a socket may come.
#[derive(Debug)]
pub(crate) enum First {
    Socket(OwnedFd),
    /// A byte of something else.
    Byte(u8),
    /// The other side closed without a word.
    End,
}

/// Binds the proxy's port in the network of this process and hands the socket out.
pub(crate) fn listen_and_send(channel: BorrowedFd<'_>) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PROXY_PORT))?;
    send(channel, listener.as_fd())
}

/// Passes a socket on.
pub(crate) fn send(channel: BorrowedFd<'_>, socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let sockets = [socket];
    if !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
        return Err(io::Error::other("there is no room for a socket in the message"));
    }
    sendmsg(channel, &[IoSlice::new(&[MARK])], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Takes one byte, and the socket that came with it. Waits for it if the channel does.
pub(crate) fn receive(channel: BorrowedFd<'_>) -> io::Result<First> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0_u8];
    let got =
        recvmsg(channel, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?.bytes;
    let socket = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut sockets) => sockets.next(),
        _ => None,
    });
    Ok(match (got, byte, socket) {
        (0, ..) => First::End,
        (_, [MARK], Some(socket)) => First::Socket(socket),
        (_, [byte], _) => First::Byte(byte),
    })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn programs_are_told_the_port_that_is_bound() {
        assert_eq!(crate::PROXY_URL, format!("http://127.0.0.1:{PROXY_PORT}"));
    }

    #[test]
    fn a_socket_is_handed_over_and_works() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        send(theirs.as_fd(), listener.as_fd()).unwrap();
        drop(listener);
        theirs.write_all(b"report\n").unwrap();
        let First::Socket(socket) = receive(ours.as_fd()).unwrap() else { panic!("no socket came") };
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"x").unwrap();
        let (mut accepted, _) = TcpListener::from(socket).accept().unwrap();
        let mut byte = [0];
        accepted.read_exact(&mut byte).unwrap();
        assert!(matches!(receive(ours.as_fd()).unwrap(), First::Byte(b'r')));
        drop(theirs);
        let mut rest = String::new();
        (&ours).read_to_string(&mut rest).unwrap();
        assert_eq!((byte, rest.as_str()), ([b'x'], "eport\n"));
        assert!(matches!(receive(ours.as_fd()).unwrap(), First::End));
    }
}
