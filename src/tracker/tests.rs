//! The tracker as its callers see it: requests and replies are bytes. No request, whatever its bytes, makes it panic.

use super::http::Answer;
use super::{Now, Settings, Tracker};
use crate::access::List;
use crate::features::METRICS;
use crate::stats::figures::Gauges;
use crate::swarm::{Dual, Families, PeerCursor, Random, V4, V6};
use crate::types::InfoHash;
use crate::wire::udp::reply_max;
use proptest::prelude::*;
use std::net::IpAddr;
use std::time::Duration;

const HASH: &str = "%ae%a0%10%6a%82%f5%a8%8e%d9%22%a6%3d%c3%ab%60%e1%a6%e4%65%c0";

fn tracker<F: Families>() -> Tracker<F> {
    let version = "opentracker for tests\n".into();
    let (stats_path, metrics_path) = (b"stats".to_vec(), b"metrics".to_vec());
    let settings = Settings { stats_path, metrics_path, version, ..Settings::default() };
    let mut tracker = Tracker::new(settings, [1, 2]);
    let hash = HASH.split('%').skip(1).map(|digits| u8::from_str_radix(digits, 16).unwrap());
    *tracker.access_list() = List::serving([InfoHash(hash.collect::<Vec<_>>().try_into().unwrap())]);
    tracker
}

fn at(seconds: u64) -> Now {
    Now::agreed(1_700_000_000 + seconds, Duration::from_secs(seconds))
}

/// The whole reply to a request, slices and all.
fn ask<F: Families>(tracker: &mut Tracker<F>, now: Now, from: impl Into<IpAddr>, request: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match tracker.handle_http(now, from.into(), &mut request.to_vec(), &mut out) {
        Answer::InSlices(mut page) => while !page.slice(tracker, &mut out) {},
        Answer::Figures(form) => {
            tracker.show(now, form, &Gauges::default(), &mut out);
        }
        Answer::Whole(_) | Answer::Silence => {}
    }
    out
}

fn get<F: Families>(tracker: &mut Tracker<F>, seconds: u64, from: impl Into<IpAddr>, path: &str) -> String {
    let request = format!("GET /{path} HTTP/1.0\r\n\r\n");
    String::from_utf8_lossy(&ask(tracker, at(seconds), from, request.as_bytes())).into_owned()
}

#[test]
fn peers_leave_after_45_minutes() {
    let mut tracker = tracker::<V4>();
    get(&mut tracker, 0, [10, 0, 0, 1], &format!("announce?info_hash={HASH}&port=1"));
    let scrape = format!("scrape?info_hash={HASH}");
    assert!(get(&mut tracker, 44 * 60, [10, 0, 0, 2], &scrape).contains("10:incompletei1e"));
    assert!(get(&mut tracker, 46 * 60, [10, 0, 0, 2], &scrape).contains("10:incompletei0e"));
}

#[test]
fn a_walk_removes_expired_peers_and_torrents() {
    let mut tracker = tracker::<V4>();
    get(&mut tracker, 0, [10, 0, 0, 1], &format!("announce?info_hash={HASH}&port=1"));
    let mut walk = |from: u64, to: u64| {
        for second in from..to {
            tracker.expire(at(second));
        }
        tracker.swarms().totals()
    };
    assert_eq!(walk(0, 44 * 60).peers, 1);
    assert_eq!(walk(44 * 60, 48 * 60).peers, 0);
    assert_eq!(walk(48 * 60, 52 * 60).torrents, 0);
}

#[test]
fn every_family_of_addresses() {
    let mut narrow = tracker::<V4>();
    let reply = get(&mut narrow, 0, [10, 0, 0, 1], &format!("announce?info_hash={HASH}&port=258"));
    assert!(reply.ends_with("5:peers6:\n\0\0\x01\x01\x02e"), "{reply:?}");
    let mut wide = tracker::<V6>();
    let reply = get(&mut wide, 0, [32; 16], &format!("announce?info_hash={HASH}&port=258"));
    assert!(reply.ends_with("6:peers618:                \x01\x02e"), "{reply:?}");
    let mut both = tracker::<Dual>();
    let reply = get(&mut both, 0, [32; 16], &format!("announce?info_hash={HASH}&port=258"));
    assert!(reply.ends_with("e6:peers618:                \x01\x02e"), "{reply:?}");
    let reply = get(&mut both, 0, [10, 0, 0, 1], &format!("announce?info_hash={HASH}&port=258"));
    assert!(reply.ends_with("e5:peers6:\n\0\0\x01\x01\x026:peers618:                \x01\x02e"), "{reply:?}");
    let reply = get(&mut both, 0, [32; 16], &format!("announce?info_hash={HASH}&port=258&event=stopped"));
    assert!(reply.ends_with("e6:peers60:e"), "{reply:?}");
}

