//! Datagrams by the batch: one system call receives many, one sends the replies.
//!
//! All buffers live as long as the batch, so handling a datagram allocates nothing.

use super::pktinfo::Control;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
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
    headers: Vec<libc::mmsghdr>,
    slices: Vec<libc::iovec>,
}

// SAFETY: the only parts that are not Send by themselves are the pointers in `headers` and `slices`. They point into
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
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
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
        // SAFETY: plain numbers in both arms of the union: all zeros is a value.
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
            headers: Vec::with_capacity(datagrams),
            slices: Vec::with_capacity(datagrams),
        }
    }

    /// Receives the datagrams that wait, in place of those before; returns how many. Never blocks. Takes as many as there is
    /// room for, but at most twice as many as the last time: while it [is full](Batch::is_full) more may be waiting.
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        // Preparing costs something for each place, so there are not many more than are likely to be filled.
        self.offered = (2 * self.received).clamp(OFFERED_LEAST.min(self.names.len()), self.names.len());
        self.received = 0;
        self.slices.clear();
        self.headers.clear();
        for index in 0..self.offered {
            let start = self.requests.as_mut_ptr().wrapping_add(index * self.request_bytes);
            self.slices.push(libc::iovec { iov_base: start.cast(), iov_len: self.request_bytes });
        }
        let slices = self.slices.as_mut_ptr();
        let places = self.names.iter_mut().zip(&mut self.controls).take(self.offered);
        for (index, (name, control)) in places.enumerate() {
            let mut header = empty_header();
            header.msg_hdr.msg_name = ptr::from_mut(name).cast();
            header.msg_hdr.msg_namelen = size_of::<Name>() as libc::socklen_t;
            header.msg_hdr.msg_iov = slices.wrapping_add(index);
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.as_mut_ptr();
            header.msg_hdr.msg_controllen = Control::BYTES as _;
            self.headers.push(header);
        }
        // SAFETY: each header points to a name, a control and a slice of their own, all within vectors of this batch
        // that are neither touched nor moved before the call returns, with their true lengths. No timeout is given.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                self.headers.len() as _,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        let Ok(count) = usize::try_from(count) else {
            return match io::Error::last_os_error() {
                error if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
                error => Err(error),
            };
        };
        for (header, sizes) in self.headers.iter().take(count).zip(&mut self.sizes) {
            *sizes = Sizes {
                name: header.msg_hdr.msg_namelen as usize,
                request: (header.msg_len as usize).min(self.request_bytes),
                control: header.msg_hdr.msg_controllen as _,
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

    /// The datagram `index`, counted from 0; None behind the last one received.
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
        if index < self.received
            && let Some(sizes) = self.sizes.get_mut(index)
        {
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
        while let Some(rest) = self.headers.get_mut(next..).filter(|rest| !rest.is_empty()) {
            // SAFETY: the headers were written by prepare_replies just now: each points to a name, a control and a
            // slice of their own within vectors of this batch that nothing has touched since, with true lengths.
            let count = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    rest.as_mut_ptr(),
                    rest.len() as _,
                    (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
                )
            };
            match usize::try_from(count) {
                // At least one always goes where there is no error.
                Ok(count) => {
                    sent += count;
                    next += count.max(1);
                }
                Err(_) => match io::Error::last_os_error().kind() {
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
        self.headers.clear();
        for (index, sizes) in self.sizes.iter().take(self.received).enumerate() {
            if sizes.reply > 0 {
                let start = self.replies.as_mut_ptr().wrapping_add(index * self.reply_bytes);
                self.slices.push(libc::iovec { iov_base: start.cast(), iov_len: sizes.reply });
            }
        }
        let slices = self.slices.as_mut_ptr();
        let places = self.names.iter_mut().zip(&mut self.controls).zip(&mut self.sizes).take(self.received);
        for ((name, control), sizes) in places.filter(|(_, sizes)| sizes.reply > 0) {
            let mut header = empty_header();
            header.msg_hdr.msg_name = ptr::from_mut(name).cast();
            header.msg_hdr.msg_namelen = sizes.name.min(size_of::<Name>()) as libc::socklen_t;
            header.msg_hdr.msg_iov = slices.wrapping_add(self.headers.len());
            header.msg_hdr.msg_iovlen = 1;
            let control_length = control.turn_round(sizes.control);
            if control_length > 0 {
                header.msg_hdr.msg_control = control.as_mut_ptr();
                header.msg_hdr.msg_controllen = control_length as _;
            }
            self.headers.push(header);
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
            match i32::from(self.family) {
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

fn empty_header() -> libc::mmsghdr {
    // SAFETY: pointers and numbers (and padding in some libraries): all zeros is an empty header.
    unsafe { mem::zeroed() }
}

#[cfg(test)]
mod tests {
    use super::super::poller::{Interest, Poller};
    use super::super::socket::bind_udp;
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::{AsFd, OwnedFd};
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(10);

    fn server(address: &str) -> (OwnedFd, u16) {
        let socket = bind_udp(address.parse().unwrap(), 1 << 20).unwrap();
        let local = SocketAddr::try_from(rustix::net::getsockname(&socket).unwrap()).unwrap();
        (socket, local.port())
    }

    /// A client that hears only what comes from the address that it asks.
    fn client(server: &str, port: u16) -> UdpSocket {
        let wildcard = if server.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
        let client = UdpSocket::bind(wildcard).unwrap();
        client.connect((server, port)).unwrap();
        client.set_read_timeout(Some(LONG)).unwrap();
        client
    }

    /// Receives until a batch holds something.
    fn receive(batch: &mut Batch, socket: &OwnedFd) -> usize {
        let mut poller = Poller::new(1).unwrap();
        poller.add(socket.as_fd(), 0, Interest::READ).unwrap();
        poller.wait(&mut Vec::new(), Some(LONG)).unwrap();
        batch.receive(socket.as_fd()).unwrap()
    }

    /// Answers every datagram of the batch with its own bytes, backwards.
    fn answer(batch: &mut Batch, count: usize) {
        for index in 0..count {
            let exchange = batch.exchange(index).unwrap();
            let length = exchange.request.len();
            exchange.reply[..length].copy_from_slice(exchange.request);
            exchange.reply[..length].reverse();
            batch.set_reply(index, length);
        }
    }

    #[test]
    fn batches_of_questions_and_answers() {
        let (socket, port) = server("127.0.0.1:0");
        let mut batch = Batch::new(4, 64, 32);
        assert_eq!(batch.receive(socket.as_fd()).unwrap(), 0);
        assert!(batch.exchange(0).is_none());
        let clients: Vec<_> = (0..6).map(|_| client("127.0.0.1", port)).collect();
        for (number, client) in clients.iter().enumerate() {
            client.send(&[b'a', number as u8]).unwrap();
        }
        let mut asked = Vec::new();
        let mut sent = 0;
        while asked.len() < 6 {
            let count = receive(&mut batch, &socket);
            assert!((1..=4).contains(&count));
            answer(&mut batch, count);
            for index in 0..count {
                let exchange = batch.exchange(index).unwrap();
                let number = exchange.request[1];
                assert_eq!(exchange.from, clients[usize::from(number)].local_addr().unwrap());
                assert_eq!(exchange.request, [b'a', number]);
                assert_eq!(exchange.reply.len(), 32);
                asked.push(number);
                if number == 2 {
                    batch.set_reply(index, 0);
                }
            }
            assert!(batch.exchange(count).is_none());
            batch.set_reply(count, 5);
            sent += batch.send(socket.as_fd());
            assert_eq!(batch.send(socket.as_fd()), 0);
        }
        asked.sort_unstable();
        assert_eq!(asked, [0, 1, 2, 3, 4, 5]);
        assert_eq!(sent, 5);
        for number in [0u8, 1, 3, 4, 5] {
            let mut reply = [0; 8];
            assert_eq!(clients[usize::from(number)].recv(&mut reply).unwrap(), 2);
            assert_eq!(reply[..2], [number, b'a']);
        }
    }

    #[test]
    fn empty_and_too_long_datagrams_are_delivered() {
        let (socket, port) = server("127.0.0.1:0");
        let mut batch = Batch::new(4, 8, 8);
        let client = client("127.0.0.1", port);
        client.send(b"").unwrap();
        client.send(b"more than eight").unwrap();
        client.send(b"short").unwrap();
        let mut requests = Vec::new();
        while requests.len() < 3 {
            let count = receive(&mut batch, &socket);
            let first = requests.len();
            requests.extend((0..count).map(|index| batch.exchange(index).unwrap().request.to_vec()));
            assert!(batch.requests().eq(&requests[first..]));
        }
        assert_eq!(requests, [&b""[..], b"more tha", b"short"]);
        // No room for a ninth byte of reply.
        batch.set_reply(0, 9);
        assert_eq!(batch.send(socket.as_fd()), 1);
        assert_eq!(client.recv(&mut [0; 16]).unwrap(), 8);
    }

    #[test]
    fn replies_leave_from_the_address_asked() {
        let several = [("0.0.0.0:0", "127.0.0.2"), ("[::]:0", "127.0.0.2"), ("[::]:0", "127.0.0.1"), ("[::]:0", "::1")];
        for (wildcard, asked) in several {
            let (socket, port) = server(wildcard);
            let client = client(asked, port);
            let mut batch = Batch::new(4, 64, 64);
            client.send(b"ab").unwrap();
            assert_eq!(receive(&mut batch, &socket), 1);
            let from = batch.exchange(0).unwrap().from;
            assert_eq!(from.is_ipv6(), wildcard.starts_with('['));
            assert_eq!(from.ip().to_canonical(), client.local_addr().unwrap().ip());
            answer(&mut batch, 1);
            assert_eq!(batch.send(socket.as_fd()), 1, "{wildcard} {asked}");
            let mut reply = [0; 8];
            assert_eq!(client.recv(&mut reply).unwrap(), 2, "{wildcard} {asked}");
            assert_eq!(&reply[..2], b"ba");
        }
    }

    #[test]
    fn a_refused_reply_does_not_hold_up_the_others() {
        let (socket, port) = server("127.0.0.1:0");
        let mut batch = Batch::new(4, 64, 64);
        let clients: Vec<_> = (0..3).map(|_| client("127.0.0.1", port)).collect();
        clients.iter().for_each(|client| assert_eq!(client.send(b"ab").unwrap(), 2));
        let (mut received, mut sent) = (0, 0);
        while received < 3 {
            let count = receive(&mut batch, &socket);
            answer(&mut batch, count);
            for index in 0..count {
                if batch.exchange(index).unwrap().from == clients[1].local_addr().unwrap() {
                    // Nothing can be sent to port 0.
                    batch.names[index].v4.sin_port = 0;
                }
            }
            received += count;
            sent += batch.send(socket.as_fd());
        }
        assert_eq!(sent, 2);
        for answered in [&clients[0], &clients[2]] {
            assert_eq!(answered.recv(&mut [0; 8]).unwrap(), 2);
        }
    }

    #[test]
    fn a_batch_can_go_to_another_thread() {
        let (socket, port) = server("127.0.0.1:0");
        let client = client("127.0.0.1", port);
        client.send(b"ab").unwrap();
        let mut batch = Batch::new(2, 8, 8);
        assert_eq!(receive(&mut batch, &socket), 1);
        let mut batch = std::thread::spawn(move || {
            answer(&mut batch, 1);
            batch
        })
        .join()
        .unwrap();
        assert_eq!(batch.send(socket.as_fd()), 1);
        assert_eq!(client.recv(&mut [0; 8]).unwrap(), 2);
    }

    #[test]
    fn a_socket_of_no_use_is_an_error() {
        let listener = super::super::socket::listen_tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        assert!(Batch::new(1, 8, 8).receive(listener.as_fd()).is_err());
    }
}
