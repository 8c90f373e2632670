//! What the tracker wants of the system, in calls that every Unix has. Where Linux has better ones, they are in `linux`, which comes
//! back to these when it is refused them.

// Linux comes back to some of these only
#![cfg_attr(all(target_os = "linux", not(opentracker_portable)), expect(dead_code))]

use super::datagram::Message;
use super::socket::ReceiveMemory;
use rustix::io::{Errno, FdFlags};
use rustix::net::{SendFlags, SocketAddrAny, sockopt};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

/// Accepts a connection, made non-blocking and closed on exec, with its peer's address if it has one.
pub(super) fn accept(listener: BorrowedFd<'_>) -> Result<(OwnedFd, Option<SocketAddrAny>), Errno> {
    let (connection, from) = rustix::net::acceptfrom(listener)?;
    rustix::io::ioctl_fionbio(&connection, true)?;
    rustix::io::fcntl_setfd(&connection, FdFlags::CLOEXEC)?;
    Ok((connection, from))
}

/// Sends bytes behind which, if all of them go, the end of the stream is sent at once.
pub(super) fn send_before_end(connection: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    rustix::net::send(connection, bytes, SendFlags::NOSIGNAL)
}

/// Makes room for so many received bytes, or as many as the system allows.
pub(super) fn set_receive_buffer(socket: &OwnedFd, bytes: usize) {
    // a smaller buffer is no reason not to start
    let _refused_is_harmless = sockopt::set_socket_recv_buffer_size(socket, bytes);
}

/// Nothing: only Linux says.
pub(super) fn receive_memory(_: BorrowedFd<'_>) -> Option<ReceiveMemory> {
    None
}

/// Fills `bytes` with the system's randomness.
pub(super) fn fill_with_randomness(bytes: &mut [u8]) -> io::Result<()> {
    File::open("/dev/urandom")?.read_exact(bytes)
}

/// Nothing: only Linux has rights that can be handed over one by one.
pub(super) fn give_up_low_ports() {}

/// Each system has another setting that bounds it.
pub(super) fn receive_buffer(_: BorrowedFd<'_>) -> Option<usize> {
    None
}

/// Nothing: only Linux lets waits take longer than they have to.
pub(super) fn sharpen_waits() {}

/// Receives datagrams into the first messages, and sets their lengths. Returns how many, at least one. `wait`: waits for the first
/// one where the socket is blocking; else it never waits.
///
/// # Errors
/// No datagram was received.
///
/// # Safety
/// The header of each message points to memory that may be written to, as long as it says.
pub(super) unsafe fn receive_messages(
    socket: BorrowedFd<'_>,
    messages: &mut [Message],
    wait: bool,
) -> io::Result<usize> {
    let mut flags = if wait { 0 } else { libc::MSG_DONTWAIT };
    for_each_message(messages, |message| {
        let flags = std::mem::replace(&mut flags, libc::MSG_DONTWAIT);
        // SAFETY: the header is as the caller vouches.
        unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message.header, flags) }
    })
}

/// Sends the first messages. Returns how many, at least one; never waits.
///
/// # Errors
/// The first message was not sent.
///
/// # Safety
/// The header of each message points to initialised memory, as long as it says.
pub(super) unsafe fn send_messages(socket: BorrowedFd<'_>, messages: &mut [Message]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    for_each_message(messages, |message| {
        // SAFETY: the header is as the caller vouches.
        unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message.header, flags) }
    })
}

/// Transfers messages until one is refused. Returns how many went, or why not even the first one did.
fn for_each_message(messages: &mut [Message], mut transfer: impl FnMut(&mut Message) -> isize) -> io::Result<usize> {
    let mut count = 0;
    for message in messages {
        match usize::try_from(transfer(message)) {
            Ok(length) => message.length = length as _,
            Err(_) if count > 0 => break,
            Err(_) => return Err(io::Error::last_os_error()),
        }
        count += 1;
    }
    Ok(count)
}
