//! Each rule of who stays, who leaves and what is counted, for all families of addresses.

use super::super::peers::PeerStore;
use super::super::{Counts, Cursor, InfoHash, PeerState, PeerStatus, Swarms, Totals};
use super::{DONE, LEECH, SEED, Tested, peer, same_prefix, spread};
use crate::limits::{SWARM_CHUNK, SWARM_PEERS_A_STEP, SWARM_RETURNED_A_STEP};

const START: u32 = 29_000_000;

fn expire_all<F: Tested>(swarms: &mut Swarms<F>, now: u32) {
    while !swarms.expire(now, 64) {}
}

fn minute_of<F: Tested>(swarms: &Swarms<F>, wanted: &InfoHash) -> Option<u32> {
    let mut found = None;
    swarms.walk(&mut Cursor::default(), usize::MAX, |hash, _, minute| {
        found = found.or((hash == wanted).then_some(minute));
    });
    found
}

fn counts(seeders: u32, leechers: u32, downloaded: u32) -> Counts {
    Counts { seeders, leechers, downloaded }
}

/// Swarms of one torrent with so many peers, every third seeding: inline, an array, paged.
fn swarm_of<F: Tested>(peers: u32) -> (Swarms<F>, InfoHash) {
    let (mut swarms, hash) = (Swarms::new(), spread(1));
    for n in 0..peers {
        swarms.announce(START, &hash, &peer(n), if n % 3 == 0 { SEED } else { LEECH });
    }
    (swarms, hash)
}

fn peers_leave_after_45_minutes<F: Tested>() {
    for peers in [1, 3, 100, 1000] {
        let (mut swarms, hash) = swarm_of::<F>(peers);
        let seeders = peers.div_ceil(3);
        assert_eq!(swarms.scrape(START + 44, &hash), Some(counts(seeders, peers - seeders, 0)));
        assert_eq!(
            swarms.totals(),
            Totals { torrents: 1, peers: peers.into(), seeders: seeders.into(), ..Totals::default() }
        );
        assert_eq!(swarms.scrape(START + 45, &hash), Some(counts(0, 0, 0)));
        assert_eq!(swarms.totals(), Totals { torrents: 1, peers: 0, seeders: 0, ..Totals::default() });
    }
}

/// Scraping many at a time is scraping them one by one, also where a touch removes some of them on the way.
fn many_are_scraped_as_one_by_one<F: Tested>() {
    let fill = |torrents: u32| {
        let mut swarms = Swarms::<F>::new();
        for n in 0..torrents {
            let minute = START + 20 * (n % 3);
            swarms.announce(minute, &spread(n.into()), &peer(n), if n % 5 == 0 { DONE } else { LEECH });
        }
        swarms
    };
    for torrents in [1, 16, 300, 5000] {
        let asked: Vec<_> = (0..torrents + 40).rev().map(|n: u32| (n % 7 != 3).then(|| spread(n.into()))).collect();
        let (mut together, mut single) = (fill(torrents), fill(torrents));
        for minute in [START + 40, START + 50, START + 96, START + 97, START + 200, START + 2000] {
            let mut found = Vec::new();
            let hashes = asked.iter().map(|hash| hash.as_ref().map(|hash| &hash.0));
            together.scrape_each(minute, hashes, |counts| found.push(counts));
            let expect: Vec<_> = asked.iter().map(|hash| single.scrape(minute, hash.as_ref()?)).collect();
            assert_eq!(found, expect, "{torrents} torrents after {} minutes", minute - START);
            assert_eq!(together.totals(), single.totals());
        }
    }
}

fn an_announce_keeps_a_peer_and_replaces_its_kind<F: Tested>() {
    for peers in [1, 3, 100, 1000] {
        let (mut swarms, hash) = swarm_of::<F>(peers);
        let (announced, torrent) = swarms.announce(START + 30, &hash, &peer(0), LEECH);
        assert_eq!(announced.peer, PeerStatus::Known { minutes_ago: 30 });
        assert_eq!(torrent.counts().seeders, peers.div_ceil(3) - 1);
        assert_eq!(swarms.scrape(START + 74, &hash), Some(counts(0, 1, 0)));
        let (announced, torrent) = swarms.announce(START + 75, &hash, &peer(0), SEED);
        assert_eq!(announced.peer, PeerStatus::New);
        assert_eq!(torrent.counts(), counts(1, 0, 0));
    }
}

fn a_download_counts_once_per_peer_and_only_for_seeders<F: Tested>() {
    for others in [0, 1, 50, 1000] {
        let (mut swarms, hash) = swarm_of::<F>(others);
        let who = peer(5000);
        let odd = PeerState { seeding: false, completed: true };
        let mut newly = |now, what| swarms.announce(now, &hash, &who, what).0.newly_completed;
        assert!(!newly(START, odd));
        assert!(newly(START + 1, DONE));
        assert!(!newly(START + 2, DONE));
        assert!(!newly(START + 3, LEECH));
        assert!(!newly(START + 4, DONE));
        // A peer that left and came back is a new one.
        assert!(swarms.stop(&hash, &who).unwrap().0);
        let (announced, torrent) = swarms.announce(START + 5, &hash, &who, DONE);
        assert!(announced.newly_completed);
        assert_eq!(torrent.counts().downloaded, 2);
        // So is one that was away for too long.
        assert!(swarms.announce(START + 50, &hash, &who, DONE).0.newly_completed);
        assert_eq!(swarms.scrape(START + 50, &hash).unwrap().downloaded, 3);
    }
}

