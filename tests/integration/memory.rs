//! Memory: what little is enough, and what happens where it runs out. Peers that have a place are served, new ones are answered
//! but not stored, a line on stderr says so, and as others leave there is room again.

use crate::harness::udp::{Announce, Client, header};
use crate::harness::{
    self, Build, SOON, Starter, Tracker, clock_or_skip, eventually, hash, percent, proc, root_or_skip, skipped,
};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A torrent whose peer comes before memory is short.
const KNOWN: u64 = 1 << 40;

/// Torrents that a short memory has no place for, some at least.
const NEW: std::ops::Range<u64> = KNOWN + 1..KNOWN + 1001;

const LINE: &str = "Warning: Memory is short: new peers are answered, but not stored.\n";

/// The kinds of limits that a process has, as `prlimit` names them, and what `/proc/PID/status` calls that which is limited.
const LIMITS: [(&str, &str); 2] = [("--as", "VmSize"), ("--data", "VmData")];

/// Whether torrents that are on no list are served here. If not, notes why.
fn any_torrent_or_skip() -> bool {
    if Build::under_test().has("accesslist-white") {
        harness::for_another_build("needs torrents that are on no list");
        return false;
    }
    true
}

/// Announces a leecher for each of these torrents, answered or not; waits until all have been looked at.
fn pour(client: &mut Client, torrents: std::ops::Range<u64>) {
    /// Announces that any socket's buffer has room for.
    const BURST: u64 = 100;
    let id = client.id();
    let mut next = torrents.start;
    while next < torrents.end {
        (next..torrents.end.min(next + BURST))
            .for_each(|n| client.send(&Announce { numwant: 0, ..Announce::new(hash(n), 1) }.packet(id)));
        next += BURST;
        client.send(&header(harness::udp::MAGIC, 0));
        while client.receive(SOON).expect("an answer to a connect")[..4] != [0; 4] {}
    }
}

/// A leecher of a torrent announces over HTTP, and is answered.
fn announce(tracker: &Tracker, n: u64) {
    let reply = tracker.get(&format!("/announce?info_hash={}&port=1&left=1", percent(&hash(n))));
    assert_eq!(reply.code(), 200);
    assert!(!reply.body().starts_with(b"d14:failure"), "{n}");
}

/// How many of these torrents have a peer that is stored.
fn stored(client: &mut Client, torrents: std::ops::Range<u64>) -> usize {
    let hashes: Vec<_> = torrents.map(hash).collect();
    hashes.chunks(70).flat_map(|some| client.scrape(some)).filter(|counts| *counts != [0; 3]).count()
}

/// Lets memory run out, and come back.
fn runs_out_and_recovers(tracker: &Tracker) {
    let mut client = tracker.udp();
    let mut next = 0;
    eventually("memory is short", || {
        pour(&mut client, next..next + 20_000);
        next += 20_000;
        tracker.stderr().contains(LINE)
    });

    announce(tracker, KNOWN);
    assert_eq!(client.scrape(&[hash(KNOWN)]), [[0, 0, 1]], "a peer that has its place is served");
    NEW.for_each(|n| announce(tracker, n));
    pour(&mut client, next..next + 20_000);
    let kept = stored(&mut client, NEW);
    assert!(kept < NEW.count(), "memory is not short");
    assert_eq!(tracker.get("/stats").code(), 200);
    assert_eq!(tracker.stderr().matches(LINE).count(), 1, "one line in ten minutes");

    // all leave, and what they took is there for others
    tracker.advance(46 * 60);
    eventually("there is room again", || {
        tracker.advance(121);
        NEW.for_each(|n| announce(tracker, n));
        stored(&mut client, NEW) == NEW.count()
    });
}

/// A tracker behind a wrapper, with a peer that came while there was memory.
fn with_known_peer(starter: Starter) -> Tracker {
    let tracker = starter.start();
    announce(&tracker, KNOWN);
    tracker
}

#[test]
fn a_limit_in_force_at_the_start_is_kept() {
    if !any_torrent_or_skip() || !clock_or_skip() {
        return;
    }
    for (limit, _) in LIMITS {
        let wrap = ["prlimit".to_owned(), format!("{limit}={}", 32 << 20)];
        runs_out_and_recovers(&with_known_peer(Starter::new().wrap(wrap)));
    }
}

