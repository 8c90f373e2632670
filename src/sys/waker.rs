//! A descriptor by which other threads, and signal handlers, wake the loop: a pipe of the process to itself.

use rustix::pipe::{PipeFlags, pipe_with};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// Readable for the poller from the first [`wake`](Waker::wake) until [`clear`](Waker::clear).
#[derive(Debug)]
pub struct Waker {
    reading_end: OwnedFd,
    writing_end: OwnedFd,
    /// Whether a byte is in the pipe, or about to be. Saves a system call where the loop has been woken already.
    woken: AtomicBool,
}

impl Waker {
    /// One that has not been woken yet.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn new() -> io::Result<Self> {
        let (reading_end, writing_end) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Waker { reading_end, writing_end, woken: AtomicBool::new(false) })
    }

    /// Wakes the loop. Safe from any thread and within a signal handler, where errno may change.
    pub fn wake(&self) {
        if !self.woken.swap(true, Ordering::SeqCst) {
            // the pipe holds a byte or two at most, so there is room
            let _ = rustix::io::retry_on_intr(|| rustix::io::write(&self.writing_end, &[0]));
        }
    }

    /// Takes note that the loop is awake. What was handed over before a wake is to be looked at after this.
    pub fn clear(&self) {
        // empties the pipe: there is never more in it than this. An empty one is no matter
        let _ = rustix::io::retry_on_intr(|| rustix::io::read(&self.reading_end, &mut [0; 8]));
        // Behind the read: a wake before this line finds its work looked at below the call, one after it writes a byte.
        // The other way round the read could take the byte of a wake that nothing follows.
        self.woken.store(false, Ordering::SeqCst);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reading_end.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::super::poller::{Interest, Poller};
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    fn watched(waker: &Waker) -> Poller {
        let mut poller = Poller::new(1).unwrap();
        poller.add(waker.as_fd(), 7, Interest::READ).unwrap();
        poller
    }

    fn is_awake(poller: &mut Poller, timeout: Duration) -> bool {
        let mut events = Vec::new();
        poller.wait(&mut events, Some(timeout)).unwrap();
        !events.is_empty()
    }

    #[test]
    fn wakes_from_another_thread_until_cleared() {
        let waker = Arc::new(Waker::new().unwrap());
        let mut poller = watched(&waker);
        assert!(!is_awake(&mut poller, Duration::ZERO));
        for _ in 0..3 {
            let other = waker.clone();
            std::thread::spawn(move || (0..3).for_each(|_| other.wake())).join().unwrap();
            assert!(is_awake(&mut poller, Duration::from_secs(10)));
            waker.clear();
            assert!(!is_awake(&mut poller, Duration::ZERO));
            waker.clear();
        }
    }

    #[test]
    fn no_wake_is_lost() {
        const EACH: u32 = 50_000;
        let waker = Arc::new(Waker::new().unwrap());
        let mut poller = watched(&waker);
        let work = Arc::new(AtomicU32::new(0));
        for _ in 0..2 {
            let (waker, work) = (waker.clone(), work.clone());
            std::thread::spawn(move || {
                for _ in 0..EACH {
                    work.fetch_add(1, Ordering::SeqCst);
                    waker.wake();
                }
            });
        }
        let mut done = 0;
        while done < 2 * EACH {
            assert!(is_awake(&mut poller, Duration::from_secs(10)), "{done} of {}", 2 * EACH);
            waker.clear();
            done += work.swap(0, Ordering::SeqCst);
        }
    }
}
