//! HTTP connections that stay for further requests: order, bounds, ends.

mod harness;

use harness::http::{Client, End, Reply};
use harness::{Build, SILENCE, SOON, Starter, Tracker, eventually, hash, percent, udp};
use rustix::process::Signal;

/// Seconds.
const REQUEST_TIMEOUT: i64 = 30;

/// A tracker that serves the torrents 0 to 9, in a build with the switch.
fn tracker() -> Option<Tracker> {
    if !Build::under_test().has("keepalive") {
        harness::for_another_build("needs keepalive");
        return None;
    }
    if Build::under_test().has("v6") {
        harness::for_another_build("needs an IPv4 build");
        return None;
    }
    Some(Starter::new().allow((0..10).map(hash)).start())
}

fn request(target: &str, connection: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: tracker\r\n{connection}\r\n").into_bytes()
}

fn kept(target: &str) -> Vec<u8> {
    request(target, "Connection: keep-alive\r\n")
}

fn announce(port: usize) -> String {
    format!("/announce?info_hash={}&left=1&numwant=200&port={port}", percent(&hash(1)))
}

fn scrape() -> String {
    format!("/scrape?info_hash={}", percent(&hash(1)))
}

/// The replies in what came back: the length in each head says where the next one begins.
fn replies(mut bytes: &[u8]) -> Vec<Reply> {
    let mut replies = Vec::new();
    while !bytes.is_empty() {
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head") + 4;
        let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
        let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
        let end = head + length.parse::<usize>().expect("a number");
        assert!(end <= bytes.len(), "the last reply is cut short");
        replies.push(Reply { bytes: bytes[..end].to_vec(), end: End::Open });
        bytes = &bytes[end..];
    }
    replies
}

/// The number of leechers in a reply to an announce or a scrape.
fn leechers(reply: &Reply) -> usize {
    let text = String::from_utf8_lossy(reply.body()).into_owned();
    let digits = text.split("10:incompletei").nth(1).and_then(|rest| rest.split('e').next()).expect("leechers");
    digits.parse().expect("a number")
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let Some(tracker) = tracker() else { return };
    // more than one turn's, and more bytes than are collected of one request
    for (first, count) in [(1, 3), (100, 16), (200, 17), (300, 200)] {
        let before = leechers_now(&tracker);
        let mut bytes: Vec<u8> = (first..first + count).flat_map(|port| kept(&announce(port))).collect();
        let mut client = tracker.connect();
        client.send(&bytes);
        let reply = client.read_all(SILENCE);
        assert_eq!(reply.end, End::Open);
        let counts: Vec<_> = replies(&reply.bytes).iter().map(leechers).collect();
        assert_eq!(counts, (before + 1..=before + count).collect::<Vec<_>>());
        // the same again, and an end
        bytes.extend(request(&scrape(), "Connection: close\r\n"));
        client.send(&bytes);
        let reply = client.read_all(SOON);
        assert_eq!(reply.end, End::Closed);
        assert_eq!(replies(&reply.bytes).len(), count + 1);
    }
}

fn leechers_now(tracker: &Tracker) -> usize {
    tracker.udp().scrape(&[hash(1)])[0][2] as usize
}

#[test]
fn requests_in_pieces_of_any_size() {
    let Some(tracker) = tracker() else { return };
    let bytes: Vec<u8> = (1..6).flat_map(|port| kept(&announce(port))).collect();
    for size in [1, 7, 100, 151] {
        let mut client = tracker.connect();
        for piece in bytes.chunks(size) {
            client.send(piece);
        }
        client.half_close();
        let reply = client.read_all(SOON);
        assert_eq!((replies(&reply.bytes).len(), reply.end), (5, End::Closed), "pieces of {size}");
    }
}

