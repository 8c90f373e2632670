//! Full scrapes of many torrents: right, whole, within bounds, and out of everybody's way.

use crate::harness::http::{Client, End, Reply};
use crate::harness::udp::Announce;
use crate::harness::{self, Build, SOON, Starter, Tracker, built_with, eventually, within};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// So many torrents that a scrape of them all is longer than what is built whole (16 MiB), but their `bin` dump is not.
const MANY: u32 = 260_000;

/// Seconds.
const MINUTE: i64 = 60;

/// Info hashes in order, spread over the whole range.
fn name(n: u32) -> [u8; 20] {
    let mut hash = [7; 20];
    hash[..4].copy_from_slice(&(n * 16_000 + 5).to_be_bytes());
    hash
}

/// A tracker that knows the torrents from an earlier run.
fn with_torrents(torrents: u32) -> Option<Tracker> {
    with_named(torrents, name)
}

fn with_named(torrents: u32, name: impl Fn(u32) -> [u8; 20]) -> Option<Tracker> {
    starter(torrents, name).map(Starter::start)
}

fn starter(torrents: u32, name: impl Fn(u32) -> [u8; 20]) -> Option<Starter> {
    let build = Build::under_test();
    if !build.has("fullscrape") || build.original || build.has("accesslist-white") {
        harness::for_another_build("takes all torrents of a state file");
        return None;
    }
    let minute = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a time").as_secs() / 60;
    let lines: String = (0..torrents).map(|n| format!("{}:{minute}:3\n", harness::hex(&name(n)))).collect();
    Some(Starter::new().file("state", lines.as_bytes()).args(["-l", "state"]))
}

/// Such a tracker that compresses.
fn compressing(torrents: u32, name: impl Fn(u32) -> [u8; 20]) -> Option<Tracker> {
    if built_with("compression-gzip") { with_named(torrents, name) } else { None }
}

/// Asks from an address of its own, so that modest builds answer too.
fn ask(tracker: &Tracker, last: u8, request: &str) -> Client {
    let source = Some(IpAddr::from([127, 0, 9, last]));
    let mut client = Client::connect(tracker.over_ipv4(tracker.tcp_address()), source).expect("a connection");
    client.send(request.as_bytes());
    client
}

/// A client that takes hardly anything.
fn ask_and_dawdle(tracker: &Tracker, last: u8, request: &str) -> Client {
    let source = Some(IpAddr::from([127, 0, 9, last]));
    let mut client =
        Client::connect_with_window(tracker.over_ipv4(tracker.tcp_address()), source, 4096).expect("a connection");
    client.send(request.as_bytes());
    client
}

const SCRAPE_10: &str = "GET /scrape HTTP/1.0\r\n\r\n";
const SCRAPE_11: &str = "GET /scrape HTTP/1.1\r\nHost: x\r\n\r\n";

/// The scrape of torrents that all count the same.
fn scrape_of(torrents: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut body = b"d5:filesd".to_vec();
    for n in torrents {
        body.extend_from_slice(b"20:");
        body.extend_from_slice(&name(n));
        body.extend_from_slice(b"d8:completei0e10:downloadedi3e10:incompletei0ee");
    }
    body.extend_from_slice(b"ee");
    body
}

/// The body that chunks make; panics if they don't end as they should.
fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").expect("a chunk's size");
        let size = std::str::from_utf8(&rest[..line]).expect("a size");
        assert!(!size.is_empty() && size.bytes().all(|c| c.is_ascii_hexdigit()), "{size:?}");
        let size = usize::from_str_radix(size, 16).expect("a size");
        let chunk = &rest[line + 2..line + 2 + size];
        assert_eq!(&rest[line + 2 + size..][..2], b"\r\n");
        body.extend_from_slice(chunk);
        rest = &rest[line + 2 + size + 2..];
        if size == 0 {
            assert!(rest.is_empty(), "bytes behind the last chunk");
            return body;
        }
    }
}

fn assert_same(got: &[u8], expected: &[u8]) {
    let differ = got.iter().zip(expected).position(|(a, b)| a != b);
    assert!(got.len() == expected.len() && differ.is_none(), "{} {} {differ:?}", got.len(), expected.len());
}

/// What a dump's head calls its body.
fn dump_type() -> &'static str {
    if Build::under_test().has("dual-stack") { "application/octet-stream" } else { "text/plain" }
}

