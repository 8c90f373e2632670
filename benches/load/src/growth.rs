//! What grows with the number of torrents: the cost of an announce, the memory, the longest wait for an answer.

use crate::histogram::Histogram;
use crate::meter;
use crate::packets::{Peer, Request, Swarms};
use crate::plan::Effort;
use crate::random::{Choice, Random};
use crate::servers::{Places, Result, Server, Which};

const WINDOW: usize = 96;

/// The waits for answers while something went on.
pub struct Waits {
    pub title: String,
    pub latency: Histogram,
}

/// The turns of one phase.
pub struct Turns {
    pub title: String,
    /// By the time on the wall.
    pub wall: Histogram,
    /// By the time that the thread was on a processor.
    pub processor: Histogram,
}

/// The results.
#[derive(Default)]
pub struct Growth {
    /// Torrents, microseconds an announce.
    pub costs: Vec<(u64, f64)>,
    /// What, bytes.
    pub memory: Vec<(String, f64)>,
    pub waits: Vec<Waits>,
    pub turns: Vec<Turns>,
}

/// So many torrents with one peer each.
pub fn alone(torrents: u64) -> Swarms {
    Swarms { torrents, peers_twice: 2, numwant: 30 }
}

/// The median processor time of an announce to one of so many torrents.
fn cost(server: &mut Server, torrents: u64, effort: Effort) -> f64 {
    let swarms = alone(torrents);
    let mut costs = Vec::new();
    for round in 0..effort.rounds {
        let mut random = Random::new(round as u64);
        let before = server.usage();
        let next = || Some(Request::Announce(swarms.pick(Choice::Uniform, &mut random)));
        let outcome = server.client.closed(WINDOW, effort.time, next);
        costs.push(server.usage().since(&before).processor.as_secs_f64() * 1e6 / outcome.answered.max(1) as f64);
    }
    costs.sort_by(f64::total_cmp);
    costs[costs.len() / 2]
}

/// Lets one tracker of ours grow.
pub fn run(places: &Places, effort: Effort) -> Result<Growth> {
    let mut growth = Growth::default();
    let sizes: &[u64] = if effort.quick { &[10_000, 1_000_000] } else { &[10_000, 1_000_000, 10_000_000] };
    noise(places, &mut growth)?;
    let mut server = Server::start(places, Which::Ours, &alone(10_000))?;
    let empty = meter::resident(server.process());
    let mut have = 0;
    for size in sizes {
        let new = (have..*size).map(|torrent| Peer { torrent, number: 0 });
        let outcome = server.fill(new);
        have = *size;
        eprintln!("{have} torrents");
        growth.waits.push(Waits { title: format!("growing to {have} torrents"), latency: outcome.latency });
        growth.costs.push((have, cost(&mut server, have, effort)));
        let bytes = meter::resident(server.process()).saturating_sub(empty) as f64 / have as f64;
        growth.memory.push((format!("a torrent, {have} torrents with one peer"), bytes));
    }
    drop(server);
    memories(places, &mut growth, effort)?;
    Ok(growth)
}

/// How long answers take on this machine from a server that does nothing.
fn noise(places: &Places, growth: &mut Growth) -> Result<()> {
    let swarms = alone(1_000_000);
    let mut floor = Server::start(places, Which::Floor, &swarms)?;
    let outcome = floor.fill(swarms.all());
    growth.waits.push(Waits { title: "the echo server, 1000000 announces".into(), latency: outcome.latency });
    Ok(())
}

/// Memory of torrents with one peer, and of those with 100.
fn memories(places: &Places, growth: &mut Growth, effort: Effort) -> Result<()> {
    let (small, large) = if effort.quick { (100_000, 10_000) } else { (1_000_000, 50_000) };
    let hundred = Swarms { torrents: large, peers_twice: 200, numwant: 0 };
    for which in [Which::OursDual, Which::Original, Which::OriginalDual] {
        let title = format!("a torrent, {small} torrents with one peer, {}", which.title());
        memory(places, growth, which, &alone(small), small, title)?;
    }
    for which in [Which::Ours, Which::OursDual, Which::Original, Which::OriginalDual] {
        let title = format!("a peer, {large} torrents with 100 peers, {}", which.title());
        memory(places, growth, which, &hundred, hundred.total(), title)?;
    }
    Ok(())
}

/// Adds what each of so many parts of some swarms takes with one tracker, if it is there.
fn memory(
    places: &Places,
    growth: &mut Growth,
    which: Which,
    swarms: &Swarms,
    parts: u64,
    title: String,
) -> Result<()> {
    if places.has(which) {
        let mut server = Server::start(places, which, swarms)?;
        let empty = meter::resident(server.process());
        server.fill(swarms.all());
        let bytes = meter::resident(server.process()).saturating_sub(empty) as f64 / parts as f64;
        growth.memory.push((title, bytes));
    }
    Ok(())
}
