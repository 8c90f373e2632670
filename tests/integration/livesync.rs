//! The cluster: trackers in network namespaces that the tests make themselves, which reach each other by real multicast.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::harness::cluster::{
    COMPLETED, OTHER, PORT, Record, SEEDING, STOPPED, completed, leecher, packet, record, seeder, stopped, width,
};
use crate::harness::network::{Network, address, ip};
use crate::harness::udp::{Announce, populate};
use crate::harness::{self, Build, SOON, Starter, built_with, eventually, hash, within};

/// Seconds.
const MINUTE: i64 = 60;

/// Seconds that a packet may wait.
const DELAY: i64 = 15;

/// What comes within this did not wait to be due.
const DELAY_HALVED: Duration = Duration::from_millis(7500);

/// An announce waits longer where nothing but packets of the cluster is received.
const STARVED: Duration = Duration::from_secs(5);

/// Held by the test that floods: networks share queues in the kernel, so that others could lose packets to it.
static FLOOD: RwLock<()> = RwLock::new(());

/// A network while no test floods.
struct Quiet {
    network: Network,
    _quiet: RwLockReadGuard<'static, ()>,
}

impl Deref for Quiet {
    type Target = Network;

    fn deref(&self) -> &Network {
        &self.network
    }
}

/// A network of so many nodes for the build under test, or `None` where there is none, and the reason is noted.
fn network(nodes: usize) -> Option<Quiet> {
    let quiet = FLOOD.read().unwrap_or_else(PoisonError::into_inner);
    network_of_the_build(nodes).map(|network| Quiet { network, _quiet: quiet })
}

fn network_of_the_build(nodes: usize) -> Option<Network> {
    if built_with("sync-live") { Network::new(nodes) } else { None }
}

#[test]
fn three_trackers_share_their_peers() {
    if !harness::clock_or_skip() {
        return;
    }
    let Some(network) = network(3) else { return };
    let nodes = [0, 1, 2].map(|node| network.tracker(node));
    let [a, b, c] = &nodes;
    // a leecher at one, a seeder at the other
    a.announce(&leecher(1, 1));
    b.announce(&seeder(1, 2));
    assert_eq!([a.scrape(1), b.scrape(1), c.scrape(1)], [[0, 0, 1], [1, 0, 0], [0, 0, 0]]);
    nodes.iter().for_each(|node| node.advance(DELAY));
    nodes.iter().for_each(|node| node.comes_to(1, [1, 0, 1]));
    let answer = c.inside(|tracker| tracker.udp().announce(&leecher(1, 3)));
    assert_eq!((answer.seeders, answer.leechers), (1, 2));
    nodes.iter().for_each(|node| node.advance(DELAY));
    nodes.iter().for_each(|node| node.comes_to(1, [1, 0, 2]));

    // completed counts once, wherever it is reported, and however often
    c.announce(&completed(1, 1));
    c.advance(DELAY);
    nodes.iter().for_each(|node| node.comes_to(1, [2, 1, 1]));
    a.announce(&completed(1, 1));
    b.announce(&completed(1, 1));
    a.announce(&leecher(2, 4));
    b.announce(&leecher(3, 4));
    nodes.iter().for_each(|node| node.advance(DELAY));
    nodes.iter().for_each(|node| node.comes_to(2, [0, 0, 1]));
    nodes.iter().for_each(|node| node.comes_to(3, [0, 0, 1]));
    assert_eq!(nodes.each_ref().map(|node| node.scrape(1)), [[2, 1, 1]; 3]);
    assert_eq!(nodes.each_ref().map(|node| node.first_number("completed")), [1; 3]);

    // a peer that stops leaves all nodes, also by way of one that it never announced to
    b.announce(&stopped(1, 1));
    c.announce(&stopped(1, 2));
    nodes.iter().for_each(|node| node.advance(DELAY));
    nodes.iter().for_each(|node| node.comes_to(1, [0, 1, 1]));
    // records of the others: of a 1, 2 at 2, of b 2, 3 and the stop, of c 3, completed 1 and the stop
    assert_eq!([a.synced(), b.synced(), c.synced()], [6, 5, 5]);
}