#[test]
fn beyond_a_bound_it_is_streamed() {
    let Some(tracker) = with_torrents(MANY) else { return };
    let expected = scrape_of(0..MANY);
    assert!(expected.len() > 16 << 20);

    let reply = ask(&tracker, 1, SCRAPE_11).read_all(SOON);
    assert_eq!(reply.head(), format!("HTTP/1.1 200 OK\r\nContent-Type: {}\r\nTransfer-Encoding: chunked", dump_type()));
    assert_eq!(reply.end, End::Closed);
    assert_same(&dechunk(reply.body()), &expected);

    let mut client = ask(&tracker, 2, SCRAPE_10);
    client.half_close();
    let reply = client.read_all(SOON);
    assert_eq!(reply.head(), format!("HTTP/1.0 200 OK\r\nContent-Type: {}", dump_type()));
    assert_eq!(reply.end, End::Closed);
    assert_same(reply.body(), &expected);

    // bytes after the request don't cost the client the end of its answer
    let mut client = ask(&tracker, 3, SCRAPE_11);
    std::thread::sleep(Duration::from_millis(20));
    client.send(b"GET /stats HTTP/1.1\r\n\r\n");
    let reply = client.read_all(SOON);
    assert_eq!(reply.end, End::Closed);
    assert_same(&dechunk(reply.body()), &expected);
}

#[test]
fn up_to_the_bound_its_length_is_told() {
    let Some(tracker) = with_torrents(MANY) else { return };
    // builds for both families send clients of HTTP/1.1 chunks
    let version = if Build::under_test().has("dual-stack") { "1.0" } else { "1.1" };
    let reply = tracker.http(format!("GET /stats?mode=tpbs&format=bin HTTP/{version}\r\nHost: x\r\n\r\n").as_bytes());
    assert!(reply.is_whole());
    let is_packed_for_all = !tracker.build().has("compression-gzip-always") && !tracker.build().has("dual-stack");
    if tracker.build().has("compression-gzip") && is_packed_for_all {
        let head = reply.head();
        let start = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: ";
        assert!(head.starts_with(start), "{head}");
        return;
    }
    let length = MANY * 28;
    let head = format!("HTTP/1.0 200 OK\r\nContent-Type: {}\r\nContent-Length: {length}", dump_type());
    assert_eq!(reply.head(), head);
    let expected: Vec<u8> = (0..MANY).flat_map(|n| [&name(n)[..], &[0; 8]].concat()).collect();
    assert_same(reply.body(), &expected);
}

/// What a gzip file holds, as the system's gzip reads it.
fn gunzip(packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed), &mut plain).expect("a gzip file");
    plain
}

