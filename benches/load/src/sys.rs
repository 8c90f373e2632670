//! What the standard library lacks: datagrams by the batch from many source addresses, affinity, buffer sizes.
//! All unsafe code of the bench is here.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;
use std::time::Duration;

/// Datagrams in one system call.
pub const BATCH: usize = 64;
const CONTROL: usize = 64;

/// Datagrams that go to one address, or came, in one system call.
pub struct Datagrams {
    room: usize,
    bytes: Vec<u8>,
    lengths: Vec<usize>,
    names: Vec<libc::sockaddr_in>,
    sources: Vec<Option<Ipv4Addr>>,
    controls: Vec<[u64; CONTROL / 8]>,
}

impl Datagrams {
    /// Room for a batch of `room` bytes each.
    pub fn new(room: usize) -> Self {
        Datagrams {
            room,
            bytes: vec![0; BATCH * room],
            lengths: Vec::with_capacity(BATCH),
            names: vec![empty_name(); BATCH],
            sources: vec![None; BATCH],
            controls: vec![[0; CONTROL / 8]; BATCH],
        }
    }

    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    pub fn clear(&mut self) {
        self.lengths.clear();
    }

    pub fn get(&self, index: usize) -> &[u8] {
        &self.bytes[index * self.room..][..self.lengths[index]]
    }

    /// Adds a datagram that `write` makes and whose length it returns. There must be room for one more.
    pub fn push(&mut self, to: Ipv4Addr, port: u16, source: Option<Ipv4Addr>, write: impl FnOnce(&mut [u8]) -> usize) {
        let index = self.lengths.len();
        let length = write(&mut self.bytes[index * self.room..][..self.room]);
        self.names[index] = name(to, port);
        self.sources[index] = source;
        self.lengths.push(length);
    }

    /// Makes the datagrams received into replies of that many bytes, with the action and transaction id where
    /// replies have them (the echo server).
    pub fn answer(&mut self, length: impl Fn(&[u8]) -> usize) {
        for index in 0..self.len() {
            let length = length(self.get(index)).min(self.room);
            let packet = &mut self.bytes[index * self.room..][..self.room];
            packet.copy_within(8..16, 0);
            self.lengths[index] = length;
            self.sources[index] = None;
        }
    }