/// On a clock that is not moved, and without an event that wakes the loop. The exact time is tested where the clock is an argument.
#[test]
fn the_delay_in_real_time() {
    let Some(network) = network(2) else { return };
    let tracker = network.tracker(0);
    let receiver = network.receiver(1);
    let full = 1471 / (24 + width());
    (0..full as u16 + 1).for_each(|n| tracker.announce(&leecher(1, n + 1)));
    let (from, _, records) = receiver.packet_within(SOON).expect("a full packet");
    assert_eq!((from, records.len()), (SocketAddr::from((address(0), PORT)), full));
    let first = Instant::now();
    let second = receiver.packet_within(2 * SOON).expect("the rest");
    assert_eq!(second.2, [record(1, full as u16 + 1, 0)]);
    assert!(first.elapsed() > DELAY_HALVED, "{:?}", first.elapsed());
}

#[test]
fn what_is_reported() {
    if !harness::clock_or_skip() {
        return;
    }
    let Some(network) = network(2) else { return };
    let tracker = network.tracker(0);
    let receiver = network.receiver(1);
    let reported = |announces: &[Announce], records: &[Record]| {
        announces.iter().for_each(|announce| tracker.announce(announce));
        // something new, so that there is an end to what is reported
        static MARKS: AtomicU32 = AtomicU32::new(1000);
        let mark = MARKS.fetch_add(1, Ordering::Relaxed) as u16;
        tracker.announce(&leecher(0, mark));
        tracker.advance(DELAY);
        let mut received = receiver.records();
        while received.last() != Some(&record(0, mark, 0)) {
            received.extend(receiver.records());
        }
        received.pop();
        assert_eq!(received, records);
    };
    // near the start of a minute, so that the minutes below are exact
    let second = SystemTime::now().duration_since(UNIX_EPOCH).expect("the time").as_secs() % 60;
    tracker.advance((65 - second as i64) % 60);
    reported(&[leecher(1, 1), leecher(1, 1), seeder(1, 2)], &[record(1, 1, 0), record(1, 2, SEEDING)]);
    // completed, once; not without seeding
    reported(&[completed(1, 1), completed(1, 1)], &[record(1, 1, SEEDING | COMPLETED)]);
    reported(&[Announce { event: 1, ..leecher(1, 3) }], &[record(1, 3, 0)]);
    // stops, also of unknown peers
    let stops = [stopped(1, 3), Announce { left: 0, ..stopped(1, 9) }, stopped(9, 9)];
    reported(&stops, &[record(1, 3, STOPPED), record(1, 9, STOPPED | SEEDING), record(9, 9, STOPPED)]);

    // these four took a minute
    reported(&[leecher(2, 1)], &[record(2, 1, 0)]);
    tracker.advance(10 * MINUTE - DELAY);
    reported(&[leecher(2, 1)], &[]);
    tracker.advance(11 * MINUTE - DELAY);
    reported(&[leecher(2, 1), leecher(2, 1)], &[record(2, 1, 0)]);
    tracker.advance(40 * MINUTE);
    reported(&[seeder(2, 1)], &[record(2, 1, SEEDING)]);
}

#[test]
fn what_came_by_sync_is_not_reported_again() {
    if !harness::clock_or_skip() {
        return;
    }
    let Some(network) = network(2) else { return };
    let tracker = network.tracker(0);
    let receiver = network.receiver(1);
    let sender = network.sender(1, address(1));
    sender.send(&packet(OTHER, &[record(1, 1, COMPLETED | SEEDING), record(1, 2, 0), record(1, 2, STOPPED)]));
    tracker.comes_to(1, [1, 1, 0]);
    tracker.advance(11 * MINUTE);
    sender.send(&packet(OTHER, &[record(1, 1, SEEDING), record(2, 1, 0)]));
    tracker.comes_to(2, [0, 0, 1]);
    tracker.announce(&leecher(3, 3));
    tracker.advance(DELAY);
    assert_eq!(receiver.records(), [record(3, 3, 0)]);
    // but it counts
    assert_eq!((tracker.first_number("completed"), tracker.synced()), (1, 5));
    let renewed = tracker.stats("renew");
    let counts: u64 = renewed.lines().filter_map(|line| line.split_once(' ')?.1.parse::<u64>().ok()).sum();
    assert!(counts == 1 && (renewed.contains("11 1\n") || renewed.contains("12 1\n")), "{renewed}");
}

