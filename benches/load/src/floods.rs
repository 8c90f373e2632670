//! Floods: what honest clients notice while others do what they should not, what it costs, and whether it passes.
//!
//! Each row starts trackers anew. Honest clients announce known peers over UDP at random moments, some thousand a second; between their
//! requests the same thread does a bit of the flood, so both go on at once and none waits for the other's turn on the core.

use crate::packets::{PREFIXED, Peer, Request, SOURCES, Swarms};
use crate::random::{Choice, Random};
use crate::servers::{Places, Result, Server, Which};
use crate::sys::{self, BATCH, Datagrams};
use crate::udp::{Client, Outcome};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

/// Honest requests a second.
const RATE: f64 = 2000.0;

/// What the trackers hold.
const HELD: Swarms = Swarms { torrents: 10_000, peers_twice: 10, numwant: 30 };

/// Peers of one torrent, and torrents of one prefix, in the floods of these.
pub const MANY: u64 = 1_000_000;

/// How long floods last that have an end, or are to be quick. A million datagrams are sent in this time.
const SHORT: Duration = Duration::from_secs(2);

/// Connections opened in one step.
const OPENED: usize = 8;

/// What others do.
#[derive(Clone, Copy)]
enum Kind {
    Nothing,
    /// Connections that say nothing.
    Idle(usize),
    /// Connections that send a byte of their request now and then.
    Slow(usize),
    /// Connections that ask for everything and read nothing.
    Deaf(usize),
    /// Random datagrams.
    Noise,
    /// Requests for connection ids from 60,000 addresses.
    Connects,
    OneTorrent,
    OnePrefix,
    /// Clients that vanish in the middle of their request or answer.
    Vanishing(u64),
    Unlisted,
}

const ROWS: &[(&str, Kind)] = &[
    ("nothing", Kind::Nothing),
    ("5,000 idle connections", Kind::Idle(5000)),
    ("2,000 slow senders", Kind::Slow(2000)),
    ("500 full scrapes that nobody reads", Kind::Deaf(500)),
    ("random datagrams at full speed", Kind::Noise),
    ("connects from 60,000 addresses at full speed", Kind::Connects),
    ("1,000,000 peers of one torrent", Kind::OneTorrent),
    ("1,000,000 torrents with one 8-byte prefix", Kind::OnePrefix),
    ("300,000 clients that vanish", Kind::Vanishing(300_000)),
    ("unlisted announces at full speed", Kind::Unlisted),
];

/// A flood of one kind on one server.
struct Flood {
    kind: Kind,
    at: (Ipv4Addr, u16),
    random: Random,
    connections: Vec<TcpStream>,
    next: usize,
    done: u64,
    client: Client,
    socket: UdpSocket,
    datagrams: Datagrams,
}

impl Flood {
    fn new(kind: Kind, at: (Ipv4Addr, u16)) -> Result<Flood> {
        let mut client = Client::new(at.0, at.1)?;
        client.set_numwant(0);
        client.connect();
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let (random, datagrams) = (Random::new(7), Datagrams::new(128));
        Ok(Flood { kind, at, random, connections: Vec::new(), next: 0, done: 0, client, socket, datagrams })
    }

    /// Does a bit more of it.
    fn step(&mut self) {
        let mut number = self.done;
        let mut numbered = |most: u64, peer: fn(u64) -> Peer| {
            let some: Vec<_> = (number..most.min(number + BATCH as u64)).map(|n| Request::Announce(peer(n))).collect();
            number += some.len() as u64;
            some
        };
        match self.kind {
            Kind::Nothing => {}
            Kind::Idle(count) => self.open(count, b""),
            Kind::Slow(count) => {
                self.open(count, b"GET /announce?info_hash=");
                self.send_a_byte();
            }
            Kind::Deaf(count) => self.open(count, b"GET /scrape HTTP/1.0\r\n\r\n"),
            Kind::Noise => self.datagrams_from(1 << 16, |random, room| {
                let length = 16 + random.below(82) as usize;
                room[..length].iter_mut().for_each(|byte| *byte = random.below(256) as u8);
                // an action that there is, or all of it would be dropped at once
                room[8..12].copy_from_slice(&(random.below(3) as u32).to_be_bytes());
                length
            }),
            Kind::Connects => self.datagrams_from(60_000, |_, room| Request::Connect(0).write(0, 1, 0, room)),
            Kind::OneTorrent => {
                let some = numbered(MANY, |n| Peer { torrent: 0, number: 1000 + n });
                self.client.blast(some);
                self.done = number;
            }
            Kind::OnePrefix => {
                let some = numbered(MANY, |n| Peer { torrent: PREFIXED + n, number: 0 });
                self.client.blast(some);
                self.done = number;
            }
            Kind::Unlisted => {
                let some = numbered(u64::MAX, |n| Peer { torrent: (1 << 44) + n % 1_000_000, number: 0 });
                self.client.blast(some);
                self.done = number;
            }
            Kind::Vanishing(count) => (0..OPENED).for_each(|_| self.vanish(count)),
        }
    }

    /// Whether it still has something to do that must be done.
    fn goes_on(&self) -> bool {
        match self.kind {
            Kind::OneTorrent | Kind::OnePrefix => self.done < MANY,
            Kind::Vanishing(count) => self.done < count,
            Kind::Idle(count) | Kind::Slow(count) | Kind::Deaf(count) => self.connections.len() < count,
            _ => false,
        }
    }

    fn source(&mut self) -> Ipv4Addr {
        Ipv4Addr::from(0x7f01_0001 + self.random.below(u64::from(SOURCES)) as u32)
    }

