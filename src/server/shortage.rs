//! Says that memory is short, where the operator reads it: at once, and then now and then as long as it lasts.

use crate::limits::MEMORY_SILENCE;
use crate::sys::stderr;
use std::time::Duration;

const LINE: &str = "Warning: Memory is short: new peers are answered, but not stored.\n";

/// What was said of it.
#[derive(Default)]
pub(super) struct Shortage {
    /// Refusals that are known.
    refusals: u64,
    /// Until when nothing more is said.
    silent_until: Option<Duration>,
}

impl Shortage {
    /// Takes note of how often memory was refused so far.
    pub(super) fn notice(&mut self, refusals: u64, now: Duration) {
        if self.is_worth_a_line(refusals, now) {
            stderr::write_line(LINE);
        }
    }

    fn is_worth_a_line(&mut self, refusals: u64, now: Duration) -> bool {
        let is_new = refusals != self.refusals;
        self.refusals = refusals;
        let speaks = is_new && self.silent_until.is_none_or(|until| until <= now);
        if speaks {
            self.silent_until = Some(now + MEMORY_SILENCE);
        }
        speaks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_at_once_and_then_now_and_then() {
        let mut shortage = Shortage::default();
        let mut said = |refusals, seconds| shortage.is_worth_a_line(refusals, Duration::from_secs(seconds));
        assert!(!said(0, 1));
        assert!(said(3, 2));
        assert!(!said(3, 3));
        assert!(!said(500, 601));
        assert!(!said(500, 602));
        assert!(said(501, 603));
    }
}