#[test]
fn packets_that_are_ignored() {
    let Some(network) = network(2) else { return };
    ip(&format!("-n {} address add 10.77.0.99/24 dev plug", network.name(1))).expect("one more address");
    let tracker = network.tracker(0);
    let sender = network.sender(1, address(1));
    let stranger = network.sender(1, Ipv4Addr::new(10, 77, 0, 99));
    let own = tracker.stats("everything");
    let own = own.split_once("<tracker_id>").and_then(|(_, rest)| rest.split_once('<')).expect("a tracker id").0;
    let own = own.parse::<u32>().expect("a number").to_ne_bytes();

    stranger.send(&packet(OTHER, &[record(1, 1, 0)]));
    sender.send(&packet(own, &[record(1, 2, 0)]));
    for at in 4..8 {
        let mut other_type = packet(OTHER, &[record(1, 3, 0)]);
        other_type[at] = 1;
        sender.send(&other_type);
    }
    let good = packet(OTHER, &[record(2, 1, 0), record(2, 2, 0)]);
    for length in [0, 1, 4, 7, 8, 9, good.len() / 2] {
        sender.send(&good[..length]);
    }
    // of a packet that is cut short, the whole records count; so they do where something follows them
    sender.send(&good[..good.len() - 1]);
    sender.send(&[&packet(OTHER, &[record(2, 3, !STOPPED & !SEEDING)])[..], &[0xff; 27]].concat());
    let aged = Record { age: 200, ..record(2, 4, SEEDING) };
    sender.send(&packet(OTHER, &[aged]));
    // completed without seeding is not completed
    tracker.comes_to(2, [1, 0, 2]);
    assert_eq!((tracker.scrape(1), tracker.synced()), ([0, 0, 0], 3));
    // a packet as long as they come
    let many: Vec<_> = (0..(65_507 - 8) / (24 + width()) as u16).map(|port| record(3, port, 0)).collect();
    sender.send(&packet(OTHER, &many));
    tracker.comes_to(3, [0, 0, many.len() as u32]);
}

#[test]
fn an_access_list_is_for_synced_peers_too() {
    if !Build::under_test().has("accesslist-white") {
        return harness::for_another_build("needs the switch accesslist-white");
    }
    let Some(network) = network(2) else { return };
    let tracker = network.tracker_that_knows(0, [hash(1)]);
    let sender = network.sender(1, address(1));
    sender.send(&packet(OTHER, &[record(2, 1, 0), record(1, 1, 0), record(1, 2, 0), record(1, 1, STOPPED)]));
    tracker.comes_to(1, [0, 0, 1]);
    // records of forbidden torrents are counted as received
    assert_eq!((tracker.scrape(2), tracker.synced(), tracker.first_number("torr")), ([0, 0, 0], 4, 1));
}

#[test]
fn a_tracker_that_restarts_catches_up() {
    if !harness::clock_or_skip() {
        return;
    }
    let Some(network) = network(2) else { return };
    let (a, b) = (network.tracker(0), network.tracker(1));
    a.announce(&leecher(1, 1));
    a.advance(DELAY);
    b.comes_to(1, [0, 0, 1]);
    drop(b);
    let b = network.tracker(1);
    // a known peer is reported with its next announce after ten minutes, not before
    a.announce(&leecher(1, 1));
    a.announce(&leecher(2, 2));
    a.advance(DELAY);
    b.comes_to(2, [0, 0, 1]);
    assert_eq!(b.scrape(1), [0, 0, 0]);
    a.advance(30 * MINUTE);
    a.announce(&leecher(1, 1));
    a.announce(&leecher(2, 2));
    a.advance(DELAY);
    b.comes_to(1, [0, 0, 1]);
    assert_eq!((b.scrape(2), b.synced()), ([0, 0, 1], 3));
}