#[test]
fn compressed_it_is_the_same() {
    let Some(tracker) = compressing(MANY, name) else { return };
    let version = if Build::under_test().has("dual-stack") { "1.0" } else { "1.1" };
    let request = format!("GET /scrape HTTP/{version}\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
    let reply = ask(&tracker, 1, &request).read_all(SOON);
    let start =
        format!("HTTP/1.0 200 OK\r\nContent-Type: {}\r\nContent-Encoding: gzip\r\nContent-Length: ", dump_type());
    assert!(reply.head().starts_with(&start) && reply.is_whole(), "{}", reply.head());
    assert_same(&gunzip(reply.body()), &scrape_of(0..MANY));
}

#[test]
fn compressed_it_is_streamed_beyond_the_bound() {
    // twenty bytes each that no compression makes less
    const MORE: u32 = 900_000;
    let random = |n: u32| {
        let mut hash = harness::hash(n.into());
        hash[..4].copy_from_slice(&(n * 4000).to_be_bytes());
        hash
    };
    let Some(tracker) = compressing(MORE, random) else { return };
    for (last, version) in [(1, "1.0"), (2, "1.1")] {
        let request = format!("GET /scrape HTTP/{version}\r\nAccept-Encoding: gzip\r\n\r\n");
        let reply = ask(&tracker, last, &request).read_all(SOON);
        assert_eq!(reply.end, End::Closed);
        let head = format!("HTTP/{version} 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip");
        let body = if version == "1.0" {
            assert_eq!(reply.head(), head);
            gunzip(reply.body())
        } else {
            assert_eq!(reply.head(), head + "\r\nTransfer-Encoding: chunked");
            gunzip(&dechunk(reply.body()))
        };
        let mut entries = body[9..].chunks_exact(23 + 47);
        assert!((0..MORE).all(|n| entries.next().is_some_and(|entry| entry[3..23] == random(n))));
        assert_eq!(entries.remainder(), b"ee");
    }
}

/// Reads the info hashes of a whole scrape over HTTP/1.0.
fn hashes(reply: &Reply) -> Vec<[u8; 20]> {
    let mut rest = reply.body().strip_prefix(b"d5:filesd").expect("a scrape");
    let mut hashes = Vec::new();
    while let Some(entry) = rest.strip_prefix(b"20:") {
        hashes.push(entry[..20].try_into().expect("twenty bytes"));
        let end = entry[20..].windows(2).position(|two| two == b"ee").expect("an entry's end");
        rest = &entry[20 + end + 2..];
    }
    assert_eq!(rest, b"ee");
    hashes
}

#[test]
fn torrents_come_and_go_while_it_is_sent() {
    let Some(tracker) = with_torrents(MANY) else { return };
    let mut client = ask_and_dawdle(&tracker, 1, SCRAPE_10);
    let first = client.read_some(100_000, SOON);
    assert_eq!(first.len(), 100_000);
    // it stands still now somewhere after its first 16 MiB; everywhere torrents come
    let mut udp = tracker.udp();
    for n in (0..MANY).step_by(500) {
        let mut between = name(n);
        between[19] = 8;
        udp.announce(&Announce::new(between, 1));
    }
    let mut reply = client.read_all(SOON);
    reply.bytes.splice(..0, first);
    assert_eq!(reply.end, End::Closed);
    let hashes = hashes(&reply);
    assert!(hashes.windows(2).all(|pair| pair[0] < pair[1]), "not ascending");
    let old: Vec<_> = hashes.iter().filter(|hash| hash[19] == 7).collect();
    assert_eq!(old.len(), MANY as usize);
    assert!(hashes.len() > old.len(), "those that came ahead of it are in it");
}

#[test]
fn one_who_leaves_leaves_nothing_behind() {
    let Some(tracker) = with_torrents(MANY) else { return };
    let descriptors = tracker.descriptors();
    tracker.get("/stats");
    for last in 1..30 {
        let mut client = ask_and_dawdle(&tracker, last, if last % 2 == 0 { SCRAPE_10 } else { SCRAPE_11 });
        if last % 3 > 0 {
            client.read_some(usize::from(last) * 10_000, SOON);
        }
    }
    eventually("connections that were left are closed", || tracker.descriptors() == descriptors);
    let reply = ask(&tracker, 40, SCRAPE_10).read_all(SOON);
    assert_same(reply.body(), &scrape_of(0..MANY));
}

/// Kilobytes of memory that the tracker has.
fn resident(tracker: &Tracker) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", tracker.pid())).expect("the tracker's state");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn slow_receivers_take_no_more_memory_than_they_may() {
    let Some(tracker) = with_torrents(MANY) else { return };
    assert_same(ask(&tracker, 1, SCRAPE_10).read_all(SOON).body(), &scrape_of(0..MANY));
    let before = resident(&tracker);
    let mut clients: Vec<_> = (2..42).map(|last| ask_and_dawdle(&tracker, last, SCRAPE_10)).collect();
    let mut udp = tracker.udp();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        udp.announce(&Announce::new(name(1), 1));
        let more = resident(&tracker).saturating_sub(before);
        assert!(more < 80 << 10, "{more} kilobytes more");
    }
    assert!(tracker.get("/stats?mode=top10").is_whole(), "what is small passes by those who wait for room");
    // as the first ones leave, others get their turn
    clients.drain(..38);
    let last = clients.last_mut().expect("a client");
    let first = last.read_some(20, SOON);
    assert_eq!(first, b"HTTP/1.0 200 OK\r\nCon");
    drop(clients);
    let given_back = within(SOON, || (resident(&tracker) < before + (8 << 10)).then_some(()));
    assert!(given_back.is_some(), "memory stays: {} of {before}", resident(&tracker));
}

