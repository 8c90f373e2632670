//! The state at work in a scenario, and what is measured of it.

use opentracker::limits::{UDP_BATCH, WALK_INTERVAL, WALK_PACE, WALK_SLICE};
use opentracker::swarm::{Families, InfoHash, PeerState, Random, Swarms};
use rustix::time::{ClockId, clock_gettime};
use std::net::IpAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

/// The minute in which everything begins.
const START: u32 = 29_000_000;

/// How long after the last torrent has gone memory may still go back to the system.
const GIVING_BACK: Duration = Duration::from_secs(10);

/// Makes an address.
pub type Addresses = fn(&mut Random) -> IpAddr;

/// The state at work, and what was measured of it.
///
/// Peers are numbered in the order in which they come; their swarm and endpoint follow from the number.
pub struct Run<F: Families> {
    state: Swarms<F>,
    addresses: Addresses,
    swarms: u64,
    peers: u64,
    /// Time since [`START`].
    now: Duration,
    /// Peers that have come, and how many came since those who stop now.
    arrived: u64,
    pub stopping_ago: u64,
    /// When the next walk begins; a walk is under way.
    next_walk: Duration,
    walking: bool,
    /// Batches of announces that were timed, how many announces they had in all, and slices of walks.
    announces: Pieces,
    announced: u64,
    walks: Pieces,
    /// Resident bytes before anything was there.
    pub baseline: f64,
    started: Instant,
}

/// What there is at a moment.
#[derive(Clone, Copy)]
pub struct Sample {
    bytes: f64,
    torrents: f64,
    peers: f64,
}

impl<F: Families> Run<F> {
    pub fn new(swarms: u64, peers: u64, addresses: Addresses) -> Self {
        let state = Swarms::new();
        Run {
            state,
            addresses,
            swarms,
            peers,
            now: Duration::ZERO,
            arrived: 0,
            stopping_ago: u64::MAX,
            next_walk: WALK_INTERVAL,
            walking: false,
            announces: Pieces::default(),
            announced: 0,
            walks: Pieces::default(),
            baseline: resident(),
            started: Instant::now(),
        }
    }

    /// What was timed so far belonged to the first fill.
    pub fn forget_times(&mut self) {
        (self.announces, self.walks, self.announced) = (Pieces::default(), Pieces::default(), 0);
    }

    fn minute(&self) -> u32 {
        START + (self.now.as_secs() / 60) as u32
    }

    /// The swarm and the endpoint of a peer: with one peer a torrent each has its own.
    fn peer(&self, number: u64) -> (InfoHash, F::Peer) {
        let mut random = numbered(number, 2);
        let swarm = match self.peers {
            1 => number,
            // all alike at first
            _ if number < self.swarms * self.peers => number % self.swarms,
            _ => random.below(self.swarms),
        };
        let address = (self.addresses)(&mut random);
        (name(swarm), F::peer(address, [26, 225]).unwrap_or_default())
    }

    /// Minutes in which so many peers come in each, evenly, and the walks go on.
    pub fn minutes(&mut self, minutes: u32, each_minute: u64) {
        let ticks = (60_000 / WALK_PACE.as_millis()) as u64;
        for _ in 0..minutes {
            let first = self.arrived;
            for tick in 1..=ticks {
                let due = first + each_minute * tick / ticks;
                if due - self.arrived >= UDP_BATCH as u64 || tick == ticks {
                    self.arrive(self.arrived..due);
                }
                self.tick();
            }
        }
    }

    /// Minutes in which no peer comes.
    pub fn idle_minutes(&mut self, minutes: u32) {
        let until = self.now + Duration::from_secs(60) * minutes;
        while self.now < until {
            self.tick();
        }
    }

    /// Four milliseconds pass; does a slice of the walk if one is under way.
    fn tick(&mut self) {
        self.now += WALK_PACE;
        if self.now >= self.next_walk && !self.walking {
            self.walking = true;
            self.next_walk = self.now + WALK_INTERVAL;
        }
        if self.walking {
            let (minute, state) = (self.minute(), &mut self.state);
            self.walking = !self.walks.time(|| state.expire(minute, WALK_SLICE));
        }
    }

