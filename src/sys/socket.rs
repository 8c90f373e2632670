//! Sockets as the tracker wants them: bound, non-blocking, closed on exec, and shareable between instances.

use super::failure::Failure;
use super::{native, pktinfo};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, Shutdown, SocketAddrAny, SocketFlags, SocketType, sockopt};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Connections that may wait to be accepted (as the original; the kernel may allow fewer).
const BACKLOG: i32 = 4096;

/// The original's name for the step of binding, printed when it fails.
const BIND: &str = "socket_bind6_reuse";
/// The original's name for the step of listening, printed when it fails.
const LISTEN: &str = "socket_listen";

/// A TCP socket that listens on `address`. One on `::` also serves IPv4, under mapped addresses.
pub fn listen_tcp(address: SocketAddr) -> Result<OwnedFd, Failure> {
    let socket = bind(address, SocketType::STREAM)?;
    rustix::net::listen(&socket, BACKLOG).map_err(Failure::of(LISTEN))?;
    // Connections inherit this; where it is refused answers may only be slower.
    let _refused_is_harmless = sockopt::set_tcp_nodelay(&socket, true);
    Ok(socket)
}

/// A UDP socket on `address`, whose receive buffer holds `receive_buffer_bytes` if the system allows that many. One
/// on `::` also serves IPv4, under mapped addresses. On a wildcard address it says for each datagram which address
/// it was sent to, see [`Batch`](super::datagram::Batch).
pub fn bind_udp(address: SocketAddr, receive_buffer_bytes: usize) -> Result<OwnedFd, Failure> {
    let socket = bind(address, SocketType::DGRAM)?;
    native::set_receive_buffer(&socket, receive_buffer_bytes);
    if address.ip().to_canonical().is_unspecified() {
        pktinfo::request(&socket, address.is_ipv6()).map_err(Failure::of(BIND))?;
    }
    Ok(socket)
}

/// Lets calls that receive from a socket wait; calls that send say themselves that they don't.
///
/// # Errors
/// The descriptor has no such mode.
pub fn set_blocking(socket: BorrowedFd<'_>) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(socket)?;
    Ok(rustix::fs::fcntl_setfl(socket, flags - OFlags::NONBLOCK)?)
}

pub(super) fn bind(address: SocketAddr, kind: SocketType) -> Result<OwnedFd, Failure> {
    let bound = || -> rustix::io::Result<OwnedFd> {
        let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
        let socket = rustix::net::socket_with(family, kind, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
        if address.is_ipv6() {
            // OpenBSD refuses: its IPv6 sockets serve IPv6 alone
            let _refused_is_harmless = sockopt::set_ipv6_v6only(&socket, false);
        }
        sockopt::set_socket_reuseaddr(&socket, true)?;
        sockopt::set_socket_reuseport(&socket, true)?;
        rustix::net::bind(&socket, &address)?;
        Ok(socket)
    };
    bound().map_err(Failure::of(BIND))
}

/// Whether the machine has IPv6 at all.
pub fn has_ipv6() -> bool {
    let socket = rustix::net::socket_with(AddressFamily::INET6, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
    !matches!(socket, Err(Errno::AFNOSUPPORT))
}

/// Bytes that a socket's receive buffer may hold, in the unit in which they were asked for. `None` where it is not known which setting of
/// the system bounds them.
pub fn receive_buffer(socket: impl AsFd) -> Option<usize> {
    native::receive_buffer(socket.as_fd())
}

/// The address that a socket is bound to.
pub fn local_address(socket: impl AsFd) -> Option<SocketAddr> {
    rustix::net::getsockname(socket).ok()?.try_into().ok()
}

/// The receive buffer of a socket, in bytes that include the system's overhead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveMemory {
    /// How large it is.
    pub size: u32,
    /// What waits in it.
    pub waiting: u32,
    /// Datagrams dropped since the socket was made, because it was full or their checksum was wrong.
    pub dropped: u32,
}

/// The state of a socket's receive buffer. `None` where the system does not say.
pub fn receive_memory(socket: BorrowedFd<'_>) -> Option<ReceiveMemory> {
    native::receive_memory(socket)
}

/// What became of an attempt to accept a connection.
#[derive(Debug)]
pub enum Accepted {
    /// A new connection, non-blocking, and where it comes from.
    Connection(OwnedFd, SocketAddr),
    /// No connection waits.
    Empty,
    /// The connection that waited is lost already; others may wait after it.
    Lost,
    /// Out of descriptors or memory: the connection still waits, and the listener stays readable until one can be
    /// had again.
    Exhausted(io::Error),
}

/// Accepts one connection.
///
/// # Errors
/// Nothing can be accepted now, and perhaps ever: a firewall or a security module forbids it, the network is down, or this is no
/// listener. It stays readable meanwhile.
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<Accepted> {
    match native::accept(listener) {
        Ok((connection, from)) => Ok(match from.and_then(internet_address) {
            Some(from) => Accepted::Connection(connection, from),
            None => Accepted::Lost,
        }),
        Err(Errno::AGAIN) => Ok(Accepted::Empty),
        Err(Errno::CONNABORTED | Errno::INTR) => Ok(Accepted::Lost),
        Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)) => {
            Ok(Accepted::Exhausted(error.into()))
        }
        Err(error) => Err(error.into()),
    }
}

