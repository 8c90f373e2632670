//! How long the turns of our loop take while it grows, serves a full scrape, and lets all torrents expire.
//!
//! In builds with `--cfg opentracker_turns` the tracker itself takes the times, into a file that is read and cleared here while
//! it runs (its src/sys/turns/measured.rs has the format).

use crate::growth::{Growth, Turns, Waits, alone};
use crate::histogram::Histogram;
use crate::meter;
use crate::packets::{Peer, Request};
use crate::plan::Effort;
use crate::random::{Choice, Random};
use crate::servers::{Places, Result, Server, Which};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Announces in flight while it grows: enough for full turns.
const WINDOW: usize = 512;
/// Requests a second that measure latency while something else is done.
const PROBES: f64 = 20_000.0;
/// How far the clock is moved so that all peers are too old.
const EXPIRED: i64 = 47 * 60;
/// It is over when less than one part in so many of the memory is kept.
const KEPT_SHARE: u64 = 10;
/// Two walks over all torrents are begun within that time.
const EXPIRY_TIME: Duration = Duration::from_secs(270);
/// Names the file.
pub const VARIABLE: &str = "OPENTRACKER_TURNS";
/// Bytes of a number in the file.
const WORD: usize = size_of::<u64>();

/// What adds turns to the report.
pub type Phase = fn(&Places, Effort, &mut Growth) -> Result<()>;

/// The file that a tracker counts its turns in.
struct Watch(PathBuf);

impl Watch {
    fn new(places: &Places) -> Result<Watch> {
        let watch = Watch(places.scratch.join("turns"));
        fs::write(&watch.0, [])?;
        watch.clear()?;
        Ok(watch)
    }

    /// Begins a phase.
    fn clear(&self) -> Result<()> {
        // in place, since the tracker has the file mapped
        let mut file = fs::OpenOptions::new().write(true).open(&self.0)?;
        Ok(file.write_all(&vec![0; 2 * Histogram::WORDS * WORD])?)
    }

    /// The turns since the phase began.
    fn turns(&self, title: String) -> Result<Turns> {
        let bytes = fs::read(&self.0)?;
        let words: Vec<u64> =
            bytes.chunks_exact(WORD).flat_map(|word| word.try_into().map(u64::from_ne_bytes)).collect();
        let (wall, processor) = words.split_at_checked(Histogram::WORDS).ok_or("too few times of turns")?;
        let turns = Turns { title, wall: Histogram::of(wall), processor: Histogram::of(processor) };
        if turns.processor.count() == 0 {
            return Err("the tracker took no times of its turns: it wants a build with --cfg opentracker_turns".into());
        }
        Ok(turns)
    }
}

/// Torrents at the end.
fn many(effort: Effort) -> u64 {
    if effort.quick { 1_000_000 } else { 10_000_000 }
}

/// All of these torrents, with one peer.
fn grow(server: &mut Server, torrents: u64) -> Histogram {
    let mut new = (0..torrents).map(|torrent| Request::Announce(Peer { torrent, number: 0 }));
    server.client.closed(WINDOW, Duration::from_secs(600), || new.next()).latency
}

/// Lets a tracker grow, and takes a full scrape of it. The echo server gets the same announces, to see what turns of nothing but
/// system calls take on this machine.
pub fn growing(places: &Places, effort: Effort, growth: &mut Growth) -> Result<()> {
    let torrents = many(effort);
    let watch = Watch::new(places)?;
    let mut floor = Server::start_with(places, Which::Floor, &[(VARIABLE, &watch.0)], &alone(10_000))?;
    grow(&mut floor, torrents);
    growth.turns.push(watch.turns(format!("the echo server gets {torrents} announces"))?);
    drop(floor);
    let mut server = Server::start_with(places, Which::OursTimed, &[(VARIABLE, &watch.0)], &alone(10_000))?;
    watch.clear()?;
    grow(&mut server, torrents);
    growth.turns.push(watch.turns(format!("growing to {torrents} torrents"))?);
    watch.clear()?;
    let latency = while_scraping(&mut server, torrents)?;
    let title = format!("a full scrape of {torrents} torrents");
    growth.turns.push(watch.turns(title.clone())?);
    growth.waits.push(Waits { title, latency });
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
pub fn expiring(places: &Places, effort: Effort, growth: &mut Growth) -> Result<()> {
    let torrents = many(effort);
    let offset = places.scratch.join("clock");
    fs::write(&offset, 0i64.to_le_bytes())?;
    let watch = Watch::new(places)?;
    let variables: [(_, &Path); 2] = [("OPENTRACKER_TEST_CLOCK", &offset), (VARIABLE, &watch.0)];
    let mut server = Server::start_with(places, Which::OursExpiring, &variables, &alone(10_000))?;
    let empty = meter::resident(server.process());
    grow(&mut server, torrents);
    let full = meter::resident(server.process()).saturating_sub(empty);
    watch.clear()?;
    // in place, since the tracker has the file mapped
    fs::OpenOptions::new().write(true).open(&offset)?.write_all(&EXPIRED.to_le_bytes())?;
    server.client.connect();
    let mut latency = Histogram::default();
    let start = Instant::now();
    let mut random = Random::new(1);
    let kept = loop {
        // few torrents, so that they take hardly any memory
        let next = || Request::Announce(alone(1000).pick(Choice::Uniform, &mut random));
        latency.merge(&server.client.open(PROBES, Duration::from_secs(5), 9, next, || ()).latency);
        let kept = meter::resident(server.process()).saturating_sub(empty);
        eprintln!("expiring: {:.0} s, {} MB", start.elapsed().as_secs_f64(), kept >> 20);
        if kept * KEPT_SHARE < full || start.elapsed() > EXPIRY_TIME {
            break kept;
        }
    };
    growth.memory.push((format!("percent kept after {torrents} torrents expired"), 100.0 * kept as f64 / full as f64));
    let title = format!("expiring {torrents} torrents");
    growth.turns.push(watch.turns(title.clone())?);
    growth.waits.push(Waits { title, latency });
    Ok(())
}
