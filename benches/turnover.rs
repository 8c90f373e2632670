//! What the state takes while torrents and peers come and go: `cargo bench --bench turnover`.
//!
//! Hours of turnover in a minute: the clock is an argument of the state, so it is moved. Each scenario runs in a process
//! of its own and measures that process from outside (its resident memory), so that what one leaves in memory hides nothing
//! of the next, and any form of the state compares with any other. Walks that expire run as in the server: one every two
//! minutes, a slice every four milliseconds, announces in between.
//!
//!     cargo bench --bench turnover                                 # all scenarios
//!     cargo bench --bench turnover -- torrents-v4 swarms-v4        # these
//!     cargo bench --bench turnover -- --scale 5 torrents-v4        # with five times as many torrents: 10 million
#![allow(missing_docs)] // a program, not a library

use opentracker::limits::{UDP_BATCH, WALK_INTERVAL, WALK_PACE, WALK_SLICE};
use opentracker::swarm::{Dual, Families, InfoHash, PeerState, Random, Swarms, V4, V6};
use opentracker::sys::memory;
use rustix::time::{ClockId, clock_gettime};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// Set in the process that plays one scenario.
const CHILD: &str = "OPENTRACKER_TURNOVER";

/// The minute in which everything begins.
const START: u32 = 29_000_000;

/// Minutes of the first fill, in which no peer leaves yet.
const FILL: u32 = 45;

/// Minutes of turnover that follow.
const TURNOVER: u32 = 150;

/// Minutes for which a peer stays in the mean: 45, and until the walk comes by; where a fifth stop after 15, less.
const LIFE: f64 = 46.5;
const LIFE_WITH_STOPS: f64 = LIFE * 0.8 + 15.0 * 0.2;

/// The last minutes of the turnover: over them memory is averaged, and its highest value taken.
const STEADY: u32 = 47;

/// How long after the last torrent has gone memory may still go back to the system.
const GIVING_BACK: Duration = Duration::from_secs(10);

/// One thing to measure.
struct Scenario {
    name: &'static str,
    play: fn(scale: f64),
}

const SCENARIOS: [Scenario; 14] = [
    Scenario { name: "torrents-v4", play: |scale| turnover::<V4>(scaled(scale, 2_000_000), 1, v4) },
    Scenario { name: "torrents-v6", play: |scale| turnover::<V6>(scaled(scale, 2_000_000), 1, v6) },
    Scenario { name: "replaced-v4", play: |scale| replacement::<V4>(scaled(scale, 1_000_000), v4) },
    Scenario { name: "replaced-v6", play: |scale| replacement::<V6>(scaled(scale, 1_000_000), v6) },
    Scenario { name: "swarms-v4", play: |scale| turnover::<V4>(scaled(scale, 20_000), 100, v4) },
    Scenario { name: "swarms-v6", play: |scale| turnover::<V6>(scaled(scale, 20_000), 100, v6) },
    // ten, since one alone would measure the grain in which memory comes from the system
    Scenario { name: "huge-v4", play: |scale| turnover::<V4>(scaled(scale, 10), 100_000, v4) },
    Scenario { name: "huge-v6", play: |scale| turnover::<V6>(scaled(scale, 10), 100_000, v6) },
    // where there may be peers of both families: those of IPv4 alone, those of IPv6 alone, and a third of IPv6
    Scenario { name: "dual-v4", play: |scale| turnover::<Dual>(scaled(scale, 2_000_000), 1, v4) },
    Scenario { name: "dual-v6", play: |scale| turnover::<Dual>(scaled(scale, 2_000_000), 1, v6) },
    Scenario { name: "dual-pairs", play: |scale| turnover::<Dual>(scaled(scale, 1_000_000), 2, mixed) },
    Scenario { name: "dual-swarms-v4", play: |scale| turnover::<Dual>(scaled(scale, 20_000), 100, v4) },
    Scenario { name: "dual-swarms", play: |scale| turnover::<Dual>(scaled(scale, 20_000), 100, mixed) },
    Scenario { name: "dual-huge", play: |scale| turnover::<Dual>(scaled(scale, 10), 100_000, mixed) },
];

/// Makes an address.
type Addresses = fn(&mut Random) -> IpAddr;

fn v4(random: &mut Random) -> IpAddr {
    Ipv4Addr::from_bits(random.next_u64() as u32).into()
}

fn v6(random: &mut Random) -> IpAddr {
    let [high, low] = [random.next_u64(), random.next_u64()].map(u128::from);
    Ipv6Addr::from_bits(high << 64 | low).into()
}

/// One in three is of IPv6.
fn mixed(random: &mut Random) -> IpAddr {
    if random.below(3) == 0 { v6(random) } else { v4(random) }
}

fn scaled(scale: f64, count: u64) -> u64 {
    (count as f64 * scale).ceil() as u64
}

