//! The sockets through which the trackers of a cluster reach each other.

use super::packet::GROUP;
use crate::config::LIVE_SYNC_PORT;
use crate::limits::{LIVESYNC_RECEIVE_MAX, LIVESYNC_TTL, UDP_RECEIVE_BUFFER};
use crate::sys::datagram::Batch;
use crate::sys::failure::Failure;
use crate::sys::multicast;
use std::io;
use std::net::{IpAddr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Where packets are sent, whatever port this tracker receives at (as the original).
const GROUP_ENDPOINT: SocketAddrV4 = SocketAddrV4::new(GROUP, LIVE_SYNC_PORT);

/// The sockets of the live sync, and a buffer for received packets.
#[derive(Debug)]
pub struct Sockets {
    receiver: OwnedFd,
    sender: OwnedFd,
    packet: Batch,
}

impl Sockets {
    /// Joins the multicast group through the interface with this address, and receives at its port.
    ///
    /// # Errors
    /// The address is not this machine's, or its interface takes no part in multicast.
    pub fn join(address: SocketAddrV4) -> Result<Sockets, Failure> {
        Ok(Sockets {
            receiver: multicast::receiver(GROUP, *address.ip(), address.port(), UDP_RECEIVE_BUFFER)?,
            sender: multicast::sender(address, LIVESYNC_TTL)?,
            packet: Batch::new(1, LIVESYNC_RECEIVE_MAX, 0),
        })
    }

    /// Sockets of which one is no socket, for tests.
    #[cfg(test)]
    pub fn broken(receiver: OwnedFd, sender: OwnedFd) -> Sockets {
        Sockets { receiver, sender, packet: Batch::new(1, LIVESYNC_RECEIVE_MAX, 0) }
    }

    /// The socket to watch: it is readable when a packet has come.
    pub fn receiver(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }

    /// Receives one packet. Returns whether there was one.
    ///
    /// # Errors
    /// The system refuses to receive, and may do so for long.
    pub fn receive(&mut self) -> io::Result<bool> {
        Ok(self.packet.receive(self.receiver.as_fd())? > 0)
    }

    /// The packet that was received last, and its sender.
    pub fn packet(&mut self) -> Option<(IpAddr, &[u8])> {
        self.packet.exchange(0).map(|exchange| (exchange.from.ip(), exchange.request))
    }

    /// Sends a packet to the others. Returns whether the system took it.
    pub fn send(&self, packet: &[u8]) -> bool {
        let sent: io::Result<bool> = multicast::send_to(self.sender.as_fd(), packet, GROUP_ENDPOINT);
        // where the network is down, sending it again would not help
        sent.unwrap_or(true)
    }
}
