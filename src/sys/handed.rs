//! Sockets that a service manager has bound and hands over: the protocol of sd_listen_fds(3). They are the descriptors from 3 on, as many
//! as the variable `LISTEN_FDS` says, if `LISTEN_PID` names this process.

use super::environment::{number, take};
use super::native;
use super::pktinfo;
use super::socket::local_address;
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::net::{SocketType, sockopt};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// The first descriptor that is handed over.
const FIRST: RawFd = 3;

/// More than this are not taken: no service has as many.
const MOST: RawFd = 1024;

/// A socket that was handed over, non-blocking and closed on exec.
#[derive(Debug)]
pub struct Handed {
    /// The socket.
    pub socket: OwnedFd,
    /// Where it is bound.
    pub address: SocketAddr,
    /// It listens for TCP connections; else it is one of UDP.
    pub is_tcp: bool,
}

/// Takes the sockets that were handed over, and the variables that say so out of the environment. A UDP socket's receive buffer holds
/// `receive_buffer_bytes` if the system allows that many. Returns the messages for the operator, too: some were no use.
///
/// Call it once, before there are other threads and other descriptors.
pub fn take_sockets(receive_buffer_bytes: usize) -> (Vec<Handed>, Vec<String>) {
    let [count, process, _names] = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"].map(take);
    if number(process.as_deref()) != Some(std::process::id()) {
        return (Vec::new(), Vec::new());
    }
    let count = number(count.as_deref()).unwrap_or(0).clamp(0, MOST);
    let (mut sockets, mut messages) = (Vec::new(), Vec::new());
    for number in FIRST..FIRST + count {
        match own(number).and_then(|socket| prepare(socket, receive_buffer_bytes)) {
            Ok(handed) => sockets.push(handed),
            Err(error) => messages.push(format!(
                "Warning: descriptor {number}, which the service manager hands over, is of no use: {}.\n",
                super::failure::reason(&error)
            )),
        }
    }
    (sockets, messages)
}

/// Owns a descriptor that was handed over.
fn own(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the descriptor is only looked at. If it is not open the call says so.
    fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) })?;
    // SAFETY: it is open. The service manager hands it over for this process to own, and nothing here owns it yet: this is called once, and
    // the standard library owns none.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Makes a socket one as the tracker would have bound it.
fn prepare(socket: OwnedFd, receive_buffer_bytes: usize) -> io::Result<Handed> {
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    let kind = sockopt::socket_type(&socket)?;
    let address = local_address(&socket).ok_or_else(|| io::Error::other("it is no internet socket"))?;
    let is_tcp = match kind {
        SocketType::STREAM if sockopt::socket_acceptconn(&socket)? => true,
        SocketType::DGRAM => false,
        _ => return Err(io::Error::other("it does not listen")),
    };
    rustix::io::ioctl_fionbio(&socket, true)?;
    if is_tcp {
        // as where the tracker binds it itself
        let _refused_is_harmless = sockopt::set_tcp_nodelay(&socket, true);
    } else {
        native::set_receive_buffer(&socket, receive_buffer_bytes);
        if address.ip().to_canonical().is_unspecified() {
            pktinfo::request(&socket, address.is_ipv6())?;
        }
    }
    Ok(Handed { socket, address, is_tcp })
}