fn main() -> ExitCode {
    memory::tune();
    let mut scale = 1.0;
    let mut chosen = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {} // cargo says so to every bench
            "--scale" => match arguments.next().and_then(|word| word.parse().ok()) {
                Some(factor) => scale = factor,
                None => return usage(),
            },
            name => match SCENARIOS.iter().find(|scenario| scenario.name == name) {
                Some(scenario) => chosen.push(scenario),
                None => return usage(),
            },
        }
    }
    if std::env::var_os(CHILD).is_some() {
        chosen.iter().for_each(|scenario| (scenario.play)(scale));
        return ExitCode::SUCCESS;
    }
    if chosen.is_empty() {
        chosen = SCENARIOS.iter().collect();
    }
    heading();
    let all_went_well = chosen.iter().all(|scenario| play_in_child(scenario, scale));
    if all_went_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage() -> ExitCode {
    let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    eprintln!("turnover [--scale FACTOR] [{}]...", names.join("|"));
    ExitCode::FAILURE
}

fn play_in_child(scenario: &Scenario, scale: f64) -> bool {
    let child = std::env::current_exe().and_then(|program| {
        Command::new(program).args(["--scale", &scale.to_string(), scenario.name]).env(CHILD, "").status()
    });
    child.is_ok_and(|status| status.success())
}

// ---- scenarios ----------------------------------------------------------------------------------------------------

/// So many swarms of so many peers fill up, then all peers are replaced every 47 minutes. Of swarms with several peers a
/// fifth say that they stop, a quarter of an hour after they came; all others just stay away.
fn turnover<F: Families>(swarms: u64, peers: u64, addresses: Addresses) {
    let mut run = Run::<F>::new(swarms, peers, addresses);
    let all = swarms * peers;
    run.minutes(FILL, all.div_ceil(u64::from(FILL)));
    let fill = run.sample();
    let each_minute = (all as f64 / if peers > 1 { LIFE_WITH_STOPS } else { LIFE }) as u64;
    run.stopping_ago = if peers > 1 { each_minute * 15 } else { u64::MAX };
    run.forget_times();
    let mut steady = Vec::new();
    for minute in 0..TURNOVER {
        run.minutes(1, each_minute);
        if minute >= TURNOVER - STEADY {
            steady.push(run.sample());
        }
    }
    run.finish(fill, &steady);
}

/// So many torrents with one peer, of which three in ten stop and are replaced, five times over.
fn replacement<F: Families>(torrents: u64, addresses: Addresses) {
    let mut run = Run::<F>::new(torrents, 1, addresses);
    let share = torrents * 3 / 10;
    let mut live: Vec<u32> = (0..torrents as u32).collect();
    let mut random = Random::new([3, 4]);
    run.baseline = resident();
    run.arrive(0..torrents);
    let fill = run.sample();
    run.forget_times();
    let mut steady = Vec::new();
    for round in 0..5 {
        for at in 0..share as usize {
            let other = at as u64 + random.below(torrents - at as u64);
            live.swap(at, other as usize);
            run.stop(u64::from(live[at]));
        }
        run.idle_minutes(4);
        let new = torrents + round * share;
        live.iter_mut().zip(new..new + share).for_each(|(slot, number)| *slot = number as u32);
        run.arrive(new..new + share);
        steady.push(run.sample());
    }
    run.finish(fill, &steady[4..]);
}

// ---- a run --------------------------------------------------------------------------------------------------------

/// The state at work, and what was measured of it.
///
/// Peers are numbered in the order in which they come; their swarm and endpoint follow from the number.
struct Run<F: Families> {
    state: Swarms<F>,
    addresses: Addresses,
    swarms: u64,
    peers: u64,
    /// Time since [`START`].
    now: Duration,
    /// Peers that have come, and how many came since those who stop now.
    arrived: u64,
    stopping_ago: u64,
    /// When the next walk begins; a walk is under way.
    next_walk: Duration,
    walking: bool,
    /// Batches of announces that were timed, how many announces they had in all, and slices of walks.
    announces: Pieces,
    announced: u64,
    walks: Pieces,
    /// Resident bytes before anything was there.
    baseline: f64,
    started: Instant,
}

/// What there is at a moment.
#[derive(Clone, Copy)]
struct Sample {
    bytes: f64,
    torrents: f64,
    peers: f64,
}

impl<F: Families> Run<F> {
    fn new(swarms: u64, peers: u64, addresses: Addresses) -> Self {
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
    fn forget_times(&mut self) {
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
    fn minutes(&mut self, minutes: u32, each_minute: u64) {
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
    fn idle_minutes(&mut self, minutes: u32) {
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
    fn arrive(&mut self, numbers: Range<u64>) {
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

    fn stop(&mut self, number: u64) {
        let (hash, endpoint) = self.peer(number);
        self.state.stop(&hash, &endpoint);
    }

    fn sample(&self) -> Sample {
        let totals = self.state.totals();
        Sample { bytes: resident() - self.baseline, torrents: totals.torrents as f64, peers: totals.peers as f64 }
    }

    /// All leave; prints what was measured, a row of the table.
    fn finish(mut self, fill: Sample, steady: &[Sample]) {
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
fn heading() {
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
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a Linux with /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line about resident memory");
    let kilobytes: f64 = line.trim_end_matches("kB").trim().parse().expect("a number");
    kilobytes * 1024.0
}
