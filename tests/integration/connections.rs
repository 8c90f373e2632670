//! HTTP connections that are too large, half closed, abandoned or slow, and what becomes of them.

use std::time::Duration;

use crate::harness::http::{Client, End, Reply, get_request};
use crate::harness::{self, Build, SOON, Starter, Tracker, bencode, eventually, hash, hex, percent, proc, udp};

/// How long a client waits between two pieces of an answer.
const WAIT: Duration = SOON;

/// More torrents than the original can write in one page, and more bytes than the system's buffers take.
const MANY: u64 = 150_000;

/// A tracker that allows the torrents 0 to `count`.
fn tracker_with(count: u64) -> Tracker {
    let tracker = Starter::new().allow((0..count).map(hash)).start();
    udp::populate(&mut tracker.udp(), (0..count).map(hash));
    tracker
}

/// Whether the tests can ask for full scrapes. If not, notes why.
fn full_scrapes_or_skip() -> bool {
    let build = Build::under_test();
    let has = build.has("fullscrape") && !build.has("modest-fullscrapes");
    if !has {
        harness::for_another_build("needs fullscrape, as many as it likes");
    }
    has
}

#[track_caller]
fn descriptors_return_to(tracker: &Tracker, count: usize) {
    eventually("the connections' descriptors are closed", || tracker.descriptors() == count);
}

#[test]
fn requests_that_are_too_large_are_refused_and_closed() {
    let tracker = Tracker::start();
    let before = tracker.descriptors();
    let with_end = |length: usize| {
        let mut request = b"GET /announce?".to_vec();
        request.resize(length - 4, b'x');
        [request, b"\r\n\r\n".to_vec()].concat()
    };
    let without_end = |length: usize| vec![b'x'; length];
    for request in [with_end(8193), with_end(9000), with_end(100_000), without_end(8193), without_end(70_000)] {
        for piece in [usize::MAX, 5000, 8192] {
            let mut client = tracker.connect();
            let pieces: Vec<Vec<u8>> = request.chunks(piece).map(<[u8]>::to_vec).collect();
            client.send_pieces(&pieces);
            let reply = client.read_all(WAIT);
            assert_ne!(reply.end, End::Open, "{} bytes in pieces of {piece}", request.len());
            // What arrives after the answer may make the system reset the connection before the answer is read.
            if request.len() < 20_000 || reply.end == End::Closed {
                assert_eq!(reply.code(), 500, "{} bytes in pieces of {piece}", request.len());
            }
        }
    }
    descriptors_return_to(&tracker, before);
}

#[test]
fn a_request_may_be_as_large_as_the_limit() {
    let tracker = Starter::new().allow([hash(1)]).start();
    let start = format!("GET /announce?port=1&info_hash={}&x=", percent(&hash(1)));
    let end = " HTTP/1.0\r\n\r\n";
    let filler = "y".repeat(8192 - start.len() - end.len());
    let reply = tracker.http(format!("{start}{filler}{end}").as_bytes());
    assert_eq!(reply.bencode().get("incomplete").number(), 1);
}

#[test]
fn half_closed_clients_get_whole_answers() {
    let count = 5000;
    let tracker = tracker_with(count);
    let before = tracker.descriptors();
    let announce = format!("/announce?info_hash={}&port=1", percent(&hash(1)));
    let scrape = format!("/scrape?info_hash={}", percent(&hash(1)));
    let mut targets =
        vec![announce.as_str(), &scrape, "/stats", "/stats?mode=top100", "/stats?mode=everything", "/nope"];
    if tracker.build().has("fullscrape") {
        targets.extend(["/stats?mode=tpbs&format=txt", "/stats?mode=statedump"]);
    }
    if tracker.build().has("fullscrape") && !tracker.build().has("modest-fullscrapes") {
        targets.push("/scrape");
    }
    for _ in 0..5 {
        for target in &targets {
            let reply = half_closed(&tracker, &get_request(target));
            assert!(reply.is_whole(), "{target}: {} bytes and then {:?}", reply.bytes.len(), reply.end);
            assert_eq!(reply.code(), if *target == "/nope" { 404 } else { 200 }, "{target}");
            if *target == "/scrape" {
                assert_eq!(scraped(&reply), count as usize);
            }
        }
    }
    // Half a request, and no more to come.
    assert_eq!(half_closed(&tracker, b"GET /announce?info_hash=").bytes, b"");
    assert_eq!(half_closed(&tracker, b"").bytes, b"");
    descriptors_return_to(&tracker, before);
    proc::becomes_idle(tracker.pid());
}

fn half_closed(tracker: &Tracker, request: &[u8]) -> Reply {
    let mut client = tracker.connect();
    client.send(request);
    client.half_close();
    client.read_all(WAIT)
}

