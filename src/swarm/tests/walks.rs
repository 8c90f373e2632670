//! Walks while everything around them changes.

use super::super::{Cursor, Dual, InfoHash, PeerCursor, Random, Swarms, V4, V6};
use super::{LEECH, Tested, peer, same_prefix, spread};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

const START: u32 = 29_000_000;

/// Torrents come and go by the thousand between the slices; those with even numbers stay.
fn walk_in_turmoil(name: fn(u64) -> InfoHash, slice: usize) {
    let mut swarms = Swarms::<V4>::new();
    let mut random = Random::new([1, 2]);
    let staying = 4000;
    for n in 0..staying {
        swarms.announce(START + 30, &name(2 * n), &peer(1), LEECH);
        swarms.announce(START, &name(2 * n + 1), &peer(1), LEECH);
    }
    let (mut cursor, mut seen, mut newest) = (Cursor::default(), Vec::new(), 10_001);
    for turn in 0.. {
        let before = seen.len();
        let end = swarms.walk(&mut cursor, slice, |hash, _, _| seen.push(*hash));
        assert!(seen.len() - before <= slice);
        if end {
            break;
        }
        for _ in 0..slice.min(50) {
            swarms.announce(START, &name(newest), &peer(1), LEECH);
            newest += 2;
        }
        if turn % 3 == 0 {
            // Odd ones leave: first their peers, then the torrents.
            let later = 46 + 2 * random.below(2) as u32;
            swarms.expire(START + later, slice * 4);
        }
    }
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]));
    for n in 0..staying {
        assert!(seen.binary_search(&name(2 * n)).is_ok(), "{n} was missed");
    }
    assert!(swarms.walk(&mut cursor, 5, |_, _, _| panic!("nothing comes after the end")));
}

#[test]
fn a_walk_visits_all_that_stay_once_in_order() {
    for slice in [1, 17, 1000] {
        walk_in_turmoil(spread, slice);
        walk_in_turmoil(same_prefix, slice);
    }
}

#[test]
fn a_walk_over_nothing_ends_at_once() {
    let swarms = Swarms::<V4>::new();
    assert!(swarms.walk(&mut Cursor::default(), 1, |_, _, _| panic!("nothing is there")));
    assert!(swarms.walk_peers(&mut PeerCursor::default(), 1, |_| panic!("nobody is there")));
}

/// Peers are told apart by their addresses here.
fn lone<F: Tested>(n: u32) -> F::Peer {
    let bits = n.wrapping_mul(0x9e37_79b1);
    let v6 = Ipv6Addr::from_bits(u128::from(bits) << 96 | 1);
    let address = if F::V4 && n % 4 < 2 { Ipv4Addr::from_bits(bits).into() } else { v6.into() };
    F::peer(address, [0; 2]).unwrap()
}

#[test]
fn a_walk_over_peers_visits_all_that_stay_once() {
    all_that_stay_are_visited_once::<V6>();
    all_that_stay_are_visited_once::<Dual>();
}

fn all_that_stay_are_visited_once<F: Tested>() {
    for slice in [1, 90, 5000] {
        let mut swarms = Swarms::<F>::new();
        // Torrent t holds peers 20,000 t and up; those with even numbers stay.
        let sizes = [1, 2, 200, 3000, 0, 6000, 7];
        let staying = |n: u32| n % 2 == 0;
        for (t, size) in (0..).zip(sizes) {
            swarms.restore(&same_prefix(t.into()), START, 1);
            for n in 20_000 * t..20_000 * t + size {
                swarms.announce(START, &same_prefix(t.into()), &lone::<F>(n), LEECH);
            }
        }
        let (mut cursor, mut seen) = (PeerCursor::default(), BTreeMap::new());
        let mut gone = 1;
        loop {
            let mut steps = 0;
            let end = swarms.walk_peers(&mut cursor, slice, |address| {
                *seen.entry(address).or_insert(0) += 1;
                steps += 1;
            });
            assert!(steps <= slice);
            if end {
                break;
            }
            for _ in 0..20.min(slice) {
                for t in [2, 3, 5] {
                    swarms.stop(&same_prefix(t.into()), &lone::<F>(20_000 * t + gone));
                    swarms.announce(START, &same_prefix(t.into()), &lone::<F>(20_000 * t + 6001 + gone), LEECH);
                }
                gone = (gone + 2) % 6000;
            }
            swarms.expire(START, 3);
        }
        assert!(seen.values().all(|&times| times == 1));
        for (t, size) in (0..).zip(sizes) {
            for n in (20_000 * t..20_000 * t + size).filter(|&n| staying(n)) {
                assert!(seen.contains_key(&F::endpoint(&lone::<F>(n)).0), "{n} was missed");
            }
        }
    }
}
