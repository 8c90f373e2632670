//! Writing to the standard error output without ever waiting for whoever reads it.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Write};

/// Writes a short line, or drops it where it would have to wait: a pipe that is full, and stays so, must not stop the tracker.
pub fn write_line(line: &str) {
    let stderr = io::stderr();
    let mut waiting = [PollFd::new(&stderr, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    // a pipe that takes any bytes takes 4,096 of them
    if poll(&mut waiting, Some(&now)).is_ok_and(|ready| ready > 0) {
        // a closed one is no matter
        let _ = stderr.lock().write_all(line.as_bytes());
    }
}