/// The number of torrents in a full scrape, whose order is looked after.
#[track_caller]
fn scraped(reply: &Reply) -> usize {
    let mut at = b"d5:filesd".len();
    let body = reply.body();
    let mut last: Option<&[u8]> = None;
    let mut count = 0;
    while body.get(at..at + 3) == Some(b"20:") {
        let hash = &body[at + 3..at + 23];
        assert!(last.is_none_or(|last| last < hash), "{} is out of order", hex(hash));
        last = Some(hash);
        count += 1;
        at += 23 + body[at + 23..].windows(2).position(|two| two == b"ee").expect("an end") + 2;
    }
    let bencode::Value::Dict(files) = reply.bencode().get("files").clone() else { panic!("no files") };
    assert_eq!(files.len(), count);
    count
}

#[test]
fn the_answer_of_a_client_that_left_is_dropped() {
    if !full_scrapes_or_skip() {
        return;
    }
    let tracker = tracker_with(3000);
    let before = tracker.descriptors();
    for round in 0..100 {
        // The next connection gets the descriptor of the one before.
        for target in ["/scrape", "/stats?mode=top100", "/stats?mode=everything"] {
            let mut leaving = tracker.connect();
            leaving.send(&get_request(target));
            drop(leaving);
        }
        let n = round % 3000;
        let reply = tracker.get(&format!("/scrape?info_hash={}", percent(&hash(n))));
        assert_eq!(reply.end, End::Closed);
        assert!(reply.is_whole(), "{}", reply.head());
        let files = reply.bencode().get("files").clone();
        assert_eq!(
            files,
            bencode::parse(&[b"d20:", &hash(n)[..], b"d8:completei0e10:downloadedi0e10:incompletei1eee"].concat())
                .unwrap()
        );
    }
    descriptors_return_to(&tracker, before);
}

#[test]
fn full_scrapes_of_any_size_are_right() {
    if !full_scrapes_or_skip() {
        return;
    }
    let tracker = tracker_with(MANY);
    let before = tracker.descriptors();
    let reply = tracker.get("/scrape");
    assert!(reply.is_whole());
    assert_eq!(scraped(&reply), MANY as usize);

    // Some clients take their time; others are served meanwhile, and everybody gets everything.
    // They come from several addresses: one has room for two such answers at a time.
    let mut slow: Vec<Client> = (1..5).map(|last| small_window_of(&tracker, Some([127, 0, 0, last]))).collect();
    for client in &mut slow {
        client.send(&get_request("/scrape"));
    }
    let mut begun: Vec<Vec<u8>> = slow.iter_mut().map(|client| client.read_some(20_000, SOON)).collect();
    assert!(begun.iter().all(|begun| begun.len() == 20_000), "the answers begin");
    for n in 0..50 {
        assert_eq!(tracker.udp().scrape(&[hash(n)]), [[0, 0, 1]]);
        assert!(tracker.get("/stats?mode=torr").is_whole());
    }
    for (client, begun) in slow.iter_mut().zip(&mut begun) {
        let mut rest = client.read_all(WAIT);
        begun.append(&mut rest.bytes);
        let whole = Reply { bytes: std::mem::take(begun), end: rest.end };
        assert_eq!((scraped(&whole), whole.end), (MANY as usize, End::Closed));
    }
    drop(slow);
    descriptors_return_to(&tracker, before);
}

#[test]
fn an_answer_that_is_not_fetched_is_kept_for_fifteen_minutes() {
    if !full_scrapes_or_skip() || !harness::clock_or_skip() {
        return;
    }
    let tracker = tracker_with(MANY);
    let before = tracker.descriptors();
    let mut client = small_window(&tracker);
    client.send(&get_request("/scrape"));
    assert_eq!(client.read_some(1000, SOON).len(), 1000);
    tracker.advance(14 * 60);
    // An answer to another client shows that a turn with the new time has ended.
    assert!(tracker.get("/stats?mode=torr").is_whole());
    // The client has the answer's end a moment before its descriptor is closed.
    descriptors_return_to(&tracker, before + 1);
    tracker.advance(3 * 60);
    descriptors_return_to(&tracker, before);
}

/// A connection that takes only a little at a time.
fn small_window(tracker: &Tracker) -> Client {
    small_window_of(tracker, None)
}

/// Such a connection from an IPv4 address that is named, or the usual one.
fn small_window_of(tracker: &Tracker, source: Option<[u8; 4]>) -> Client {
    let to = tracker.tcp_address();
    let (to, source) = match source {
        Some(source) => (tracker.over_ipv4(to), source.into()),
        None => (to, tracker.client_address()),
    };
    Client::connect_with_window(to, Some(source), 8192).expect("a connection")
}