#[test]
fn peers_are_counted_by_family_however_they_come_and_go() {
    let mut tracker = tracker::<Dual<true>>();
    let mut random = Random::new([3, 4]);
    for step in 0..3000_u64 {
        let draw = random.next_u64();
        let n = draw as u8 % 40;
        let from: IpAddr = if draw & 1 << 20 == 0 { [10, 0, 0, n].into() } else { [n; 16].into() };
        let event = if draw & 3 << 21 == 0 { "&event=stopped" } else { "" };
        let left = draw >> 24 & 1;
        let seconds = step * 7;
        get(&mut tracker, seconds, from, &format!("announce?info_hash={HASH}&port=1&left={left}{event}"));
        tracker.expire(at(seconds));
        let (mut v6, mut cursor) = (0, PeerCursor::default());
        while !tracker.swarms().walk_peers(&mut cursor, 100, |address| v6 += u64::from(address.is_ipv6())) {}
        let totals = tracker.swarms().totals();
        assert_eq!(totals.v6_peers, v6, "step {step}");
        assert!(totals.v6_seeders <= v6 && totals.v6_peers - totals.v6_seeders <= totals.peers - totals.seeders);
    }
    let seconds = 3000 * 7 + 2 * 3600;
    for step in 0..2000 {
        tracker.expire(at(seconds + step));
    }
    let totals = tracker.swarms().totals();
    assert_eq!((totals.peers, totals.v6_peers, totals.v6_seeders), (0, 0, 0));
}

/// Nearly valid requests: pieces of valid ones, shuffled, with a few bytes changed.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![
        "GET /",
        "announce",
        "scrape",
        "stats",
        "metrics",
        "?",
        "&",
        "=",
        " ",
        "%",
        "%41",
        "%zz",
        "info_hash=",
        "ip=",
        "1.2.3.4",
        "X-Forwarded-For:",
        HASH,
        "port=",
        "left=",
        "numwant=",
        "event=stopped",
        "event=completed",
        "compact=",
        "mode=",
        "format=",
        "everything",
        "json",
        "top100",
        "tpbs",
        "s24s",
        "statedump",
        "0",
        "-",
        "99999999999999999999",
        "HTTP/1.1\r\n",
        "\r\n\r\n",
        "/",
        "\0",
        "\u{7f}",
    ]);
    (prop::collection::vec(part, 0..30), prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3))
        .prop_map(|(parts, changes)| {
            let mut bytes = parts.concat().into_bytes();
            for (at, byte) in changes {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            bytes
        })
}

proptest! {
    #[test]
    fn any_request_gets_an_http_reply(requests in prop::collection::vec(request(), 1..8), after_get in any::<bool>()) {
        let mut tracker = tracker::<V4>();
        for (second, request) in requests.iter().enumerate() {
            let request = if after_get { [b"GET /", request.as_slice()].concat() } else { request.clone() };
            let mut out = Vec::new();
            match tracker.handle_http(at(second as u64), [1, 2, 3, 4].into(), &mut request.clone(), &mut out) {
                Answer::InSlices(mut page) => while !page.slice(&mut tracker, &mut out) {},
                Answer::Figures(_) => prop_assert!(METRICS),
                Answer::Silence => prop_assert!(false, "there is no budget"),
                Answer::Whole(_) => prop_assert!(out.starts_with(b"HTTP/1.") && out.windows(4).any(|end| end == b"\r\n\r\n")),
            }
        }
    }

    #[test]
    fn arbitrary_bytes_get_an_http_reply(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(ask(&mut tracker::<V6>(), at(0), [1; 16], &bytes).starts_with(b"HTTP/1."));
        prop_assert!(ask(&mut tracker::<Dual>(), at(0), [1; 16], &bytes).starts_with(b"HTTP/1."));
    }

    #[test]
    fn any_datagram_gets_a_reply_that_fits(
        packets in prop::collection::vec((0..4_u32, prop::collection::vec(any::<u8>(), 0..1700), any::<bool>()), 1..8),
    ) {
        let mut tracker = tracker::<V4>();
        let from = [1, 2, 3, 4].into();
        let mut reply = vec![0; reply_max(true)];
        let connect = [&0x0417_2710_1980_u64.to_be_bytes()[..], &[0; 8]].concat();
        prop_assert_eq!(tracker.handle_udp(at(0), from, &connect, &mut reply), 16);
        let id: [u8; 8] = reply[8..16].try_into().unwrap();
        for (action, mut packet, known) in packets {
            if known && packet.len() >= 12 {
                packet[..8].copy_from_slice(&id);
                packet[8..12].copy_from_slice(&action.to_be_bytes());
            }
            let length = tracker.handle_udp(at(1), from, &packet, &mut reply);
            prop_assert!(length == 0 || (8..=reply_max(true)).contains(&length));
            if packet.len() >= 16 && known && action == 2 {
                prop_assert_eq!(length, 8 + 12 * (packet.len() - 16).div_ceil(20).min(75));
            }
        }
    }
}