/// The limit comes after the start, so the tracker learns of it only by being refused. That is what a system that commits no more
/// memory than it has does as well.
#[test]
fn memory_that_the_system_refuses_is_done_without() {
    if !any_torrent_or_skip() || !clock_or_skip() || !root_or_skip() {
        return;
    }
    for (limit, limited) in LIMITS {
        let tracker = with_known_peer(Starter::new());
        let taken = proc::memory(tracker.pid(), limited);
        proc::set_limit(tracker.pid(), limit, &(taken + (6 << 20)).to_string());
        runs_out_and_recovers(&tracker);
    }
}

/// Pages that are built from all torrents or peers, and a short one.
const PAGES: [&str; 8] = [
    "/scrape",
    "/stats?mode=tpbs",
    "/stats?mode=statedump",
    "/stats?mode=top100",
    "/stats?mode=s24s",
    "/stats?mode=peer",
    "/stats?mode=woodpeckers",
    "/stats?mode=everything",
];

/// Whatever is asked for when the system refuses memory, the tracker goes on.
#[test]
fn long_answers_are_given_up_where_memory_is_short() {
    const TORRENTS: u64 = 40_000;
    const STEP: u64 = 512 << 10;
    if !any_torrent_or_skip() || !root_or_skip() {
        return;
    }
    for (limit, limited) in LIMITS {
        let tracker = with_known_peer(Starter::new());
        pour(&mut tracker.udp(), 0..TORRENTS);
        let taken = proc::memory(tracker.pid(), limited);
        let mut next = TORRENTS;
        for step in (0..=12).rev() {
            proc::set_limit(tracker.pid(), limit, &(taken + step * STEP).to_string());
            let mut unfinished: Vec<_> = (0..30).map(|_| tracker.connect()).collect();
            unfinished.iter_mut().for_each(|client| client.send(&[b"GET /", &[b'a'; 4000][..]].concat()));
            let mut clients: Vec<_> = PAGES.iter().cycle().take(24).map(|page| (tracker.connect(), page)).collect();
            clients.iter_mut().for_each(|(client, page)| client.send(&harness::http::get_request(page)));
            pour(&mut tracker.udp(), next..next + 1000);
            next += 1000;
            clients.iter_mut().for_each(|(client, _)| drop(client.read_all(SOON)));
            announce(&tracker, KNOWN);
        }
        proc::set_limit(tracker.pid(), limit, "unlimited");
        let reply = tracker.get("/stats?mode=top100");
        assert!(reply.is_whole() && reply.code() == 200, "{limit}");
        assert_eq!(tracker.udp().scrape(&[hash(KNOWN)]), [[0, 0, 1]]);
    }
}

#[test]
fn the_operators_limit_is_kept() {
    if !any_torrent_or_skip() || !clock_or_skip() {
        return;
    }
    let starter = Starter::new().file("conf", b"tracker.max_memory 3M\n").args(["-f", "conf"]);
    let tracker = with_known_peer(starter);
    runs_out_and_recovers(&tracker);
    let page = tracker.get("/stats?mode=version").body().to_vec();
    let page = String::from_utf8(page).expect("text");
    let (_, line) = page.split_once("memory of torrents and peers: ").expect("the line about memory");
    let held: u64 = line.strip_suffix(" of 3145728 bytes\n").expect("the limit").parse().expect("a number");
    assert!(held > 0 && held <= 3 << 20, "{held}");
}

/// A control group of a test. It is removed when the value is dropped.
struct Group(PathBuf);

impl Group {
    /// A group with so much memory, inside the one that the tests run in. None where none can be made.
    fn new(bytes: u64) -> Option<Group> {
        let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = |controllers: &str| {
            groups.lines().find_map(|line| line.split_once(':')?.1.strip_prefix(controllers)?.strip_prefix(":/"))
        };
        let (place, file) = match own("memory") {
            Some(own) => (Path::new("/sys/fs/cgroup/memory").join(own), "memory.limit_in_bytes"),
            None => (Path::new("/sys/fs/cgroup").join(own("")?), "memory.max"),
        };
        let directory = place.join(format!("opentracker-test-{}", std::process::id()));
        std::fs::create_dir(&directory).ok()?;
        let group = Group(directory);
        std::fs::write(group.0.join(file), bytes.to_string()).ok()?;
        Some(group)
    }

