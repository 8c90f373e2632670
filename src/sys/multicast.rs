//! Multicast over IPv4: a socket that receives what a group is sent, and one that sends to it.

use super::failure::Failure;
use super::socket::{bind, bind_udp};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketType, sockopt};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{BorrowedFd, OwnedFd};

/// The steps that may fail, as messages name them.
const JOIN: &str = "joining the multicast group";
const SET_UP: &str = "setting up multicast";

/// A UDP socket on every address and `port` that receives what `group` is sent through the interface with the address `interface`. Its
/// receive buffer holds `receive_buffer_bytes` if the system allows that many.
pub fn receiver(
    group: Ipv4Addr,
    interface: Ipv4Addr,
    port: u16,
    receive_buffer_bytes: usize,
) -> Result<OwnedFd, Failure> {
    let socket = bind_udp(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into(), receive_buffer_bytes)?;
    sockopt::set_ip_add_membership(&socket, &group, &interface).map_err(Failure::of(JOIN))?;
    Ok(socket)
}

/// A UDP socket on `address` whose packets to groups leave through the interface of that address, pass `ttl` networks, and do not come back
/// to this machine.
pub fn sender(address: SocketAddrV4, ttl: u32) -> Result<OwnedFd, Failure> {
    let socket = bind(address.into(), SocketType::DGRAM)?;
    sockopt::set_ip_multicast_if(&socket, address.ip()).map_err(Failure::of(SET_UP))?;
    // the standard library knows how large systems want these options to be
    let socket = UdpSocket::from(socket);
    socket.set_multicast_ttl_v4(ttl).and_then(|()| socket.set_multicast_loop_v4(false)).map_err(Failure::of(SET_UP))?;
    Ok(socket.into())
}

/// Sends a packet. False: there is no room for it at the moment.
///
/// # Errors
/// It cannot be sent, now or later.
pub fn send_to(socket: BorrowedFd<'_>, packet: &[u8], to: SocketAddrV4) -> io::Result<bool> {
    match rustix::io::retry_on_intr(|| rustix::net::sendto(socket, packet, SendFlags::NOSIGNAL, &to)) {
        Ok(_) => Ok(true),
        Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 23, 5);

    #[test]
    fn sends_to_one_network_and_not_to_itself() {
        let socket = sender("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        assert_eq!(sockopt::ip_multicast_if(&socket).unwrap(), Ipv4Addr::LOCALHOST);
        assert_eq!(sockopt::ip_multicast_ttl(&socket).unwrap(), 1);
        assert!(!sockopt::ip_multicast_loop(&socket).unwrap());
        let to = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let std::net::SocketAddr::V4(address) = to.local_addr().unwrap() else { panic!() };
        assert!(send_to(socket.as_fd(), b"packet", address).unwrap());
        assert_eq!(to.recv(&mut [0; 16]).unwrap(), 6);
        assert!(send_to(socket.as_fd(), b"packet", SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).is_err());
    }

    #[test]
    fn receives_only_where_the_address_is() {
        receiver(GROUP, Ipv4Addr::LOCALHOST, 0, 1 << 16).unwrap();
        // of a network for documentation: no machine's address
        let failure = receiver(GROUP, Ipv4Addr::new(198, 51, 100, 1), 0, 1 << 16).unwrap_err();
        assert_eq!(failure.to_string(), "joining the multicast group: No such device");
    }
}