fn internet_address(address: SocketAddrAny) -> Option<SocketAddr> {
    SocketAddr::try_from(address).ok()
}

/// Reads what has arrived into `buffer`; 0 is the end of the stream. `WouldBlock`: nothing there.
pub fn receive(connection: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    let (received, _) = rustix::io::retry_on_intr(|| rustix::net::recv(connection, &mut *buffer, RecvFlags::empty()))?;
    Ok(received)
}

/// Writes as much of `bytes` as there is room for; returns how many. `WouldBlock`: no room.
pub fn send(connection: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::io::retry_on_intr(|| rustix::net::send(connection, bytes, SendFlags::NOSIGNAL))?)
}

/// As [`send`], for the last bytes of a connection: if there is room for all, the end of the stream follows. On Linux it goes out together
/// with them, which saves a segment, and its acknowledgement, for each connection.
pub fn send_last(connection: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let sent = rustix::io::retry_on_intr(|| native::send_before_end(connection, bytes))?;
    if sent == bytes.len() {
        shutdown_write(connection)?;
    }
    Ok(sent)
}

/// Ends the stream to the peer; what it sends can still be read.
pub fn shutdown_write(connection: BorrowedFd<'_>) -> io::Result<()> {
    Ok(rustix::net::shutdown(connection, Shutdown::Write)?)
}

/// Lets closing cut the connection off, so that the peer sees that something is missing.
pub fn cut_off_on_close(connection: BorrowedFd<'_>) {
    // where it is refused the connection is closed as any other
    let _ = sockopt::set_socket_linger(connection, Some(Duration::ZERO));
}