#[test]
fn after_a_quarter_of_an_hour_it_is_given_up() {
    if !harness::clock_or_skip() {
        return;
    }
    let Some(tracker) = with_torrents(MANY) else { return };
    let descriptors = tracker.descriptors();
    let mut streamed = ask_and_dawdle(&tracker, 1, SCRAPE_10);
    let waiting: Vec<_> = (2..12).map(|last| ask_and_dawdle(&tracker, last, SCRAPE_10)).collect();
    assert_eq!(streamed.read_some(20_000, SOON).len(), 20_000);
    eventually("all are accepted", || tracker.descriptors() >= descriptors + 11);
    tracker.advance(14 * MINUTE);
    assert_eq!(streamed.read_some(20_000, SOON).len(), 20_000);
    assert!(tracker.descriptors() >= descriptors + 11);
    tracker.advance(2 * MINUTE);
    eventually("all are given up", || tracker.descriptors() == descriptors);
    drop(waiting);
    assert_eq!(streamed.read_all(SOON).end, End::Reset, "a client can tell that the end is missing");
}

#[test]
fn readers_that_never_read_delay_no_other() {
    let Some(tracker) = with_torrents(MANY) else { return };
    let before = resident(&tracker);
    // each time from other addresses: some builds grant an address one full scrape in five minutes
    for (request, first) in [(SCRAPE_10, 1), (SCRAPE_11, 101)] {
        // four each from some addresses, and one each from forty
        let stuck: Vec<_> = (0..16).map(|n| ask_and_dawdle(&tracker, first + n / 4, request)).collect();
        let more: Vec<_> = (first + 10..first + 50).map(|last| ask_and_dawdle(&tracker, last, request)).collect();
        // long before those who do not read are given up
        let reply = ask(&tracker, first + 60, SCRAPE_10).read_all(SOON);
        let (end, length) = (reply.end, reply.body().len());
        assert_eq!((end, length), (End::Closed, scrape_of(0..MANY).len()));
        tracker.udp().announce(&Announce::new(name(1), 1));
        let grown = resident(&tracker).saturating_sub(before);
        assert!(grown < 80 << 10, "{grown} kilobytes more");
        drop((stuck, more));
    }
}

#[test]
fn one_that_takes_nothing_for_a_minute_makes_room_for_others() {
    if !harness::clock_or_skip() {
        return;
    }
    // below the bound, so that each answer is built whole and a few of them take all the room there is
    let Some(tracker) = with_torrents(MANY * 3 / 5) else { return };
    let descriptors = tracker.descriptors();
    let mut stuck: Vec<_> = (1..6).map(|last| ask_and_dawdle(&tracker, last, SCRAPE_11)).collect();
    for client in &mut stuck {
        assert_eq!(client.read_some(1000, SOON).len(), 1000);
    }
    tracker.advance(2 * MINUTE);
    tracker.nudge();
    assert_eq!(tracker.descriptors(), descriptors + 5, "while no request waits they are kept");
    let others: Vec<_> = (6..9).map(|last| ask_and_dawdle(&tracker, last, SCRAPE_11)).collect();
    let reply = ask(&tracker, 11, SCRAPE_11).read_all(SOON);
    let is_chunked = Build::under_test().has("dual-stack");
    let body = if is_chunked { dechunk(reply.body()) } else { reply.body().to_vec() };
    assert_same(&body, &scrape_of(0..MANY * 3 / 5));
    drop(others);
    let end: &[u8] = if is_chunked { b"\r\n0\r\n\r\n" } else { b"ee" };
    let cut = stuck.iter_mut().map(|client| client.read_all(SOON)).filter(|reply| !reply.bytes.ends_with(end)).count();
    assert!(cut > 0, "one was given up");
}

#[test]
fn long_answers_leave_places_to_other_connections() {
    const PLACES: usize = 60;
    let Some(starter) = starter(MANY, name) else { return };
    let config = format!("tracker.max_connections {PLACES}\n");
    let tracker = starter.file("conf", config.as_bytes()).args(["-f", "conf"]).start();
    let descriptors = tracker.descriptors();
    let long: Vec<_> = (1..=2 * PLACES as u8).map(|last| ask_and_dawdle(&tracker, last, SCRAPE_10)).collect();
    eventually("the oldest are given up", || tracker.descriptors() == descriptors + PLACES / 2);
    let request = harness::http::get_request("/stats?mode=tcp4");
    let (first, rest) = request.split_at(10);
    let mut others: Vec<_> = (0..PLACES / 2).map(|_| tracker.connect()).collect();
    others.iter_mut().for_each(|client| client.send(first));
    eventually("all wait for their request", || tracker.descriptors() == descriptors + PLACES);
    for client in &mut others {
        client.send(rest);
        assert_eq!(client.read_all(SOON).code(), 200);
    }
    drop(long);
}
