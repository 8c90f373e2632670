//! The line on stderr that says that memory is short: at once, and then now and then as long as it lasts.

use crate::limits::MEMORY_SILENCE;
use crate::sys::stderr;
use std::time::Duration;

const LINE: &str = "Warning: Memory is short: new peers are answered, but not stored.\n";

/// What was reported of it.
#[derive(Default)]
pub(super) struct Shortage {
    /// Refusals so far.
    refusals: u64,
    /// No further line before.
    silent_until: Option<Duration>,
}

impl Shortage {
    /// Writes the line if memory was refused since the last call. `refusals`: how often, since the start.
    pub(super) fn notice(&mut self, refusals: u64, now: Duration) {
        if self.is_worth_a_line(refusals, now) {
            stderr::write_line(LINE);
        }
    }

    fn is_worth_a_line(&mut self, refusals: u64, now: Duration) -> bool {
        let is_new = refusals != self.refusals;
        self.refusals = refusals;
        let is_due = is_new && self.silent_until.is_none_or(|until| until <= now);
        if is_due {
            self.silent_until = Some(now + MEMORY_SILENCE);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_at_once_and_then_now_and_then() {
        let mut shortage = Shortage::default();
        let mut reported = |refusals, seconds| shortage.is_worth_a_line(refusals, Duration::from_secs(seconds));
        assert!(!reported(0, 1));
        assert!(reported(3, 2));
        assert!(!reported(3, 3));
        assert!(!reported(500, 601));
        assert!(!reported(500, 602));
        assert!(reported(501, 603));
    }
}
