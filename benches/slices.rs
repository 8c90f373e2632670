//! How long the longest slice of each walked page is, over a few million peers: `cargo bench --bench slices`.
//!
//! Times are those of this thread on a processor, which other programs do not change. The allocator may add some milliseconds to
//! `s24s` now and then.
#![allow(missing_docs)] // a program, not a library

use opentracker::swarm::V4;
use opentracker::tracker::http::Answer;
use opentracker::tracker::{Now, Settings, Tracker};
use rustix::time::{ClockId, clock_gettime};
use std::net::Ipv4Addr;
use std::time::Duration;

const PEERS: u32 = 3_000_000;

fn main() {
    let settings = Settings { stats_path: b"stats".to_vec(), ..Settings::default() };
    let mut tracker = Tracker::<V4>::new(settings, [1, 2]);
    let now = Now::agreed(1_700_000_000, Duration::from_secs(60));
    let mut out = Vec::new();
    for n in 0..PEERS {
        // a swarm of two millions, the others with a peer each
        let name = if n % 3 > 0 { 7 } else { spread(n) };
        let [a, b, c, d] = name.to_be_bytes();
        let hash = format!("%{a:02x}%{b:02x}%{c:02x}%{d:02x}aaaaaaaaaaaaaaaa");
        let mut request = format!("GET /announce?info_hash={hash}&port=257&numwant=0 HTTP/1.0\r\n\r\n").into_bytes();
        tracker.handle_http(now, Ipv4Addr::from(spread(n ^ 0x5555)).into(), &mut request, &mut out);
        out.clear();
    }
    for target in ["stats?mode=s24s", "stats?mode=top100", "stats?mode=tpbs&format=txt", "scrape"] {
        let mut request = format!("GET /{target} HTTP/1.0\r\n\r\n").into_bytes();
        let asked = tracker.handle_http(now, Ipv4Addr::LOCALHOST.into(), &mut request, &mut out);
        let Answer::InSlices(mut page) = asked else { continue };
        let (mut longest, mut all, mut slices) = (Duration::ZERO, Duration::ZERO, 0);
        let mut ended = false;
        while !ended {
            let start = running();
            ended = page.slice(&mut tracker, &mut out);
            let took = running() - start;
            (longest, all, slices) = (longest.max(took), all + took, slices + 1);
            out.clear();
        }
        println!("{target}: {slices} slices in {all:?}, the longest {longest:?}");
    }
}

/// Another number for each number, spread over all.
fn spread(n: u32) -> u32 {
    (n.wrapping_mul(0x9e37_79b1)).rotate_left(16).wrapping_mul(0x85eb_ca6b)
}

/// Time that this thread was running.
fn running() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
