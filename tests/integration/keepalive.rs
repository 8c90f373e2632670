//! HTTP connections that stay for further requests: order, bounds, ends.

use crate::harness::http::{Client, End, Reply};
use crate::harness::{self, Build, SILENCE, SOON, Starter, Tracker, built_with, eventually, hash, percent, udp};
use rustix::process::Signal;

/// Seconds.
const REQUEST_TIMEOUT: i64 = 30;

/// A tracker that serves the torrents 0 to 9, in a build with the switch, with more words on its command line.
fn tracker(words: &[&str]) -> Option<Tracker> {
    built_with("keepalive").then(|| Starter::new().allow((0..10).map(hash)).args(words).start())
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
    let Some(tracker) = tracker(&[]) else { return };
    // more than one turn's, and more bytes than are collected of one request
    for (first, count) in [(1, 3), (100, 4), (200, 5), (300, 200)] {
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
    let Some(tracker) = tracker(&[]) else { return };
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
    let Some(tracker) = tracker(&[]) else { return };
    let mut seeds = tracker.udp();
    for port in 1..=200 {
        seeds.announce(&udp::Announce { numwant: 0, ..udp::Announce::new(hash(1), port) });
    }
    // some two megabytes of answers, which are not read at first
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
    let Some(tracker) = tracker(&[]) else { return };
    let mut closing =
        vec![("/nope", 404), ("/announce", 400), ("/announce?compact=0", 400), ("/stats?mode=top10", 200)];
    // builds for both families answer pages in the form of HTTP/1.1, full scrapes in chunks
    let is_dual = Build::under_test().has("dual-stack");
    if !is_dual {
        closing.push(("/stats", 200));
        if Build::under_test().has("fullscrape") {
            closing.push(("/scrape", 200));
        }
    }
    for (target, code) in closing {
        let mut client = tracker.connect();
        client.send(&[kept(&announce(1)), kept(target), kept(&announce(1))].concat());
        let reply = client.read_all(SOON);
        let replies = replies(&reply.bytes);
        assert_eq!((replies.len(), reply.end), (2, End::Closed), "{target}");
        assert_eq!((replies[0].code(), replies[1].code()), (200, code), "{target}");
        let form: &[u8] = if is_dual && code == 200 { b"HTTP/1.1 " } else { b"HTTP/1.0 " };
        assert!(replies[1].bytes.starts_with(form), "{target}");
    }
    // statistics from counters do not
    let page = if is_dual { "/stats" } else { "/stats?mode=conn" };
    let mut client = tracker.connect();
    client.send(&[kept("/stats?mode=conn"), kept(page), kept("/announce?port=1"), kept(&scrape())].concat());
    let reply = client.read_all(SILENCE);
    assert_eq!((replies(&reply.bytes).len(), reply.end), (4, End::Open));
}

#[test]
fn too_long_a_request_closes_wherever_it_comes() {
    let Some(tracker) = tracker(&[]) else { return };
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
    let Some(tracker) = tracker(&[]) else { return };
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
    let Some(mut tracker) = tracker(&[]) else { return };
    let mut clients: Vec<_> = (0..50).map(|_| tracker.connect()).collect();
    for client in &mut clients {
        client.send(&kept(&scrape()));
        assert!(!client.read_some(1, SOON).is_empty());
    }
    tracker.signal(Signal::INT);
    assert_eq!(tracker.wait(SOON).code(), Some(0));
}

/// nginx in front of a tracker, set up as features.md says. It is killed when the value is dropped.
struct Nginx {
    child: std::process::Child,
    address: std::net::SocketAddr,
    _scratch: harness::Scratch,
}

impl Nginx {
    const PROGRAM: &str = "/usr/sbin/nginx";

    fn before(tracker: &Tracker) -> Self {
        let scratch = harness::Scratch::new();
        let free = std::net::TcpListener::bind((tracker.tcp_address().ip(), 0)).expect("a free port");
        let address = free.local_addr().expect("its number");
        drop(free);
        let (dir, to) = (scratch.path().display(), tracker.tcp_address());
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {dir}/{name};\n"))
            .concat();
        let config = format!(
            "daemon off; master_process off; pid {dir}/pid; error_log {dir}/log;
             events {{ worker_connections 256; }}
             http {{
                 access_log off; keepalive_requests 100000; {paths}
                 upstream tracker {{ server {to}; keepalive 16; keepalive_requests 100000; }}
                 server {{
                     listen {address};
                     location / {{
                         proxy_pass http://tracker;
                         proxy_http_version 1.1;
                         proxy_set_header Connection keep-alive;
                         proxy_set_header X-Forwarded-For $http_x_client;
                     }}
                 }}
             }}"
        );
        scratch.write("conf", config.as_bytes());
        let mut command = std::process::Command::new(Self::PROGRAM);
        command.arg("-c").arg(scratch.path().join("conf")).arg("-p").arg(scratch.path());
        let child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn();
        let nginx = Self { child: child.expect("nginx"), address, _scratch: scratch };
        eventually("nginx listens", || Client::connect(address, None).is_ok());
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One client that announces many peers over one connection to nginx.
fn announce_through(nginx: std::net::SocketAddr, client: usize, count: usize) {
    use std::io::{BufRead, Read, Write};
    let stream = std::net::TcpStream::connect(nginx).expect("a connection to nginx");
    let mut reader = std::io::BufReader::new(stream.try_clone().expect("a second handle"));
    for n in 0..count {
        let line = format!("X-Client: 10.{client}.{}.{}\r\n", n / 256, n % 256);
        (&stream).write_all(&request(&announce(1), &line)).expect("a request to nginx");
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a line of a head");
            if line.starts_with("HTTP/") {
                assert!(line.contains(" 200 "), "{line}");
            } else if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = number.trim().parse().expect("a length");
            } else if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        assert!(body.starts_with(b"d8:complete") && body.ends_with(b"e"), "{}", String::from_utf8_lossy(&body));
    }
}

#[test]
fn nginx_keeps_its_connections() {
    /// Clients at a time, and announces of each.
    const CLIENTS: usize = 4;
    const COUNT: usize = 1000;
    if !std::path::Path::new(Nginx::PROGRAM).exists() {
        return harness::skipped("needs nginx");
    }
    let Some(tracker) = tracker(&["-A", "127.0.0.1", "-A", "::1"]) else { return };
    let nginx = Nginx::before(&tracker);
    let address = nginx.address;
    let clients = (0..CLIENTS).map(|client| std::thread::spawn(move || announce_through(address, client, COUNT)));
    clients.collect::<Vec<_>>().into_iter().for_each(|client| client.join().expect("all announces are answered"));
    let names_clients = Build::under_test().has("ip-from-proxy");
    assert_eq!(leechers_now(&tracker), if names_clients { CLIENTS * COUNT } else { 1 });
    let text = tracker.get("/stats?mode=tcp4").text();
    let mut numbers = text.lines().map(|line| line.parse::<usize>().unwrap_or(0));
    let (connections, announces) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    assert_eq!(announces, CLIENTS * COUNT);
    assert!(connections <= 20, "{connections} connections for {announces} announces");
}
