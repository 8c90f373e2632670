//! `--check-health`, the self-check of a start, and what monitors get of the pages that they usually ask for.

use crate::harness::{self, Build, SOON, Starter, Tracker, hash};
use rustix::process::Signal;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// What `opentracker --check-health WORDS` says.
fn check(words: &[&str]) -> Output {
    Command::new(&Build::under_test().path).arg("--check-health").args(words).output().expect("the program")
}

#[track_caller]
fn expect(output: &Output, code: i32, message: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*said, output.stdout.len()), (Some(code), message, 0));
}

#[test]
fn a_tracker_that_answers_is_healthy() {
    // also one that restricts its statistics and whose list forbids everything
    for starter in [Starter::new(), Starter::new().own_list().own_blessings()] {
        let tracker = starter.start();
        expect(&check(&[&tracker.tcp_address().to_string()]), 0, "");
        // a listener on all addresses of its host
        if tracker.build().v6() {
            expect(&check(&[&format!("[::]:{}", tracker.tcp_address().port())]), 0, "");
        }
    }
}

#[test]
fn it_changes_no_torrents() {
    let tracker = Starter::new().allow([hash(1)]).start();
    (0..3).for_each(|_| expect(&check(&[&tracker.tcp_address().to_string()]), 0, ""));
    assert!(tracker.get("/stats?mode=torr").text().contains("serving 0 torrents"));
}

#[test]
fn a_tracker_for_udp_alone_is_asked_over_udp() {
    let starter = Starter::new().bare();
    let config =
        format!("listen.udp {}\ntracker.rootdir {}\n", starter.udp_address(), starter.scratch().path().display());
    let words = starter.words_of_the_build();
    let tracker = starter.file("conf", config.as_bytes()).args(["-f", "conf"]).args(words).start();
    expect(&check(&[&tracker.udp_address().to_string()]), 0, "");
}

#[test]
fn who_does_not_answer_is_not_healthy() {
    let mut tracker = Tracker::start();
    let address = tracker.tcp_address().to_string();
    tracker.signal(Signal::STOP);
    let begin = Instant::now();
    let said = check(&[&address]);
    assert_eq!(said.status.code(), Some(1));
    assert!(begin.elapsed() < Duration::from_secs(15));
    tracker.signal(Signal::CONT);
    tracker.signal(Signal::INT);
    tracker.wait(SOON);
    expect(&check(&[&address]), 1, &format!("No tracker answers at {address}: Connection refused (os error 111).\n"));
}

#[test]
fn what_is_no_tracker_is_not_healthy() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address").to_string();
    let server = std::thread::spawn(move || {
        use std::io::Write;
        let (mut connection, _) = listener.accept().expect("a connection");
        connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n<html>").expect("an answer");
    });
    let said = check(&[&address]);
    assert_eq!(said.status.code(), Some(1));
    server.join().expect("a server");
    // a UDP socket that is silent
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    assert_eq!(check(&[&silent.local_addr().expect("an address").to_string()]).status.code(), Some(1));
}

#[test]
fn addresses_are_read_whole() {
    let usage = "Usage: opentracker --check-health [ADDRESS[:PORT]]\n";
    for words in [&["nonsense"][..], &["127.0.0.1:80 x"], &["127.0.0.1:80", "more"], &["127.0.0.1:99999"], &[""]] {
        expect(&check(words), 1, usage);
    }
}

#[test]
fn elsewhere_on_the_command_line_the_word_is_as_unknown_as_ever() {
    for words in [["-i", "127.0.0.1", "--check-health"], ["-A", "127.0.0.1", "--check-health"]] {
        let output = Command::new(&Build::under_test().path).args(words).output().expect("the program");
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stderr.starts_with(b"Usage: "));
    }
}

/// What monitors find: features.md says what to point them at.
#[test]
fn what_monitors_get() {
    let tracker = Starter::new().allow([hash(1)]).start();
    let code = |request: &str| tracker.http(format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).code();
    assert_eq!([code("GET /"), code("HEAD /"), code("HEAD /stats")], [404, 400, 400]);
    assert_eq!(
        [
            code("GET /stats"),
            code("GET /scrape?info_hash=%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00%00")
        ],
        [200, 200]
    );
    let redirecting = Starter::new().args(["-r", "http://localhost/"]).start();
    assert_eq!(redirecting.get("/").code(), 302);
}

/// Lines on stderr that begin so.
fn warnings(tracker: &Tracker, start: &str) -> usize {
    tracker.stderr().lines().filter(|line| line.starts_with(start)).count()
}

#[test]
fn few_descriptors_are_named_once() {
    let limited = |limit: u32| {
        let script = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
        Starter::new().wrap(["sh", "-c", &script]).start()
    };
    assert_eq!(warnings(&limited(1000), "Warning: only 1000 descriptors may be open, "), 1);
    assert_eq!(warnings(&limited(4096), "Warning: only "), 0);
}

#[test]
fn a_receive_buffer_that_is_not_granted_is_named_once() {
    if cfg!(opentracker_portable) {
        return harness::for_another_build("the portable forms know of no setting for it");
    }
    let most = std::fs::read_to_string("/proc/sys/net/core/rmem_max").ok().and_then(|most| most.trim().parse().ok());
    let Some(most) = most.filter(|most: &u64| *most < 8 << 20) else {
        return harness::skipped("needs a system whose net.core.rmem_max is below 8 MiB");
    };
    if !harness::root_or_skip() {
        return;
    }
    let start = format!("Warning: the receive buffer for UDP has {most} bytes in place of 8388608, ");
    // without the right to exceed the limit, and with two sockets
    let starter = Starter::new().wrap(["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"]);
    let second = SocketAddr::new(starter.udp_address().ip(), 0);
    let starter = starter.file("conf", format!("listen.udp {second}\n").as_bytes());
    assert_eq!(warnings(&starter.args(["-f", "conf"]).start(), &start), 1);
}
