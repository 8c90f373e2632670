//! What a torrent and a peer cost in memory, and how long the longest operation takes. Run by hand,
//! each by itself, as memory that one leaves behind would hide what the next takes:
//! `cargo test --release --lib memory_of_one_ipv4_peer -- --ignored --nocapture`

use super::super::{Random, Swarms};
use super::{LEECH, SEED, peer, spread};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Time that this thread was running, so that what else the machine does is left out.
fn running() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Bytes of this process that are in memory.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096.0
}

const START: u32 = 29_000_000;

fn memory<const N: usize>(torrents: u64, peers: u32) {
    let before = resident();
    let mut swarms = Swarms::<N>::new();
    for p in 0..peers {
        for t in 0..torrents {
            swarms.announce(START, &spread(t), &peer(p + t as u32 % 1000), LEECH);
        }
    }
    let grown = resident() - before;
    let all = torrents * u64::from(peers);
    println!(
        "{torrents} torrents x {peers} peers, {N} byte addresses: {:.1} bytes a torrent, {:.2} a peer",
        grown / torrents as f64,
        grown / all as f64
    );
    while !swarms.expire(START + 46, 1000) {}
    while !swarms.expire(START + 48, 1000) {}
    assert_eq!(swarms.totals().torrents, 0);
    println!("    when all have left, {:.1}% of that is still taken", 100.0 * (resident() - before) / grown);
}

#[test]
#[ignore = "measurement"]
fn memory_of_one_ipv4_peer() {
    memory::<4>(1_000_000, 1);
}

#[test]
#[ignore = "measurement"]
fn memory_of_one_ipv6_peer() {
    memory::<16>(1_000_000, 1);
}

#[test]
#[ignore = "measurement"]
fn memory_of_a_hundred_ipv4_peers() {
    memory::<4>(10_000, 100);
}

#[test]
#[ignore = "measurement"]
fn memory_of_a_hundred_ipv6_peers() {
    memory::<16>(10_000, 100);
}

#[test]
#[ignore = "measurement"]
fn memory_of_a_thousand_ipv4_peers() {
    memory::<4>(1000, 1000);
}

#[test]
#[ignore = "measurement"]
fn memory_of_a_huge_ipv4_swarm() {
    memory::<4>(1, 2_000_000);
}

#[test]
#[ignore = "measurement"]
fn time_of_growth_and_lookup() {
    let mut swarms = Swarms::<4>::new();
    let mut out = [0; 1200];
    let mut random = Random::new([1, 2]);
    let mut grown = 0u64;
    for to in [10_000u64, 1_000_000, 5_000_000] {
        let (mut longest, start) = (Vec::new(), running());
        for t in grown..to {
            let start = running();
            swarms.announce(START, &spread(t), &peer(t as u32 % 1000), SEED);
            longest.push((running() - start).as_nanos() as u32);
        }
        let each = (running() - start) / (to - grown) as u32;
        longest.sort_unstable();
        let tail: Vec<_> = longest.iter().rev().take(4).map(|&n| Duration::from_nanos(n.into())).collect();
        grown = to;
        let lookups = 200_000;
        let mut lookup = || {
            let numbers = (0..lookups).map(|_| random.below(to));
            let names: Vec<_> = numbers.map(|t| (spread(t), peer(t as u32 % 1000))).collect();
            let start = running();
            for (hash, peer) in &names {
                let (_, torrent) = swarms.announce(START, hash, peer, SEED);
                torrent.choose(50, &mut random, &mut out);
            }
            (running() - start) / lookups
        };
        let rounds: Vec<_> = (0..7).map(|_| lookup()).collect();
        let lookup = rounds.iter().min();
        println!(
            "to {to} torrents: {each:?} each, longest {tail:?}; announce of a known peer with its reply {lookup:?}"
        );
    }
    for step in 0..3 {
        let (mut longest, mut calls, start) = (Duration::ZERO, 0, running());
        loop {
            let start = running();
            let end = swarms.expire(START + 46 + 2 * step, 100);
            longest = longest.max(running() - start);
            calls += 1;
            if end {
                break;
            }
        }
        println!("walk {step}: {:?} in {calls} calls of 100 steps, longest {longest:?}", (running() - start));
    }
}
