//! How announces are refused whose torrent the access list forbids, and how many of the refusals are sent.
//!
//! A flood of announces for torrents that are not served costs their answers, too. So the operator can ask clients to come back later,
//! and have a budget of refusals a second, beyond which there is silence.

use std::time::Duration;

/// What the operator has set about refusals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusing {
    /// Seconds until a refused client should announce again, for UDP. `None`: the answer has no more than action and transaction (as
    /// the original).
    pub udp_interval: Option<u32>,
    /// The same for HTTP, as BEP 31 has it.
    pub http_interval: Option<u32>,
    /// Refusals sent in a second at most.
    pub budget: Option<u32>,
}

impl Refusing {
    /// Minutes until a client of HTTP should announce again (BEP 31), rounded up.
    pub(super) fn http_minutes(self) -> Option<u32> {
        self.http_interval.map(|seconds| seconds.div_ceil(60))
    }
}

/// What is left of the budget.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Budget {
    /// The second since the start that refusals are counted in.
    second: u64,
    spent: u32,
}

impl Budget {
    /// Whether another refusal is sent, at a time since the start.
    pub(super) fn allows(&mut self, most: Option<u32>, up: Duration) -> bool {
        let Some(most) = most else { return true };
        if self.second != up.as_secs() {
            *self = Budget { second: up.as_secs(), spent: 0 };
        }
        let is_left = self.spent < most;
        self.spent += u32::from(is_left);
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_for_a_second() {
        let mut budget = Budget::default();
        let mut sent =
            |most, from: u64| (from..from + 10).filter(|n| budget.allows(most, Duration::from_millis(*n))).count();
        assert_eq!([sent(Some(3), 0), sent(Some(3), 990), sent(Some(3), 1000), sent(Some(0), 2000)], [3, 0, 3, 0]);
        assert_eq!([sent(None, 2000), sent(Some(3), 7000), sent(Some(4), 7100), sent(Some(100), 8995)], [10, 3, 1, 10]);
    }

    #[test]
    fn minutes_are_rounded_up() {
        let minutes = |seconds| Refusing { http_interval: seconds, ..Refusing::default() }.http_minutes();
        assert_eq!(
            [minutes(None), minutes(Some(1)), minutes(Some(60)), minutes(Some(61))],
            [None, Some(1), Some(1), Some(2)]
        );
        assert_eq!(minutes(Some(u32::MAX)), Some(71_582_789));
    }
}
