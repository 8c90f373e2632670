//! The cluster: trackers in network namespaces that the tests make themselves, which hear each other by real multicast.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::harness::network::{Network, address, ip};
use crate::harness::udp::{Announce, populate};
use crate::harness::{self, Build, SOON, Starter, Tracker, built_with, eventually, hash, within};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 23, 5);
const PORT: u16 = 9696;

/// Seconds.
const MINUTE: i64 = 60;

/// Seconds that a packet may wait.
const DELAY: i64 = 15;

/// What comes within this did not wait to be due.
const DELAY_HALVED: Duration = Duration::from_millis(7500);

const SEEDING: u8 = 0x80;
const COMPLETED: u8 = 0x40;
const STOPPED: u8 = 0x20;

/// Held by the test that floods: networks share queues in the kernel, so that others could lose packets to it.
static FLOOD: RwLock<()> = RwLock::new(());

/// A network while nobody floods.
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

/// A network of so many nodes for the build under test, or `None` where there is none, and the reason is said.
fn network(nodes: usize) -> Option<Quiet> {
    let quiet = FLOOD.read().unwrap_or_else(PoisonError::into_inner);
    network_of_the_build(nodes).map(|network| Quiet { network, _quiet: quiet })
}

fn network_of_the_build(nodes: usize) -> Option<Network> {
    if built_with("sync-live") { Network::new(nodes) } else { None }
}

impl Network {
    /// Starts a tracker at a node that believes all others.
    #[track_caller]
    fn tracker(&self, node: usize) -> Node<'_> {
        self.tracker_that_knows(node, (0..100).map(hash))
    }

    /// Starts a tracker at a node that believes all others, and takes these torrents where it was built with a whitelist.
    #[track_caller]
    fn tracker_that_knows(&self, node: usize, torrents: impl IntoIterator<Item = [u8; 20]>) -> Node<'_> {
        let mut config = format!("livesync.cluster.listen {}:{PORT}\n", address(node));
        for other in (0..self.nodes).filter(|other| *other != node) {
            let _ = writeln!(config, "livesync.cluster.node_ip {}", address(other));
        }
        let starter = Starter::new().own_cluster().allow(torrents).file("cluster.conf", config.as_bytes());
        let starter = starter.wrap(["ip", "netns", "exec", &self.name(node)]).args(["-f", "cluster.conf"]);
        let tracker = self.inside(node, || starter.start());
        Node { network: self, node, tracker }
    }

    /// A socket at a node that hears all others.
    fn ear(&self, node: usize) -> Ear {
        let socket = self.inside(node, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).expect("the cluster's port"));
        socket.join_multicast_v4(&GROUP, &address(node)).expect("the cluster's group");
        Ear(socket)
    }

    /// A socket at a node that speaks to all others, from its first address or another one.
    fn mouth(&self, node: usize, from: Ipv4Addr) -> Mouth {
        let socket = self.inside(node, || UdpSocket::bind((from, 0)).expect("a socket"));
        socket.set_multicast_loop_v4(false).expect("no echo");
        Mouth(socket)
    }
}

/// A tracker at a node.
struct Node<'a> {
    network: &'a Network,
    node: usize,
    tracker: Tracker,
}

impl Node<'_> {
    fn inside<T>(&self, what: impl FnOnce(&Tracker) -> T) -> T {
        self.network.inside(self.node, || what(&self.tracker))
    }

    #[track_caller]
    fn announce(&self, announce: &Announce) {
        self.inside(|tracker| tracker.udp().announce(announce));
    }

    /// Seeders, completed, leechers.
    #[track_caller]
    fn scrape(&self, n: u64) -> [u32; 3] {
        self.inside(|tracker| tracker.udp().scrape(&[hash(n)]))[0]
    }

    fn stats(&self, mode: &str) -> String {
        self.inside(|tracker| tracker.get(&format!("/stats?mode={mode}"))).text()
    }

    /// The first number of a statistics page.
    #[track_caller]
    fn first_number(&self, mode: &str) -> u64 {
        let text = self.stats(mode);
        text.lines().next().and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("{mode}: {text}"))
    }

    /// Records received from the others.
    #[track_caller]
    fn synced(&self) -> u64 {
        self.first_number("syncs")
    }

    #[track_caller]
    fn advance(&self, seconds: i64) {
        self.inside(|tracker| tracker.advance(seconds));
    }

    #[track_caller]
    fn comes_to(&self, n: u64, counts: [u32; 3]) {
        let came = within(SOON, || (self.scrape(n) == counts).then_some(()));
        assert!(came.is_some(), "node {}, torrent {n}: {:?}, not {counts:?}", self.node, self.scrape(n));
    }
}