fn a_stop_removes_without_cleaning<F: Tested>() {
    for peers in [3, 100, 1000] {
        let (mut swarms, hash) = swarm_of::<F>(peers);
        let seeders = peers.div_ceil(3);
        assert_eq!(swarms.stop(&spread(2), &peer(0)), None);
        let left = counts(seeders - 1, peers - seeders, 0);
        assert_eq!(swarms.stop(&hash, &peer(0)), Some((true, left)));
        assert_eq!(swarms.stop(&hash, &peer(0)), Some((false, left)));
        assert_eq!(minute_of(&swarms, &hash), Some(START));
        for n in 1..peers {
            swarms.stop(&hash, &peer(n));
        }
        assert_eq!(swarms.totals(), Totals { torrents: 1, peers: 0, seeders: 0, ..Totals::default() });
    }
}

fn the_stored_minute_follows_announces_and_cleanings<F: Tested>() {
    let (mut swarms, hash) = swarm_of::<F>(1);
    assert_eq!(minute_of(&swarms, &hash), Some(START));
    expire_all(&mut swarms, START + 10);
    assert_eq!(minute_of(&swarms, &hash), Some(START + 10));
    swarms.scrape(START + 12, &hash);
    assert_eq!(minute_of(&swarms, &hash), Some(START + 12));
    swarms.stop(&hash, &peer(0));
    expire_all(&mut swarms, START + 12);
    assert_eq!(minute_of(&swarms, &hash), Some(START + 12), "not yet a minute later");
    expire_all(&mut swarms, START + 13);
    assert_eq!(minute_of(&swarms, &hash), Some(START + 13 - 45));
    expire_all(&mut swarms, START + 13);
    assert_eq!(swarms.totals().torrents, 1, "45 minutes are not more than 45");
    expire_all(&mut swarms, START + 14);
    assert_eq!(swarms.totals().torrents, 0);
    assert_eq!(swarms.scrape(START + 14, &hash), None);
}

fn a_touch_removes_as_a_walk_does<F: Tested>() {
    let (mut swarms, hash) = swarm_of::<F>(1);
    assert_eq!(swarms.scrape(START + 46, &hash), Some(counts(0, 0, 0)));
    assert_eq!(swarms.scrape(START + 47, &hash), None);
    assert_eq!(swarms.totals().torrents, 0);
}

fn downloaded_torrents_stay_for_a_day<F: Tested>() {
    let (mut swarms, hash) = (Swarms::<F>::new(), spread(1));
    swarms.announce(START, &hash, &peer(0), DONE);
    expire_all(&mut swarms, START + 46);
    let stored = START + 1;
    assert_eq!(minute_of(&swarms, &hash), Some(stored));
    expire_all(&mut swarms, stored + 1440);
    assert_eq!(minute_of(&swarms, &hash), Some(stored), "nothing moves it but an announce");
    assert_eq!(swarms.scrape(stored + 1440, &hash), Some(counts(0, 0, 1)));
    assert_eq!(swarms.scrape(stored + 1441, &hash), None);
}

fn an_announce_revives<F: Tested>() {
    for peers in [1, 1000] {
        let (mut swarms, hash) = swarm_of::<F>(peers);
        swarms.announce(START, &hash, &peer(0), DONE);
        let (announced, torrent) = swarms.announce(START + 5000, &hash, &peer(0), LEECH);
        assert_eq!(announced.peer, PeerStatus::New);
        assert_eq!(torrent.counts(), counts(0, 1, 1));
        assert_eq!(minute_of(&swarms, &hash), Some(START + 5000));
    }
}

fn a_clock_that_goes_back_passes_no_time<F: Tested>() {
    for peers in [2, 1000] {
        let (mut swarms, hash) = swarm_of::<F>(peers);
        let (announced, torrent) = swarms.announce(START - 100, &hash, &peer(0), SEED);
        assert_eq!(announced.peer, PeerStatus::Known { minutes_ago: 0 });
        assert_eq!(torrent.counts().seeders, peers.div_ceil(3));
        expire_all(&mut swarms, START - 1000);
        assert_eq!(minute_of(&swarms, &hash), Some(START));
        assert_eq!(swarms.totals().peers, peers.into());
    }
}

fn no_jump_makes_the_old_look_young<F: Tested>() {
    for peers in [1, 3, 100, 1000] {
        for jump in (45..200).chain([1 << 16, 1 << 31]) {
            let (mut swarms, hash) = swarm_of::<F>(peers);
            let (_, torrent) = swarms.announce(START + jump, &hash, &peer(9999), LEECH);
            assert_eq!(torrent.counts(), counts(0, 1, 0), "{peers} peers, {jump} minutes");
            let (announced, _) = swarms.announce(START + jump, &hash, &peer(0), LEECH);
            assert_eq!(announced.peer, PeerStatus::New);
        }
    }
}

