//! Whether every peer is equally likely to be chosen.

use super::super::peers::choose::run_of;
use super::super::{Chosen, Dual, Endpoint, PeerState, Random, Swarms, V4, V6};
use super::{LEECH, SEED, Tested, peer, spread, told, wanted};
use std::collections::BTreeMap;

const START: u32 = 29_000_000;

/// The value that chi-squared with so many degrees of freedom exceeds once in a million times (Wilson and Hilferty), where its
/// variance is so many times what it is for peers chosen one by one.
fn threshold(freedom: f64, variance: f64) -> f64 {
    let z = 4.753_424 * variance.sqrt();
    let part = 2.0 / (9.0 * freedom);
    freedom * (1.0 - part + z * part.sqrt()).powi(3)
}

/// Peers of a paged swarm come in runs, so how often one is chosen says something of those around it. The variance of chi-squared is then
/// the sum of the squares of these correlations: of the runs with one of two neighbours the other is in all but one, and so on.
fn variance_of_runs(wanted: usize) -> f64 {
    let run = run_of(wanted);
    1.0 + 2.0 * (1..run).map(|both| (both as f64 / run as f64).powi(2)).sum::<f64>()
}

/// Chooses over and over from a swarm of `fresh` peers, after as many `stale` ones have got too old.
fn is_fair<F: Tested>(fresh: u32, stale: u32, peers: usize, rounds: u32, kind: fn(u32) -> PeerState) {
    let (mut swarms, hash) = (Swarms::<F>::new(), spread(1));
    for n in 0..stale {
        swarms.announce(START, &hash, &peer(2 * n + 1), kind(n));
    }
    for minute in 0..40 {
        for n in (minute..fresh).step_by(40) {
            swarms.announce(START + 1 + minute, &hash, &peer(2 * n), kind(n));
        }
    }
    let mut times: BTreeMap<F::Peer, u32> = (0..fresh).map(|n| (peer(2 * n), 0)).collect();
    assert_eq!(times.len(), fresh as usize);
    let mut random = Random::new([2026, 11]);
    let mut out = vec![0; peers * 18];
    let (_, torrent) = swarms.announce(START + 45, &hash, &peer(0), kind(0));
    assert_eq!(torrent.counts().seeders + torrent.counts().leechers, fresh);
    let mut chosen = Chosen::default();
    for round in 0..rounds {
        chosen = torrent.choose(wanted(peers), &mut random, &mut out);
        let told = told::<F>(chosen, &out);
        assert_eq!(told.len(), peers);
        for peer in told {
            let times = times.get_mut(&peer).expect("stale or never there");
            // Distinct within a reply: nobody gains two in one round.
            assert!(*times & 0xffff != round + 1, "chosen twice");
            *times = (*times & 0xffff_0000) + 0x1_0000 + round + 1;
        }
    }
    for (is_v4, share) in [(true, chosen.v4 / 6), (false, chosen.v6 / 18)] {
        let of_family = times.iter().filter(|(peer, _)| F::endpoint(peer).0.is_ipv4() == is_v4);
        let times: Vec<u32> = of_family.map(|(_, times)| times >> 16).collect();
        let stale_of_family = (0..stale).filter(|n| F::endpoint(&peer(2 * n + 1)).0.is_ipv4() == is_v4).count();
        if !times.is_empty() {
            check_times(&times, stale_of_family, share, rounds);
        }
    }
}

/// Whether peers were chosen equally often, `share` of them in each of the rounds.
fn check_times(times: &[u32], stale: usize, share: usize, rounds: u32) {
    let fresh = times.len();
    let expected = f64::from(rounds) * share as f64 / fresh as f64;
    let squares: f64 = times.iter().map(|&n| (f64::from(n) - expected).powi(2)).sum();
    // Without putting back the variance is less by the share that is chosen.
    let chi = squares / expected / (1.0 - share as f64 / fresh as f64);
    let freedom = (fresh - 1) as f64;
    // Too even would be wrong as well.
    let in_runs = fresh + stale > 256 && fresh >= 4 * share;
    let variance = if in_runs { variance_of_runs(share) } else { 1.0 };
    assert!(chi < threshold(freedom, variance), "{chi} of {freedom}");
    let low = 2.0 * freedom - threshold(freedom, variance);
    assert!(chi > low, "{chi} of {freedom}");
}

fn leech(_: u32) -> PeerState {
    LEECH
}

fn mixed(n: u32) -> PeerState {
    if n % 4 < 3 { LEECH } else { SEED }
}

#[test]
fn choice_is_fair_in_an_array() {
    is_fair::<V4>(51, 0, 50, 20_000, leech);
    is_fair::<V6>(51, 0, 50, 20_000, leech);
    is_fair::<V4>(200, 0, 50, 20_000, leech);
}

#[test]
fn choice_is_fair_in_pages() {
    is_fair::<V4>(300, 0, 50, 20_000, leech);
    is_fair::<V6>(300, 0, 50, 20_000, leech);
    is_fair::<V4>(300, 0, 200, 20_000, leech);
    is_fair::<V4>(10_000, 0, 50, 40_000, leech);
    is_fair::<V6>(10_000, 0, 50, 40_000, leech);
    is_fair::<V4>(1000, 0, 8, 40_000, leech);
    is_fair::<V4>(2000, 0, 200, 20_000, leech);
}

#[test]
fn choice_is_fair_among_seeders_leechers_and_the_stale() {
    is_fair::<V4>(60, 300, 50, 20_000, mixed);
    is_fair::<V4>(1000, 1000, 50, 20_000, mixed);
    is_fair::<V6>(3000, 9000, 50, 20_000, mixed);
    is_fair::<V4>(300, 20_000, 74, 4000, mixed);
}

