//! Announces for torrents that are not served: the answers that the operator may choose, and how many there are of them. And peers whose
//! port is too low to be one.

use crate::harness::http::End;
use crate::harness::udp::Announce;
use crate::harness::{self, Build, SILENCE, SOON, Starter, Tracker, eventually, hash, hex, percent};
use std::time::Instant;

const SERVED: u64 = 1;
const FORBIDDEN: u64 = 2;

/// A tracker that does not serve one torrent, or `None` if the build has no list.
fn tracker(settings: &str) -> Option<Tracker> {
    let build = Build::under_test();
    let (option, listed) = match (build.has("accesslist-white"), build.has("accesslist-black")) {
        (true, _) => ("-w", SERVED),
        (_, true) => ("-b", FORBIDDEN),
        _ => {
            harness::for_another_build("needs accesslist-white or accesslist-black");
            return None;
        }
    };
    let starter = Starter::new().own_list().file("list", hex(&hash(listed)).as_bytes());
    Some(starter.file("refusals", settings.as_bytes()).args([option, "list", "-f", "refusals"]).start())
}

/// The answer to an announce over UDP.
fn over_udp(tracker: &Tracker, torrent: u64, event: u32) -> Option<Vec<u8>> {
    let mut client = tracker.udp();
    let id = client.id();
    client.exchange(&Announce { event, ..Announce::new(hash(torrent), 5) }.packet(id), SILENCE)
}

fn request(torrent: u64) -> String {
    format!("GET /announce?info_hash={}&port=5&left=1 HTTP/1.1\r\n\r\n", percent(&hash(torrent)))
}

/// The body of the answer to an announce over HTTP; none where the connection was closed without an answer.
fn over_http(tracker: &Tracker, torrent: u64) -> Option<String> {
    let mut client = tracker.connect();
    client.send(request(torrent).as_bytes());
    let reply = client.read_all(SOON);
    assert_eq!(reply.end, End::Closed);
    (!reply.bytes.is_empty()).then(|| reply.text())
}

#[test]
fn without_keys_the_answers_are_the_originals() {
    let Some(tracker) = tracker("") else { return };
    assert_eq!(over_udp(&tracker, FORBIDDEN, 0).expect("an answer").len(), 8);
    let failure = "d14:failure reason63:Requested download is not authorized for use with this tracker.e";
    assert_eq!(over_http(&tracker, FORBIDDEN).as_deref(), Some(failure));
}

#[test]
fn refused_clients_can_be_told_when_to_come_back() {
    let Some(tracker) = tracker("access.udp_reject_interval 86400\naccess.http_reject_interval 3601\n") else { return };
    let answer = over_udp(&tracker, FORBIDDEN, 0).expect("an answer");
    let expected =
        [&1_u32.to_be_bytes()[..], &harness::udp::TRANSACTION.to_be_bytes(), &86400_u32.to_be_bytes(), &[0; 8]];
    assert_eq!(answer, expected.concat());
    let failure = "d14:failure reason63:Requested download is not authorized for use with this tracker.8:retry ini61ee";
    assert_eq!(over_http(&tracker, FORBIDDEN).as_deref(), Some(failure));
    // those that are served are answered as ever, and whoever leaves
    assert_eq!(over_udp(&tracker, SERVED, 0).expect("an answer").len(), 26);
    assert!(over_http(&tracker, SERVED).is_some_and(|body| body.starts_with("d8:completei0e")));
    assert_eq!(over_udp(&tracker, FORBIDDEN, 3).expect("an answer").len(), 20);
}

#[test]
fn beyond_the_budget_refused_clients_get_silence() {
    let Some(tracker) = tracker("access.reject_budget 0\n") else { return };
    assert_eq!((over_udp(&tracker, FORBIDDEN, 0), over_http(&tracker, FORBIDDEN)), (None, None));
    assert_eq!(over_udp(&tracker, SERVED, 0).expect("an answer").len(), 26);
    assert!(over_http(&tracker, SERVED).is_some());
    assert_eq!(over_udp(&tracker, FORBIDDEN, 3).expect("an answer").len(), 20, "leaving is no refusal");
}

#[test]
fn what_was_answered_before_a_silence_arrives() {
    let Some(tracker) = tracker("access.reject_budget 0\n") else { return };
    let mut client = tracker.connect();
    client.send([request(SERVED), request(SERVED), request(FORBIDDEN), request(SERVED)].concat().as_bytes());
    let reply = client.read_all(SOON);
    let answers = String::from_utf8_lossy(&reply.bytes).matches("HTTP/1.1 200 OK").count();
    assert_eq!((answers, reply.end), (2, End::Closed));
}

#[test]
fn the_budget_is_for_a_second() {
    let Some(tracker) = tracker("access.reject_budget 50\n") else { return };
    let mut client = tracker.udp();
    let packet = Announce::new(hash(FORBIDDEN), 5).packet(client.id());
    let began = Instant::now();
    (0..400).for_each(|_| client.send(&packet));
    let answers = std::iter::from_fn(|| client.receive(SILENCE)).count() as u64;
    assert!((50..=50 * (began.elapsed().as_secs() + 2)).contains(&answers), "{answers} in {:?}", began.elapsed());
    eventually("another second has a budget of its own", || client.exchange(&packet, SILENCE).is_some());
}

#[test]
fn peers_whose_port_is_too_low_are_answered_but_not_stored() {
    let starter = Starter::new().file("ports", b"access.min_port 1024\n").args(["-f", "ports"]);
    let tracker = starter.allow([hash(SERVED)]).start();
    for port in [0, 1, 1023] {
        let answer = tracker.udp().announce(&Announce::new(hash(SERVED), port));
        assert_eq!((answer.leechers, answer.peers.len()), (0, 0), "{port}");
        let reply = tracker.get(&format!("/announce?info_hash={}&port={port}&left=0", percent(&hash(SERVED))));
        assert!(reply.text().starts_with("d8:completei0e"), "{}", reply.text());
    }
    let answer = tracker.udp().announce(&Announce::new(hash(SERVED), 1024));
    assert_eq!((answer.leechers, answer.peers.len()), (1, 1));
    let answer = tracker.udp().announce(&Announce::new(hash(SERVED), 1));
    assert_eq!((answer.leechers, answer.peers.len()), (1, 1), "it is told of others");
    assert_eq!(tracker.udp().scrape(&[hash(SERVED)]), [[0, 0, 1]]);
}
