//! HTTP requests, one after the other against the same tracker: no bytes may make it panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use opentracker::tracker::http::Answer;
use opentracker::tracker::{Now, Settings, Tracker};
use std::time::Duration;

fuzz_target!(|data: &[u8]| {
    let settings = Settings { redirect_url: None, stats_path: b"stats".to_vec(), version: String::new() };
    let mut tracker = Tracker::<4>::new(settings, [1, 2]);
    for (second, request) in data.split(|byte| *byte == b'\n').enumerate() {
        let now = Now::agreed(second as u64 * 61, Duration::from_secs(second as u64 * 61));
        let mut request = [b"GET /", request, b"\r\n\r\n"].concat();
        let mut out = Vec::new();
        if let Answer::InSlices(mut page) = tracker.handle_http(now, &[1, 2, 3, 4], &mut request, &mut out) {
            while !page.slice(&mut tracker, &mut out) {}
        }
        tracker.expire(now);
    }
});
