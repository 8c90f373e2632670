//! System calls that fail again and again: a pause after each failure, so that the loop does not spin, and a line on stderr now and then.

use crate::limits::FAULT_SILENCE;
use crate::sys::failure::reason;
use crate::sys::stderr;
use std::io;
use std::time::Duration;

/// The failures of one system call.
#[derive(Debug)]
pub(super) struct Faults {
    call: &'static str,
    pause: Duration,
    /// The end of the pause, if there is one.
    until: Option<Duration>,
    /// Failures since the last line on stderr.
    count: u64,
    /// The time of that line.
    reported: Option<Duration>,
}

impl Faults {
    /// A call by its name in messages, and the pause after a failure.
    pub(super) fn new(call: &'static str, pause: Duration) -> Faults {
        Faults { call, pause, until: None, count: 0, reported: None }
    }

    /// The call failed: a pause begins. Returns whether there was none yet.
    pub(super) fn failed(&mut self, now: Duration, error: &io::Error) -> bool {
        self.count += 1;
        if let Some(line) = self.line(now, &reason(error)) {
            stderr::write_line(&line);
        }
        self.until.replace(now + self.pause).is_none()
    }

    /// The call worked.
    pub(super) fn works(&mut self, now: Duration) {
        if self.count > 0 {
            if let Some(line) = self.line(now, "works again") {
                stderr::write_line(&line);
            }
        }
    }

    /// The next line on stderr. `None` so soon after the last one.
    fn line(&mut self, now: Duration, how: &str) -> Option<String> {
        if self.reported.is_some_and(|last| now.saturating_sub(last) < FAULT_SILENCE) {
            return None;
        }
        let first = self.reported.replace(now).is_none();
        let count = std::mem::take(&mut self.count);
        let failed = if first { String::new() } else { format!(" (failed {count} times since this was said last)") };
        Some(format!("{}: {how}{failed}\n", self.call))
    }

    /// The end of the pause, if there is one.
    pub(super) fn until(&self) -> Option<Duration> {
        self.until
    }

    /// Ends the pause. Returns whether there was one.
    pub(super) fn end(&mut self) -> bool {
        self.until.take().is_some()
    }

    /// Ends the pause if it has lasted long enough. Returns whether it has.
    pub(super) fn is_over(&mut self, now: Duration) -> bool {
        self.until.is_some_and(|until| until <= now) && self.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn error() -> io::Error {
        io::Error::from_raw_os_error(libc::EPERM)
    }

    #[test]
    fn a_pause_ends_by_itself_or_before() {
        let mut faults = Faults::new("call", SECOND);
        assert!(!faults.is_over(SECOND));
        assert!(faults.failed(SECOND, &error()), "a pause begins");
        assert!(!faults.failed(SECOND, &error()), "and goes on");
        assert_eq!(faults.until(), Some(2 * SECOND));
        assert!(!faults.is_over(SECOND) && faults.is_over(2 * SECOND) && !faults.is_over(3 * SECOND));
        assert!(faults.failed(3 * SECOND, &error()));
        assert!(faults.end() && !faults.end());
    }

    #[test]
    fn it_is_said_once_and_then_how_often() {
        let mut faults = Faults::new("call", SECOND);
        let mut lines = Vec::new();
        for n in 0..100 {
            faults.count += 1;
            lines.extend(faults.line(SECOND * n, "refused"));
        }
        assert_eq!(lines, ["call: refused\n", "call: refused (failed 60 times since this was said last)\n"]);
        assert_eq!(faults.line(SECOND * 100, "works again"), None);
        let again = "call: works again (failed 39 times since this was said last)\n";
        assert_eq!(faults.line(SECOND * 121, "works again").as_deref(), Some(again));
    }
}
