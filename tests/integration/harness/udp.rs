//! A UDP tracker client (BEP 15) that can send what no client should.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

/// The connection id of a connect request (BEP 15).
pub const MAGIC: u64 = 0x0417_2710_1980;

/// The transaction id that tests send, unless they say otherwise.
pub const TRANSACTION: u32 = 0x0102_0304;

/// The fields of an announce. All can be set to anything.
#[derive(Debug, Clone)]
pub struct Announce {
    /// Torrent.
    pub hash: [u8; 20],
    /// Peer id.
    pub peer_id: [u8; 20],
    /// Bytes downloaded.
    pub downloaded: u64,
    /// Bytes left; none: a seeder.
    pub left: u64,
    /// Bytes uploaded.
    pub uploaded: u64,
    /// 0 none, 1 completed, 2 started, 3 stopped.
    pub event: u32,
    /// The address to use, which this tracker ignores.
    pub ip: u32,
    /// Key.
    pub key: u32,
    /// Peers wanted, -1 for the default.
    pub numwant: i32,
    /// Port the peer listens on.
    pub port: u16,
}

impl Announce {
    /// A leecher's plain announce.
    pub fn new(hash: [u8; 20], port: u16) -> Self {
        Self {
            hash,
            peer_id: *b"-CC0001-abcdefghijkl",
            downloaded: 0,
            left: 1,
            uploaded: 0,
            event: 0,
            ip: 0,
            key: 1,
            numwant: -1,
            port,
        }
    }

    /// The 98 bytes of the packet.
    pub fn packet(&self, id: u64) -> Vec<u8> {
        let mut out = header(id, 1);
        out.extend_from_slice(&self.hash);
        out.extend_from_slice(&self.peer_id);
        for number in [self.downloaded, self.left, self.uploaded] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&self.event.to_be_bytes());
        out.extend_from_slice(&self.ip.to_be_bytes());
        out.extend_from_slice(&self.key.to_be_bytes());
        out.extend_from_slice(&self.numwant.to_be_bytes());
        out.extend_from_slice(&self.port.to_be_bytes());
        out
    }
}

/// Connection id, action and transaction id: how every request begins.
pub fn header(id: u64, action: u32) -> Vec<u8> {
    let mut out = id.to_be_bytes().to_vec();
    out.extend_from_slice(&action.to_be_bytes());
    out.extend_from_slice(&TRANSACTION.to_be_bytes());
    out
}

/// A scrape for some torrents.
pub fn scrape_packet(id: u64, hashes: &[[u8; 20]]) -> Vec<u8> {
    let mut out = header(id, 2);
    hashes.iter().for_each(|hash| out.extend_from_slice(hash));
    out
}

/// A socket connected to a tracker, and the connection id it was given.
#[derive(Debug)]
pub struct Client {
    socket: UdpSocket,
    id: Option<u64>,
}

impl Client {
    /// A socket at `source` that talks to `to`.
    pub fn new(to: SocketAddr, source: IpAddr) -> std::io::Result<Self> {
        let socket = UdpSocket::bind(SocketAddr::new(source, 0))?;
        socket.connect(to)?;
        Ok(Self { socket, id: None })
    }

    /// Sends a datagram and waits for one; `None` where none came within `wait`.
    pub fn exchange(&self, packet: &[u8], wait: Duration) -> Option<Vec<u8>> {
        self.socket.send(packet).ok()?;
        self.receive(wait)
    }

    /// Sends a datagram.
    pub fn send(&self, packet: &[u8]) {
        let _ = self.socket.send(packet);
    }