/// The peer that clients at every node are: what differs is the port.
fn leecher(n: u64, port: u16) -> Announce {
    Announce::new(hash(n), port)
}

fn seeder(n: u64, port: u16) -> Announce {
    Announce { left: 0, ..leecher(n, port) }
}

fn completed(n: u64, port: u16) -> Announce {
    Announce { event: 1, ..seeder(n, port) }
}

fn stopped(n: u64, port: u16) -> Announce {
    Announce { event: 3, ..leecher(n, port) }
}

/// One record, but for the peer's address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    hash: [u8; 20],
    port: u16,
    flags: u8,
    age: u8,
}

fn record(n: u64, port: u16, flags: u8) -> Record {
    Record { hash: hash(n), port, flags, age: 0 }
}

/// Bytes of an address in the build under test.
fn width() -> usize {
    if Build::under_test().v6() { 16 } else { 4 }
}

struct Ear(UdpSocket);

impl Ear {
    /// The next packet within `wait`: sender, tracker id, records.
    #[track_caller]
    fn hear_within(&self, wait: Duration) -> Option<(SocketAddr, [u8; 4], Vec<Record>)> {
        let mut bytes = [0; 4096];
        self.0.set_read_timeout(Some(wait)).expect("a timeout");
        let (length, from) = self.0.recv_from(&mut bytes).ok()?;
        let (head, records) = bytes[..length].split_at(8);
        assert!(length < 1480 && head[4..] == [0; 4] && records.len() % (24 + width()) == 0, "{head:?} {length}");
        let read = |bytes: &[u8]| {
            let rest = &bytes[20 + width()..];
            let port = u16::from_be_bytes([rest[0], rest[1]]);
            Record { hash: bytes[..20].try_into().unwrap(), port, flags: rest[2], age: rest[3] }
        };
        Some((from, head[..4].try_into().unwrap(), records.chunks_exact(24 + width()).map(read).collect()))
    }

    #[track_caller]
    fn hear(&self) -> Vec<Record> {
        self.hear_within(SOON).expect("a packet").2
    }
}

struct Mouth(UdpSocket);

impl Mouth {
    fn say(&self, packet: &[u8]) {
        assert_eq!(self.0.send_to(packet, (GROUP, PORT)).expect("a packet to the group"), packet.len());
    }
}

/// A packet of some other tracker.
fn packet(id: [u8; 4], records: &[Record]) -> Vec<u8> {
    let mut out = [id, [0; 4]].concat();
    for record in records {
        out.extend_from_slice(&record.hash);
        out.extend_from_slice(&[10; 16][..width()]);
        out.extend_from_slice(&record.port.to_be_bytes());
        out.extend_from_slice(&[record.flags, record.age]);
    }
    out
}

const OTHER: [u8; 4] = [0xf0, 0x0d, 0xf0, 0x0d];

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

    // completed counts once, wherever it is said, and however often
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

    // who stops leaves all, also by way of a tracker that it never announced to
    b.announce(&stopped(1, 1));
    c.announce(&stopped(1, 2));
    nodes.iter().for_each(|node| node.advance(DELAY));
    nodes.iter().for_each(|node| node.comes_to(1, [0, 1, 1]));
    // records of the others: of a 1, 2 at 2, of b 2, 3 and the stop, of c 3, completed 1 and the stop
    assert_eq!([a.synced(), b.synced(), c.synced()], [6, 5, 5]);
}

