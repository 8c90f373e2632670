//! What happens at the ceilings, for all families of addresses.

use super::super::{Limits, PeerStatus, Swarms};
use super::{LEECH, SEED, Tested, peer, spread};
use crate::limits::CEILING_CANDIDATES;

const START: u32 = 29_000_000;

fn limited<F: Tested>(limits: Limits) -> Swarms<F> {
    let mut swarms = Swarms::new();
    swarms.set_limits(limits);
    swarms
}

/// A peer announces to a torrent; whether it is stored then, and how many the torrent counts. A turn of the loop ends.
fn announce<F: Tested>(swarms: &mut Swarms<F>, now: u32, torrent: u64, n: u32) -> (bool, u32) {
    let (announced, told) = swarms.announce(now, &spread(torrent), &peer(n), LEECH);
    let outcome = (announced.peer != PeerStatus::NotStored, told.counts().leechers);
    swarms.find_candidates();
    outcome
}

fn is_there<F: Tested>(swarms: &Swarms<F>, torrent: u64) -> bool {
    swarms.entry(&spread(torrent)).is_some()
}

fn the_oldest_of_few_make_room<F: Tested>() {
    let mut swarms = limited::<F>(Limits { torrents: 100, ..Limits::NONE });
    // two minutes apart in no order of their names; the walk between does not make them look younger
    for n in 0..100 {
        announce(&mut swarms, START + n as u32 / 4, n, n as u32);
    }
    while !swarms.expire(START + 30, 64) {}
    for n in 0..40 {
        assert_eq!(announce(&mut swarms, START + 30, 1000 + n, 1), (true, 1));
        assert_eq!(swarms.totals().torrents, 100);
    }
    assert!((0..40).all(|n| !is_there(&swarms, n)) && (40..100).all(|n| is_there(&swarms, n)));
    assert_eq!(swarms.ceiling_counts().room_for_torrents, 40);
}

fn torrents_without_peers_make_room_before_those_with_one<F: Tested>() {
    let mut swarms = limited::<F>(Limits { torrents: 10, ..Limits::NONE });
    for n in 0..10 {
        announce(&mut swarms, START, n, 1);
        swarms.announce(START, &spread(n), &peer(1), SEED);
    }
    swarms.stop(&spread(7), &peer(1));
    while !swarms.expire(START + 1, 64) {}
    swarms.find_candidates();
    // what was found before is younger, and may be taken first
    for n in 10..14 {
        assert!(announce(&mut swarms, START + 2, n, 1).0);
    }
    assert!(!is_there(&swarms, 7));
}

fn where_peers_are_too_many_a_torrent_with_one_makes_room<F: Tested>() {
    let mut swarms = limited::<F>(Limits { peers: 5, ..Limits::NONE });
    (1..4).for_each(|n| assert_eq!(announce(&mut swarms, START, 0, n), (true, n)));
    assert!(announce(&mut swarms, START, 1, 1).0);
    swarms.stop(&spread(1), &peer(1));
    assert!(announce(&mut swarms, START, 2, 1).0 && announce(&mut swarms, START, 3, 1).0);
    // a torrent without peers does not help, and a torrent does not make room for itself
    assert_eq!(announce(&mut swarms, START + 1, 0, 9), (true, 4));
    assert!(is_there(&swarms, 1) && is_there(&swarms, 2) != is_there(&swarms, 3));
    let left = if is_there(&swarms, 2) { 2 } else { 3 };
    announce(&mut swarms, START + 1, left, 2);
    assert_eq!(announce(&mut swarms, START + 1, left, 2), (false, 2));
    assert_eq!((swarms.totals().torrents, swarms.totals().peers), (3, 5));
    assert!(swarms.ceiling_counts().peers >= 1 && swarms.ceiling_counts().room_for_peers == 1);
    // it is stored once it is there
    assert_eq!(announce(&mut swarms, START + 1, left, 1), (true, 1));
}

fn a_torrent_has_as_many_peers_as_it_may_have<F: Tested>() {
    for most in [1, 2, 3, 4, 100, 300, 1000] {
        let mut swarms = limited::<F>(Limits { peers_per_torrent: most.into(), ..Limits::NONE });
        for n in 0..most + 3 {
            assert_eq!(announce(&mut swarms, START, 0, n), (n < most, most.min(n) + 1), "{n} of {most}");
        }
        (0..most).for_each(|n| assert_eq!(announce(&mut swarms, START + 1, 0, n), (true, most)));
        swarms.stop(&spread(0), &peer(0));
        assert_eq!(announce(&mut swarms, START + 1, 0, most), (true, most));
        // all of them are too old, also where they were not cleaned yet
        assert_eq!(announce(&mut swarms, START + 46, 0, most + 1), (true, 1));
        assert_eq!(announce(&mut swarms, START + 46, 0, 1), (most > 1, 2));
        assert_eq!(swarms.ceiling_counts().peers_per_torrent, if most > 1 { 3 } else { 4 });
    }
}

fn a_flood_takes_no_more_places_than_there_are<F: Tested>() {
    let mut swarms = limited::<F>(Limits { torrents: 5000, peers: 6000, ..Limits::NONE });
    (0..500).for_each(|n| (0..2).for_each(|p| assert!(announce(&mut swarms, START, n, p).0)));
    for n in 1000..30_000 {
        swarms.announce(START + 1, &spread(n), &peer(n as u32), LEECH);
        if n % 64 == 0 {
            swarms.find_candidates();
        }
        assert!(swarms.totals().torrents <= 5000 && swarms.totals().peers <= 6000);
    }
    assert!((0..500).all(|n| is_there(&swarms, n)));
    assert!(swarms.ceilings.candidates.capacity() == CEILING_CANDIDATES + 1);
    let counts = swarms.ceiling_counts();
    assert!(counts.room_for_torrents + counts.room_for_peers > 20_000, "{counts:?}");
}

for_all_families! {
    the_oldest_of_few_make_room
    torrents_without_peers_make_room_before_those_with_one
    where_peers_are_too_many_a_torrent_with_one_makes_room
    a_torrent_has_as_many_peers_as_it_may_have
    a_flood_takes_no_more_places_than_there_are
}