    fn open(&mut self, count: usize, request: &[u8]) {
        for _ in 0..OPENED.min(count.saturating_sub(self.connections.len())) {
            let source = self.source();
            let Ok(mut stream) = sys::connect(source, self.at.0, self.at.1) else { return };
            // one whose connection is not made yet begins its request later, or never
            let _ = stream.write(request);
            self.connections.push(stream);
            self.done += 1;
        }
    }

    fn send_a_byte(&mut self) {
        if self.connections.is_empty() {
            return;
        }
        self.next = (self.next + 1) % self.connections.len();
        let _ = self.connections[self.next].write(b"%");
    }

    fn vanish(&mut self, count: u64) {
        if self.done >= count {
            return;
        }
        let source = self.source();
        if let Ok(mut stream) = sys::connect(source, self.at.0, self.at.1) {
            let request = b"GET /stats?mode=everything HTTP/1.1\r\nHost: x\r\n\r\n";
            let length = self.random.below(request.len() as u64 + 20) as usize;
            let _ = stream.write(&request[..length.min(request.len())]);
            if self.random.below(2) == 0 {
                sys::reset_at_close(&stream);
            }
            self.done += 1;
        }
    }

    /// Sends a batch of datagrams from so many addresses.
    fn datagrams_from(&mut self, sources: u64, mut write: impl FnMut(&mut Random, &mut [u8]) -> usize) {
        for _ in 0..BATCH {
            let source = Ipv4Addr::from(0x7f02_0001 + self.random.below(sources) as u32);
            let random = &mut self.random;
            self.datagrams.push(self.at.0, self.at.1, Some(source), |room| write(random, room));
        }
        self.done += self.datagrams.send(&self.socket) as u64;
        self.datagrams.clear();
        while self.datagrams.receive(&self.socket, false) > 0 {}
        self.datagrams.clear();
    }
}

/// One line of the table.
struct Line {
    row: &'static str,
    which: Which,
    /// Requests, datagrams or connections of the flood, a second.
    rate: f64,
    during: Outcome,
    after: Outcome,
    /// The most bytes that the process had in memory.
    memory: u64,
    descriptors: usize,
    has_ended: bool,
}

fn measure(places: &Places, row: &'static str, kind: Kind, which: Which, longest: Duration) -> Result<Line> {
    // what has an end is not measured for long beyond it
    let time = match kind {
        Kind::OneTorrent | Kind::OnePrefix | Kind::Vanishing(_) => longest.min(SHORT),
        _ => longest,
    };
    let mut server = Server::start(places, which, &HELD)?;
    server.fill(HELD.all());
    let mut flood = Flood::new(kind, server.address)?;
    let mut random = Random::new(3);
    let mut next = || Request::Announce(HELD.pick(Choice::Uniform, &mut random));
    let mut during = server.client.open(RATE, time, 1, &mut next, || flood.step());
    let began = during.time;
    while flood.goes_on() && during.time < 15 * time {
        let more = server.client.open(RATE, time / 4, 2, &mut next, || flood.step());
        during.add(&more);
    }
    let process = server.process();
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).map(Iterator::count).unwrap_or_default();
    let rate = flood.done as f64 / during.time.max(began).as_secs_f64();
    drop(flood);
    // what is on its way arrives
    server.client.open(RATE, time / 4, 3, &mut next, || ());
    let after = server.client.open(RATE, time / 2, 4, &mut next, || ());
    let has_ended = after.answered == 0;
    Ok(Line { row, which, rate, during, after, memory: most_resident(process), descriptors, has_ended })
}

/// The most bytes of a process that were in memory at once.
fn most_resident(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Measures all floods, or those whose title has this in it, and writes `floods.md`.
pub fn run(places: &Places, quick: bool, only: Option<&str>, out: &Path) -> Result<()> {
    let time = if quick { SHORT } else { Duration::from_secs(8) };
    let mut table = String::from(
        "| while | tracker | flood, 1/s | p50 us | p99 us | longest ms | lost of 1M | memory MiB | descriptors | \
         afterwards p99 us | lost of 1M |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for (row, kind) in ROWS.iter().filter(|(row, _)| only.is_none_or(|only| row.contains(only))) {
        for which in [Which::OursListed, Which::Original, Which::OriginalDual] {
            if !places.wants(which) {
                continue;
            }
            eprintln!("{row}: {}", which.title());
            match measure(places, row, *kind, which, time) {
                Ok(line) => line.write(&mut table),
                Err(error) => eprintln!("left out: {error}"),
            }
        }
    }
    print!("{table}");
    Ok(fs::write(out.join("floods.md"), table)?)
}

impl Line {
    fn write(&self, table: &mut String) {
        let micros = |time: Duration| time.as_micros();
        let lost =
            |outcome: &Outcome| outcome.sent.saturating_sub(outcome.answered) as f64 * 1e6 / outcome.sent.max(1) as f64;
        let Line { during, after, .. } = self;
        let latency = &during.latency;
        let end = if self.has_ended { " (it does not answer any more)" } else { "" };
        // writing to memory does not fail
        let _ = writeln!(
            table,
            "| {} | {}{end} | {:.0} | {} | {} | {} | {:.0} | {} | {} | {} | {:.0} |",
            self.row,
            self.which.title(),
            self.rate,
            micros(latency.quantile(0.5)),
            micros(latency.quantile(0.99)),
            latency.longest().as_millis(),
            lost(during),
            self.memory >> 20,
            self.descriptors,
            micros(after.latency.quantile(0.99)),
            lost(after)
        );
    }
}
