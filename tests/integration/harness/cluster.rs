//! What tests of live sync share: trackers at the nodes of a network, sockets that receive and send packets as a node does, records.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::network::{Network, address};
use super::udp::Announce;
use super::{Build, SOON, Starter, Tracker, hash, within};

/// The multicast group.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 23, 5);
/// The port of the cluster.
pub const PORT: u16 = 9696;

/// The flag of a seeder.
pub const SEEDING: u8 = 0x80;
/// The flag of a peer that has just completed.
pub const COMPLETED: u8 = 0x40;
/// The flag of a peer that stops.
pub const STOPPED: u8 = 0x20;

impl Network {
    /// Starts a tracker at a node that accepts packets of all others.
    #[track_caller]
    pub fn tracker(&self, node: usize) -> Node<'_> {
        self.tracker_that_knows(node, (0..100).map(hash))
    }

    /// The same, with these torrents on its list where it was built with a whitelist.
    #[track_caller]
    pub fn tracker_that_knows(&self, node: usize, torrents: impl IntoIterator<Item = [u8; 20]>) -> Node<'_> {
        let config = self.cluster_config(node);
        let starter = Starter::new().own_cluster().allow(torrents).file("cluster.conf", config.as_bytes());
        let starter = starter.wrap(["ip", "netns", "exec", &self.name(node)]).args(["-f", "cluster.conf"]);
        let tracker = self.inside(node, || starter.start());
        Node { network: self, node, tracker }
    }

    /// What the config file of a tracker at a node says of the cluster.
    pub fn cluster_config(&self, node: usize) -> String {
        let mut config = format!("livesync.cluster.listen {}:{PORT}\n", address(node));
        for other in (0..self.nodes).filter(|other| *other != node) {
            let _ = writeln!(config, "livesync.cluster.node_ip {}", address(other));
        }
        config
    }

    /// A socket at a node that receives what all others send.
    pub fn receiver(&self, node: usize) -> Receiver {
        let socket = self.inside(node, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).expect("the cluster's port"));
        socket.join_multicast_v4(&GROUP, &address(node)).expect("the cluster's group");
        Receiver(socket)
    }

    /// A socket at a node that sends to all others, from its first address or another one.
    pub fn sender(&self, node: usize, from: Ipv4Addr) -> Sender {
        let socket = self.inside(node, || UdpSocket::bind((from, 0)).expect("a socket"));
        socket.set_multicast_loop_v4(false).expect("no echo");
        Sender(socket)
    }
}

/// A tracker at a node.
pub struct Node<'a> {
    network: &'a Network,
    /// Its number.
    pub node: usize,
    tracker: Tracker,
}

impl Node<'_> {
    /// Does something in the node's namespace.
    pub fn inside<T>(&self, what: impl FnOnce(&Tracker) -> T) -> T {
        self.network.inside(self.node, || what(&self.tracker))
    }

    /// Announces over UDP.
    #[track_caller]
    pub fn announce(&self, announce: &Announce) {
        self.inside(|tracker| tracker.udp().announce(announce));
    }

    /// Seeders, completed, leechers.
    #[track_caller]
    pub fn scrape(&self, n: u64) -> [u32; 3] {
        self.inside(|tracker| tracker.udp().scrape(&[hash(n)]))[0]
    }

    /// A page of the statistics.
    pub fn stats(&self, mode: &str) -> String {
        self.inside(|tracker| tracker.get(&format!("/stats?mode={mode}"))).text()
    }

    /// The first number of a statistics page.
    #[track_caller]
    pub fn first_number(&self, mode: &str) -> u64 {
        let text = self.stats(mode);
        text.lines().next().and_then(|line| line.parse().ok()).unwrap_or_else(|| panic!("{mode}: {text}"))
    }

    /// Records received from the others.
    #[track_caller]
    pub fn synced(&self) -> u64 {
        self.first_number("syncs")
    }

    /// Moves its clock.
    #[track_caller]
    pub fn advance(&self, seconds: i64) {
        self.inside(|tracker| tracker.advance(seconds));
    }

    /// Waits until the counts of a torrent are these.
    #[track_caller]
    pub fn comes_to(&self, n: u64, counts: [u32; 3]) {
        let came = within(SOON, || (self.scrape(n) == counts).then_some(()));
        assert!(came.is_some(), "node {}, torrent {n}: {:?}, not {counts:?}", self.node, self.scrape(n));
    }
}