#[test]
fn a_hundred_thousand_peers() {
    const PEERS: u64 = 100_000;
    let Some(network) = network(3) else { return };
    if !harness::clock_or_skip() {
        return;
    }
    let nodes = [0, 1, 2].map(|node| network.tracker_that_knows(node, (0..PEERS).map(hash)));
    let [a, b, c] = &nodes;
    let started = Instant::now();
    a.inside(|tracker| populate(&mut tracker.udp(), (0..PEERS).map(hash)));
    let announced = started.elapsed();
    a.advance(DELAY);
    let a_packet = 1471 / (24 + width() as u64);
    for node in [b, c] {
        let whole = within(SOON, || (node.synced() == PEERS).then_some(()));
        let lost = PEERS - node.synced();
        println!(
            "node {}: {PEERS} peers in {} packets, {} of them lost; announced in {announced:?}, all there after {:?}",
            node.node,
            PEERS.div_ceil(a_packet),
            lost.div_ceil(a_packet),
            started.elapsed()
        );
        // multicast may lose; so much would be a fault
        assert!(whole.is_some() || lost * 100 < PEERS, "{lost} lost");
        assert_eq!(node.first_number("peer"), PEERS - lost);
    }
}

#[test]
fn a_flood_of_packets_does_not_stop_answers() {
    let _alone = FLOOD.write().unwrap_or_else(PoisonError::into_inner);
    let Some(network) = network_of_the_build(2) else { return };
    let tracker = network.tracker(0);
    let sender = network.sender(1, address(1));
    let done = AtomicBool::new(false);
    let (mut worst, mut sent) = (Duration::ZERO, 0);
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let mut sent = 0_u64;
            while !done.load(Ordering::Relaxed) {
                let port = sent as u16;
                let records: Vec<_> = (0..36).map(|n| record(n, port, 0)).collect();
                let _ = sender.try_send(&packet(OTHER, &records));
                sent += 1;
            }
            sent
        });
        tracker.inside(|tracker| {
            let mut client = tracker.udp();
            for port in 1..2000 {
                let start = Instant::now();
                client.announce(&leecher(50, port));
                worst = worst.max(start.elapsed());
            }
        });
        done.store(true, Ordering::Relaxed);
        sent = flood.join().expect("the flood");
    });
    println!("{sent} packets of 36 records; the slowest of 2,000 announces took {worst:?}");
    assert!(worst < STARVED, "{worst:?}");
    eventually("records arrive", || tracker.synced() > 0);
}

/// Starts a tracker with these words and nothing else; returns its exit code and what it wrote to stderr.
fn ends_with(words: &[&str]) -> (Option<i32>, String) {
    let mut tracker = Starter::new().bare().args(words.iter().copied()).spawn();
    let status = tracker.wait(SOON);
    (status.code(), tracker.stderr())
}

#[test]
fn no_start_without_an_address() {
    if !built_with("sync-live") {
        return;
    }
    let refused = |text: &str| (Some(111), format!("{text}\n"));
    assert_eq!(ends_with(&[]), refused("No socket address for live sync specified."));
    let twice = ["-i", "127.0.0.1", "-s", "9696", "-s", "9697"];
    assert_eq!(ends_with(&twice), refused("Error: Livesync listen ip specified twice."));
    assert_eq!(ends_with(&["-i", "::1", "-s", "9696"]), refused("v6 mcast support not yet available."));
    // of a network for documentation: no machine's address
    let (code, text) = ends_with(&["-i", "198.51.100.1", "-s", "9696"]);
    assert!(code == Some(111) && text.ends_with(": No such device\n"), "{text}");
}