    /// Waits for a datagram.
    pub fn receive(&self, wait: Duration) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 65536];
        self.socket.set_read_timeout(Some(wait)).ok()?;
        let length = super::uninterrupted(|| self.socket.recv(&mut buffer)).ok()?;
        buffer.truncate(length);
        Some(buffer)
    }

    /// The connection id: asked for at first use, then kept.
    #[track_caller]
    pub fn id(&mut self) -> u64 {
        if let Some(id) = self.id {
            return id;
        }
        let id = self.connect();
        self.id = Some(id);
        id
    }

    /// Forgets the connection id, which may have become too old.
    pub fn forget_id(&mut self) {
        self.id = None;
    }

    /// Asks for a connection id.
    #[track_caller]
    pub fn connect(&self) -> u64 {
        let reply = self.exchange(&header(MAGIC, 0), super::SOON).expect("an answer to a connect");
        assert_eq!((reply.len(), &reply[..4]), (16, &[0; 4][..]), "answer to a connect: {}", super::hex(&reply));
        u64::from_be_bytes(reply[8..].try_into().expect("eight bytes"))
    }

    /// Announces; panics without an answer.
    #[track_caller]
    pub fn announce(&mut self, announce: &Announce) -> Announced {
        let id = self.id();
        let reply = self.exchange(&announce.packet(id), super::SOON).expect("an answer to an announce");
        Announced::parse(&reply).unwrap_or_else(|| panic!("answer to an announce: {}", super::hex(&reply)))
    }

    /// Scrapes: seeders, completed, leechers of each torrent. Panics without an answer.
    #[track_caller]
    pub fn scrape(&mut self, hashes: &[[u8; 20]]) -> Vec<[u32; 3]> {
        let id = self.id();
        let reply = self.exchange(&scrape_packet(id, hashes), super::SOON).expect("an answer to a scrape");
        assert_eq!(reply.get(..4), Some(&[0, 0, 0, 2][..]), "answer to a scrape: {}", super::hex(&reply));
        let words: Vec<u32> =
            reply[8..].chunks_exact(4).map(|w| u32::from_be_bytes([w[0], w[1], w[2], w[3]])).collect();
        words.chunks_exact(3).map(|three| [three[0], three[1], three[2]]).collect()
    }
}

/// An announce's answer in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// Seconds to the next announce.
    pub interval: u32,
    /// Leechers in the swarm.
    pub leechers: u32,
    /// Seeders in the swarm.
    pub seeders: u32,
    /// Peers as address and port.
    pub peers: Vec<SocketAddr>,
}

impl Announced {
    /// Reads an answer; `None` for anything that is no announce answer with the peers of the build under test.
    pub fn parse(reply: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_be_bytes(reply.get(at..at + 4)?.try_into().ok()?));
        let peers = peers(reply.get(20..)?)?;
        if word(0)? != 1 || word(4)? != TRANSACTION {
            return None;
        }
        Some(Self { interval: word(8)?, leechers: word(12)?, seeders: word(16)?, peers })
    }
}

/// Compact peers of the build's family (BEP 23, BEP 7), mapped IPv4 addresses as what they are; `None` where the last one is no whole one.
pub fn peers(bytes: &[u8]) -> Option<Vec<SocketAddr>> {
    let peer = |peer: &[u8]| {
        let (address, port) = peer.split_last_chunk::<2>()?;
        let v6 = <[u8; 16]>::try_from(address).map(|octets| IpAddr::from(octets).to_canonical());
        let address = v6.or_else(|_| <[u8; 4]>::try_from(address).map(IpAddr::from)).ok()?;
        Some(SocketAddr::new(address, u16::from_be_bytes(*port)))
    };
    bytes.chunks(if super::Build::under_test().v6() { 18 } else { 6 }).map(peer).collect()
}

/// Announces one leecher for each of many torrents, as fast as the tracker answers.
#[track_caller]
pub fn populate(client: &mut Client, hashes: impl IntoIterator<Item = [u8; 20]>) {
    /// Announces on their way at a time: few enough for any socket's buffer.
    const WINDOW: usize = 32;
    let id = client.id();
    let mut under_way = 0;
    let answered = |client: &Client| {
        let reply = client.receive(super::SOON).expect("an answer to an announce");
        assert!(reply.len() > 20 && reply[..4] == [0, 0, 0, 1], "answer to an announce: {}", super::hex(&reply));
    };
    for hash in hashes {
        let announce = Announce { numwant: 1, ..Announce::new(hash, 6881) };
        client.send(&announce.packet(id));
        under_way += 1;
        if under_way == WINDOW {
            (0..WINDOW / 2).for_each(|_| answered(client));
            under_way -= WINDOW / 2;
        }
    }
    (0..under_way).for_each(|_| answered(client));
}
