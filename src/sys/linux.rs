//! What Linux does better than other systems. A kernel that is too old, or a filter around the process, may refuse any of these calls,
//! with ENOSYS or, as some container runtimes do, with EPERM: then the `portable` form of the same name does the work.

pub(super) use super::capability::give_up_low_ports;
use super::datagram::Message;
use super::portable;
use super::socket::ReceiveMemory;
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketAddrAny, SocketFlags, sockopt};
use rustix::rand::{GetRandomFlags, getrandom};
use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

/// Numbers that the system has of a socket's memory: the first is what waits to be received, the second the room for it, the ninth the
/// drops (`SK_MEMINFO_*` in linux/sock_diag.h).
const SOCKET_NUMBERS: usize = 9;

/// Whether an error says that there is no such system call, or none for this process.
pub(super) fn is_refusal(error: Errno) -> bool {
    matches!(error, Errno::NOSYS | Errno::PERM)
}

fn is_refused(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(is_refusal)
}

/// As [`portable::accept`], in one call.
pub(super) fn accept(listener: BorrowedFd<'_>) -> Result<(OwnedFd, Option<SocketAddrAny>), Errno> {
    match rustix::net::acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
        // Firewalls refuse a connection with EPERM too. That one is gone, so this may accept the next.
        Err(error) if is_refusal(error) => portable::accept(listener),
        accepted => accepted,
    }
}

/// As [`portable::send_before_end`]; bytes and end go out in one segment.
pub(super) fn send_before_end(connection: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    rustix::net::send(connection, bytes, SendFlags::NOSIGNAL | SendFlags::MORE)
}

/// The system says twice as many bytes as were asked for, with its own expenses.
pub(super) fn receive_buffer(socket: BorrowedFd<'_>) -> Option<usize> {
    Some(sockopt::socket_recv_buffer_size(socket).ok()? / 2)
}

/// As [`portable::set_receive_buffer`]; root may exceed the system's limit.
pub(super) fn set_receive_buffer(socket: &OwnedFd, bytes: usize) {
    if sockopt::set_socket_recv_buffer_size_force(socket, bytes).is_err() {
        portable::set_receive_buffer(socket, bytes);
    }
}

/// As [`portable::receive_memory`], from Linux 4.12 on.
pub(super) fn receive_memory(socket: BorrowedFd<'_>) -> Option<ReceiveMemory> {
    let mut numbers = [0_u32; SOCKET_NUMBERS];
    let mut length = size_of_val(&numbers) as libc::socklen_t;
    let (option, place) = (libc::SO_MEMINFO, numbers.as_mut_ptr().cast());
    // SAFETY: the call writes at most `length` bytes to the array, which has as many, and then the bytes written to `length`.
    let outcome = unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, place, &raw mut length) };
    let is_whole = outcome == 0 && length as usize == size_of_val(&numbers);
    let [waiting, size, .., dropped] = numbers;
    is_whole.then_some(ReceiveMemory { size, waiting, dropped })
}

/// As [`portable::fill_with_randomness`]; waits until the system has gathered enough of it after boot.
pub(super) fn fill_with_randomness(bytes: &mut [u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let filled = match getrandom(&mut *rest, GetRandomFlags::empty()) {
            Ok(filled) => filled,
            Err(Errno::INTR) => continue,
            Err(error) if is_refusal(error) => return portable::fill_with_randomness(rest),
            Err(error) => return Err(error.into()),
        };
        rest = rest.get_mut(filled..).unwrap_or_default();
    }
    Ok(())
}

/// Lets waits of this thread, and of threads that it starts, end when they are due: by default the kernel adds up to 50 microseconds.
pub(super) fn sharpen_waits() {
    // The smallest slack there is: one nanosecond. Where it is refused waits stay that bit longer.
    let _refused_is_harmless = rustix::thread::set_current_timer_slack(Some(NonZeroU64::MIN));
}

/// As [`portable::receive_messages`], in one call.
///
/// # Safety
/// The same.
pub(super) unsafe fn receive_messages(
    socket: BorrowedFd<'_>,
    messages: &mut [Message],
    wait: bool,
) -> io::Result<usize> {
    let flags = if wait { libc::MSG_WAITFORONE } else { libc::MSG_DONTWAIT };
    let (start, count) = (messages.as_mut_ptr().cast(), messages.len() as _);
    // SAFETY: a message is laid out as an mmsghdr (asserted below), and its header is as the caller vouches. There is no timeout.
    let received = unsafe { libc::recvmmsg(socket.as_raw_fd(), start, count, flags as _, ptr::null_mut()) };
    match usize::try_from(received).map_err(|_| io::Error::last_os_error()) {
        // SAFETY: as this function's.
        Err(error) if is_refused(&error) => unsafe { portable::receive_messages(socket, messages, wait) },
        received => received,
    }
}

/// As [`portable::send_messages`], in one call.
///
/// # Safety
/// The same.
pub(super) unsafe fn send_messages(socket: BorrowedFd<'_>, messages: &mut [Message]) -> io::Result<usize> {
    let (start, count) = (messages.as_mut_ptr().cast(), messages.len() as _);
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: a message is laid out as an mmsghdr (asserted below), and its header is as the caller vouches.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), start, count, flags as _) };
    match usize::try_from(sent).map_err(|_| io::Error::last_os_error()) {
        // Firewalls refuse datagrams with EPERM too: then the first one is refused once more.
        // SAFETY: as this function's.
        Err(error) if is_refused(&error) => unsafe { portable::send_messages(socket, messages) },
        sent => sent,
    }
}

static_assertions::assert_eq_size!(Message, libc::mmsghdr);
static_assertions::const_assert!(std::mem::offset_of!(Message, length) == std::mem::offset_of!(libc::mmsghdr, msg_len));
