//! When to wait a little although more could come at once.
//!
//! At some ten thousand requests a second waking up costs more than answering: the loop would sleep and wake for every single one. So once
//! the sockets are drained under load, it lets some requests gather before it looks again. That is less than anybody notices. A request
//! that comes alone is answered at once, and so are all where waiting turns out to gather nothing, as for a client that sends its
//! next request only when it has its answer.

use crate::limits::{GATHER_LEAST, GATHER_RATE, GATHER_TRIES, GATHER_WAIT, GATHER_WINDOW};
use std::time::Duration;

/// Watches how fast requests come.
#[derive(Debug, Default)]
pub(super) struct Pace {
    window_start: Duration,
    /// Requests since then.
    requests: u32,
    /// Whether they came fast enough in the last window, and waiting has been worth it in this one.
    busy: bool,
    /// Whether the loop waited before this turn.
    waited: bool,
    /// How often it waited in this window, and how many requests had gathered.
    waits: u32,
    gathered: u32,
}

impl Pace {
    /// Takes note of a turn that began at `up`, and tells how long to wait before the next one looks for requests.
    pub(super) fn after_turn(&mut self, up: Duration, requests: u32, drained: bool) -> Option<Duration> {
        self.requests = self.requests.saturating_add(requests);
        if std::mem::take(&mut self.waited) {
            self.waits += 1;
            self.gathered = self.gathered.saturating_add(requests);
            if self.waits >= GATHER_TRIES && self.gathered < self.waits * GATHER_LEAST {
                self.busy = false;
            }
        }
        let passed = up.saturating_sub(self.window_start);
        if passed >= GATHER_WINDOW {
            self.busy = f64::from(self.requests) >= passed.as_secs_f64() * GATHER_RATE;
            self.requests = 0;
            (self.waits, self.gathered) = (0, 0);
            self.window_start = up;
        }
        self.waited = self.busy && drained && requests > 0;
        self.waited.then_some(GATHER_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a second of requests that come `every` so often; gives the waits and the turns.
    fn play(every: Duration, closed_loop: bool) -> (u32, u32) {
        let mut pace = Pace::default();
        let (mut now, mut next, mut waits, mut turns) = (Duration::ZERO, Duration::ZERO, 0, 0);
        while now < Duration::from_secs(1) {
            now = now.max(next);
            let mut requests = 0;
            while next <= now {
                requests += 1;
                next = if closed_loop { now + every } else { next + every };
            }
            turns += 1;
            if let Some(wait) = pace.after_turn(now, requests, true) {
                waits += 1;
                now += wait;
            }
        }
        (waits, turns)
    }

    #[test]
    fn requests_gather_only_under_load() {
        let (waits, turns) = play(Duration::from_micros(50), false);
        assert!(waits > 5000 && turns < 8000, "20,000 a second: {waits} waits in {turns} turns");
        let (waits, turns) = play(Duration::from_micros(8), false);
        assert!(waits > 5000 && turns < 8500, "120,000 a second: {waits} waits in {turns} turns");
        assert_eq!(play(Duration::from_micros(500), false).0, 0, "2,000 a second are answered one by one");
    }

    #[test]
    fn nothing_is_gained_by_waiting_for_one_who_waits_for_us() {
        let (waits, turns) = play(Duration::from_micros(50), true);
        assert!(waits * 30 < turns, "{waits} waits in {turns} turns");
    }

    #[test]
    fn undrained_sockets_are_not_waited_for() {
        let mut pace = Pace::default();
        for turn in 0..10_000 {
            assert_eq!(pace.after_turn(Duration::from_micros(100) * turn, 64, false), None);
        }
    }
}