#[test]
fn the_delay_in_real_time() {
    let Some(network) = network(2) else { return };
    let tracker = network.tracker(0);
    let started = Instant::now();
    let ear = network.ear(1);
    let full = 1471 / (24 + width());
    (0..full as u16 + 1).for_each(|n| tracker.announce(&leecher(1, n + 1)));
    let (from, _, records) = ear.hear_within(DELAY_HALVED).expect("a full packet before its time");
    assert_eq!((from, records.len()), (SocketAddr::from((address(0), PORT)), full));
    let first = Instant::now();
    let second = ear.hear_within(Duration::from_secs(20)).expect("the rest");
    let (passed, up) = (first.elapsed(), started.elapsed());
    assert_eq!(second.2, [record(1, full as u16 + 1, 0)]);
    println!("the second packet came {passed:?} after the first, {up:?} after the start");
    assert!((Duration::from_millis(14_500)..Duration::from_secs(20)).contains(&passed), "{passed:?}");
}

#[test]
fn what_is_told() {
    if !harness::clock_or_skip() {
        return;
    }
    let Some(network) = network(2) else { return };
    let tracker = network.tracker(0);
    let ear = network.ear(1);
    let told = |announces: &[Announce], records: &[Record]| {
        announces.iter().for_each(|announce| tracker.announce(announce));
        // something new, so that there is an end to what is told
        static MARKS: AtomicU32 = AtomicU32::new(1000);
        let mark = MARKS.fetch_add(1, Ordering::Relaxed) as u16;
        tracker.announce(&leecher(0, mark));
        tracker.advance(DELAY);
        let mut heard = ear.hear();
        while heard.last() != Some(&record(0, mark, 0)) {
            heard.extend(ear.hear());
        }
        heard.pop();
        assert_eq!(heard, records);
    };
    // near the start of a minute, so that the minutes below are exact
    let second = SystemTime::now().duration_since(UNIX_EPOCH).expect("the time").as_secs() % 60;
    tracker.advance((65 - second as i64) % 60);
    told(&[leecher(1, 1), leecher(1, 1), seeder(1, 2)], &[record(1, 1, 0), record(1, 2, SEEDING)]);
    // completed, once; not without seeding
    told(&[completed(1, 1), completed(1, 1)], &[record(1, 1, SEEDING | COMPLETED)]);
    told(&[Announce { event: 1, ..leecher(1, 3) }], &[record(1, 3, 0)]);
    // stops, also of who is unknown
    let stops = [stopped(1, 3), Announce { left: 0, ..stopped(1, 9) }, stopped(9, 9)];
    told(&stops, &[record(1, 3, STOPPED), record(1, 9, STOPPED | SEEDING), record(9, 9, STOPPED)]);

    // these four took a minute
    told(&[leecher(2, 1)], &[record(2, 1, 0)]);
    tracker.advance(10 * MINUTE - DELAY);
    told(&[leecher(2, 1)], &[]);
    tracker.advance(11 * MINUTE - DELAY);
    told(&[leecher(2, 1), leecher(2, 1)], &[record(2, 1, 0)]);
    tracker.advance(40 * MINUTE);
    told(&[seeder(2, 1)], &[record(2, 1, SEEDING)]);
}

#[test]
fn what_came_by_sync_is_not_told_again() {
    if !harness::clock_or_skip() {
        return;
    }
    let Some(network) = network(2) else { return };
    let tracker = network.tracker(0);
    let ear = network.ear(1);
    let mouth = network.mouth(1, address(1));
    mouth.say(&packet(OTHER, &[record(1, 1, COMPLETED | SEEDING), record(1, 2, 0), record(1, 2, STOPPED)]));
    tracker.comes_to(1, [1, 1, 0]);
    tracker.advance(11 * MINUTE);
    mouth.say(&packet(OTHER, &[record(1, 1, SEEDING), record(2, 1, 0)]));
    tracker.comes_to(2, [0, 0, 1]);
    tracker.announce(&leecher(3, 3));
    tracker.advance(DELAY);
    assert_eq!(ear.hear(), [record(3, 3, 0)]);
    // but it counts
    assert_eq!((tracker.first_number("completed"), tracker.synced()), (1, 5));
    let renewed = tracker.stats("renew");
    let counts: u64 = renewed.lines().filter_map(|line| line.split_once(' ')?.1.parse::<u64>().ok()).sum();
    assert!(counts == 1 && (renewed.contains("11 1\n") || renewed.contains("12 1\n")), "{renewed}");
}

