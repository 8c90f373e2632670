//! Signals as something to read: SIGINT, SIGTERM and SIGHUP wait until the loop takes them.
//!
//! While the tracker starts nothing takes them yet, so SIGINT and SIGTERM end the process from within the handler, however long a
//! file takes to read. Nothing here needs a file of the system, so it works in an empty root directory.

use super::failure::Failure;
use super::waker::Waker;
use libc::{SIGHUP, SIGINT, SIGPIPE, SIGTERM, c_int};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The exit code of a process that SIGTERM should have ended but cannot: 128 and the signal's number, as shells count.
pub const TERMINATED: u8 = 143;

/// By which the handler wakes the loop. Never dropped, since the handler may run at any moment.
static WAKER: OnceLock<Waker> = OnceLock::new();

/// The signals that arrived and were not taken yet: bit N for signal N.
static PENDING: AtomicU32 = AtomicU32::new(0);

/// Whether the loop takes the signals that end the process.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// What the operator wants by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: end with exit code 0.
    Interrupt,
    /// SIGTERM: end as cleanly, but as a process that was terminated, see [`terminate`].
    Terminate,
    /// SIGHUP: read the access list again.
    Hangup,
}

/// The handled signals with their meanings, in the order in which they are taken.
const HANDLED: [(c_int, Signal); 3] =
    [(SIGINT, Signal::Interrupt), (SIGTERM, Signal::Terminate), (SIGHUP, Signal::Hangup)];

/// The process's signals. They belong to the whole process, so there is one of this kind.
#[derive(Debug)]
pub struct Signals {
    waker: &'static Waker,
}

impl Signals {
    /// Handles SIGINT, SIGTERM and SIGHUP from now on, also where the process was started with them blocked or ignored (as by nohup),
    /// and ignores SIGPIPE. Until [`defer`](Signals::defer) the first two end the process at once.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn new() -> Result<Self, Failure> {
        Self::handle().map_err(Failure::of("handling signals"))
    }

    fn handle() -> io::Result<Self> {
        let new = Waker::new()?;
        let waker = WAKER.get_or_init(|| new);
        let handler = on_signal as extern "C" fn(c_int) as libc::sighandler_t;
        for (signal, _) in HANDLED {
            set_action(signal, handler)?;
            unblock(signal);
        }
        set_action(SIGPIPE, libc::SIG_IGN)?;
        Ok(Signals { waker })
    }

    /// From now on SIGINT and SIGTERM wait to be taken, as SIGHUP always does.
    pub fn defer(&self) {
        TAKEN.store(true, Ordering::SeqCst);
    }

    /// Whether there is a signal to be taken.
    pub fn are_pending(&self) -> bool {
        PENDING.load(Ordering::SeqCst) != 0
    }

    /// Takes a signal that arrived; None when all are taken. Of several of a kind that wait, one is left.
    pub fn take(&self) -> Option<Signal> {
        self.waker.clear();
        let pending = PENDING.load(Ordering::SeqCst);
        let (number, signal) = HANDLED.into_iter().find(|(number, _)| pending & bit(*number) != 0)?;
        PENDING.fetch_and(!bit(number), Ordering::SeqCst);
        Some(signal)
    }
}

impl AsFd for Signals {
    /// The descriptor to wait for: readable when signals are to be taken, all of them.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.waker.as_fd()
    }
}

/// Ends the process by SIGTERM, so that whoever started it sees what ended it. Returns only as process 1 of a container, for which the
/// system drops default actions: then the exit code [`TERMINATED`] says the same.
pub fn terminate() {
    // where the default action cannot be set, the exit code has to do
    if set_action(SIGTERM, libc::SIG_DFL).is_ok() {
        // the system blocks a signal while its handler runs
        unblock(SIGTERM);
        // SAFETY: a call on a plain number.
        let _only_process_1_sees_this = unsafe { libc::raise(SIGTERM) };
    }
}

fn bit(signal: c_int) -> u32 {
    1 << signal
}

