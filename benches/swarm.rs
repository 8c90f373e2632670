//! What the steps of an announce cost.
#![allow(missing_docs)] // nothing here is for others to call

use divan::{Bencher, black_box};
use opentracker::limits::ANSWER_PIECE;
use opentracker::swarm::{Endpoint, InfoHash, PeerState, Random, Swarms, V4, Wanted};
use opentracker::sys::memory;

fn main() {
    memory::tune(ANSWER_PIECE);
    divan::main();
}

const START: u32 = 29_000_000;
const LEECH: PeerState = PeerState { seeding: false, completed: false };
const SEED: PeerState = PeerState { seeding: true, completed: false };

fn name(n: u64) -> InfoHash {
    let mut random = Random::new([n, 1]);
    let mut bytes = [0; 20];
    random.next_u64();
    for word in bytes.chunks_exact_mut(4) {
        word.copy_from_slice(&(random.next_u64() as u32).to_le_bytes());
    }
    InfoHash(bytes)
}

fn peer(n: u32) -> Endpoint<4> {
    Endpoint { address: n.wrapping_mul(0x9e37_79b1).to_be_bytes(), port: [26, 225] }
}

fn swarms(torrents: u64, peers: u32) -> Swarms<V4> {
    let mut swarms = Swarms::new();
    for t in 0..torrents {
        for p in 0..peers {
            // A quarter is seeding, at random.
            let what = if Random::new([u64::from(p), t]).next_u64() % 4 == 0 { SEED } else { LEECH };
            swarms.announce(START, &name(t), &peer(p), what);
        }
    }
    swarms
}

/// A known peer of any torrent announces.
#[divan::bench(args = [10_000, 1_000_000, 10_000_000])]
fn lookup(bencher: Bencher, torrents: u64) {
    let mut swarms = swarms(torrents, 1);
    let mut random = Random::new([1, 2]);
    let names: Vec<_> = (0..1 << 16).map(|_| name(random.below(torrents))).collect();
    let mut turn = 0;
    bencher.bench_local(|| {
        turn = (turn + 1) % names.len();
        let (_, torrent) = swarms.announce(START, &names[turn], &peer(0), LEECH);
        black_box(torrent.counts());
    });
}

/// Known peers of any torrents announce, in a batch of 64.
#[divan::bench(args = [(10_000, 1), (10_000, 200), (1_000_000, 1), (10_000_000, 1)])]
fn batch(bencher: Bencher, (torrents, peers): (u64, u32)) {
    let mut swarms = swarms(torrents, peers);
    let mut random = Random::new([1, 2]);
    let names: Vec<_> = (0..1 << 16).map(|_| name(random.below(torrents))).collect();
    let mut turn = 0;
    bencher.bench_local(|| {
        turn = (turn + 64) % names.len();
        let batch = &names[turn..turn + 64];
        swarms.prefetch(batch.iter().copied());
        for name in batch {
            let (_, torrent) = swarms.announce(START, name, &peer(0), LEECH);
            black_box(torrent.counts());
        }
    });
}

/// Seventy torrents are asked for.
#[divan::bench(args = [10_000, 1_000_000])]
fn scrape(bencher: Bencher, torrents: u64) {
    let mut swarms = swarms(torrents, if torrents > 100_000 { 1 } else { 5 });
    let mut random = Random::new([1, 2]);
    let names: Vec<_> = (0..70 << 10).map(|_| name(random.below(torrents))).collect();
    let mut turn = 0;
    bencher.bench_local(|| {
        turn = (turn + 70) % names.len();
        let hashes = names[turn..turn + 70].iter().map(|name| Some(&name.0));
        swarms.scrape_each(START, hashes, |counts| {
            black_box(counts);
        });
    });
}

/// A torrent is new.
#[divan::bench(args = [10_000, 1_000_000], sample_count = 1000, sample_size = 10)]
fn insert(bencher: Bencher, torrents: u64) {
    let mut swarms = swarms(torrents, 1);
    let mut next = torrents;
    bencher.bench_local(|| {
        next += 1;
        swarms.announce(START, &name(next), &peer(0), LEECH);
    });
}

/// A torrent is new among as many whose hashes begin with the same eight bytes.
#[divan::bench(args = [10_000, 1_000_000], sample_count = 1000, sample_size = 10)]
fn insert_prefixed(bencher: Bencher, torrents: u64) {
    let mut swarms = Swarms::<V4>::new();
    let prefixed = |n| {
        let mut name = name(n);
        name.0[..8].fill(7);
        name
    };
    for t in 0..torrents {
        swarms.announce(START, &prefixed(t), &peer(0), LEECH);
    }
    let mut next = torrents;
    bencher.bench_local(|| {
        next += 1;
        swarms.announce(START, &prefixed(next), &peer(0), LEECH);
    });
}

/// A known peer of a swarm announces and receives others.
#[divan::bench(args = [(5, 30), (5, 74), (200, 30), (200, 74), (1_000, 74), (1_000, 200), (100_000, 30), (100_000, 74), (100_000, 200)])]
fn choose(bencher: Bencher, (peers, wanted): (u32, usize)) {
    let mut swarms = swarms(1, peers);
    let mut random = Random::new([1, 2]);
    let mut out = [0; 2048];
    let (_, torrent) = swarms.announce(START, &name(0), &peer(0), LEECH);
    let wanted = Wanted { peers: wanted, family: None };
    bencher.bench_local(|| black_box(torrent.choose(wanted, &mut random, &mut out)));
}

/// A whole walk in which everybody leaves, a million peers of so many torrents.
#[divan::bench(args = [1_000_000, 10_000, 1], sample_count = 3)]
fn expire(bencher: Bencher, torrents: u64) {
    let peers = (1_000_000 / torrents) as u32;
    bencher.with_inputs(|| swarms(torrents, peers)).bench_local_values(|mut swarms| {
        while !swarms.expire(START + 46, 1000) {}
        swarms
    });
}
