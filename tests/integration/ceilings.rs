//! Ceilings: the most torrents and peers that there may be. What is new beyond is answered as if it were stored, but takes no place of
//! its own: a torrent with one peer or none makes room for it, or it is not stored.

use crate::harness::udp::Announce;
use crate::harness::{Starter, Tracker, clock_or_skip, hash, percent};

/// Seconds.
const MINUTE: i64 = 60;

fn tracker(settings: &str) -> Tracker {
    Starter::new().file("ceilings", settings.as_bytes()).args(["-f", "ceilings"]).allow((0..300).map(hash)).start()
}

/// Torrents and peers that are stored.
fn stored(tracker: &Tracker) -> [u64; 2] {
    let number = |mode: &str| {
        let page = tracker.get(&format!("/stats?mode={mode}")).body().to_vec();
        let line = page.split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
        String::from_utf8(line).expect("digits").parse().expect("a number")
    };
    [number("torr"), number("peer")]
}

/// A leecher announces; it must be counted and be among the peers of the answer. Returns how many leechers the answer counts.
fn announce(tracker: &Tracker, torrent: u64, port: u16) -> u32 {
    let answer = tracker.udp().announce(&Announce::new(hash(torrent), port));
    assert!(answer.peers.iter().any(|peer| peer.port() == port), "{torrent}, {port}: {answer:?}");
    answer.leechers
}

/// Which of these torrents have a peer that is stored.
fn with_peers(tracker: &Tracker, torrents: std::ops::Range<u64>) -> Vec<u64> {
    let there = |n: &u64| tracker.udp().scrape(&[hash(*n)])[0] != [0; 3];
    torrents.filter(there).collect()
}

#[test]
fn those_announced_to_longest_ago_make_room_for_new_torrents() {
    if !clock_or_skip() {
        return;
    }
    let tracker = tracker("tracker.max_torrents 100\n");
    (0..50).for_each(|n| assert_eq!(announce(&tracker, n, 1), 1));
    (0..10).for_each(|n| assert_eq!(announce(&tracker, n, 2), 2));
    tracker.advance(5 * MINUTE);
    (50..100).for_each(|n| assert_eq!(announce(&tracker, n, 1), 1));
    // these are announced to again
    (10..20).for_each(|n| assert_eq!(announce(&tracker, n, 1), 1));
    assert_eq!(stored(&tracker), [100, 110]);
    assert!(!tracker.stderr().contains("max_torrents"));
    (100..115).for_each(|n| assert_eq!(announce(&tracker, n, 1), 1));
    assert_eq!(stored(&tracker), [100, 110]);
    let there = with_peers(&tracker, 0..115);
    assert_eq!(there.iter().filter(|n| (20..50).contains(*n)).count(), 15, "{there:?}");
    assert_eq!(there.len(), 100);
    assert_eq!(tracker.stderr().matches("Warning: tracker.max_torrents is reached").count(), 1);
    let page = String::from_utf8_lossy(tracker.get("/stats?mode=version").body()).into_owned();
    assert!(page.ends_with("\nmax_torrents 100: 0 announces not stored, 15 torrents made room\n"), "{page}");
}

#[test]
fn torrents_with_several_peers_stay_and_new_ones_are_answered() {
    let tracker = tracker("tracker.max_torrents 3\n");
    (0..3).for_each(|n| assert_eq!([announce(&tracker, n, 1), announce(&tracker, n, 2)], [1, 2]));
    (3..10).for_each(|n| assert_eq!(announce(&tracker, n, 1), 1));
    let reply = tracker.get(&format!("/announce?info_hash={}&port=7&left=1", percent(&hash(11))));
    assert!(reply.body().windows(14).any(|bytes| bytes == b"10:incompletei"), "{:?}", reply.body().escape_ascii());
    assert_eq!((stored(&tracker), with_peers(&tracker, 0..12)), ([3, 6], vec![0, 1, 2]));
    assert_eq!(announce(&tracker, 0, 3), 3, "peers of those that are there have places");
    // one that has a single peer again makes room
    tracker.udp().announce(&Announce { event: 3, ..Announce::new(hash(2), 1) });
    announce(&tracker, 4, 1);
    announce(&tracker, 4, 1);
    assert_eq!(with_peers(&tracker, 0..12), [0, 1, 4]);
    assert_eq!(tracker.stderr().matches("Warning: tracker.max_torrents is reached").count(), 1);
}