#[test]
fn a_slow_reader_gets_everything_in_order() {
    let Some(tracker) = tracker() else { return };
    let mut seeds = tracker.udp();
    for port in 1..=200 {
        seeds.announce(&udp::Announce { numwant: 0, ..udp::Announce::new(hash(1), port) });
    }
    // some two megabytes of answers, which nobody reads at first
    const COUNT: usize = 1500;
    let to = tracker.tcp_address();
    let mut client = Client::connect_with_window(to, Some(tracker.client_address()), 4096).expect("a connection");
    let mut sender = Client::connect(to, Some(tracker.client_address())).expect("a connection");
    let stream = client.stream().try_clone().expect("a second handle");
    let sending = std::thread::spawn(move || {
        let mut stream = stream;
        let bytes: Vec<u8> = (0..COUNT).flat_map(|n| kept(&announce(1000 + n))).collect();
        std::io::Write::write_all(&mut stream, &bytes).expect("to be read");
        stream.shutdown(std::net::Shutdown::Write).expect("an end");
    });
    // others are served meanwhile
    eventually("the answers pile up", || leechers_now(&tracker) > 210);
    sender.send(&request(&scrape(), ""));
    assert_eq!(sender.read_all(SOON).code(), 200);
    let reply = client.read_all(SOON);
    sending.join().expect("everything is sent");
    assert_eq!(reply.end, End::Closed);
    let counts: Vec<_> = replies(&reply.bytes).iter().map(leechers).collect();
    assert_eq!(counts, (201..=200 + COUNT).collect::<Vec<_>>());
}

#[test]
fn what_is_no_plain_answer_closes() {
    let Some(tracker) = tracker() else { return };
    let mut closing = vec![
        ("/nope", 404),
        ("/announce", 400),
        ("/announce?compact=0", 400),
        ("/stats", 200),
        ("/stats?mode=top10", 200),
    ];
    if Build::under_test().has("fullscrape") {
        closing.push(("/scrape", 200));
    }
    for (target, code) in closing {
        let mut client = tracker.connect();
        client.send(&[kept(&announce(1)), kept(target), kept(&announce(1))].concat());
        let reply = client.read_all(SOON);
        let replies = replies(&reply.bytes);
        assert_eq!((replies.len(), reply.end), (2, End::Closed), "{target}");
        assert_eq!((replies[0].code(), replies[1].code()), (200, code), "{target}");
        assert!(replies[1].bytes.starts_with(b"HTTP/1.0 "), "{target}");
    }
    // statistics from counters do not
    let mut client = tracker.connect();
    client.send(&[kept("/stats?mode=conn"), kept("/announce?port=1"), kept(&scrape())].concat());
    let reply = client.read_all(SILENCE);
    assert_eq!((replies(&reply.bytes).len(), reply.end), (3, End::Open));
}

#[test]
fn too_long_a_request_closes_wherever_it_comes() {
    let Some(tracker) = tracker() else { return };
    let long = request(&announce(1), &format!("Connection: keep-alive\r\nX: {}\r\n", "x".repeat(9000)));
    for before in [0, 1, 3, 60] {
        let mut client = tracker.connect();
        client.send(&[kept(&announce(1)).repeat(before), long.clone(), kept(&announce(1))].concat());
        client.half_close();
        let reply = client.read_all(SOON);
        let replies = replies(&reply.bytes);
        assert_eq!((replies.len(), reply.end), (before + 1, End::Closed), "behind {before}");
        assert_eq!(replies[before].code(), 500, "behind {before}");
    }
    // without the header line, what follows belongs to the request, as in every build
    let mut client = tracker.connect();
    client.send(&[request(&announce(1), ""), vec![b'x'; 9000]].concat());
    client.half_close();
    assert_eq!(client.read_all(SOON).code(), 500);
}

#[test]
fn a_connection_lives_half_a_minute_from_its_last_answer() {
    let Some(tracker) = tracker() else { return };
    if !harness::clock_or_skip() {
        return;
    }
    let mut client = tracker.connect();
    let length = {
        client.send(&kept(&scrape()));
        client.read_all(SILENCE).bytes.len()
    };
    for _ in 0..5 {
        tracker.advance(REQUEST_TIMEOUT - 5);
        client.send(&kept(&scrape()));
        assert_eq!(client.read_some(length, SOON).len(), length);
    }
    // a request in pieces gets no more time
    tracker.advance(REQUEST_TIMEOUT - 10);
    client.send(b"GET /scr");
    tracker.nudge();
    tracker.advance(11);
    assert_eq!(client.read_all(SOON).end, End::Closed);
}

#[test]
fn waiting_connections_do_not_hold_up_the_end() {
    let Some(mut tracker) = tracker() else { return };
    let mut clients: Vec<_> = (0..50).map(|_| tracker.connect()).collect();
    for client in &mut clients {
        client.send(&kept(&scrape()));
        assert!(!client.read_some(1, SOON).is_empty());
    }
    tracker.signal(Signal::INT);
    assert_eq!(tracker.wait(SOON).code(), Some(0));
}
