//! A soak: mixed traffic for as long as `OPENTRACKER_SOAK_SECONDS` says (5 by default), while the clock runs far ahead, lists are read
//! again, clients vanish, and limits are hit and lifted. Every answer must come. What one client says of its torrents must be what a
//! simple model says, memory must be flat once the first peers have expired, and in the end all is given back.
//!
//!     OPENTRACKER_SOAK_SECONDS=3600 cargo test --test integration soak:: -- --nocapture

use crate::harness::http::{Client as Http, End, Reply, get_request};
use crate::harness::proc::{descriptors, memory, set_limit};
use crate::harness::udp::{Announce, Announced, Client};
use crate::harness::{self, SOON, Starter, Tracker, clock_or_skip, eventually, hash, percent, splitmix};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::thread::Scope;
use std::time::{Duration, Instant};

/// Seconds.
const MINUTE: i64 = 60;

/// The clock's lead after each round, in seconds.
const ROUND: i64 = 3 * MINUTE;

/// The torrents that are compared with the model.
const CHECKED: u64 = 40;

/// The others, of which some are announced to at a time.
const OTHERS: u64 = 60_000;

/// Announces on their way at a time: fewer than any socket's buffer holds.
const WINDOW: usize = 64;

/// What all threads know.
struct Shared<'a> {
    tracker: &'a Tracker,
    started: Instant,
    /// Seconds that the clock was moved by.
    moved: AtomicI64,
    /// Odd while the clock is moved.
    moves: AtomicU64,
    has_ended: AtomicBool,
    /// Odd while descriptors or memory are short: then connections may be refused.
    shortages: AtomicU64,
    answered: AtomicU64,
}

impl Shared<'_> {
    /// Seconds since the start on the tracker's clock, more or less.
    fn now(&self) -> i64 {
        self.moved.load(Relaxed) + self.started.elapsed().as_secs() as i64
    }

    /// Moves the clock ahead.
    fn advance(&self, seconds: i64) {
        self.moves.fetch_add(1, Relaxed);
        self.tracker.advance(seconds);
        self.moved.fetch_add(seconds, Relaxed);
        self.moves.fetch_add(1, Relaxed);
    }

    fn goes_on(&self) -> bool {
        !self.has_ended.load(Relaxed)
    }

    fn answered(&self) {
        self.answered.fetch_add(1, Relaxed);
    }

    /// Lowers a limit of the tracker, by the name that it has in its list of limits and the option of `prlimit`. Returns the one before.
    fn limit(&self, name: &str, option: &str, most: u64) -> String {
        self.shortages.fetch_add(1, Relaxed);
        let limits =
            std::fs::read_to_string(format!("/proc/{}/limits", self.tracker.pid())).expect("the tracker's limits");
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).expect("a limit");
        self.set(option, &most.to_string());
        line.split_whitespace().next().expect("what it is").to_owned()
    }

    /// Sets a limit.
    fn set(&self, option: &str, most: &str) {
        set_limit(self.tracker.pid(), option, most);
    }
}

/// One announce by UDP, or another one where the connection id has become too old.
fn exchange(client: &mut Client, announce: &Announce) -> Announced {
    let packet = announce.packet(client.id());
    let reply = client.exchange(&packet, SOON).expect("an answer to an announce");
    if reply.starts_with(&[0, 0, 0, 3]) {
        client.forget_id();
        return client.announce(announce);
    }
    Announced::parse(&reply).unwrap_or_else(|| panic!("answer to an announce: {}", harness::hex(&reply)))
}

