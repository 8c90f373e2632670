//! Datagrams by the batch: one system call receives many, one sends the replies.
//!
//! All buffers live as long as the batch, so handling a datagram allocates nothing.

use super::native::{receive_messages, send_messages};
use super::pktinfo::Control;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::BorrowedFd;
use std::{fmt, io, mem, ptr};

/// Datagrams that are prepared for at least.
const OFFERED_LEAST: usize = 8;

/// Room for a fixed number of datagrams and their replies.
///
/// Use: [`receive`](Batch::receive); perhaps a look at all [`requests`](Batch::requests); for each datagram
/// [`exchange`](Batch::exchange) and perhaps [`set_reply`](Batch::set_reply); then [`send`](Batch::send).
pub struct Batch {
    request_bytes: usize,
    reply_bytes: usize,
    /// `request_bytes` for each datagram.
    requests: Vec<u8>,
    /// `reply_bytes` for each datagram.
    replies: Vec<u8>,
    names: Vec<Name>,
    controls: Vec<Control>,
    sizes: Vec<Sizes>,
    /// How many datagrams the last receive brought,
    received: usize,
    /// and for how many it had prepared.
    offered: usize,
    /// What the kernel is given; written anew before each call.
    messages: Vec<Message>,
    slices: Vec<libc::iovec>,
}

// SAFETY: the only parts that are not Send by themselves are the pointers in `messages` and `slices`. They point into
// the batch's own vectors, whose memory moves along, and are followed only by the calls that wrote them just before.
unsafe impl Send for Batch {}

/// One datagram, and room for its reply.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// The sender. IPv4 senders have a mapped address on an IPv6 socket.
    pub from: SocketAddr,
    /// The datagram's bytes, as many as there was room for.
    pub request: &'a [u8],
    /// Where a reply can be written. It holds old bytes.
    pub reply: &'a mut [u8],
}

/// A sender's address as the kernel writes it.
#[derive(Clone, Copy)]
#[repr(C)]
union Name {
    any: libc::sockaddr,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

/// A message as the system wants it described, and how many bytes of it were transferred. Laid out as Linux' mmsghdr.
#[repr(C)]
pub(super) struct Message {
    pub(super) header: libc::msghdr,
    pub(super) length: libc::c_uint,
}

impl Message {
    /// The message with one slice of bytes, from or to this address.
    fn over(name: &mut Name, slice: *mut libc::iovec) -> Message {
        // SAFETY: pointers and numbers (and padding in some libraries): all zeros is an empty header.
        let mut header: libc::msghdr = unsafe { mem::zeroed() };
        header.msg_name = ptr::from_mut(name).cast();
        header.msg_namelen = size_of::<Name>() as libc::socklen_t;
        header.msg_iov = slice;
        header.msg_iovlen = 1;
        Message { header, length: 0 }
    }
}

/// Lengths of the parts of an exchange, in bytes.
#[derive(Clone, Copy, Default)]
struct Sizes {
    name: usize,
    request: usize,
    control: usize,
    /// 0: no reply.
    reply: usize,
}

impl Batch {
    /// Room for `datagrams` datagrams of `request_bytes` each (at least one of both), and replies of `reply_bytes` each.
    /// Of longer datagrams only the first `request_bytes` are kept.
    pub fn new(datagrams: usize, request_bytes: usize, reply_bytes: usize) -> Self {
        let (datagrams, request_bytes) = (datagrams.max(1), request_bytes.max(1));
        // SAFETY: plain numbers in all arms of the union: all zeros is a value.
        let name: Name = unsafe { mem::zeroed() };
        Batch {
            request_bytes,
            reply_bytes,
            requests: vec![0; datagrams.saturating_mul(request_bytes)],
            replies: vec![0; datagrams.saturating_mul(reply_bytes)],
            names: vec![name; datagrams],
            controls: vec![Control::EMPTY; datagrams],
            sizes: vec![Sizes::default(); datagrams],
            received: 0,
            offered: 0,
            messages: Vec::with_capacity(datagrams),
            slices: Vec::with_capacity(datagrams),
        }
    }

    /// Receives the datagrams that wait, in place of those before; returns how many. Never blocks. Takes as many as there is
    /// room for, but at most twice as many as the last time: while it [is full](Batch::is_full) more may be waiting.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.receive_some(socket, false)
    }

    /// As [`receive`](Batch::receive), but waits for the first datagram where the socket is [blocking](super::socket::set_blocking).
    /// Of several threads that wait so the kernel wakes one.
    pub fn wait(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.receive_some(socket, true)
    }