#[test]
fn what_is_not_believed() {
    let Some(network) = network(2) else { return };
    ip(&format!("-n {} address add 10.77.0.99/24 dev plug", network.name(1))).expect("one more address");
    let tracker = network.tracker(0);
    let mouth = network.mouth(1, address(1));
    let stranger = network.mouth(1, Ipv4Addr::new(10, 77, 0, 99));
    let own = tracker.stats("everything");
    let own = own.split_once("<tracker_id>").and_then(|(_, rest)| rest.split_once('<')).expect("a tracker id").0;
    let own = own.parse::<u32>().expect("a number").to_ne_bytes();

    stranger.say(&packet(OTHER, &[record(1, 1, 0)]));
    mouth.say(&packet(own, &[record(1, 2, 0)]));
    for at in 4..8 {
        let mut other_type = packet(OTHER, &[record(1, 3, 0)]);
        other_type[at] = 1;
        mouth.say(&other_type);
    }
    let good = packet(OTHER, &[record(2, 1, 0), record(2, 2, 0)]);
    for length in [0, 1, 4, 7, 8, 9, good.len() / 2] {
        mouth.say(&good[..length]);
    }
    // of a packet that is cut short, the whole records count; so they do where something follows them
    mouth.say(&good[..good.len() - 1]);
    mouth.say(&[&packet(OTHER, &[record(2, 3, !STOPPED & !SEEDING)])[..], &[0xff; 27]].concat());
    let aged = Record { age: 200, ..record(2, 4, SEEDING) };
    mouth.say(&packet(OTHER, &[aged]));
    // completed without seeding is not completed
    tracker.comes_to(2, [1, 0, 2]);
    assert_eq!((tracker.scrape(1), tracker.synced()), ([0, 0, 0], 3));
    // a packet as long as they come
    let many: Vec<_> = (0..(65_507 - 8) / (24 + width()) as u16).map(|port| record(3, port, 0)).collect();
    mouth.say(&packet(OTHER, &many));
    tracker.comes_to(3, [0, 0, many.len() as u32]);
}

#[test]
fn an_access_list_is_for_synced_peers_too() {
    if !Build::under_test().has("accesslist-white") {
        return harness::for_another_build("needs the switch accesslist-white");
    }
    let Some(network) = network(2) else { return };
    let tracker = network.tracker_that_knows(0, [hash(1)]);
    let mouth = network.mouth(1, address(1));
    mouth.say(&packet(OTHER, &[record(2, 1, 0), record(1, 1, 0), record(1, 2, 0), record(1, 1, STOPPED)]));
    tracker.comes_to(1, [0, 0, 1]);
    // what is not taken in has been received all the same
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
    // a peer that is due again soon is told of as soon as it announces, though not before
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
fn a_flood_of_packets_holds_up_nobody() {
    let _alone = FLOOD.write().unwrap_or_else(PoisonError::into_inner);
    let Some(network) = network_of_the_build(2) else { return };
    let tracker = network.tracker(0);
    let mouth = network.mouth(1, address(1));
    let done = AtomicBool::new(false);
    let (mut worst, mut said) = (Duration::ZERO, 0);
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let mut said = 0_u64;
            while !done.load(Ordering::Relaxed) {
                let port = said as u16;
                let records: Vec<_> = (0..36).map(|n| record(n, port, 0)).collect();
                let _ = mouth.0.send_to(&packet(OTHER, &records), (GROUP, PORT));
                said += 1;
            }
            said
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
        said = flood.join().expect("the flood");
    });
    println!("{said} packets of 36 records; the slowest of 2,000 announces took {worst:?}");
    assert!(worst < Duration::from_millis(500), "{worst:?}");
    eventually("records arrive", || tracker.synced() > 0);
}

/// Starts a tracker with these words and nothing else; gives its exit code and last words.
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
    // of a network for documentation: nobody's address
    let (code, text) = ends_with(&["-i", "198.51.100.1", "-s", "9696"]);
    assert!(code == Some(111) && text.ends_with(": No such device\n"), "{text}");
}