    /// Sends all; returns how many were sent.
    pub fn send(&mut self, socket: &UdpSocket) -> usize {
        let count = self.len();
        let (mut slices, mut headers) = empty_headers();
        for index in 0..count {
            slices[index].iov_base = self.bytes[index * self.room..].as_mut_ptr().cast();
            slices[index].iov_len = self.lengths[index];
            let header = &mut headers[index].msg_hdr;
            header.msg_name = (&raw mut self.names[index]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in>() as _;
            header.msg_iov = &raw mut slices[index];
            header.msg_iovlen = 1;
            if let Some(source) = self.sources[index] {
                header.msg_control = self.controls[index].as_mut_ptr().cast();
                header.msg_controllen = CONTROL;
                put_source(header, source);
            }
        }
        let mut sent = 0;
        while sent < count {
            // SAFETY: the headers point to names, controls and slices that live and stay in place through the call.
            let n = unsafe { libc::sendmmsg(socket.as_raw_fd(), &raw mut headers[sent], (count - sent) as _, 0) };
            match usize::try_from(n) {
                Ok(n) => sent += n,
                Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        sent
    }

    /// Receives what is there, in place of what was; waits for the first if `wait` is set.
    pub fn receive(&mut self, socket: &UdpSocket, wait: bool) -> usize {
        self.lengths.clear();
        let (mut slices, mut headers) = empty_headers();
        for index in 0..BATCH {
            slices[index].iov_base = self.bytes[index * self.room..].as_mut_ptr().cast();
            slices[index].iov_len = self.room;
            let header = &mut headers[index].msg_hdr;
            header.msg_name = (&raw mut self.names[index]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in>() as _;
            header.msg_iov = &raw mut slices[index];
            header.msg_iovlen = 1;
        }
        let flags = if wait { libc::MSG_WAITFORONE } else { libc::MSG_DONTWAIT };
        let fd = socket.as_raw_fd();
        // SAFETY: the headers point to names and slices with their true lengths, which stay in place through the call.
        let n = unsafe { libc::recvmmsg(fd, headers.as_mut_ptr(), BATCH as _, flags, ptr::null_mut()) };
        let n = usize::try_from(n).unwrap_or(0);
        self.lengths.extend(headers[..n].iter().map(|header| header.msg_len as usize));
        n
    }
}

fn empty_headers() -> ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) {
    // SAFETY: pointers and numbers: all zeros is a value of both.
    unsafe { (mem::zeroed(), mem::zeroed()) }
}

fn empty_name() -> libc::sockaddr_in {
    // SAFETY: plain numbers: all zeros is a value.
    unsafe { mem::zeroed() }
}

fn name(address: Ipv4Addr, port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as _,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(address).to_be() },
        ..empty_name()
    }
}

fn put_source(header: &mut libc::msghdr, source: Ipv4Addr) {
    let info = libc::in_pktinfo {
        ipi_ifindex: 0,
        ipi_spec_dst: libc::in_addr { s_addr: u32::from(source).to_be() },
        ipi_addr: libc::in_addr { s_addr: 0 },
    };
    const { assert!(size_of::<libc::cmsghdr>() + size_of::<libc::in_pktinfo>() + 16 <= CONTROL) };
    // SAFETY: the header has CONTROL aligned bytes of control, which hold one message of this kind (asserted).
    unsafe {
        let message = libc::CMSG_FIRSTHDR(header);
        (*message).cmsg_level = libc::IPPROTO_IP;
        (*message).cmsg_type = libc::IP_PKTINFO;
        (*message).cmsg_len = libc::CMSG_LEN(size_of::<libc::in_pktinfo>() as _) as _;
        ptr::write_unaligned(libc::CMSG_DATA(message).cast(), info);
        header.msg_controllen = libc::CMSG_SPACE(size_of::<libc::in_pktinfo>() as _) as _;
    }
}

fn set_option(fd: i32, level: i32, option: i32, value: i32) -> io::Result<()> {
    // SAFETY: the option's value is an int that lives through the call.
    let result = unsafe { libc::setsockopt(fd, level, option, (&raw const value).cast(), size_of::<i32>() as _) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A receive buffer as large as the system grants.
pub fn enlarge(socket: &UdpSocket, bytes: i32) {
    let fd = socket.as_raw_fd();
    if set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes).is_err() {
        // then it is what an ordinary user gets
        let _ = set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, bytes);
    }
    let _ = set_option(fd, libc::SOL_SOCKET, libc::SO_SNDBUF, bytes);
}

/// Waits for a datagram.
pub fn wait(socket: &UdpSocket) {
    let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one descriptor is passed, which lives through the call.
    unsafe { libc::poll(&raw mut poll, 1, -1) };
}

/// What this thread was on a processor for.
pub fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Begins a connection from an address; it never blocks from then on.
pub fn connect(source: Ipv4Addr, server: Ipv4Addr, port: u16) -> io::Result<TcpStream> {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no memory is passed.
    let fd = unsafe { libc::socket(libc::AF_INET, kind, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and owned here.
    let stream = TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd) });
    set_option(fd, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
    let length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    let (from, to) = (name(source, 0), name(server, port));
    // SAFETY: both addresses live through their calls and have their true length.
    unsafe {
        if libc::bind(fd, (&raw const from).cast(), length) != 0 {
            return Err(io::Error::last_os_error());
        }
        if libc::connect(fd, (&raw const to).cast(), length) != 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(libc::EINPROGRESS) {
                return Err(error);
            }
        }
    }
    Ok(stream)
}

/// Has a connection reset where it is closed.
pub fn reset_at_close(stream: &TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let length = size_of::<libc::linger>() as libc::socklen_t;
    // SAFETY: the option's value lives through the call, and this is its size. Where it is refused the connection ends otherwise.
    unsafe {
        libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, (&raw const linger).cast(), length);
    }
}

fn set_of(cores: &[usize]) -> libc::cpu_set_t {
    // SAFETY: an array of numbers: all zeros is the empty set; CPU_SET checks its index.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        for core in cores {
            libc::CPU_SET(*core, &mut set);
        }
        set
    }
}

/// Keeps this process on some cores.
pub fn stay_on(cores: &[usize]) {
    let set = set_of(cores);
    // SAFETY: the set lives through the call. Where it is refused the figures are noisier, that is all.
    unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) };
}

/// Keeps a command that is to be started on some cores, and has it end when we end.
pub fn start_on(command: &mut Command, cores: &[usize]) {
    let set = set_of(cores);
    // SAFETY: between fork and exec only system calls are made.
    unsafe {
        command.pre_exec(move || {
            libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            Ok(())
        });
    }
}

/// As many descriptors as we may have.
pub fn raise_descriptors() {
    // SAFETY: the limits live through the calls.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
}