    fn receive_some(&mut self, socket: BorrowedFd<'_>, wait: bool) -> io::Result<usize> {
        // Preparing costs something for each place, so there are not many more than are likely to be filled.
        self.offered = (2 * self.received).clamp(OFFERED_LEAST.min(self.names.len()), self.names.len());
        self.received = 0;
        self.slices.clear();
        self.messages.clear();
        for index in 0..self.offered {
            let start = self.requests.as_mut_ptr().wrapping_add(index * self.request_bytes);
            self.slices.push(libc::iovec { iov_base: start.cast(), iov_len: self.request_bytes });
        }
        let slices = self.slices.as_mut_ptr();
        let places = self.names.iter_mut().zip(&mut self.controls).take(self.offered);
        for (index, (name, control)) in places.enumerate() {
            let mut message = Message::over(name, slices.wrapping_add(index));
            message.header.msg_control = control.as_mut_ptr();
            message.header.msg_controllen = Control::BYTES as _;
            self.messages.push(message);
        }
        // SAFETY: each header points to a name, a control and a slice of their own, all within vectors of this batch
        // that are neither touched nor moved before the call returns, with their true lengths.
        let count = match unsafe { receive_messages(socket, &mut self.messages, wait) } {
            Ok(count) => count,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        for (message, sizes) in self.messages.iter().take(count).zip(&mut self.sizes) {
            *sizes = Sizes {
                name: message.header.msg_namelen as usize,
                request: (message.length as usize).min(self.request_bytes),
                control: message.header.msg_controllen as _,
                reply: 0,
            };
        }
        self.received = count.min(self.offered);
        Ok(self.received)
    }

    /// Whether the last receive filled all the places it had, so that more datagrams may be waiting.
    pub fn is_full(&self) -> bool {
        self.received == self.offered
    }

    /// The datagram `index`, counted from 0; None after the last one received.
    pub fn exchange(&mut self, index: usize) -> Option<Exchange<'_>> {
        if index >= self.received {
            return None;
        }
        let from = self.names.get(index)?.address(self.sizes.get(index)?.name)?;
        let request_start = index * self.request_bytes;
        let reply_start = index * self.reply_bytes;
        Some(Exchange {
            from,
            request: self.requests.get(request_start..request_start + self.sizes.get(index)?.request)?,
            reply: self.replies.get_mut(reply_start..reply_start + self.reply_bytes)?,
        })
    }

    /// The datagrams of the last receive, in order, as many bytes of each as there was room for.
    pub fn requests(&self) -> impl Iterator<Item = &[u8]> {
        let places = self.requests.chunks_exact(self.request_bytes).zip(&self.sizes);
        places.take(self.received).map(|(place, sizes)| &place[..sizes.request])
    }

    /// The first `length` bytes of the reply buffer of datagram `index` are its reply; 0: there is none.
    pub fn set_reply(&mut self, index: usize, length: usize) {
        if let Some(sizes) = self.sizes.get_mut(..self.received).and_then(|received| received.get_mut(index)) {
            sizes.reply = length.min(self.reply_bytes);
        }
    }

    /// Sends the replies that are set, each from the address that was asked, and unsets them; returns how many went.
    /// Never blocks: where the socket has no more room the rest is dropped. One that is refused doesn't hold up the
    /// others.
    pub fn send(&mut self, socket: BorrowedFd<'_>) -> usize {
        self.prepare_replies();
        let mut sent = 0;
        let mut next = 0;
        while let Some(rest) = self.messages.get_mut(next..).filter(|rest| !rest.is_empty()) {
            // SAFETY: the headers were written by prepare_replies just now: each points to a name, a control and a
            // slice of their own within vectors of this batch that nothing has touched since, with true lengths.
            match unsafe { send_messages(socket, rest) } {
                Ok(count) => {
                    sent += count;
                    // at least one always goes where there is no error
                    next += count.max(1);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => break,
                    io::ErrorKind::Interrupted => {}
                    _ => next += 1,
                },
            }
        }
        sent
    }

    /// Writes a header for each reply that is set, and unsets it.
    fn prepare_replies(&mut self) {
        self.slices.clear();
        self.messages.clear();
        for (index, sizes) in self.sizes.iter().take(self.received).enumerate() {
            if sizes.reply > 0 {
                let start = self.replies.as_mut_ptr().wrapping_add(index * self.reply_bytes);
                self.slices.push(libc::iovec { iov_base: start.cast(), iov_len: sizes.reply });
            }
        }
        let slices = self.slices.as_mut_ptr();
        let places = self.names.iter_mut().zip(&mut self.controls).zip(&mut self.sizes).take(self.received);
        for ((name, control), sizes) in places.filter(|(_, sizes)| sizes.reply > 0) {
            let mut message = Message::over(name, slices.wrapping_add(self.messages.len()));
            message.header.msg_namelen = sizes.name.min(size_of::<Name>()) as libc::socklen_t;
            let control_length = control.turn_into_reply(sizes.control);
            if control_length > 0 {
                message.header.msg_control = control.as_mut_ptr();
                message.header.msg_controllen = control_length as _;
            }
            self.messages.push(message);
            sizes.reply = 0;
        }
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Batch { received, names, .. } = self;
        f.debug_struct("Batch").field("received", received).field("room", &names.len()).finish_non_exhaustive()
    }
}

impl Name {
    /// The address, if `length` bytes of it were filled with one of IPv4 or IPv6.
    fn address(&self, length: usize) -> Option<SocketAddr> {
        // SAFETY: all bytes of the union were zeroed at first and are written by the kernel only; every bit pattern
        // is a value of these structs of plain numbers, and each begins with the family.
        unsafe {
            match i32::from(self.any.sa_family) {
                libc::AF_INET if length >= size_of::<libc::sockaddr_in>() => {
                    let address = Ipv4Addr::from(u32::from_be(self.v4.sin_addr.s_addr));
                    Some(SocketAddrV4::new(address, u16::from_be(self.v4.sin_port)).into())
                }
                libc::AF_INET6 if length >= size_of::<libc::sockaddr_in6>() => {
                    let address = Ipv6Addr::from(self.v6.sin6_addr.s6_addr);
                    let port = u16::from_be(self.v6.sin6_port);
                    Some(SocketAddrV6::new(address, port, self.v6.sin6_flowinfo, self.v6.sin6_scope_id).into())
                }
                _ => None,
            }
        }
    }
}

#[cfg(test)]
mod tests;