#[test]
fn a_request_has_thirty_seconds() {
    if !harness::clock_or_skip() {
        return;
    }
    let tracker = Tracker::start();
    let before = tracker.descriptors();
    let mut silent = tracker.connect();
    let mut begun = tracker.connect();
    begun.send(b"GET /announce?");
    eventually("both connections are accepted", || tracker.descriptors() == before + 2);
    tracker.advance(25);
    assert!(tracker.get("/stats?mode=tcp4").is_whole());
    descriptors_return_to(&tracker, before + 2);
    // What comes in between does not make the time longer.
    begun.send(b"info_hash=");
    tracker.advance(20);
    assert_ne!(silent.read_all(WAIT).end, End::Open);
    assert_ne!(begun.read_all(WAIT).end, End::Open);
    descriptors_return_to(&tracker, before);
}

#[test]
fn many_connections_at_once_are_served() {
    let tracker = Starter::new().allow([hash(1)]).start();
    let before = tracker.descriptors();
    let mut clients: Vec<Client> = (0..200).map(|_| tracker.connect()).collect();
    let request = get_request(&format!("/announce?info_hash={}&port=7", percent(&hash(1))));
    let (first, rest) = request.split_at(30);
    clients.iter_mut().for_each(|client| client.send(first));
    clients.iter_mut().rev().for_each(|client| client.send(rest));
    for client in &mut clients {
        let reply = client.read_all(WAIT);
        assert_eq!((reply.end, reply.bencode().get("incomplete").number()), (End::Closed, 1));
    }
    drop(clients);
    descriptors_return_to(&tracker, before);
}

#[test]
fn slow_senders_give_way_to_others() {
    const SLOW: usize = 200;
    let tracker =
        Starter::new().allow([hash(1)]).file("conf", b"tracker.max_connections 100\n").args(["-f", "conf"]).start();
    let before = tracker.descriptors();
    let mut slow: Vec<Client> = (0..SLOW).map(|_| tracker.connect()).collect();
    slow.iter_mut().for_each(|client| client.send(b"GET /announce?"));
    eventually("the oldest are closed", || {
        slow.iter_mut().take(SLOW / 2).all(|client| client.read_all(Duration::from_millis(1)).end != End::Open)
    });
    assert_eq!(tracker.descriptors(), before + 100);
    // whole requests need no place, and begun ones get the oldest's
    let request = get_request(&format!("/announce?info_hash={}&port=7", percent(&hash(1))));
    let (first, rest) = request.split_at(30);
    let mut honest: Vec<Client> = (0..50).map(|_| tracker.connect()).collect();
    honest.iter_mut().for_each(|client| client.send(first));
    assert_eq!(tracker.http(&request).bencode().get("incomplete").number(), 1);
    for client in &mut honest {
        client.send(rest);
        assert_eq!(client.read_all(SOON).bencode().get("incomplete").number(), 1);
    }
    slow.iter_mut().skip(SLOW - 40).for_each(|client| client.send(&rest[rest.len() - 20..]));
    for client in slow.iter_mut().skip(SLOW - 40) {
        assert!(client.read_all(SOON).code() > 0, "the youngest have stayed");
    }
}

#[test]
fn pipelined_requests_are_all_carried_out() {
    let count = 100;
    let tracker = Starter::new().allow((0..count).map(hash)).start();
    udp::populate(&mut tracker.udp(), (0..count).map(hash));
    // as clients quit: more bytes than are collected of one request, in pieces of any size
    for (event, left) in [("started", 1), ("stopped", 0)] {
        let request = |n| {
            let target = format!("/announce?info_hash={}&port=77&left=1&event={event}", percent(&hash(n)));
            format!("GET {target} HTTP/1.1\r\nHost: tracker\r\nUser-Agent: test\r\n\r\n").into_bytes()
        };
        let bytes: Vec<u8> = (0..count).flat_map(request).collect();
        assert!(bytes.len() > 10_000);
        for size in [bytes.len(), 999] {
            let mut client = tracker.connect();
            bytes.chunks(size).for_each(|piece| client.send(piece));
            let reply = client.read_all(SOON);
            assert_eq!(reply.end, End::Closed);
            let answers = reply.bytes.windows(15).filter(|bytes| bytes == b"HTTP/1.1 200 OK").count();
            assert_eq!(answers, count as usize, "{event} in pieces of {size}");
        }
        for n in 0..count {
            assert_eq!(tracker.udp().scrape(&[hash(n)]), [[0, 0, 1 + left]]);
        }
    }
}

#[test]
fn clients_of_http_1_0_and_those_that_close_get_one_answer() {
    let tracker = Starter::new().allow([hash(1)]).start();
    let target = format!("/scrape?info_hash={}", percent(&hash(1)));
    for request in [
        format!("GET {target} HTTP/1.0\r\n\r\n"),
        format!("GET {target} HTTP/1.1\r\nConnection: close\r\n\r\n"),
        format!("GET {target}\r\n\r\n"),
    ] {
        let reply = tracker.http(request.repeat(3).as_bytes());
        let answers = reply.bytes.windows(15).filter(|bytes| bytes == b"HTTP/1.1 200 OK").count();
        assert_eq!((answers, reply.end), (1, End::Closed), "{request}");
    }
}
