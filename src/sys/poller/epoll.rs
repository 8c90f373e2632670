//! Linux: over epoll.

use super::super::linux::is_refusal;
use super::{Event, Interest};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use std::mem::offset_of;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;
use std::{fmt, io};

// `wait_coarse` has the kernel write the one in place of the other
static_assertions::assert_eq_size!(epoll::Event, libc::epoll_event);
static_assertions::const_assert!(offset_of!(epoll::Event, data) == offset_of!(libc::epoll_event, u64));

/// A set of descriptors that can be waited for together.
pub struct Poller {
    epoll: OwnedFd,
    /// What the last wait found; its capacity bounds the next.
    found: Vec<epoll::Event>,
    /// epoll_pwait2 (Linux 5.11) was refused: timeouts are rounded up to milliseconds.
    coarse: bool,
}

impl Poller {
    /// An empty set. A wait returns at most `max_events` events (at least one).
    pub fn new(max_events: usize) -> io::Result<Self> {
        Ok(Poller {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            found: Vec::with_capacity(max_events.max(1)),
            coarse: false,
        })
    }

    /// Adds a descriptor under `token`. Fails if it is in the set already.
    pub fn add(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, epoll::EventData::new_u64(token), flags(interest))?)
    }

    /// Changes the token and interest of a descriptor. Fails if it is not in the set.
    pub fn modify(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, fd, epoll::EventData::new_u64(token), flags(interest))?)
    }

    /// Takes a descriptor out of the set. Fails if it is not in it.
    pub fn remove(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// Waits until a descriptor is ready or `timeout` has passed (None: for ever), and replaces `events` by what was
    /// found. A signal ends the wait without events.
    pub fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        self.found.clear();
        let waited = if self.coarse { Err(Errno::NOSYS) } else { self.wait_fine(timeout) };
        self.coarse = waited.is_err_and(is_refusal);
        match if self.coarse { self.wait_coarse(timeout) } else { waited } {
            Ok(()) => {}
            Err(Errno::INTR) => self.found.clear(),
            Err(error) => return Err(error.into()),
        }
        events.extend(self.found.iter().map(|found| {
            let flags = found.flags;
            Event {
                token: found.data.u64(),
                readable: flags.contains(epoll::EventFlags::IN),
                writable: flags.contains(epoll::EventFlags::OUT),
                hangup: flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP),
            }
        }));
        Ok(())
    }

    fn wait_fine(&mut self, timeout: Option<Duration>) -> Result<(), Errno> {
        // A time too long for the kernel is for ever.
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        epoll::wait(&self.epoll, spare_capacity(&mut self.found), timeout.as_ref()).map(|_| ())
    }

    fn wait_coarse(&mut self, timeout: Option<Duration>) -> Result<(), Errno> {
        let timeout =
            timeout.map_or(-1, |timeout| i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX));
        let room = i32::try_from(self.found.capacity()).unwrap_or(i32::MAX);
        // SAFETY: rustix's Event has the layout of the kernel's epoll_event (asserted above); the kernel writes at most `room` of
        // them into memory that the vector owns, and the length is set to what it wrote.
        unsafe {
            let count = libc::epoll_wait(self.epoll.as_raw_fd(), self.found.as_mut_ptr().cast(), room, timeout);
            let count = usize::try_from(count)
                .map_err(|_| Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL))?;
            self.found.set_len(count);
        }
        Ok(())
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Poller { epoll, coarse, .. } = self;
        f.debug_struct("Poller").field("epoll", epoll).field("coarse", coarse).finish_non_exhaustive()
    }
}

fn flags(interest: Interest) -> epoll::EventFlags {
    let mut flags = epoll::EventFlags::empty();
    flags.set(epoll::EventFlags::IN, interest.read);
    flags.set(epoll::EventFlags::OUT, interest.write);
    flags
}

static_assertions::assert_eq_size!(epoll::Event, libc::epoll_event);

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::time::Instant;

    #[test]
    fn old_kernels_wait_in_milliseconds() {
        let mut poller = Poller::new(2).unwrap();
        poller.coarse = true;
        let mut events = Vec::new();
        let start = Instant::now();
        poller.wait(&mut events, Some(Duration::from_micros(200))).unwrap();
        assert!(events.is_empty());
        assert!(start.elapsed() >= Duration::from_micros(200));

        let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
        poller.add(near.as_fd(), 7, Interest { read: true, write: true }).unwrap();
        for timeout in [None, Some(Duration::MAX)] {
            poller.wait(&mut events, timeout).unwrap();
            assert_eq!(events, [Event { token: 7, readable: false, writable: true, hangup: false }]);
        }
    }
}