    /// New peers announce, in batches; some of those who came a while ago stop.
    pub fn arrive(&mut self, numbers: Range<u64>) {
        let minute = self.minute();
        let mut first = numbers.start;
        while first < numbers.end {
            let end = numbers.end.min(first + UDP_BATCH as u64);
            let batch: Vec<_> = (first..end).map(|number| self.peer(number)).collect();
            self.announced += end - first;
            let state = &mut self.state;
            self.announces.time(|| {
                state.prefetch(batch.iter().map(|(hash, _)| *hash));
                for (number, (hash, endpoint)) in (first..end).zip(&batch) {
                    let what = PeerState { seeding: number % 4 == 0, completed: false };
                    let _ = state.announce(minute, hash, endpoint, what);
                }
            });
            let ago = |number: u64| number.saturating_sub(self.stopping_ago);
            (ago(first)..ago(end)).filter(|number| number % 5 == 0).for_each(|number| self.stop(number));
            first = end;
        }
        self.arrived = self.arrived.max(numbers.end);
    }

    pub fn stop(&mut self, number: u64) {
        let (hash, endpoint) = self.peer(number);
        self.state.stop(&hash, &endpoint);
    }

    pub fn sample(&self) -> Sample {
        let totals = self.state.totals();
        Sample { bytes: resident() - self.baseline, torrents: totals.torrents as f64, peers: totals.peers as f64 }
    }

    /// All leave; prints what was measured, a row of the table.
    pub fn finish(mut self, fill: Sample, steady: &[Sample]) {
        let full = self.sample();
        while self.state.totals().torrents > 0 {
            self.tick();
        }
        let at_once = resident() - self.baseline;
        let until = self.now + GIVING_BACK;
        while self.now < until {
            self.tick();
        }
        let later = resident() - self.baseline;

        let each = |sample: &Sample| sample.bytes / sample.peers;
        let steady: Vec<_> = steady.iter().map(each).collect();
        let share = |bytes: f64| 100.0 * bytes.max(0.0) / full.bytes;
        row([
            std::env::args().next_back().unwrap_or_default(),
            full.torrents.to_string(),
            full.peers.to_string(),
            format!("{:.2}", each(&fill)),
            format!("{:.2}", steady.iter().sum::<f64>() / steady.len() as f64),
            format!("{:.2}", steady.iter().copied().fold(0.0, f64::max)),
            format!("{:.0} ns", self.announces.total.as_nanos() as f64 / self.announced as f64),
            format!("{:.0} ms", self.walks.total.as_secs_f64() * 1000.0),
            format!("{:.0?}", self.announces.longest),
            format!("{:.0?}", self.walks.longest),
            format!("{:.1} %", share(at_once)),
            format!("{:.1} %", share(later)),
            format!("{:.0} s", self.started.elapsed().as_secs_f64()),
        ]);
    }
}

/// Pieces of work of one kind.
#[derive(Default)]
struct Pieces {
    total: Duration,
    longest: Duration,
}

impl Pieces {
    /// Takes the time that this thread runs for a piece.
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let start = running();
        let result = work();
        let took = running() - start;
        self.total += took;
        self.longest = self.longest.max(took);
        result
    }
}

fn running() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Two lines over the table. Bytes are those for each peer, which is each torrent where all have one: torrents whose only
/// peer has left are counted with those who are still there.
pub fn heading() {
    row(["", "", "", "bytes", "bytes", "bytes", "announce", "walks", "longest", "longest", "left", "left", "took"]
        .map(str::to_owned));
    row([
        "",
        "torrents",
        "peers",
        "filled",
        "steady",
        "highest",
        "",
        "",
        "batch",
        "slice",
        "at once",
        "10 s later",
        "",
    ]
    .map(str::to_owned));
}

fn row(columns: [String; 13]) {
    let [title, numbers @ ..] = columns;
    let numbers: Vec<_> = numbers.iter().map(|number| format!("{number:>10}")).collect();
    println!("{title:<15}{}", numbers.concat());
}

/// The info hash of a swarm, by its number.
fn name(number: u64) -> InfoHash {
    let mut random = numbered(number, 1);
    let mut bytes = [0; 20];
    bytes.chunks_exact_mut(4).for_each(|word| word.copy_from_slice(&(random.next_u64() as u32).to_le_bytes()));
    InfoHash(bytes)
}

/// Random numbers that belong to a number.
fn numbered(number: u64, kind: u64) -> Random {
    Random::new([number.wrapping_mul(0x9e37_79b9_7f4a_7c15), Random::new([number, kind]).next_u64()])
}

/// Bytes of this process that are in memory.
pub fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux with /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line about resident memory");
    let kilobytes: f64 = line.trim_end_matches("kB").trim().parse().expect("a number");
    kilobytes * 1024.0
}
