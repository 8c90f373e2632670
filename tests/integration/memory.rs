//! Memory runs out: the tracker turns new peers away and goes on with those it has.

use crate::harness::udp::{Announce, Client, header};
use crate::harness::{
    self, Build, SOON, Starter, Tracker, clock_or_skip, eventually, hash, hex, ipv4_or_skip, percent,
};

/// Addresses that the process may have: enough for the reserve and one region of the heap, not for two.
const ADDRESSES: &str = "--as=290000000";

/// Torrents in the state file, which fill that region and a part of the next.
const TORRENTS: u64 = 1_100_000;

/// Announces a leecher for each of these torrents, answered or not; waits until all have been looked at.
fn pour(client: &mut Client, torrents: std::ops::Range<u64>) {
    /// Announces that any socket's buffer has room for.
    const BURST: u64 = 100;
    let id = client.id();
    let mut next = torrents.start;
    while next < torrents.end {
        (next..next + BURST)
            .for_each(|n| client.send(&Announce { numwant: 0, ..Announce::new(hash(n), 1) }.packet(id)));
        next += BURST;
        client.send(&header(harness::udp::MAGIC, 0));
        while client.receive(SOON).expect("an answer to a connect")[..4] != [0; 4] {}
    }
}

/// What a leecher of a torrent is answered.
fn announce(tracker: &Tracker, n: u64) -> u16 {
    tracker.get(&format!("/announce?info_hash={}&port=1&left=1", percent(&hash(n)))).code()
}

#[test]
fn new_peers_are_turned_away_while_memory_is_short() {
    if Build::under_test().has("accesslist-white") {
        return harness::for_another_build("needs torrents that are on no list");
    }
    if !ipv4_or_skip() || !clock_or_skip() {
        return;
    }
    let state: String = (0..TORRENTS).map(|n| format!("{}:99999999:1\n", hex(&hash(n)))).collect();
    let starter = Starter::new().wrap(["prlimit", ADDRESSES]).args(["-l", "state"]).file("state", state.as_bytes());
    let tracker = starter.start();
    assert_eq!(announce(&tracker, TORRENTS), 200);

    let (mut client, mut next) = (tracker.udp(), TORRENTS + 1);
    eventually("memory is short", || {
        pour(&mut client, next..next + 20_000);
        next += 20_000;
        announce(&tracker, next) == 500
    });
    assert_eq!(announce(&tracker, TORRENTS), 200, "a peer that has its place is served");
    assert_eq!(client.scrape(&[hash(TORRENTS)]), [[0, 0, 1]]);
    assert_eq!(tracker.get("/stats").code(), 200);

    // All leave, and what they took is there for others.
    tracker.advance(25 * 3600);
    eventually("there is room again", || {
        tracker.advance(121);
        announce(&tracker, next) == 200
    });
}