fn restored_torrents_are_as_they_were<F: Tested>() {
    let (mut swarms, hash) = swarm_of::<F>(1);
    assert!(!swarms.restore(&hash, START - 5, 7));
    assert!(swarms.restore(&spread(2), START - 5, 7));
    assert!(!swarms.restore(&spread(2), START, 8));
    assert_eq!(minute_of(&swarms, &spread(2)), Some(START - 5));
    assert_eq!(swarms.totals().torrents, 2);
    let (_, torrent) = swarms.announce(START, &spread(2), &peer(0), SEED);
    assert_eq!(torrent.counts(), counts(1, 0, 7));
}

fn a_multitude_comes_and_goes<F: Tested>() {
    for name in [spread, same_prefix] {
        let mut swarms = Swarms::<F>::new();
        for n in 0..50_000u64 {
            swarms.announce(START + (n / 1000) as u32, &name(n), &peer(n as u32), SEED);
        }
        assert_eq!(swarms.totals(), Totals { torrents: 50_000, peers: 50_000, seeders: 50_000, ..Totals::default() });
        for n in (0..50_000).step_by(7) {
            assert_eq!(swarms.scrape(START + 20, &name(n)), Some(counts(1, 0, 0)));
        }
        assert_eq!(swarms.scrape(START + 20, &name(50_000)), None);
        expire_all(&mut swarms, START + 49 + 46);
        expire_all(&mut swarms, START + 49 + 48);
        assert_eq!(swarms.totals(), Totals::default());
        assert_eq!(swarms.torrents.pages(), 1);
    }
}

fn a_huge_swarm_comes_and_goes<F: Tested>() {
    let (mut swarms, hash) = (Swarms::<F>::new(), spread(1));
    let all = 40_000u32;
    for n in 0..all {
        swarms.announce(START + n / 1000, &hash, &peer(n), LEECH);
    }
    for passed in 0..40 {
        let now = START + 45 + passed;
        let left = all.saturating_sub((passed + 1) * 1000);
        assert_eq!(swarms.scrape(now, &hash), Some(counts(0, left, 0)));
        if passed % 3 == 0 {
            expire_all(&mut swarms, now);
        }
    }
    expire_all(&mut swarms, START + 200);
    expire_all(&mut swarms, START + 202);
    assert_eq!(swarms.totals(), Totals::default());
    assert!(swarms.store.is_settled());
}

/// Most chunks run empty when the last of their torrents leave: all at about the same time.
fn memory_goes_back_in_bounded_steps<F: Tested>() {
    const SLICE: usize = 1000;
    let mut swarms = Swarms::<F>::new();
    for n in 0..200_000 {
        swarms.announce(START, &spread(n), &peer(1), LEECH);
    }
    for now in [START + 46, START + 92] {
        let mut has_ended = false;
        while !has_ended {
            let before = swarms.bytes_held();
            has_ended = swarms.expire(now, SLICE);
            let returned = before.saturating_sub(swarms.bytes_held());
            assert!(returned <= SLICE * SWARM_RETURNED_A_STEP + 2 * SWARM_CHUNK, "{returned} bytes");
        }
    }
    assert!(swarms.bytes_held() < 2 * SWARM_CHUNK + 100_000, "{} bytes are left", swarms.bytes_held());
}

/// Otherwise a step over torrents of a hundred peers would take a hundred times as long as one over torrents of one.
fn peers_of_midsized_swarms_leave_in_bounded_steps<F: Tested>() {
    const SLICE: usize = 100;
    let mut swarms = Swarms::<F>::new();
    for n in 0..10_000 {
        swarms.announce(START, &spread(n / 100), &peer(n as u32 % 100), LEECH);
    }
    let mut has_ended = false;
    while !has_ended {
        let before = swarms.totals().peers;
        has_ended = swarms.expire(START + 46, SLICE);
        let left = (before - swarms.totals().peers) as usize;
        assert!(left <= SLICE * SWARM_PEERS_A_STEP + 100, "{left} at once");
    }
    assert_eq!(swarms.totals().peers, 0);
}

for_all_families! {
    peers_leave_after_45_minutes
    many_are_scraped_as_one_by_one
    an_announce_keeps_a_peer_and_replaces_its_kind
    a_download_counts_once_per_peer_and_only_for_seeders
    a_stop_removes_without_cleaning
    the_stored_minute_follows_announces_and_cleanings
    a_touch_removes_as_a_walk_does
    downloaded_torrents_stay_for_a_day
    an_announce_revives
    a_clock_that_goes_back_passes_no_time
    no_jump_makes_the_old_look_young
    restored_torrents_are_as_they_were
    a_multitude_comes_and_goes
    a_huge_swarm_comes_and_goes
    memory_goes_back_in_bounded_steps
    peers_of_midsized_swarms_leave_in_bounded_steps
}
