//! A descriptor by which other threads wake the loop.

use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Readable for the poller from the first [`wake`](Waker::wake) until [`clear`](Waker::clear).
#[derive(Debug)]
pub struct Waker {
    descriptor: OwnedFd,
}

impl Waker {
    /// Nobody woken yet.
    ///
    /// # Errors
    /// The system has no descriptor to give.
    pub fn new() -> io::Result<Self> {
        Ok(Waker { descriptor: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
    }

    /// Wakes the loop. Safe from any thread.
    pub fn wake(&self) {
        // the one way to fail is a count of 2^64 wakes that nobody cleared, and then the loop is awake
        let _ = rustix::io::write(&self.descriptor, &1_u64.to_ne_bytes());
    }

    /// Takes note that the loop is awake. What was handed over before a wake is to be looked at after this.
    pub fn clear(&self) {
        // nothing to read means that nobody woke it
        let _ = rustix::io::read(&self.descriptor, &mut [0; 8]);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::super::poller::{Interest, Poller};
    use super::*;
    use std::time::Duration;

    #[test]
    fn wakes_from_another_thread_until_cleared() {
        let waker = std::sync::Arc::new(Waker::new().unwrap());
        let mut poller = Poller::new(1).unwrap();
        poller.add(waker.as_fd(), 7, Interest::READ).unwrap();
        let mut events = Vec::new();
        poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty());
        let other = waker.clone();
        std::thread::spawn(move || (0..3).for_each(|_| other.wake())).join().unwrap();
        poller.wait(&mut events, Some(Duration::from_secs(10))).unwrap();
        assert_eq!(events[0].token, 7);
        waker.clear();
        poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty());
    }
}