/// Blocks the calling thread until something can be received.
///
/// # Errors
/// The descriptor cannot be waited for.
pub fn wait_readable(socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut waiting = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
    rustix::io::retry_on_intr(|| poll(&mut waiting, None))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::poller::{Interest, Poller};
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::fd::AsFd;

    fn local(socket: &OwnedFd) -> SocketAddr {
        SocketAddr::try_from(rustix::net::getsockname(socket).unwrap()).unwrap()
    }

    fn is_blocking(socket: &OwnedFd) -> bool {
        !rustix::fs::fcntl_getfl(socket).unwrap().contains(rustix::fs::OFlags::NONBLOCK)
    }

    fn is_inherited(socket: &OwnedFd) -> bool {
        !rustix::io::fcntl_getfd(socket).unwrap().contains(rustix::io::FdFlags::CLOEXEC)
    }

    fn wait_readable(socket: &OwnedFd) {
        let mut poller = Poller::new(1).unwrap();
        poller.add(socket.as_fd(), 0, Interest::READ).unwrap();
        poller.wait(&mut Vec::new(), Some(Duration::from_secs(10))).unwrap();
    }

    fn accept_one(listener: &OwnedFd) -> (OwnedFd, SocketAddr) {
        wait_readable(listener);
        match accept(listener.as_fd()).unwrap() {
            Accepted::Connection(connection, from) => (connection, from),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_connection_from_begin_to_end() {
        let listener = listen_tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        assert!(!is_blocking(&listener) && !is_inherited(&listener));
        assert!(matches!(accept(listener.as_fd()).unwrap(), Accepted::Empty));
        let mut client = TcpStream::connect(local(&listener)).unwrap();
        let (connection, from) = accept_one(&listener);
        assert_eq!(from, client.local_addr().unwrap());
        assert!(!is_blocking(&connection) && !is_inherited(&connection));
        assert!(sockopt::tcp_nodelay(&connection).unwrap());
        assert!(matches!(accept(listener.as_fd()).unwrap(), Accepted::Empty));

        let mut buffer = [0; 16];
        assert_eq!(receive(connection.as_fd(), &mut buffer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        client.write_all(b"question").unwrap();
        wait_readable(&connection);
        assert_eq!(receive(connection.as_fd(), &mut buffer).unwrap(), 8);
        assert_eq!(&buffer[..8], b"question");
        client.shutdown(std::net::Shutdown::Write).unwrap();
        wait_readable(&connection);
        assert_eq!(receive(connection.as_fd(), &mut buffer).unwrap(), 0);
        assert_eq!(send(connection.as_fd(), b"answer").unwrap(), 6);
        shutdown_write(connection.as_fd()).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"answer");
        // After its own end, a send fails quietly.
        assert_eq!(send(connection.as_fd(), b"more").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn instances_share_an_address() {
        let first = listen_tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let second = listen_tcp(local(&first)).unwrap();
        assert_eq!(local(&first), local(&second));
        let first = bind_udp("127.0.0.1:0".parse().unwrap(), 1 << 16).unwrap();
        let second = bind_udp(local(&first), 1 << 16).unwrap();
        assert_eq!(local(&first), local(&second));
    }

    #[test]
    fn an_ipv6_wildcard_serves_ipv4_too() {
        let listener = listen_tcp("[::]:0".parse().unwrap()).unwrap();
        let client = TcpStream::connect(("127.0.0.1", local(&listener).port())).unwrap();
        let (_connection, from) = accept_one(&listener);
        assert!(from.is_ipv6());
        assert_eq!(from.ip().to_canonical(), client.local_addr().unwrap().ip());
    }

    #[test]
    fn failures_speak_as_the_original() {
        // Of a network for documentation: no machine's address.
        let stranger: SocketAddr = "198.51.100.1:0".parse().unwrap();
        let text = "socket_bind6_reuse: Cannot assign requested address";
        assert_eq!(listen_tcp(stranger).unwrap_err().to_string(), text);
        let plain = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(
            listen_tcp(plain.local_addr().unwrap()).unwrap_err().to_string(),
            "socket_bind6_reuse: Address already in use"
        );
        let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(
            bind_udp(plain.local_addr().unwrap(), 4096).unwrap_err().to_string(),
            "socket_bind6_reuse: Address already in use"
        );
    }

    #[test]
    fn the_receive_buffer_grows() {
        let small = bind_udp("127.0.0.1:0".parse().unwrap(), 10_000).unwrap();
        let large = bind_udp("127.0.0.1:0".parse().unwrap(), 100_000).unwrap();
        let size = |socket| sockopt::socket_recv_buffer_size(socket).unwrap();
        assert!(size(&small) >= 10_000 && size(&large) >= 100_000);
        assert!(size(&small) < size(&large));
    }

    #[test]
    fn a_socket_that_does_not_listen_is_an_error() {
        let idle = bind("127.0.0.1:0".parse().unwrap(), SocketType::STREAM).unwrap();
        assert!(accept(idle.as_fd()).is_err());
    }
}
