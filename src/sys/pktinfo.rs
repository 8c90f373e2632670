//! The address that a datagram was sent to, and sending the reply from it.
//!
//! A socket on a wildcard address has many addresses; a client drops a reply that comes from another than it asked.
//! The system says which one in a control message (RFC 3542; for IPv4 ip(7) on Linux, ip(4) on the BSDs), and takes such a message as the
//! address to send from.

use libc::{IPPROTO_IP, IPPROTO_IPV6, IPV6_PKTINFO, IPV6_RECVPKTINFO, c_int, in6_pktinfo};
use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::{mem, ptr};

/// Has the system say for each datagram which address it was sent to. On an IPv6 socket that of an IPv4 one is a mapped one.
pub(super) fn request(socket: &OwnedFd, ipv6: bool) -> io::Result<()> {
    let (level, option) = if ipv6 { (IPPROTO_IPV6, IPV6_RECVPKTINFO) } else { (IPPROTO_IP, ipv4::OPTION) };
    let on: c_int = 1;
    let length = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the value is an int that lives through the call, and the length is its size.
    let refused = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const on).cast(), length) };
    if refused == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Room for one control message of either family.
const CONTROL_BYTES: usize = 64;

/// Bytes of control messages, aligned as their headers want it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Control {
    aligned: [libc::cmsghdr; 0],
    bytes: [u8; CONTROL_BYTES],
}

static_assertions::const_assert!(size_of::<libc::cmsghdr>() + size_of::<in6_pktinfo>() + 16 <= CONTROL_BYTES);

impl Control {
    pub(super) const EMPTY: Control = Control { aligned: [], bytes: [0; CONTROL_BYTES] };
    pub(super) const BYTES: usize = CONTROL_BYTES;

    pub(super) fn as_mut_ptr(&mut self) -> *mut libc::c_void {
        self.bytes.as_mut_ptr().cast()
    }

    /// Turns the messages that came with a datagram (the first `received` bytes) into that for its reply. Returns
    /// the reply's length; 0 where the system may choose the address.
    pub(super) fn turn_into_reply(&mut self, received: usize) -> usize {
        match self.source(received.min(CONTROL_BYTES)) {
            Some(Source::V4(info)) => self.write(IPPROTO_IP, ipv4::SENT, info),
            Some(Source::V6(info)) => self.write(IPPROTO_IPV6, IPV6_PKTINFO, info),
            None => 0,
        }
    }

    /// A header over `length` bytes of this control, as the CMSG_ functions want one.
    fn header(&mut self, length: usize) -> libc::msghdr {
        // SAFETY: a msghdr is pointers and numbers (and padding in some libraries): all zeros is an empty one.
        let mut header: libc::msghdr = unsafe { mem::zeroed() };
        header.msg_control = self.as_mut_ptr();
        header.msg_controllen = length as _;
        header
    }

    /// The address that the datagram was sent to, in the form that sending takes.
    fn source(&mut self, received: usize) -> Option<Source> {
        let header = self.header(received);
        let end = header.msg_control.addr() + received;
        // SAFETY: the header covers bytes of `self` only, aligned for cmsghdr and initialised; the CMSG_ functions
        // stay within them. Data is read only where the message says that it is as long and all of it lies in what was received, and
        // without alignment.
        unsafe {
            let mut message = libc::CMSG_FIRSTHDR(&raw const header);
            while let Some(head) = message.as_ref() {
                let length: usize = head.cmsg_len as _;
                let data = libc::CMSG_DATA(message);
                let holds = |size: usize| length >= libc::CMSG_LEN(size as _) as usize && data.addr() + size <= end;
                match (head.cmsg_level, head.cmsg_type) {
                    (IPPROTO_IP, ipv4::RECEIVED) if holds(size_of::<ipv4::Info>()) => {
                        return ipv4::source(ptr::read_unaligned(data.cast())).map(Source::V4);
                    }
                    (IPPROTO_IPV6, IPV6_PKTINFO) if holds(size_of::<in6_pktinfo>()) => {
                        return ipv6_source(ptr::read_unaligned(data.cast())).map(Source::V6);
                    }
                    _ => message = libc::CMSG_NXTHDR(&raw const header, message),
                }
            }
        }
        None
    }

