//! Datagrams with a good connection id: no bytes behind it may make the tracker panic or say more than fits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opentracker::tracker::{Now, Settings, Tracker};
use opentracker::wire::udp::reply_max;
use std::time::Duration;

fuzz_target!(|data: &[u8]| {
    let settings = Settings { redirect_url: None, stats_path: Vec::new(), version: String::new() };
    let mut tracker = Tracker::<16>::new(settings, [1, 2]);
    let now = Now::agreed(0, Duration::ZERO);
    let from = [1; 16];
    let mut reply = vec![0; reply_max(16)];
    let connect = [&0x0417_2710_1980_u64.to_be_bytes()[..], &[0; 8]].concat();
    assert_eq!(tracker.handle_udp(now, &from, &connect, &mut reply), 16);
    let id = reply[8..16].to_vec();
    let requests: Vec<_> = data.chunks(120).map(|packet| [&id, packet].concat()).collect();
    tracker.prefetch(requests.iter().map(Vec::as_slice));
    for request in &requests {
        let length = tracker.handle_udp(now, &from, request, &mut reply);
        assert!(length <= reply.len());
    }
});
