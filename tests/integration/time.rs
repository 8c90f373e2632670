//! What happens after minutes, hours and days, on a clock that the tests move.

use crate::harness::udp::{Announce, Client, TRANSACTION};
use crate::harness::{self, SOON, Starter, Tracker, eventually, hash, percent};

/// Seconds.
const MINUTE: i64 = 60;

/// Seconds.
const HOUR: i64 = 60 * MINUTE;

/// A tracker whose clock can be moved, or `None`, and the reason is noted.
fn tracker() -> Option<Tracker> {
    harness::clock_or_skip().then(|| Starter::new().allow((0..10).map(hash)).start())
}

/// Whether a torrent is known at all, by an HTTP scrape.
fn known(tracker: &Tracker, n: u64) -> bool {
    let reply = tracker.get(&format!("/scrape?info_hash={}", percent(&hash(n))));
    reply.bencode() != harness::bencode::parse(b"d5:filesdee").expect("a scrape")
}

#[test]
fn peers_leave_after_45_minutes() {
    let Some(tracker) = tracker() else { return };
    let mut client = tracker.udp();
    client.announce(&Announce::new(hash(1), 1));
    tracker.advance(20 * MINUTE);
    let mut client = tracker.udp();
    assert_eq!(client.announce(&Announce::new(hash(1), 2)).leechers, 2);
    // The first one's time is nearly over.
    tracker.advance(24 * MINUTE);
    assert_eq!(tracker.udp().scrape(&[hash(1)]), [[0, 0, 2]]);
    tracker.advance(3 * MINUTE);
    eventually("the first peer has left", || tracker.udp().scrape(&[hash(1)]) == [[0, 0, 1]]);
    // Who announces again stays.
    assert_eq!(tracker.udp().announce(&Announce::new(hash(1), 2)).peers.len(), 1);
    tracker.advance(40 * MINUTE);
    assert_eq!(tracker.udp().scrape(&[hash(1)]), [[0, 0, 1]]);
}

#[test]
fn an_answer_names_no_peer_that_has_left() {
    let Some(tracker) = tracker() else { return };
    tracker.udp().announce(&Announce { left: 0, ..Announce::new(hash(1), 1) });
    tracker.advance(50 * MINUTE);
    let answer = tracker.udp().announce(&Announce::new(hash(1), 2));
    assert_eq!((answer.leechers, answer.seeders, answer.peers.len()), (1, 0, 1));
}

#[test]
fn a_torrent_that_nobody_downloaded_leaves_with_its_peers() {
    let Some(tracker) = tracker() else { return };
    tracker.udp().announce(&Announce::new(hash(1), 1));
    tracker.advance(44 * MINUTE);
    assert!(known(&tracker, 1));
    tracker.advance(6 * MINUTE);
    eventually("the torrent has left", || {
        tracker.advance(2 * MINUTE);
        !known(&tracker, 1)
    });
}

#[test]
fn a_downloaded_torrent_is_remembered_for_a_day() {
    let Some(tracker) = tracker() else { return };
    tracker.udp().announce(&Announce { left: 0, event: 1, ..Announce::new(hash(1), 1) });
    assert_eq!(tracker.udp().scrape(&[hash(1)]), [[1, 1, 0]]);
    tracker.advance(HOUR);
    eventually("its peer has left", || tracker.udp().scrape(&[hash(1)]) == [[0, 1, 0]]);
    tracker.advance(21 * HOUR);
    assert_eq!(tracker.udp().scrape(&[hash(1)]), [[0, 1, 0]]);
    tracker.advance(4 * HOUR);
    eventually("the torrent has left", || {
        tracker.advance(2 * MINUTE);
        !known(&tracker, 1)
    });
    // When it returns it begins anew.
    tracker.udp().announce(&Announce::new(hash(1), 1));
    assert_eq!(tracker.udp().scrape(&[hash(1)]), [[0, 0, 1]]);
}

#[test]
fn an_announce_revives_the_download_count() {
    let Some(tracker) = tracker() else { return };
    tracker.udp().announce(&Announce { left: 0, event: 1, ..Announce::new(hash(1), 1) });
    for _ in 0..4 {
        tracker.advance(20 * HOUR);
        tracker.udp().announce(&Announce::new(hash(1), 1));
        assert_eq!(tracker.udp().scrape(&[hash(1)]), [[0, 1, 1]]);
    }
}

#[test]
fn connection_ids_live_for_one_to_two_hours() {
    let Some(tracker) = tracker() else { return };
    let mut client = tracker.udp();
    let id = client.id();
    for _ in 0..2 {
        tracker.advance(29 * MINUTE);
        assert!(takes(&client, id), "an id is good for an hour at least");
    }
    tracker.advance(HOUR + 3 * MINUTE);
    assert!(!takes(&client, id), "an id is not good after two hours");
    let new = client.connect();
    assert_ne!(id, new);
    assert!(takes(&client, new));
    // Nor does it ever become good again.
    for _ in 0..30 {
        tracker.advance(HOUR);
        assert!(!takes(&client, id));
        assert!(takes(&client, client.connect()));
    }
}

#[test]
fn connection_ids_are_for_one_address() {
    let tracker = Tracker::start();
    let (mut one, mut two) = (tracker.udp_from([127, 0, 0, 1]), tracker.udp_from([127, 0, 0, 2]));
    assert_ne!(one.id(), two.id());
    assert!(takes(&one, one.connect()));
    assert!(!takes(&two, one.connect()));
    // Another run has another secret.
    let again = Tracker::start();
    assert!(!takes(&again.udp(), tracker.udp().connect()));
}

/// Whether a scrape is answered with this connection id.
fn takes(client: &Client, id: u64) -> bool {
    let reply = client.exchange(&harness::udp::scrape_packet(id, &[hash(1)]), SOON).expect("an answer");
    assert_eq!(reply.get(4..8), Some(&TRANSACTION.to_be_bytes()[..]));
    match reply[3] {
        2 => true,
        3 => false,
        other => panic!("an answer of action {other}"),
    }
}

#[test]
fn statistics_count_the_minutes_between_announces() {
    let Some(tracker) = tracker() else { return };
    tracker.udp().announce(&Announce::new(hash(1), 1));
    tracker.advance(5 * MINUTE);
    tracker.udp().announce(&Announce::new(hash(1), 1));
    tracker.advance(30 * MINUTE);
    tracker.udp().announce(&Announce::new(hash(1), 1));
    let page = tracker.get("/stats?mode=renew").text();
    // The clock that runs on by itself may have passed into the next minute.
    let around = |minutes: [&str; 2]| minutes.iter().any(|minute| page.contains(&format!("{minute} 1\n")));
    assert!(around(["05", "06"]) && around(["30", "31"]), "{page}");
}
