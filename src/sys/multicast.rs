//! Multicast over IPv4: a socket that hears a group, and one that speaks to it.

use super::failure::Failure;
use super::socket::{bind, bind_udp};
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketType, sockopt};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{BorrowedFd, OwnedFd};

/// What is said of the step that fails.
const JOIN: &str = "joining the multicast group";
const SPEAK: &str = "setting up multicast";

/// A UDP socket on every address and `port` that hears `group` through the interface that has the address `interface`. Its receive buffer
/// holds `receive_buffer_bytes` if the system allows that many.
pub fn hear(group: Ipv4Addr, interface: Ipv4Addr, port: u16, receive_buffer_bytes: usize) -> Result<OwnedFd, Failure> {
    let socket = bind_udp(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into(), receive_buffer_bytes)?;
    sockopt::set_ip_add_membership(&socket, &group, &interface).map_err(|error| Failure::new(JOIN, error))?;
    Ok(socket)
}

/// A UDP socket on `address` whose packets to groups leave through the interface of that address, pass `ttl` networks, and are not heard on
/// this machine.
pub fn speak(address: SocketAddrV4, ttl: u32) -> Result<OwnedFd, Failure> {
    let socket = bind(address.into(), SocketType::DGRAM)?;
    let set = || -> rustix::io::Result<()> {
        sockopt::set_ip_multicast_if(&socket, address.ip())?;
        sockopt::set_ip_multicast_ttl(&socket, ttl)?;
        sockopt::set_ip_multicast_loop(&socket, false)
    };
    set().map_err(|error| Failure::new(SPEAK, error))?;
    Ok(socket)
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
    fn speaks_to_one_network_and_not_to_itself() {
        let socket = speak("127.0.0.1:0".parse().unwrap(), 1).unwrap();
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
    fn hears_only_where_the_address_is() {
        hear(GROUP, Ipv4Addr::LOCALHOST, 0, 1 << 16).unwrap();
        // of a network for documentation: nobody's address
        let failure = hear(GROUP, Ipv4Addr::new(198, 51, 100, 1), 0, 1 << 16).unwrap_err();
        assert_eq!(failure.to_string(), "joining the multicast group: No such device");
    }
}