    /// Whether the system ended a process in it for want of memory.
    fn killed(&self) -> bool {
        let events = ["memory.oom_control", "memory.events"].map(|file| std::fs::read_to_string(self.0.join(file)));
        events
            .into_iter()
            .flatten()
            .any(|text| text.lines().any(|line| line.starts_with("oom_kill ") && !line.ends_with(" 0")))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // empty by now, or as soon as the kernel has noticed that the tracker has ended
        let removed = harness::within(SOON, || std::fs::remove_dir(&self.0).ok());
        assert!(removed.is_some() || std::thread::panicking(), "a control group is left: {}", self.0.display());
    }
}

#[test]
fn a_control_groups_limit_is_kept() {
    if !any_torrent_or_skip() || !clock_or_skip() || !root_or_skip() {
        return;
    }
    let Some(group) = Group::new(48 << 20) else {
        return skipped("no control group for memory can be made here");
    };
    let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", group.0.display());
    let tracker = with_known_peer(Starter::new().wrap(["sh", "-c", &enter, "enter"]));
    runs_out_and_recovers(&tracker);
    assert!(!group.killed());
    drop(tracker);
}

#[test]
fn little_memory_is_enough() {
    let build = Build::under_test();
    for (limit, _) in LIMITS {
        for word in ["-v", "-h"] {
            let mut command = Command::new("prlimit");
            let output =
                command.arg(format!("{limit}={}", 16 << 20)).arg(&build.path).arg(word).output().expect("prlimit");
            assert_eq!(output.status.code(), Some(0), "{limit} {word}: {output:?}");
            assert!(!output.stderr.is_empty(), "{limit} {word}");
        }
        if !build.has("fullscrape") {
            continue;
        }
        let wrap = ["prlimit".to_owned(), format!("{limit}={}", 32 << 20)];
        let tracker = Starter::new().wrap(wrap).allow((0..1000).map(hash)).start();
        (0..1000).for_each(|n| announce(&tracker, n));
        let body = tracker.get("/scrape").body().to_vec();
        let count = body.windows(8).filter(|window| window == b"complete").count();
        assert!(count >= 1000, "{limit}: {count} in {} bytes", body.len());
    }
}

#[test]
fn many_full_scrapes_at_once_fit_in_little_memory() {
    const TORRENTS: u64 = 60_000;
    let build = Build::under_test();
    if !any_torrent_or_skip() || !build.has("fullscrape") {
        return;
    }
    if build.has("modest-fullscrapes") || build.has("compression-gzip-always") {
        return harness::for_another_build("wants full scrapes of one address at once, as text");
    }
    for (limit, _) in LIMITS {
        let wrap = ["prlimit".to_owned(), format!("{limit}={}", 32 << 20)];
        let tracker = Starter::new().wrap(wrap).start();
        pour(&mut tracker.udp(), 0..TORRENTS);
        let mut clients: Vec<_> = (0..20).map(|_| tracker.connect()).collect();
        clients.iter_mut().for_each(|client| client.send(&harness::http::get_request("/scrape")));
        // the state goes on taking what it can get while all these are made
        pour(&mut tracker.udp(), TORRENTS..5 * TORRENTS);
        // all read at once: an answer waits for room that others have until they are read
        std::thread::scope(|scope| {
            for client in &mut clients {
                scope.spawn(|| {
                    let reply = client.read_all(SOON);
                    assert_eq!(reply.code(), 200, "{limit}");
                    let end = reply.body().last_chunk();
                    assert_eq!(end, Some(b"eee"), "{limit}: cut short after {} bytes", reply.body().len());
                });
            }
        });
    }
}

#[test]
fn an_idle_tracker_takes_few_addresses() {
    let tracker = Starter::new().start();
    let kilobytes = proc::memory(tracker.pid(), "VmSize") >> 10;
    assert!(kilobytes < 48 << 10, "{kilobytes} kB");
}