/// Announces of many peers to many torrents, as fast as they are answered. Over time other torrents take the place of these.
fn crowd(shared: &Shared<'_>, seed: u64) {
    let (mut state, client) = (seed, shared.tracker.udp());
    while shared.goes_on() {
        let base = shared.now() as u64 * 10;
        let id = client.connect();
        for _ in 0..WINDOW {
            let n = splitmix(&mut state);
            let torrent = hash(CHECKED + (base + (n >> 8) % 10_000) % OTHERS);
            let (event, left) = (if n & 15 == 0 { 3 } else { 0 }, n & 1);
            client.send(&Announce { event, left, ..Announce::new(torrent, 1000 + (n >> 32) as u16 % 64) }.packet(id));
        }
        for _ in 0..WINDOW {
            let reply = client.receive(SOON).expect("an answer to each announce");
            // an hour or two may have passed since it got its connection id
            assert!(reply.starts_with(&[0, 0, 0, 1]) || reply.starts_with(&[0, 0, 0, 3]), "{}", harness::hex(&reply));
            shared.answered();
        }
    }
}

/// Announces and pages over HTTP, one connection each.
fn browsers(shared: &Shared<'_>, seed: u64) {
    let mut state = seed;
    while shared.goes_on() {
        let n = splitmix(&mut state);
        let announce = format!("/announce?info_hash={}&port=1&left=1", percent(&hash(CHECKED + n % OTHERS)));
        let target = match n >> 60 {
            0 => "/stats?mode=everything",
            1 => "/stats?mode=s24s",
            2 => "/stats?mode=top10",
            3 => "/scrape",
            _ => &announce,
        };
        let (shortages, moves) = (shared.shortages.load(Relaxed), shared.moves.load(Relaxed));
        let Ok(mut client) = Http::connect(shared.tracker.tcp_address(), None) else { continue };
        client.send(&get_request(target));
        let reply = client.read_all(SOON);
        let was_short = shortages % 2 == 1 || shared.shortages.load(Relaxed) != shortages;
        // a request that arrives after its time, which is over where the clock is moved meanwhile, or an answer that takes longer
        let was_moved = moves % 2 == 1 || shared.moves.load(Relaxed) != moves;
        let has_begun = reply.bytes.is_empty() || reply.bytes.starts_with(b"HTTP/1.");
        let is_excused = was_short || was_moved && has_begun && reply.end != End::Open;
        assert!(
            is_excused || is_complete(&reply),
            "{target}: {} bytes of {} {:?}",
            reply.bytes.len(),
            reply.head(),
            reply.end
        );
        shared.answered();
    }
}

/// Whether all of an answer came: its length, a last chunk, or that the connection is closed says so.
fn is_complete(reply: &Reply) -> bool {
    let head = reply.head();
    let is_chunked = head.contains("Transfer-Encoding: chunked");
    let ends = if is_chunked { reply.bytes.ends_with(b"\r\n0\r\n\r\n") } else { !head.contains("Content-Length: ") };
    head.starts_with("HTTP/1.") && reply.end == End::Closed && (ends || reply.is_whole())
}