/// A leecher. All peers have one address and differ in their ports.
pub fn leecher(n: u64, port: u16) -> Announce {
    Announce::new(hash(n), port)
}

/// A seeder.
pub fn seeder(n: u64, port: u16) -> Announce {
    Announce { left: 0, ..leecher(n, port) }
}

/// A leecher that has completed.
pub fn completed(n: u64, port: u16) -> Announce {
    Announce { event: 1, ..seeder(n, port) }
}

/// A leecher that stops.
pub fn stopped(n: u64, port: u16) -> Announce {
    Announce { event: 3, ..leecher(n, port) }
}

/// One record of a packet, without the peer's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The torrent.
    pub hash: [u8; 20],
    /// The peer's port.
    pub port: u16,
    /// [`SEEDING`] and the like.
    pub flags: u8,
    /// Minutes since the announce; always 0.
    pub age: u8,
}

/// A record of age 0.
pub fn record(n: u64, port: u16, flags: u8) -> Record {
    Record { hash: hash(n), port, flags, age: 0 }
}

/// Bytes of an address in the build under test.
pub fn width() -> usize {
    if Build::under_test().v6() { 16 } else { 4 }
}

/// A socket that receives packets of the cluster.
pub struct Receiver(UdpSocket);

impl Receiver {
    /// The next packet within `wait`: sender, tracker id, records.
    #[track_caller]
    pub fn packet_within(&self, wait: Duration) -> Option<(SocketAddr, [u8; 4], Vec<Record>)> {
        let mut bytes = [0; 4096];
        self.0.set_read_timeout(Some(wait)).expect("a timeout");
        let (length, from) = super::uninterrupted(|| self.0.recv_from(&mut bytes)).ok()?;
        let (head, records) = bytes[..length].split_at(8);
        assert!(length < 1480 && head[4..] == [0; 4] && records.len() % (24 + width()) == 0, "{head:?} {length}");
        let read = |bytes: &[u8]| {
            let rest = &bytes[20 + width()..];
            let port = u16::from_be_bytes([rest[0], rest[1]]);
            Record { hash: bytes[..20].try_into().unwrap(), port, flags: rest[2], age: rest[3] }
        };
        Some((from, head[..4].try_into().unwrap(), records.chunks_exact(24 + width()).map(read).collect()))
    }

    /// The socket itself, for packets of other types.
    pub fn into_socket(self) -> UdpSocket {
        self.0
    }

    /// The records of the next packet.
    #[track_caller]
    pub fn records(&self) -> Vec<Record> {
        self.packet_within(SOON).expect("a packet").2
    }
}

/// A socket that sends packets to the cluster.
pub struct Sender(UdpSocket);

impl Sender {
    /// Sends a packet.
    pub fn send(&self, packet: &[u8]) {
        assert_eq!(self.try_send(packet).expect("a packet to the group"), packet.len());
    }

    /// Sends a packet if the system takes it.
    pub fn try_send(&self, packet: &[u8]) -> std::io::Result<usize> {
        self.0.send_to(packet, (GROUP, PORT))
    }
}

/// A packet of some other tracker.
pub fn packet(id: [u8; 4], records: &[Record]) -> Vec<u8> {
    let mut out = [id, [0; 4]].concat();
    for record in records {
        out.extend_from_slice(&record.hash);
        out.extend_from_slice(&[10; 16][..width()]);
        out.extend_from_slice(&record.port.to_be_bytes());
        out.extend_from_slice(&[record.flags, record.age]);
    }
    out
}

/// The id of that tracker.
pub const OTHER: [u8; 4] = [0xf0, 0x0d, 0xf0, 0x0d];
