//! Packets of other trackers while time passes: no bytes make the tracker panic, it takes every whole record and says nothing of it to
//! others, and all that was stored leaves in time.
//!
//! An operation is a byte for the time that passes, one for the length, and what follows the packet's head. Every other packet has a
//! good head.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opentracker::cluster::packet::kinds;
use opentracker::swarm::Dual;
use opentracker_fuzz::{Bytes, Clock, all_leaves, tracker};

fuzz_target!(|data: &[u8]| {
    let (mut tracker, mut clock, mut bytes) = (tracker::<Dual>(), Clock::default(), Bytes(data));
    while let (Some(step), Some(length)) = (bytes.byte(), bytes.byte()) {
        let now = clock.step(step);
        let records = bytes.take(2 * usize::from(length));
        if length % 2 == 0 {
            let kind = kinds(true, true).nth(usize::from(length / 2 % 2)).expect("two types");
            let taken = tracker.handle_sync(now, [1; 4].into(), &[&kind.head(1), records].concat());
            assert_eq!(taken, records.len() / kind.record());
        } else {
            tracker.handle_sync(now, [1; 4].into(), records);
        }
        assert_eq!(tracker.outbox().due(), None, "what came from others is not passed on");
        tracker.expire(now);
    }
    all_leaves(&mut tracker, &mut clock);
});
