//! What grows with the number of torrents: the cost of an announce, the memory, the longest wait for an answer.

use crate::histogram::Histogram;
use crate::meter;
use crate::packets::{Peer, Request, Swarms};
use crate::plan::Effort;
use crate::random::{Choice, Random};
use crate::servers::{Places, Result, Server, Which};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const WINDOW: usize = 96;
/// Requests a second that look on while something else is done.
const PROBES: f64 = 20_000.0;
/// How far the clock is moved so that all peers are too old.
const EXPIRED: i64 = 47 * 60;
/// It is over when less than one part in so many of the memory is kept.
const KEPT_SHARE: u64 = 10;
/// Two walks over all torrents are begun within that time.
const EXPIRY_TIME: Duration = Duration::from_secs(270);

/// The waits for answers while something went on.
pub struct Waits {
    pub title: String,
    pub latency: Histogram,
}

/// What came of it.
#[derive(Default)]
pub struct Growth {
    /// Torrents, microseconds an announce.
    pub costs: Vec<(u64, f64)>,
    /// What, bytes.
    pub memory: Vec<(String, f64)>,
    pub waits: Vec<Waits>,
}

fn alone(torrents: u64) -> Swarms {
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
    let latency = while_scraping(&mut server, have)?;
    growth.waits.push(Waits { title: format!("a full scrape of {have} torrents"), latency });
    drop(server);
    crowded(places, &mut growth, effort)?;
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

/// Memory of torrents with 100 peers.
fn crowded(places: &Places, growth: &mut Growth, effort: Effort) -> Result<()> {
    let torrents = if effort.quick { 10_000 } else { 50_000 };
    let swarms = Swarms { torrents, peers_twice: 200, numwant: 0 };
    for which in [Which::Ours, Which::Original] {
        if places.has(which) {
            let mut server = Server::start(places, which, &swarms)?;
            let empty = meter::resident(server.process());
            server.fill(swarms.all());
            let bytes = meter::resident(server.process()).saturating_sub(empty) as f64 / swarms.total() as f64;
            growth.memory.push((format!("a peer, {torrents} torrents with 100 peers, {}", which.title()), bytes));
        }
    }
    Ok(())
}

/// Announces while a client takes a full scrape.
fn while_scraping(server: &mut Server, torrents: u64) -> Result<Histogram> {
    let mut stream = TcpStream::connect(server.address)?;
    stream.write_all(b"GET /scrape HTTP/1.0\r\n\r\n")?;
    stream.set_nonblocking(true)?;
    let mut room = vec![0; 1 << 16];
    let mut taken = 0;
    let mut ended = false;
    let mut latency = Histogram::default();
    let mut random = Random::new(1);
    let start = Instant::now();
    while !ended && start.elapsed() < Duration::from_secs(60) {
        let next = || Request::Announce(alone(torrents).pick(Choice::Uniform, &mut random));
        let take = || match stream.read(&mut room) {
            Ok(0) => ended = true,
            Ok(count) => taken += count,
            Err(error) => ended |= error.kind() != ErrorKind::WouldBlock,
        };
        latency.merge(&server.client.open(PROBES, Duration::from_secs(1), 7, next, take).latency);
    }
    eprintln!("full scrape: {taken} bytes in {:.1} s", start.elapsed().as_secs_f64());
    Ok(latency)
}

/// Lets all torrents grow too old, in a build whose clock can be moved.
pub fn expiry(places: &Places, effort: Effort, growth: &mut Growth) -> Result<()> {
    let torrents: u64 = if effort.quick { 1_000_000 } else { 10_000_000 };
    let offset = places.scratch.join("clock");
    fs::write(&offset, 0i64.to_le_bytes())?;
    let mut server = Server::start_with_clock(places, &offset, &alone(10_000))?;
    let empty = meter::resident(server.process());
    server.fill(alone(torrents).all());
    let full = meter::resident(server.process()).saturating_sub(empty);
    // in place, since the tracker has the file mapped
    fs::OpenOptions::new().write(true).open(&offset)?.write_all(&EXPIRED.to_le_bytes())?;
    server.client.connect();
    let mut latency = Histogram::default();
    let start = Instant::now();
    let mut random = Random::new(1);
    while start.elapsed() < EXPIRY_TIME {
        // few torrents, so that they add nothing to speak of
        let next = || Request::Announce(alone(1000).pick(Choice::Uniform, &mut random));
        latency.merge(&server.client.open(PROBES, Duration::from_secs(5), 9, next, || ()).latency);
        let kept = meter::resident(server.process()).saturating_sub(empty);
        eprintln!("expiring: {:.0} s, {} MB", start.elapsed().as_secs_f64(), kept >> 20);
        if kept * KEPT_SHARE < full {
            break;
        }
    }
    let kept = meter::resident(server.process()).saturating_sub(empty);
    growth.memory.push((format!("percent kept after {torrents} torrents expired"), 100.0 * kept as f64 / full as f64));
    growth.waits.push(Waits { title: format!("expiring {torrents} torrents"), latency });
    Ok(())
}