#[test]
fn peers_beyond_the_ceiling_are_answered_but_not_stored() {
    let tracker = tracker("tracker.max_peers 6\n");
    (1..5).for_each(|port| assert_eq!(announce(&tracker, 0, port), u32::from(port)));
    announce(&tracker, 1, 1);
    announce(&tracker, 1, 2);
    (10..20).for_each(|port| assert_eq!(announce(&tracker, 0, port), 5));
    assert_eq!(announce(&tracker, 2, 1), 1);
    assert_eq!((stored(&tracker), with_peers(&tracker, 0..3)), ([2, 6], vec![0, 1]));
    // those that are there are served, and when one leaves there is room
    (1..5).for_each(|port| assert_eq!(announce(&tracker, 0, port), 4));
    tracker.udp().announce(&Announce { event: 3, ..Announce::new(hash(1), 2) });
    assert_eq!(announce(&tracker, 2, 1), 1);
    // two torrents of one peer each: one makes room for a peer of a third
    assert_eq!([announce(&tracker, 0, 10), announce(&tracker, 0, 10)], [5, 5]);
    assert_eq!((stored(&tracker)[1], with_peers(&tracker, 0..3).len()), (6, 2));
    assert_eq!(tracker.stderr().matches("Warning: tracker.max_peers is reached").count(), 1);
}

#[test]
fn a_torrent_has_no_more_peers_than_a_torrent_may_have() {
    let tracker = tracker("tracker.max_peers_per_torrent 100\n");
    let mut client = tracker.udp();
    for port in 1..=300_u16 {
        let answer = client.announce(&Announce { numwant: 0, ..Announce::new(hash(0), port) });
        assert_eq!(answer.leechers, u32::from(port.min(101)));
    }
    assert_eq!((stored(&tracker), announce(&tracker, 1, 1)), ([1, 100], 1));
    assert_eq!(client.announce(&Announce::new(hash(0), 100)).leechers, 100, "it is there already");
    client.announce(&Announce { event: 3, ..Announce::new(hash(0), 100) });
    assert_eq!(client.announce(&Announce::new(hash(0), 200)).leechers, 100);
    assert_eq!(client.announce(&Announce::new(hash(0), 201)).leechers, 101);
    assert_eq!(stored(&tracker), [2, 101]);
    assert_eq!(tracker.stderr().matches("Warning: tracker.max_peers_per_torrent is reached").count(), 1);
}

#[test]
fn a_flood_of_hashes_takes_no_more_places_than_there_may_be() {
    let tracker = tracker("tracker.max_torrents 1000\ntracker.max_peers 1500\n");
    (0..20).for_each(|n| assert_eq!([announce(&tracker, n, 1), announce(&tracker, n, 2)], [1, 2]));
    let mut client = tracker.udp();
    let id = client.id();
    let hashes = if tracker.build().has("accesslist-white") { 300 } else { 20_000 };
    for burst in 0..hashes / 100 {
        for n in 0..100 {
            let torrent = hash(20 + (burst * 100 + n) % (hashes - 20));
            client.send(&Announce { numwant: 0, ..Announce::new(torrent, 1) }.packet(id));
        }
        let answered = (0..100).filter(|_| client.receive(crate::harness::SOON).is_some()).count();
        assert_eq!(answered, 100);
        let [torrents, peers] = stored(&tracker);
        assert!(torrents <= 1000 && peers <= 1500, "{torrents} torrents, {peers} peers");
    }
    assert_eq!(with_peers(&tracker, 0..20).len(), 20);
}
