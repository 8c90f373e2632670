//! Coalescing: under load the loop waits a little, so that one wake-up serves many requests.
//!
//! At some ten thousand requests a second a wake-up costs more than an answer, if the loop or a UDP worker sleeps and wakes for every
//! single request. So above a rate (the threshold) the sockets are checked in a fixed beat. Once they are drained, the loop sleeps for the
//! rest of the beat, unless that is short, and then answers all that has arrived. Clients do not notice a beat. Below the threshold every
//! request is answered at once.
//!
//! A client that sends its next request only after the last answer gets one answer a beat. Peers do not mind: they announce every half
//! hour. A load generator does mind, unless it has some hundred requests in flight. With a handful in flight it falls below the threshold
//! again and again, and is delayed half of the time. To measure that, or for a proxy with few connections at their limit, set the
//! threshold to 0.

use crate::limits::{COALESCE_BEAT, COALESCE_SLEEP_MIN, COALESCE_WINDOW};
use crate::sys::clock::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Measures how fast requests come, and sleeps when that pays.
#[derive(Debug)]
pub(super) struct Coalescing {
    /// Requests a second from which on they are coalesced; 0: never.
    threshold: u32,
    /// The rate of the last window was above the threshold.
    loaded: bool,
    window_start: Duration,
    /// Requests in all.
    count: Arc<AtomicU64>,
    /// How many there were at the start of the window.
    count_before: u64,
}

impl Coalescing {
    /// No requests yet. Workers of one socket share a count of its requests, since each of them receives what the others leave.
    pub(super) fn new(threshold: u32, count: Arc<AtomicU64>) -> Self {
        let count_before = count.load(Ordering::Relaxed);
        Coalescing { threshold, loaded: false, window_start: Duration::ZERO, count, count_before }
    }

    /// Counts the requests of a turn that began at `up`. Under load it sleeps until the next beat if the turn has drained the sockets.
    pub(super) fn after_turn(&mut self, clock: &Clock, up: Duration, requests: u32, drained: bool) {
        if self.is_loaded(up, requests) && drained && requests > 0 {
            if let Some(rest) = rest(up, clock.now()) {
                std::thread::sleep(rest);
            }
        }
    }

    /// Counts the requests of a turn that began at `up`. Returns whether there are enough of them to wait.
    fn is_loaded(&mut self, up: Duration, requests: u32) -> bool {
        let count = self.count.fetch_add(requests.into(), Ordering::Relaxed) + u64::from(requests);
        let passed = up.saturating_sub(self.window_start);
        if passed >= COALESCE_WINDOW {
            let needed = f64::from(self.threshold) * passed.as_secs_f64();
            self.loaded = self.threshold > 0 && (count - self.count_before) as f64 >= needed;
            self.count_before = count;
            self.window_start = up;
        }
        self.loaded
    }
}

/// What is left at `now` of the beat that began at `up`. `None` if that is too short for a sleep.
fn rest(up: Duration, now: Duration) -> Option<Duration> {
    let rest = (up + COALESCE_BEAT).saturating_sub(now).min(COALESCE_BEAT);
    (rest >= COALESCE_SLEEP_MIN).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::COALESCE_RATE;

    const TIME: Duration = Duration::from_secs(5);

    /// Plays five seconds of requests of which each takes 5 us to answer. Returns how many were answered, and in how many turns.
    ///
    /// `arrivals` is given the time and the requests answered just now, and returns how many have come.
    fn play(threshold: u32, mut arrivals: impl FnMut(Duration, u32) -> u32) -> (u32, u32) {
        let mut coalescing = Coalescing::new(threshold, Arc::default());
        let (mut now, mut all, mut turns, mut answered) = (Duration::ZERO, 0, 0, 0);
        while now < TIME {
            let start = now;
            let requests = arrivals(now, answered);
            now += Duration::from_micros(1) + Duration::from_micros(5) * requests;
            answered = requests;
            all += requests;
            turns += u32::from(requests > 0);
            if coalescing.is_loaded(start, requests) && requests > 0 {
                now += rest(start, now).unwrap_or_default();
            }
        }
        (all, turns)
    }

    /// Requests that come at a fixed rate.
    fn open(threshold: u32, every: Duration) -> (u32, u32) {
        let mut next = Duration::ZERO;
        play(threshold, |now, _| {
            let mut requests = 0;
            while next <= now {
                requests += 1;
                next += every;
            }
            requests
        })
    }

    /// So many in flight, each sent 20 us after the answer to the one before.
    fn closed(threshold: u32, window: u32) -> u32 {
        let mut ready = (Duration::ZERO, window);
        let (all, _) = play(threshold, move |now, answered| {
            if answered > 0 {
                ready = (now + Duration::from_micros(20), answered);
            }
            if ready.0 <= now { std::mem::take(&mut ready.1) } else { 0 }
        });
        all
    }

    #[test]
    fn requests_coalesce_only_under_load() {
        // in the first window nothing does, so that takes a thousand turns alone
        let (all, turns) = open(COALESCE_RATE, Duration::from_micros(50));
        assert!(all > 99_900 && turns < 16_000, "20,000 a second: {turns} turns");
        let (all, turns) = open(COALESCE_RATE, Duration::from_micros(8));
        assert!(all > 620_000 && turns < 25_000, "125,000 a second: {turns} turns");
        let (all, turns) = open(COALESCE_RATE, Duration::from_micros(500));
        assert_eq!(all, turns, "2,000 a second are answered one by one");
    }

    #[test]
    fn without_a_threshold_none_ever_do() {
        let (all, turns) = open(0, Duration::from_micros(50));
        assert_eq!(all, turns);
    }

    #[test]
    fn clients_that_wait_for_their_answers_get_one_a_beat() {
        for (window, share) in [(192, 0.95), (1000, 0.99), (4, 0.45), (1, 0.45)] {
            let (most, all) = (closed(0, window), closed(COALESCE_RATE, window));
            assert!(f64::from(all) > f64::from(most) * share, "{window} in flight: {all} of {most}");
        }
        let beats = TIME.as_secs_f64() / COALESCE_BEAT.as_secs_f64();
        let all = closed(COALESCE_RATE, 16);
        assert!(f64::from(all) > beats * 16.0 * 0.95, "16 in flight: {all} in {beats} beats");
    }

    #[test]
    fn workers_of_a_socket_count_together() {
        let count = Arc::new(AtomicU64::new(0));
        let mut coalescing = Coalescing::new(COALESCE_RATE, Arc::clone(&count));
        let mut loaded = 0;
        for turn in 0..2000 {
            // 20,000 a second; where this one waits, the other is quicker
            let own = 1 + u32::from(turn % 1000 < 500) * 5;
            count.fetch_add(u64::from(8 - own), Ordering::Relaxed);
            loaded += u32::from(coalescing.is_loaded(COALESCE_BEAT * turn, own));
        }
        assert!(loaded > 1800, "{loaded} of 2000 turns");
    }

    #[test]
    fn a_rest_is_what_the_turn_leaves_of_the_beat() {
        let at = Duration::from_micros;
        assert_eq!(rest(at(1000), at(1100)), Some(COALESCE_BEAT - at(100)));
        assert_eq!(rest(at(1000), at(1000) + COALESCE_BEAT), None);
        assert_eq!(rest(at(1000), at(1001) + COALESCE_BEAT - COALESCE_SLEEP_MIN), None, "too little for a sleep");
        assert_eq!(rest(at(1000), at(0)), Some(COALESCE_BEAT), "however the clock goes");
    }
}