/// Clients that vanish in the middle of everything.
fn vanishing(shared: &Shared<'_>, seed: u64) {
    let mut state = seed;
    let request = get_request("/stats?mode=everything");
    while shared.goes_on() {
        let n = splitmix(&mut state);
        let Ok(mut client) = Http::connect(shared.tracker.tcp_address(), None) else { continue };
        client.send(&request[..n as usize % (request.len() + 1)]);
        match n >> 62 {
            0 => client.half_close(),
            1 => drop(client.read_some(1, Duration::from_millis(2))),
            // reset: what the client did not read is in its socket
            _ => {}
        }
        if n % 16 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The peers of the torrents that are compared, with when they announced last, in seconds, and whether they seed.
type Model = BTreeMap<u64, BTreeMap<u16, (i64, bool)>>;

/// The least and the most seeders and leechers that a torrent can have: when exactly a peer's 45 minutes are over depends on when its
/// minute began.
fn bounds(model: &Model, torrent: u64, now: i64) -> [[u32; 2]; 2] {
    let peers = model.get(&torrent).into_iter().flatten();
    let mut bounds = [[0; 2]; 2];
    for (_, (at, seeds)) in peers {
        bounds[0][usize::from(*seeds)] += u32::from(now - at < 43 * MINUTE);
        bounds[1][usize::from(*seeds)] += u32::from(now - at < 47 * MINUTE);
    }
    bounds
}

#[track_caller]
fn check(model: &Model, torrent: u64, now: i64, leechers: u32, seeders: u32) {
    let [least, most] = bounds(model, torrent, now);
    let fits = |kind: usize, count| (least[kind]..=most[kind]).contains(&count);
    assert!(fits(0, leechers) && fits(1, seeders), "{torrent}: {leechers}, {seeders}, not {least:?} to {most:?}");
}

/// Some announces and scrapes of the torrents that are compared. `known`: of peers alone that have a place.
fn compare(shared: &Shared<'_>, client: &mut Client, model: &mut Model, state: &mut u64, known: bool) {
    for _ in 0..100 {
        let n = splitmix(state);
        let (torrent, mut port, seeds) = (n % CHECKED, 1000 + (n >> 16) as u16 % 50, n >> 40 & 1 == 1);
        let stops = n >> 50 & 7 == 0;
        let now = shared.now();
        if known {
            let fresh = |(_, peer): &(&u16, &(i64, bool))| now - peer.0 < 40 * MINUTE;
            match model.get(&torrent).and_then(|peers| peers.iter().find(fresh)) {
                Some((known, _)) => port = *known,
                None => continue,
            }
        }
        let peers = model.entry(torrent).or_default();
        match stops {
            true => drop(peers.remove(&port)),
            false => drop(peers.insert(port, (now, seeds))),
        }
        let event = if stops { 3 } else { 0 };
        let said = Announce { event, left: u64::from(!seeds), ..Announce::new(hash(torrent), port) };
        let answer = exchange(client, &said);
        // whoever stops cleans nothing
        if !stops {
            check(model, torrent, now, answer.leechers, answer.seeders);
        }
        shared.answered();
    }
    let torrents: Vec<_> = (0..CHECKED).collect();
    let counts = client.scrape(&torrents.iter().map(|n| hash(*n)).collect::<Vec<_>>());
    let now = shared.now();
    torrents.iter().zip(counts).for_each(|(n, [seeders, _, leechers])| check(model, *n, now, leechers, seeders));
}

/// Descriptors run out, and come back. Whoever has no connection waits; UDP goes on.
fn descriptors_run_out(shared: &Shared<'_>) {
    let most = descriptors(shared.tracker.pid()) as u64 + 20;
    let before = shared.limit("Max open files", "--nofile", most);
    let idle: Vec<_> = (0..40).filter_map(|_| Http::connect(shared.tracker.tcp_address(), None).ok()).collect();
    shared.tracker.nudge();
    drop(idle);
    shared.set("--nofile", &before);
    eventually("connections are accepted again", || shared.tracker.get("/stats").code() == 200);
    shared.shortages.fetch_add(1, Relaxed);
}

/// Memory runs out for a moment, and comes back: peers that are there are served all the while.
fn memory_runs_out(shared: &Shared<'_>, client: &mut Client, model: &mut Model, state: &mut u64) {
    let most = memory(shared.tracker.pid(), "VmSize") + (6 << 20);
    let before = shared.limit("Max address space", "--as", most);
    (0..5).for_each(|_| compare(shared, client, model, state, true));
    shared.set("--as", &before);
    let probe = |n: u64| Announce::new(hash(CHECKED + OTHERS + n), 9);
    let mut tries = 0;
    eventually("new peers are stored again", || {
        tries += 1;
        // where the system refused memory, this is so from the next walk on
        shared.advance(121);
        let mut client = shared.tracker.udp();
        client.announce(&probe(tries % 4));
        client.scrape(&[hash(CHECKED + OTHERS + tries % 4)]) == [[0, 0, 1]]
    });
    shared.shortages.fetch_add(1, Relaxed);
}

/// What happens beside the traffic, in turn.
fn chore(shared: &Shared<'_>, round: u64, client: &mut Client, model: &mut Model, state: &mut u64) {
    match round % 8 {
        1 => shared.tracker.signal(Signal::HUP),
        2 => shared.tracker.step_wall(26 * 60 * MINUTE),
        3 => shared.tracker.step_wall(-50 * 60 * MINUTE),
        4 => descriptors_run_out(shared),
        6 => memory_runs_out(shared, client, model, state),
        7 => shared.tracker.step_wall(24 * 60 * MINUTE),
        _ => {}
    }
}

fn traffic<'scope, 'env>(scope: &'scope Scope<'scope, 'env>, shared: &'env Shared<'env>) {
    let clients = [crowd, browsers, vanishing];
    for (client, seed) in clients.into_iter().zip(1..) {
        scope.spawn(move || {
            let _ends = Ends(&shared.has_ended);
            client(shared, seed);
        });
    }
}

/// Sees to it that the other threads end too, also where this one panics.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Memory is flat: half of the samples have no more than the other half, but for what comes and goes. A few samples say nothing.
fn is_flat(samples: &[u64]) -> bool {
    if samples.len() < 40 {
        return true;
    }
    let (before, after) = samples.split_at(samples.len() / 2);
    let most = |samples: &[u64]| samples.iter().copied().max().unwrap_or_default();
    most(after) <= most(before) + most(before) / 5 + (4 << 20)
}

#[test]
fn an_hour_of_everything() {
    if !clock_or_skip() {
        return;
    }
    let seconds = std::env::var("OPENTRACKER_SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(5);
    let tracker = Starter::new().allow((0..CHECKED + OTHERS + 4).map(hash)).start();
    let descriptors_before = tracker.descriptors();
    let shared = Shared {
        tracker: &tracker,
        started: Instant::now(),
        moved: AtomicI64::new(0),
        moves: AtomicU64::new(0),
        has_ended: AtomicBool::new(false),
        shortages: AtomicU64::new(0),
        answered: AtomicU64::new(0),
    };
    let (mut samples, mut rounds, mut state) = (Vec::new(), 0, 4);
    std::thread::scope(|scope| {
        let _ends = Ends(&shared.has_ended);
        traffic(scope, &shared);
        let mut model = Model::new();
        let mut client = tracker.udp();
        while shared.goes_on() && shared.started.elapsed() < Duration::from_secs(seconds) {
            compare(&shared, &mut client, &mut model, &mut state, false);
            chore(&shared, rounds, &mut client, &mut model, &mut state);
            shared.advance(ROUND);
            // their connection ids live for an hour at least, which passes quickly here
            client.forget_id();
            rounds += 1;
            if shared.now() > 100 * MINUTE {
                samples.push(memory(tracker.pid(), "VmRSS"));
            }
        }
    });
    let answered = shared.answered.load(Relaxed);
    let (first, last) = (samples.first().map_or(0, |bytes| bytes >> 10), samples.last().map_or(0, |bytes| bytes >> 10));
    println!(
        "soak: {rounds} rounds, {answered} requests answered in {seconds} s; {first} KiB of memory, at the end {last} KiB"
    );
    assert!(is_flat(&samples), "memory: {samples:?}");
    everything_leaves(&tracker, descriptors_before);
}

/// All peers expire, connections are closed, and nothing unusual was said.
fn everything_leaves(tracker: &Tracker, descriptors_before: usize) {
    eventually("all peers have left", || {
        tracker.advance(47 * MINUTE);
        tracker.advance(121);
        let page = tracker.get("/stats?mode=peer").text();
        page.starts_with("0\n0\n")
    });
    eventually("all connections are closed", || tracker.descriptors() <= descriptors_before);
    let usual = ["Warning: Memory is short: ", "accept: ", "["];
    let unusual = |line: &&str| !usual.iter().any(|start| line.starts_with(start));
    assert_eq!(tracker.stderr().lines().find(unusual), None);
}
