//! Lines in the system's log (`syslogs`).

use crate::harness::udp::Announce;
use crate::harness::{SOON, Starter, built_with, hash, hex, matches, percent, root_or_skip, uninterrupted, within};
use regex::bytes::Regex;
use std::os::unix::net::UnixDatagram;

/// Seconds.
const YEAR: i64 = 365 * 24 * 60 * 60;

#[test]
fn completed_downloads_go_to_the_system_log() {
    if !built_with("syslogs") {
        return;
    }
    if !root_or_skip() {
        return;
    }
    let starter = Starter::new().allow((0..10).map(hash));
    let dev = starter.scratch().path().join("dev");
    std::fs::create_dir(&dev).expect("a directory");
    let log = UnixDatagram::bind(dev.join("log")).expect("a log");
    log.set_read_timeout(Some(SOON)).expect("a timeout");
    let script = "mount --bind \"$0\" /dev && exec \"$@\"";
    let mut wrap: Vec<std::ffi::OsString> = ["unshare", "-m", "sh", "-c", script].map(Into::into).to_vec();
    wrap.push(dev.into());
    let tracker = starter.wrap(wrap).start();
    // Lines follow the wall clock of the moment.
    let year = if tracker.build().clock_moves() {
        tracker.step_wall(-40 * YEAR);
        r"19[89]\d"
    } else {
        r"\d{4}"
    };

    let mut udp = tracker.udp_from([127, 0, 0, 9]);
    udp.announce(&Announce::new(hash(1), 1));
    udp.announce(&Announce { left: 0, event: 1, ..Announce::new(hash(1), 1) });
    udp.announce(&Announce { left: 0, event: 1, ..Announce::new(hash(1), 1) });
    let query = format!("info_hash={}&peer_id=-CC0001-abcdefghijkl&port=5&left=0&event=completed", percent(&hash(2)));
    tracker.get_from([127, 0, 0, 1], &format!("/announce?{query}"));
    let line = || {
        let mut buffer = [0; 1000];
        let length = uninterrupted(|| log.recv(&mut buffer)).expect("a line");
        buffer[..length].to_vec()
    };
    let start = r"<14>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d opentracker:";
    let start = format!(r"{start} time={year}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{{4}} event=completed");
    let upper = |n| hex(&hash(n)).to_uppercase();
    matches(&line(), &format!(r"{start} info_hash={} peer_id= ip=127\.0\.0\.9", upper(1)));
    let peer_id = "2D4343303030312D6162636465666768696A6B6C";
    matches(&line(), &format!(r"{start} info_hash={} peer_id={peer_id} ip=127\.0\.0\.1", upper(2)));

    // neither a log that does not keep up nor one that has ended delays answers
    for port in 10..1000 {
        udp.announce(&Announce { left: 0, event: 1, ..Announce::new(hash(3), port) });
    }
    while !line().is_empty() {
        log.set_nonblocking(true).expect("a log");
        if log.recv(&mut [0; 1000]).is_err() {
            break;
        }
    }
    log.set_nonblocking(false).expect("a log");
    udp.announce(&Announce { left: 0, event: 1, ..Announce::new(hash(3), 1000) });
    let lost = within(SOON, || {
        let text = line();
        let regex = Regex::new(r"\A<14>[^<]* opentracker: \d+ lines were lost\z").expect("a pattern");
        regex.is_match(&text).then_some(())
    });
    assert!(lost.is_some(), "it logs how many lines were lost");
    drop(log);
    assert_eq!(udp.announce(&Announce { left: 0, event: 1, ..Announce::new(hash(3), 1001) }).seeders, 992);
}

#[test]
fn a_log_that_is_not_read_delays_no_answer() {
    if !built_with("syslogs") {
        return;
    }
    let tracker = Starter::new().allow((0..10).map(hash)).start();
    let mut udp = tracker.udp();
    for port in 1..100 {
        udp.announce(&Announce { left: 0, event: 1, ..Announce::new(hash(3), port) });
    }
    assert_eq!(udp.scrape(&[hash(3)]), [[99, 99, 0]]);
}
