//! Any other system: over poll(2).
//!
//! Adding, changing and removing take constant time: `places` finds a descriptor's entry. Waiting looks at all
//! entries, as poll(2) itself does.

use super::{Event, Interest};
use libc::{POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, c_short};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::time::Duration;

/// The place of a descriptor that is not in the set.
const NOWHERE: u32 = u32::MAX;

/// A set of descriptors that can be waited for together.
#[derive(Debug)]
pub struct Poller {
    entries: Vec<libc::pollfd>,
    /// The token of each entry.
    tokens: Vec<u64>,
    /// By descriptor number: the entry's index, or NOWHERE.
    places: Vec<u32>,
    /// Where the next search for ready entries starts, so that each gets its turn.
    next: usize,
    max_events: usize,
}

impl Poller {
    /// An empty set. A wait returns at most `max_events` events (at least one).
    pub fn new(max_events: usize) -> io::Result<Self> {
        Ok(Poller {
            entries: Vec::new(),
            tokens: Vec::new(),
            places: Vec::new(),
            next: 0,
            max_events: max_events.max(1),
        })
    }

    /// Adds a descriptor under `token`. Fails if it is in the set already.
    pub fn add(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        if self.place(fd).is_some() {
            return Err(io::Error::from_raw_os_error(libc::EEXIST));
        }
        let number = number(fd)?;
        let place = u32::try_from(self.entries.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
        if self.places.len() <= number {
            self.places.resize(number + 1, NOWHERE);
        }
        if let Some(free) = self.places.get_mut(number) {
            *free = place;
        }
        self.entries.push(libc::pollfd { fd: fd.as_raw_fd(), events: flags(interest), revents: 0 });
        self.tokens.push(token);
        Ok(())
    }

    /// Changes the token and interest of a descriptor. Fails if it is not in the set.
    pub fn modify(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        let place = self.place(fd).ok_or_else(absent)?;
        if let (Some(entry), Some(old)) = (self.entries.get_mut(place), self.tokens.get_mut(place)) {
            entry.events = flags(interest);
            *old = token;
        }
        Ok(())
    }

    /// Takes a descriptor out of the set. Fails if it is not in it.
    pub fn remove(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let place = self.place(fd).ok_or_else(absent)?;
        // The last entry takes the free place.
        self.entries.swap_remove(place);
        self.tokens.swap_remove(place);
        let moved = self.entries.get(place).and_then(|entry| usize::try_from(entry.fd).ok());
        if let Some(moved) = moved.and_then(|number| self.places.get_mut(number)) {
            *moved = u32::try_from(place).unwrap_or(NOWHERE);
        }
        if let Some(place) = self.places.get_mut(number(fd)?) {
            *place = NOWHERE;
        }
        Ok(())
    }

    /// Waits until a descriptor is ready or `timeout` has passed (None: for ever), and replaces `events` by what was
    /// found. A signal ends the wait without events.
    pub fn wait(&mut self, events: &mut Vec<Event>, timeout: Option<Duration>) -> io::Result<()> {
        events.clear();
        // SAFETY: a timespec is plain numbers, all zeros is one (some systems have padding in it).
        let mut limit: libc::timespec = unsafe { std::mem::zeroed() };
        let mut limit_pointer = ptr::null();
        // A time too long for the kernel is for ever.
        let seconds = timeout.and_then(|timeout| timeout.as_secs().try_into().ok());
        if let (Some(timeout), Some(seconds)) = (timeout, seconds) {
            limit.tv_sec = seconds;
            limit.tv_nsec = timeout.subsec_nanos() as _;
            limit_pointer = &raw const limit;
        }
        // SAFETY: the entries are ours, as many as we say; the time lives through the call or is null.
        let ready = unsafe {
            libc::ppoll(self.entries.as_mut_ptr(), self.entries.len() as libc::nfds_t, limit_pointer, ptr::null())
        };
        match usize::try_from(ready) {
            Ok(ready) => {
                self.collect(events, ready);
                Ok(())
            }
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
                error => Err(error),
            },
        }
    }

    /// Gathers the events of up to `ready` entries, beginning where the last call stopped.
    fn collect(&mut self, events: &mut Vec<Event>, ready: usize) {
        let wanted = ready.min(self.max_events);
        let start = if self.next < self.entries.len() { self.next } else { 0 };
        let (before, after) = self.entries.split_at(start);
        let (tokens_before, tokens_after) = self.tokens.split_at(start);
        let in_turn = after.iter().chain(before).zip(tokens_after.iter().chain(tokens_before));
        let mut looked_at = 0;
        for (entry, &token) in in_turn {
            if events.len() == wanted {
                break;
            }
            looked_at += 1;
            if entry.revents != 0 {
                events.push(Event {
                    token,
                    readable: entry.revents & POLLIN != 0,
                    writable: entry.revents & POLLOUT != 0,
                    hangup: entry.revents & (POLLERR | POLLHUP | POLLNVAL) != 0,
                });
            }
        }
        self.next = start + looked_at;
        if self.next >= self.entries.len() {
            self.next -= self.entries.len();
        }
    }

    fn place(&self, fd: BorrowedFd<'_>) -> Option<usize> {
        let place = *self.places.get(number(fd).ok()?)?;
        (place != NOWHERE).then_some(place as usize)
    }
}

fn number(fd: BorrowedFd<'_>) -> io::Result<usize> {
    usize::try_from(fd.as_raw_fd()).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))
}

fn absent() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOENT)
}

fn flags(interest: Interest) -> c_short {
    let read = if interest.read { POLLIN } else { 0 };
    let write = if interest.write { POLLOUT } else { 0 };
    read | write
}