/// Sets what a signal does. System calls that it interrupts go on afterwards, where the system lets them.
fn set_action(signal: c_int, action: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: all zeros is a sigaction: no flags, the default action, an empty set. The call reads it and keeps no pointer. The action is
    // `on_signal`, which takes a number, as it has to without SA_SIGINFO, or one that the C library names.
    let refused = unsafe {
        let mut new: libc::sigaction = std::mem::zeroed();
        new.sa_sigaction = action;
        new.sa_flags = libc::SA_RESTART;
        libc::sigaction(signal, &raw const new, ptr::null_mut())
    };
    if refused == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets this thread, and those that it starts, have a signal.
fn unblock(signal: c_int) {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is initialised by sigemptyset before any other use; the calls keep no pointer to it. They fail for numbers that
    // are no signals only.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut());
    }
}

/// Runs on any thread, in the middle of anything. So it does only what POSIX calls async-signal-safe: it allocates nothing, takes no
/// lock, and leaves errno as it was.
extern "C" fn on_signal(signal: c_int) {
    if signal != SIGHUP && !TAKEN.load(Ordering::SeqCst) {
        if signal == SIGTERM {
            terminate();
        }
        let code = if signal == SIGTERM { TERMINATED } else { 0 };
        // SAFETY: ends the process, and runs nothing of it.
        unsafe { libc::_exit(code.into()) }
    }
    PENDING.fetch_or(bit(signal), Ordering::SeqCst);
    // SAFETY: the place of this thread's errno, which the call returns for as long as the thread lives.
    unsafe {
        let errno = errno_location();
        let before = *errno;
        if let Some(waker) = WAKER.get() {
            waker.wake();
        }
        *errno = before;
    }
}

#[cfg(any(target_os = "netbsd", target_os = "openbsd"))]
use libc::__errno as errno_location;
#[cfg(target_os = "linux")]
use libc::__errno_location as errno_location;
#[cfg(any(target_os = "freebsd", target_os = "dragonfly", target_vendor = "apple"))]
use libc::__error as errno_location;

#[cfg(test)]
mod tests {
    use super::super::poller::{Interest, Poller};
    use super::*;
    use std::time::Duration;

    /// Sends a signal to the calling thread; it has been handled when this returns.
    fn raise(signal: c_int) {
        // SAFETY: a call on a plain number; the signals sent here are handled or ignored.
        assert_eq!(unsafe { libc::raise(signal) }, 0);
    }

    /// One test, since there is one set of signals in a process.
    #[test]
    fn signals_wait_until_taken() {
        let signals = Signals::new().unwrap();
        signals.defer();
        assert_eq!(signals.take(), None);
        let mut poller = Poller::new(4).unwrap();
        poller.add(signals.as_fd(), 9, Interest::READ).unwrap();
        raise(SIGHUP);
        raise(SIGPIPE);
        let mut events = Vec::new();
        poller.wait(&mut events, Some(Duration::from_secs(5))).unwrap();
        assert!(events.iter().any(|event| event.token == 9 && event.readable));
        assert_eq!(signals.take(), Some(Signal::Hangup));
        assert_eq!(signals.take(), None);

        [SIGHUP, SIGTERM, SIGINT].into_iter().for_each(raise);
        let all = [(); 4].map(|()| signals.take());
        assert_eq!(all, [Some(Signal::Interrupt), Some(Signal::Terminate), Some(Signal::Hangup), None]);

        // a flood neither fills anything nor changes errno
        // SAFETY: the place of this thread's errno.
        unsafe { *errno_location() = libc::EXDEV };
        (0..100_000).for_each(|_| raise(SIGHUP));
        // SAFETY: as above.
        assert_eq!(unsafe { *errno_location() }, libc::EXDEV);
        raise(SIGINT);
        assert_eq!([(); 3].map(|()| signals.take()), [Some(Signal::Interrupt), Some(Signal::Hangup), None]);
        poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty());
    }
}
