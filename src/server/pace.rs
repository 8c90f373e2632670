//! When to wait a little although more could come at once.
//!
//! At some ten thousand requests a second waking up costs more than answering: the loop would sleep and wake for every single one. So once
//! the sockets are drained under load, it lets some requests gather before it looks again. That is less than anybody notices. A request
//! that comes alone is answered at once.
//!
//! Those who send their next request only when they have their answer would be slowed down for nothing. They give themselves away: of them fewer
//! come while the loop waits. So the rate is measured without waiting first, and if it falls by the waiting, that is left for a while.

use crate::limits::{GATHER_BEAT, GATHER_LEAST, GATHER_RATE, GATHER_REFRAIN_MAX, GATHER_SLOWED, GATHER_WINDOW};
use std::time::Duration;

/// What is done in a window of time, by what was seen in those before. Rates are requests a second.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// Answer at once, for so many windows more before it is looked at whether the load is worth waiting.
    AtOnce { refrain: u32 },
    /// Let requests gather. Without that they came at this rate, or since then at a better one.
    Gather { rate: f64 },
    /// Answer at once, since fewer came: they gathered at this rate.
    Compare { gathered: f64 },
}

/// Watches how fast requests come.
#[derive(Debug)]
pub(super) struct Pace {
    mode: Mode,
    /// For how many windows to refrain from waiting when it turns out the next time that it slows clients down: twice as many each time.
    refrain: u32,
    window_start: Duration,
    /// Requests since then.
    requests: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { mode: Mode::AtOnce { refrain: 0 }, refrain: 1, window_start: Duration::ZERO, requests: 0 }
    }
}

impl Pace {
    /// Takes note of a turn that began at `up`, and tells when the next one may look for requests, if not at once.
    pub(super) fn after_turn(&mut self, up: Duration, requests: u32, drained: bool) -> Option<Duration> {
        self.requests = self.requests.saturating_add(requests);
        let passed = up.saturating_sub(self.window_start);
        if passed >= GATHER_WINDOW {
            self.mode = self.next(f64::from(self.requests) / passed.as_secs_f64());
            self.requests = 0;
            self.window_start = up;
        }
        let gather = matches!(self.mode, Mode::Gather { .. }) && drained && requests > 0;
        gather.then_some(up + GATHER_BEAT)
    }

    /// How long to wait at `up` until then: not at all where the turn took nearly that long, as a sleep costs time too.
    pub(super) fn rest(until: Duration, up: Duration) -> Option<Duration> {
        let rest = until.saturating_sub(up).min(GATHER_BEAT);
        (rest >= GATHER_LEAST).then_some(rest)
    }

    /// What to do in the next window, after one in which requests came at this rate.
    fn next(&mut self, rate: f64) -> Mode {
        match self.mode {
            Mode::AtOnce { refrain: left @ 1.. } => Mode::AtOnce { refrain: left - 1 },
            Mode::Gather { rate: before } if rate < before * GATHER_SLOWED => Mode::Compare { gathered: rate },
            Mode::Compare { gathered } if gathered < rate * GATHER_SLOWED => {
                let refrain = self.refrain;
                self.refrain = (2 * refrain).min(GATHER_REFRAIN_MAX);
                Mode::AtOnce { refrain }
            }
            _ if rate < GATHER_RATE => Mode::AtOnce { refrain: 0 },
            Mode::Gather { rate: before } => {
                self.refrain = 1;
                Mode::Gather { rate: rate.max(before) }
            }
            Mode::AtOnce { .. } | Mode::Compare { .. } => Mode::Gather { rate },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(5);

    /// Plays five seconds of requests of which each takes 5 us to answer. Gives how many were answered, and in how many turns.
    ///
    /// `arrivals` is given the time and the requests answered just now, and tells how many have come.
    fn play(mut arrivals: impl FnMut(Duration, u32) -> u32) -> (u32, u32) {
        let mut pace = Pace::default();
        let (mut now, mut all, mut turns, mut answered) = (Duration::ZERO, 0, 0, 0);
        while now < TIME {
            let start = now;
            let requests = arrivals(now, answered);
            now += Duration::from_micros(1) + Duration::from_micros(5) * requests;
            answered = requests;
            all += requests;
            turns += u32::from(requests > 0);
            let until = pace.after_turn(start, requests, true);
            now += until.and_then(|until| Pace::rest(until, now)).unwrap_or_default();
        }
        (all, turns)
    }

    fn open(every: Duration) -> (u32, u32) {
        let mut next = Duration::ZERO;
        play(|now, _| {
            let mut requests = 0;
            while next <= now {
                requests += 1;
                next += every;
            }
            requests
        })
    }

    #[test]
    fn requests_gather_only_under_load() {
        // in the first window nothing gathers, so that takes a thousand turns alone
        let (all, turns) = open(Duration::from_micros(50));
        assert!(all > 99_900 && turns < 15_000, "20,000 a second: {turns} turns");
        let (all, turns) = open(Duration::from_micros(8));
        assert!(all > 620_000 && turns < 20_000, "125,000 a second: {turns} turns");
        let (all, turns) = open(Duration::from_micros(500));
        assert_eq!(all, turns, "2,000 a second are answered one by one");
    }

    #[test]
    fn load_that_comes_and_goes_gathers_all_the_same() {
        let mut next = Duration::ZERO;
        let (all, turns) = play(|now, _| {
            let mut requests = 0;
            while next <= now {
                requests += 1;
                // between 20,000 and 40,000 a second, and back
                let swing = (now.as_millis() % 1000).abs_diff(500) as u32;
                next += Duration::from_nanos(50_000 - u64::from(swing) * 50);
            }
            requests
        });
        assert!(turns * 3 < all, "{all} requests in {turns} turns");
    }

    #[test]
    fn those_who_wait_for_their_answers_are_hardly_slowed_down() {
        for window in [1, 4, 16, 64] {
            let (most, _) = play_closed(window, false);
            let (all, _) = play_closed(window, true);
            assert!(f64::from(all) > f64::from(most) * 0.8, "{window} in flight: {all} of {most}");
        }
    }

    /// So many in flight, each sent 20 us after the answer to the one before; or with the pace left out of it.
    fn play_closed(window: u32, paced: bool) -> (u32, u32) {
        let mut ready = (Duration::ZERO, window);
        let mut arrivals = move |now: Duration, answered: u32| {
            if answered > 0 {
                ready = (now + Duration::from_micros(20), answered);
            }
            if ready.0 <= now { std::mem::take(&mut ready.1) } else { 0 }
        };
        if paced {
            return play(arrivals);
        }
        let (mut now, mut all, mut answered) = (Duration::ZERO, 0, 0);
        while now < TIME {
            answered = arrivals(now, answered);
            now += Duration::from_micros(1) + Duration::from_micros(5) * answered;
            all += answered;
        }
        (all, 0)
    }

    #[test]
    fn undrained_sockets_are_not_waited_for() {
        let mut pace = Pace::default();
        for turn in 0..10_000 {
            assert_eq!(pace.after_turn(Duration::from_micros(100) * turn, 64, false), None);
        }
    }
}
