//! When to wait a little although more could come at once.
//!
//! At some ten thousand requests a second waking up costs more than answering: the loop, or a worker, would sleep and wake for
//! every single one. So once the sockets are drained under load, it lets some requests gather before it looks again. That is
//! less than anybody notices. A request that comes alone is answered at once.
//!
//! Those who send their next request only when they have their answer would be slowed down for nothing. They give themselves
//! away: of them fewer come while the loop waits. So the rate is measured without waiting first, and again now and then, and if it
//! falls by the waiting, that is left for a while.

use crate::limits::{
    GATHER_BEAT, GATHER_LEAST, GATHER_RATE, GATHER_REFRAIN_MAX, GATHER_SLOWED, GATHER_TRUST, GATHER_WINDOW,
};
use crate::sys::clock::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What is done in a window of time, by what was seen in those before. Rates are requests a second.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Answer at once, for so many windows more before it is looked at whether the load is worth waiting.
    AtOnce { refrain: u32 },
    /// Let requests gather, for so many windows more. Without that they came at this rate, or since then at a better one.
    Gather { rate: f64, left: u32 },
    /// Answer at once, to see whether they come faster then: they gathered at this rate.
    Compare { gathered: f64 },
}

/// Watches how fast requests come.
#[derive(Debug)]
pub struct Pace {
    mode: Mode,
    /// For how many windows to refrain from waiting when it turns out the next time that it slows clients down: twice as
    /// many each time.
    refrain: u32,
    window_start: Duration,
    /// Requests in all, and how many there were at the start of the window.
    count: Arc<AtomicU64>,
    count_before: u64,
}

impl Pace {
    /// Nothing was seen yet. Those who serve the same clients share a count of their requests: when one lets them gather, the
    /// others get more, and that says nothing of the clients.
    pub fn new(count: Arc<AtomicU64>) -> Self {
        let count_before = count.load(Ordering::Relaxed);
        Pace { mode: Mode::AtOnce { refrain: 0 }, refrain: 1, window_start: Duration::ZERO, count, count_before }
    }

    /// Takes note of a turn that began at `up` and took so many requests, and waits as long as is worth it before the next: not at
    /// all unless it has drained the sockets.
    pub fn after_turn(&mut self, clock: &Clock, up: Duration, requests: u32, drained: bool) {
        if self.gathers(up, requests, drained)
            && let Some(rest) = rest(up, clock.now())
        {
            std::thread::sleep(rest);
        }
    }

    /// Whether requests are to gather after a turn that began at `up`.
    fn gathers(&mut self, up: Duration, requests: u32, drained: bool) -> bool {
        let count = self.count.fetch_add(requests.into(), Ordering::Relaxed) + u64::from(requests);
        let passed = up.saturating_sub(self.window_start);
        if passed >= GATHER_WINDOW {
            let rate = (count - self.count_before) as f64 / passed.as_secs_f64();
            // after a pause there is nothing to compare with
            let paused = passed >= 2 * GATHER_WINDOW;
            self.mode = if paused { Mode::AtOnce { refrain: 0 } } else { self.next(rate) };
            self.count_before = count;
            self.window_start = up;
        }
        matches!(self.mode, Mode::Gather { .. }) && drained && requests > 0
    }

    /// What to do in the next window, after one in which requests came at this rate.
    fn next(&mut self, rate: f64) -> Mode {
        match self.mode {
            Mode::AtOnce { refrain: left @ 1.. } => Mode::AtOnce { refrain: left - 1 },
            Mode::Gather { rate: before, left } if left == 0 || rate < before * GATHER_SLOWED => {
                Mode::Compare { gathered: rate }
            }
            Mode::Compare { gathered } if gathered < rate * GATHER_SLOWED => {
                let refrain = self.refrain;
                self.refrain = (2 * refrain).min(GATHER_REFRAIN_MAX);
                Mode::AtOnce { refrain }
            }
            _ if rate < GATHER_RATE => Mode::AtOnce { refrain: 0 },
            Mode::Gather { rate: before, left } => {
                self.refrain = 1;
                Mode::Gather { rate: rate.max(before), left: left - 1 }
            }
            Mode::AtOnce { .. } | Mode::Compare { .. } => Mode::Gather { rate, left: GATHER_TRUST },
        }
    }
}

/// What is left at `now` of the time between two looks, the last of which was at `up`; nothing where that is too little for a sleep.
fn rest(up: Duration, now: Duration) -> Option<Duration> {
    let rest = (up + GATHER_BEAT).saturating_sub(now).min(GATHER_BEAT);
    (rest >= GATHER_LEAST).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(5);

    /// Plays five seconds of requests of which each takes 5 us to answer. Gives how many were answered, and in how many turns.
    ///
    /// `arrivals` is given the time and the requests answered just now, and tells how many have come.
    fn play(mut arrivals: impl FnMut(Duration, u32) -> u32) -> (u32, u32) {
        let mut pace = Pace::new(Arc::default());
        let (mut now, mut all, mut turns, mut answered) = (Duration::ZERO, 0, 0, 0);
        while now < TIME {
            let start = now;
            let requests = arrivals(now, answered);
            now += Duration::from_micros(1) + Duration::from_micros(5) * requests;
            answered = requests;
            all += requests;
            turns += u32::from(requests > 0);
            if pace.gathers(start, requests, true) {
                now += rest(start, now).unwrap_or_default();
            }
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
        assert!(all > 99_900 && turns < 16_000, "20,000 a second: {turns} turns");
        let (all, turns) = open(Duration::from_micros(8));
        assert!(all > 620_000 && turns < 25_000, "125,000 a second: {turns} turns");
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

    /// A few at first, when waiting takes nothing from them, and then more.
    #[test]
    fn those_who_come_later_are_not_slowed_down_for_good() {
        let mut window = 0;
        let mut ready = (Duration::ZERO, 0);
        let mut late = 0;
        play(|now, answered| {
            let more = 16 * u32::from(now.as_millis() >= 100) + 8 - window;
            window += more;
            if answered + more > 0 {
                ready = (now + Duration::from_micros(if window > 8 { 20 } else { 400 }), ready.1 + answered + more);
            }
            let come = if ready.0 <= now { std::mem::take(&mut ready.1) } else { 0 };
            late += if now.as_secs() >= 3 { come } else { 0 };
            come
        });
        // 24 in flight take 140 us, or 400 and more where they gather
        assert!(late > 2 * 24 * 6000, "{late} in two seconds");
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

    /// One takes what the other leaves, as workers of a socket do.
    #[test]
    fn workers_do_not_mistake_each_other_for_slow_clients() {
        let count = Arc::new(AtomicU64::new(0));
        let mut pace = Pace::new(Arc::clone(&count));
        let mut gathered = 0;
        for turn in 0..2000 {
            // 20,000 a second; where this one waits, the other is quicker
            let own = 1 + u32::from(turn % 1000 < 500) * 5;
            count.fetch_add(u64::from(8 - own), Ordering::Relaxed);
            gathered += u32::from(pace.gathers(GATHER_BEAT * turn, own, true));
        }
        assert!(gathered > 1800, "{gathered} of 2000 turns");
    }

    #[test]
    fn undrained_sockets_are_not_waited_for() {
        let mut pace = Pace::new(Arc::default());
        for turn in 0..10_000 {
            assert!(!pace.gathers(Duration::from_micros(100) * turn, 64, false));
        }
    }
}
