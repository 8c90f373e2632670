//! Signals as something to read: SIGINT and SIGHUP wait in a descriptor until the loop asks for them.
//!
//! Nothing runs in a signal handler, and reading needs no file of the system, so it works in an empty root directory.

use rustix::io::Errno;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

/// What the operator wants by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: end.
    Interrupt,
    /// SIGHUP: read the lists again.
    Hangup,
}

/// The signals that arrived and were not taken yet.
#[derive(Debug)]
pub struct Signals {
    descriptor: OwnedFd,
}

impl Signals {
    /// Blocks SIGINT and SIGHUP in this thread and collects them in a descriptor instead; ignores SIGPIPE. SIGTERM
    /// keeps its effect.
    ///
    /// Call it before threads start: they inherit the blocking, else a signal could end the process through them.
    /// A start under nohup or in a shell's background, with these signals ignored, changes nothing.
    pub fn new() -> io::Result<Self> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the set is initialised by sigemptyset before any other use; the calls keep no pointer. The
        // descriptor is new and owned by nobody else.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigaddset(set.as_mut_ptr(), libc::SIGINT);
            libc::sigaddset(set.as_mut_ptr(), libc::SIGHUP);
            let refused = libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut());
            if refused != 0 {
                return Err(io::Error::from_raw_os_error(refused));
            }
            if libc::signal(libc::SIGPIPE, libc::SIG_IGN) == libc::SIG_ERR {
                return Err(io::Error::last_os_error());
            }
            let descriptor = libc::signalfd(-1, set.as_ptr(), libc::SFD_NONBLOCK | libc::SFD_CLOEXEC);
            if descriptor < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Signals { descriptor: OwnedFd::from_raw_fd(descriptor) })
        }
    }

    /// The next signal that arrived; None when all are taken.
    pub fn take(&self) -> Option<Signal> {
        let mut record = [0u8; size_of::<libc::signalfd_siginfo>()];
        loop {
            match rustix::io::read(&self.descriptor, &mut record) {
                Ok(length) if length == record.len() => {}
                Err(Errno::INTR) => continue,
                _ => return None,
            }
            // The first field of a record is the signal's number.
            let number = record.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
            match i32::try_from(number) {
                Ok(libc::SIGINT) => return Some(Signal::Interrupt),
                Ok(libc::SIGHUP) => return Some(Signal::Hangup),
                _ => {}
            }
        }
    }
}

impl AsFd for Signals {
    /// The descriptor to wait for: readable when a signal is to be taken.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::super::poller::{Interest, Poller};
    use super::*;
    use std::time::Duration;

    /// Sends a signal to the calling thread alone: the other tests of the process don't block it.
    fn raise(signal: i32) {
        // SAFETY: raise has no memory effects; the signal is blocked in this thread or ignored.
        assert_eq!(unsafe { libc::raise(signal) }, 0);
    }

    #[test]
    fn signals_wait_until_taken() {
        let signals = Signals::new().unwrap();
        assert_eq!(signals.take(), None);
        let mut poller = Poller::new(4).unwrap();
        poller.add(signals.as_fd(), 9, Interest::READ).unwrap();
        raise(libc::SIGHUP);
        raise(libc::SIGPIPE);
        let mut events = Vec::new();
        poller.wait(&mut events, Some(Duration::from_secs(5))).unwrap();
        assert!(events.iter().any(|event| event.token == 9 && event.readable));
        assert_eq!(signals.take(), Some(Signal::Hangup));
        assert_eq!(signals.take(), None);
        raise(libc::SIGINT);
        raise(libc::SIGHUP);
        let both = [signals.take(), signals.take()];
        assert!(both.contains(&Some(Signal::Interrupt)));
        assert!(both.contains(&Some(Signal::Hangup)));
        assert_eq!(signals.take(), None);
    }
}
