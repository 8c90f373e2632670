//! A conversation over HTTP with one tracker while time passes: no bytes make it panic, every reply is whole, and all that was stored
//! leaves in time.
//!
//! An operation is a byte for the time that passes, one for the client, and a request up to a NUL.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opentracker::swarm::Dual;
use opentracker_fuzz::{Bytes, Clock, all_leaves, ask, tracker};

fuzz_target!(|data: &[u8]| {
    let (mut tracker, mut clock, mut bytes) = (tracker::<Dual>(), Clock::default(), Bytes(data));
    while let (Some(step), Some(from)) = (bytes.byte(), bytes.byte()) {
        let now = clock.step(step);
        let request = [b"GET /", bytes.text(), b"\r\n\r\n"].concat();
        ask(&mut tracker, now, from, &request);
        tracker.expire(now);
        tracker.outbox().flush(now.up, |packet| packet.len() <= 1480);
        while tracker.observers().take_completion().is_some() {}
    }
    all_leaves(&mut tracker, &mut clock);
});