    /// Writes one message; returns the length of the whole.
    fn write<T: Copy>(&mut self, level: c_int, kind: c_int, info: T) -> usize {
        const { assert!(size_of::<T>() <= size_of::<in6_pktinfo>()) };
        let header = self.header(CONTROL_BYTES);
        // SAFETY: the buffer is aligned and has room for a header and the largest info (asserted above and beside
        // CONTROL_BYTES), so CMSG_FIRSTHDR is not null and both writes stay within it.
        unsafe {
            let message = libc::CMSG_FIRSTHDR(&raw const header);
            (*message).cmsg_level = level;
            (*message).cmsg_type = kind;
            (*message).cmsg_len = libc::CMSG_LEN(size_of::<T>() as _) as _;
            ptr::write_unaligned(libc::CMSG_DATA(message).cast(), info);
            libc::CMSG_SPACE(size_of::<T>() as _) as usize
        }
    }
}

/// The address to send from.
enum Source {
    V4(ipv4::Info),
    V6(in6_pktinfo),
}

fn ipv6_source(mut info: in6_pktinfo) -> Option<in6_pktinfo> {
    let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
    if address.is_unspecified() || address.is_multicast() {
        return None;
    }
    // A link-local address means nothing without its interface; for others routing chooses it.
    if !address.is_unicast_link_local() {
        info.ipi6_ifindex = 0;
    }
    Some(info)
}

/// IPv4 on Linux.
#[cfg(target_os = "linux")]
mod ipv4 {
    use libc::{IP_PKTINFO, c_int};
    use std::net::Ipv4Addr;

    pub(super) const OPTION: c_int = IP_PKTINFO;
    pub(super) const RECEIVED: c_int = IP_PKTINFO;
    pub(super) const SENT: c_int = IP_PKTINFO;
    pub(super) type Info = libc::in_pktinfo;

    pub(super) fn source(mut info: Info) -> Option<Info> {
        // The kernel puts the local address here, also for broadcasts. No interface: routing chooses it.
        if Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr)).is_unspecified() {
            return None;
        }
        info.ipi_ifindex = 0;
        info.ipi_addr.s_addr = 0;
        Some(info)
    }
}

/// IPv4 on the BSDs.
#[cfg(not(target_os = "linux"))]
mod ipv4 {
    use libc::{IP_RECVDSTADDR, IP_SENDSRCADDR, c_int};
    use std::net::Ipv4Addr;

    pub(super) const OPTION: c_int = IP_RECVDSTADDR;
    pub(super) const RECEIVED: c_int = IP_RECVDSTADDR;
    pub(super) const SENT: c_int = IP_SENDSRCADDR;
    pub(super) type Info = libc::in_addr;

    pub(super) fn source(destination: Info) -> Option<Info> {
        let address = Ipv4Addr::from(u32::from_be(destination.s_addr));
        let is_own = !(address.is_unspecified() || address.is_broadcast() || address.is_multicast());
        is_own.then_some(destination)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v6(address: &str) -> in6_pktinfo {
        let s6_addr = address.parse::<Ipv6Addr>().unwrap().octets();
        in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr }, ipi6_ifindex: 3 }
    }

    fn replied(address: &str) -> Option<([u8; 16], u32)> {
        let mut control = Control::EMPTY;
        let length = control.write(IPPROTO_IPV6, IPV6_PKTINFO, v6(address));
        let length = control.turn_into_reply(length);
        match control.source(length) {
            Some(Source::V6(info)) => Some((info.ipi6_addr.s6_addr, info.ipi6_ifindex)),
            _ => None,
        }
    }

    #[test]
    fn interfaces_only_with_link_local() {
        assert_eq!(replied("fd00::2"), Some((v6("fd00::2").ipi6_addr.s6_addr, 0)));
        assert_eq!(replied("fe80::1"), Some((v6("fe80::1").ipi6_addr.s6_addr, 3)));
    }

    #[test]
    fn multicast_is_no_address_to_send_from() {
        assert_eq!(replied("ff02::1"), None);
        assert_eq!(replied("::"), None);
    }

    #[test]
    fn other_and_cut_messages_say_nothing() {
        let mut control = Control::EMPTY;
        assert_eq!(control.turn_into_reply(0), 0);
        let length = control.write(IPPROTO_IPV6, IPV6_PKTINFO, v6("fd00::2"));
        assert_eq!(control.turn_into_reply(8), 0);
        assert_eq!(control.turn_into_reply(length), length);
        let length = control.write(libc::SOL_SOCKET, libc::SCM_TIMESTAMP, [0u8; 16]);
        assert_eq!(control.turn_into_reply(length), 0);
    }
}
