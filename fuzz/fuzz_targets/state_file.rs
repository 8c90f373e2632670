//! State files of arbitrary bytes: each is read to its end, and a dump of what was read is read as the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opentracker::swarm::V4;
use opentracker_fuzz::{Clock, ask, tracker};

fuzz_target!(|data: &[u8]| {
    let now = Clock::default().now();
    let dump_of = |state: &[u8]| {
        let mut tracker = tracker::<V4>();
        let damaged = tracker.restore(state, now).expect("bytes in memory are read");
        (ask(&mut tracker, now, 1, b"GET /stats?mode=statedump HTTP/1.0\r\n\r\n"), damaged)
    };
    let (dump, damaged) = dump_of(data);
    assert!(damaged as usize <= data.split(|byte| *byte == b'\n').count());
    assert_eq!(dump_of(&dump), (dump.clone(), 0));
});