#[test]
fn choice_is_fair_within_each_of_two_families() {
    is_fair::<Dual>(90, 0, 50, 20_000, leech);
    is_fair::<Dual>(3000, 0, 50, 20_000, leech);
    is_fair::<Dual>(3000, 9000, 200, 20_000, mixed);
}

/// A swarm of several branches, and its peers in their order.
fn large_swarm() -> (Swarms<V4>, Vec<Endpoint<4>>) {
    let mut swarms = Swarms::new();
    let mut order: Vec<_> = (0..50_000).map(peer).collect();
    for one in &order {
        swarms.announce(START, &spread(1), one, LEECH);
    }
    order.sort();
    (swarms, order)
}

#[test]
fn a_reply_has_ten_runs_at_least_of_eight_peers_at_most() {
    let (mut swarms, order) = large_swarm();
    let (_, torrent) = swarms.announce(START, &spread(1), &peer(0), LEECH);
    let mut random = Random::new([1, 2]);
    let mut out = [0; 1200];
    for wanted in [5, 10, 30, 50, 74, 200] {
        let rounds = 1000;
        let mut runs = 0;
        for _ in 0..rounds {
            let bytes = torrent.choose(super::wanted(wanted), &mut random, &mut out).v4;
            assert_eq!(bytes, wanted * 6);
            let at = |record: &[u8]| {
                let (address, port) = (record[..4].try_into().unwrap(), record[4..].try_into().unwrap());
                order.binary_search(&Endpoint { address, port }).unwrap()
            };
            let mut chosen: Vec<usize> = out[..bytes].chunks_exact(6).map(at).collect();
            chosen.sort_unstable();
            assert!(chosen.windows(2).all(|two| two[0] < two[1]), "chosen twice");
            runs += 1 + chosen.windows(2).filter(|two| two[1] - two[0] > 1).count();
        }
        // Now and then two are next to each other.
        let least = wanted.min(10).max(wanted / 8);
        assert!(runs as f64 > 0.98 * (rounds * least) as f64, "{runs} for {wanted}");
    }
}

/// The first in order are in a run mostly because it came round from the last.
#[test]
fn the_first_in_order_are_chosen_as_often_as_any() {
    let (mut swarms, order) = large_swarm();
    let (_, torrent) = swarms.announce(START, &spread(1), &peer(0), LEECH);
    let mut random = Random::new([1, 2]);
    let mut out = [0; 1200];
    let [mut first, mut others] = [0, 0];
    for _ in 0..20_000 {
        torrent.choose(wanted(200), &mut random, &mut out);
        for record in out.chunks_exact(6) {
            let is_any_of =
                |peers: &[Endpoint<4>]| peers.iter().any(|p| p.address == record[..4] && p.port == record[4..]);
            first += i32::from(is_any_of(&order[..4]));
            others += i32::from(is_any_of(&order[20_000..20_004]));
        }
    }
    // Each would be 320 by chance, come together by threes or so; without the circle the first would be a hundred.
    assert!((220..420).contains(&first) && (220..420).contains(&others), "{first}, {others}");
}

/// Addresses in a row are mostly one network's, and who asks wants peers from all over the swarm.
#[test]
fn neighbours_on_the_network_do_not_come_together() {
    let (mut swarms, hash) = (Swarms::<V4>::new(), spread(1));
    let count: u32 = 10_240;
    let peer = |n: u32| Endpoint { address: (0x0a00_0000 + n).to_be_bytes(), port: [26, 225] };
    for n in 0..count {
        swarms.announce(START, &hash, &peer(n), LEECH);
    }
    let (_, torrent) = swarms.announce(START, &hash, &peer(0), LEECH);
    let mut random = Random::new([1, 2]);
    let mut out = [0; 50 * 6];
    // pairs of one network, by the bits that its addresses have in common
    let mut pairs = [(0, 30), (0, 24), (0, 22)];
    let rounds = 4000;
    for _ in 0..rounds {
        torrent.choose(wanted(50), &mut random, &mut out);
        let address = |record: &[u8]| u32::from_be_bytes([record[0], record[1], record[2], record[3]]);
        let addresses: Vec<u32> = out.chunks_exact(6).map(address).collect();
        for (at, one) in addresses.iter().enumerate() {
            for (found, bits) in &mut pairs {
                *found += addresses[..at].iter().filter(|other| (*other ^ one) >> (32 - *bits) == 0).count();
            }
        }
    }
    for (found, bits) in pairs {
        let network = f64::from(1u32 << (32 - bits)) - 1.0;
        let by_chance = f64::from(rounds) * 50.0 * 49.0 / 2.0 * network / f64::from(count - 1);
        // A twelfth of the pairs are neighbours in order, and these may happen to have no network in common.
        let ratio = found as f64 / by_chance;
        assert!((0.8..1.1).contains(&ratio), "{found} of {by_chance} in networks of /{bits}");
    }
}

#[test]
fn a_reply_takes_no_more_than_its_room() {
    let (mut swarms, hash) = (Swarms::<V4>::new(), spread(1));
    for n in 0..20 {
        swarms.announce(START, &hash, &peer(n), mixed(n));
    }
    let (_, torrent) = swarms.announce(START, &hash, &peer(0), LEECH);
    let mut random = Random::new([1, 2]);
    let mut out = [0; 100];
    assert_eq!(torrent.choose(wanted(50), &mut random, &mut out[..63]).v4, 60);
    assert_eq!(torrent.choose(wanted(50), &mut random, &mut out[..5]).v4, 0);
    assert_eq!(torrent.choose(wanted(0), &mut random, &mut out).v4, 0);
}
