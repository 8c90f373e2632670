//! The requests: who announces what, as bytes of BEP 15 and of HTTP.

use crate::random::{Choice, Random, mix};
use std::io::Write;
use std::net::Ipv4Addr;

/// Addresses that requests come from: 127.1.0.1 and up.
pub const SOURCES: u32 = 512;

/// The magic number of a connect (BEP 15).
const MAGIC: u64 = 0x417_2710_1980;

/// The address of a source.
pub fn source(index: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x7f01_0000 + 1 + index)
}

/// Torrents with this number and above have one prefix of 8 bytes.
pub const PREFIXED: u64 = 1 << 48;

/// The info hash of a torrent; the same in every run, so that it can be on a whitelist.
pub fn info_hash(torrent: u64) -> [u8; 20] {
    let mut hash = [0; 20];
    if torrent >= PREFIXED {
        hash[8..16].copy_from_slice(&mix(torrent).to_be_bytes());
        return hash;
    }
    hash[..8].copy_from_slice(&mix(torrent).to_be_bytes());
    hash[8..16].copy_from_slice(&mix(torrent ^ (1 << 40)).to_be_bytes());
    hash[16..].copy_from_slice(&(torrent as u32).to_be_bytes());
    hash
}

/// What a tracker is filled with, and asked about.
#[derive(Clone, Copy)]
pub struct Swarms {
    pub torrents: u64,
    /// Twice the mean number of peers: an odd one means that every other torrent has one more.
    pub peers_twice: u64,
    pub numwant: u32,
}

/// One peer of one torrent.
#[derive(Clone, Copy)]
pub struct Peer {
    pub torrent: u64,
    pub number: u64,
}

impl Swarms {
    pub fn peers_of(&self, torrent: u64) -> u64 {
        (self.peers_twice / 2 + (torrent & self.peers_twice & 1)).max(1)
    }

    pub fn total(&self) -> u64 {
        self.torrents * self.peers_twice / 2
    }

    /// Bytes of the mean reply, IPv4, UDP.
    pub fn reply_bytes(&self) -> usize {
        let one = |peers: u64| 20 + 6 * peers.min(u64::from(self.numwant)) as usize;
        (one(self.peers_of(0)) + one(self.peers_of(1))) / 2
    }

    /// A peer that is there already.
    pub fn pick(&self, choice: Choice, random: &mut Random) -> Peer {
        let torrent = choice.pick(random, self.torrents);
        Peer { torrent, number: random.below(self.peers_of(torrent)) }
    }

    /// All peers, the first of each torrent first.
    pub fn all(self) -> impl Iterator<Item = Peer> {
        let most = self.peers_twice.div_ceil(2);
        (0..most).flat_map(move |number| {
            let torrents = (0..self.torrents).filter(move |torrent| number < self.peers_of(*torrent));
            torrents.map(move |torrent| Peer { torrent, number })
        })
    }
}

impl Peer {
    /// Which source it announces from.
    pub fn source(&self) -> u32 {
        ((self.number + self.torrent) % u64::from(SOURCES)) as u32
    }

    fn port(&self) -> u16 {
        1024 + (self.number / u64::from(SOURCES) + self.torrent % 40_000) as u16 % 64_000
    }

    fn left(&self) -> u64 {
        if self.number % 4 == 3 { 0 } else { 1 << 20 }
    }
}

/// What is asked.
#[derive(Clone, Copy)]
pub enum Request {
    Connect(u32),
    Announce(Peer),
    /// So many torrents from this one on.
    Scrape(u64, usize),
}

impl Request {
    pub fn source(&self) -> u32 {
        match self {
            Request::Connect(source) => *source,
            Request::Announce(peer) => peer.source(),
            Request::Scrape(torrent, _) => (*torrent % u64::from(SOURCES)) as u32,
        }
    }

    /// Writes the datagram and returns its length.
    pub fn write(&self, connection: u64, transaction: u32, numwant: u32, mut out: &mut [u8]) -> usize {
        let room = out.len();
        let action: u32 = match self {
            Request::Connect(_) => 0,
            Request::Announce(_) => 1,
            Request::Scrape(..) => 2,
        };
        let first = if action == 0 { MAGIC } else { connection };
        put(&mut out, &first.to_be_bytes());
        put(&mut out, &action.to_be_bytes());
        put(&mut out, &transaction.to_be_bytes());
        match self {
            Request::Connect(_) => {}
            Request::Announce(peer) => {
                put(&mut out, &info_hash(peer.torrent));
                put(&mut out, b"-BE0001-abcdefghijkl");
                put(&mut out, &0u64.to_be_bytes());
                put(&mut out, &peer.left().to_be_bytes());
                put(&mut out, &0u64.to_be_bytes());
                // event, address, key
                put(&mut out, &[0; 12]);
                put(&mut out, &numwant.to_be_bytes());
                put(&mut out, &peer.port().to_be_bytes());
            }
            Request::Scrape(torrent, count) => {
                for next in *torrent..*torrent + *count as u64 {
                    put(&mut out, &info_hash(next));
                }
            }
        }
        room - out.len()
    }
}

fn put(out: &mut &mut [u8], bytes: &[u8]) {
    // the buffers are as long as the longest scrape
    out.write_all(bytes).expect("room for a request");
}

/// The same announce as a client sends it over HTTP.
pub fn http_announce(peer: &Peer, numwant: u32, keep: bool) -> Vec<u8> {
    let mut out = b"GET /announce?info_hash=".to_vec();
    for byte in info_hash(peer.torrent) {
        if byte.is_ascii_alphanumeric() {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    let (port, left) = (peer.port(), peer.left());
    out.extend_from_slice(
        format!(
            "&peer_id=-BE0001-abcdefghijkl&port={port}&uploaded=0&downloaded=0&left={left}&numwant={numwant}\
             &key=0123abcd&compact=1 HTTP/1.1\r\nHost: tracker.example:6969\r\nUser-Agent: bench/1.0\r\n\
             Accept-Encoding: gzip\r\nConnection: {}\r\n\r\n",
            if keep { "keep-alive" } else { "close" }
        )
        .as_bytes(),
    );
    out
}
