//! What the targets share: a tracker that does all that it can, bytes that become operations, and time that passes.

use opentracker::config::Permissions;
use opentracker::stats::figures::Gauges;
use opentracker::swarm::Families;
use opentracker::tracker::http::Answer;
use opentracker::tracker::{Now, Settings, Tracker};
use std::net::IpAddr;
use std::time::Duration;

/// A tracker that trusts everybody.
pub fn tracker<F: Families>() -> Tracker<F> {
    let settings = Settings {
        redirect_url: Some(b"http://tracker.example/".to_vec()),
        stats_path: b"stats".to_vec(),
        metrics_path: b"metrics".to_vec(),
        version: "version\n".into(),
        ..Settings::default()
    };
    let mut tracker = Tracker::new(settings, [1, 2]);
    let everybody = ["0.0.0.0/0", "::/0"].map(|network| network.parse().expect("a network"));
    tracker.bless(everybody.map(|network| (network, Permissions::ALL)).to_vec());
    tracker
}

/// Bytes that a conversation is read from.
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next byte; `None` at the end.
    pub fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// As many of the next bytes as there are.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// The bytes up to the next NUL, which goes too.
    pub fn text(&mut self) -> &'a [u8] {
        let text = self.take(self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len()));
        self.byte();
        text
    }
}

/// Seconds that pass between two requests: those after which something happens, and a little less.
const STEPS: [u64; 8] = [0, 1, 59, 121, 5 * 60 + 1, 31 * 60, 46 * 60, 25 * 60 * 60];

/// The time of a conversation.
#[derive(Default)]
pub struct Clock(u64);

impl Clock {
    /// The time now.
    pub fn now(&self) -> Now {
        Now::agreed(1_700_000_000 + self.0, Duration::from_secs(self.0))
    }

    /// The time some step later.
    pub fn step(&mut self, choice: u8) -> Now {
        self.0 += STEPS[usize::from(choice) % STEPS.len()];
        self.now()
    }
}

/// One of 256 addresses, of which every other one is of IPv6.
pub fn address(number: u8) -> IpAddr {
    if number % 2 == 0 { [number; 4].into() } else { [number; 16].into() }
}

/// Asks over HTTP, from one of 256 addresses, and makes the whole reply; panics where it is none.
pub fn ask<F: Families>(tracker: &mut Tracker<F>, now: Now, from: u8, request: &[u8]) -> Vec<u8> {
    let (mut out, mut body) = (Vec::new(), Vec::new());
    match tracker.handle_http(now, address(from), &mut request.to_vec(), &mut out) {
        Answer::Whole(_) => {}
        Answer::Figures(form) => {
            tracker.show(now, form, &Gauges::default(), &mut out);
        }
        Answer::InSlices(mut page) => {
            while !page.slice(tracker, &mut body) {}
            return body;
        }
        Answer::Silence => panic!("there is no budget of refusals"),
    }
    let head = out.windows(4).position(|end| end == b"\r\n\r\n").expect("a head");
    body = out.split_off(head + 4);
    let length = format!("Content-Length: {}\r\n", body.len());
    assert!(out.starts_with(b"HTTP/1."), "a status line");
    assert!(out.windows(length.len()).any(|line| line == length.as_bytes()), "the length of the body");
    body
}

/// Lets everything grow too old; panics where something stays.
pub fn all_leaves<F: Families>(tracker: &mut Tracker<F>, clock: &mut Clock) {
    for _ in 0..2 {
        let now = clock.step(7);
        while tracker.expire(now) <= now.up {}
        // what has just been found without peers goes with a later walk
        let now = clock.step(7);
        while tracker.expire(now) <= now.up {}
    }
    let totals = tracker.swarms().totals();
    assert_eq!((totals.torrents, totals.peers, totals.seeders), (0, 0, 0));
}
