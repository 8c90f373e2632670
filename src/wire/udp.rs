//! Datagrams of the UDP tracker protocol (BEP 15).

use crate::limits::{NUMWANT_MAX, UDP_SCRAPE_MAX};
use crate::types::{Announce, Counts, InfoHash, Interval};

/// What a connect request has in place of a connection id (BEP 15).
pub const MAGIC: u64 = 0x0417_2710_1980;

/// Bytes of the shortest packet that is read: connection id, action, transaction (BEP 15).
const PREFIX: usize = 16;

/// Bytes of an announce (BEP 15); what follows, such as the options of BEP 41, is ignored.
const ANNOUNCE: usize = 98;

/// Bytes of a reply to an announce before the peers (BEP 15).
const ANNOUNCED: usize = 20;

/// Bytes of the reply to a connect request (BEP 15).
pub const CONNECTED: usize = 16;

/// Bytes of a reply with action and transaction only.
const ACTION_ONLY: usize = 8;

/// Bytes of the longest reply. Where there are IPv4 peers (`v4`) all replies are as long as those at most, in which there is room for 66
/// IPv6 peers (as the original).
pub const fn reply_max(v4: bool) -> usize {
    let announced = ANNOUNCED + NUMWANT_MAX * if v4 { 6 } else { 18 };
    let scraped = ACTION_ONLY + UDP_SCRAPE_MAX * 12;
    if announced > scraped { announced } else { scraped }
}

/// The error message for a wrong connection id (as the original), with its NUL.
const MISMATCH: &[u8] = b"Connection ID missmatch.\0";

/// A request's kind (BEP 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Asks for a connection id.
    Connect,
    /// Names a peer and asks for others.
    Announce,
    /// Asks for counts.
    Scrape,
}

/// The first fields of every packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// The connection id, or [`MAGIC`].
    pub connection: u64,
    /// The request's kind.
    pub action: Action,
    /// The client's id of this request, which the reply repeats.
    pub transaction: [u8; 4],
}

impl Prefix {
    /// Reads the first 16 bytes. `None` if there are fewer, or the action is unknown.
    pub fn parse(packet: &[u8]) -> Option<Prefix> {
        let prefix: &[u8; PREFIX] = packet.first_chunk()?;
        let action = match u32::from_be_bytes(*field(prefix, 8)?) {
            0 => Action::Connect,
            1 => Action::Announce,
            2 => Action::Scrape,
            _ => return None,
        };
        Some(Prefix { connection: u64::from_be_bytes(*field(prefix, 0)?), action, transaction: *field(prefix, 12)? })
    }
}

/// Reads an announce that is answered with so many peers at most. `None` if the packet is too short. The address that the client names
/// is ignored.
pub fn parse_announce(packet: &[u8], numwant_max: usize) -> Option<Announce> {
    let packet: &[u8; ANNOUNCE] = packet.first_chunk()?;
    let event = u32::from_be_bytes(*field(packet, 80)?);
    let numwant = u32::from_be_bytes(*field(packet, 92)?);
    Some(Announce {
        info_hash: InfoHash(*field(packet, 16)?),
        peer_id: None,
        port: *field(packet, 96)?,
        seeding: *field::<8>(packet, 64)? == [0; 8],
        completed: event == 1,
        stopped: event == 3,
        numwant: usize::try_from(numwant).map_or(numwant_max, |wanted| wanted.min(numwant_max)),
    })
}

/// The info hash of an announce. `None` for other requests.
pub fn announced_info_hash(packet: &[u8]) -> Option<InfoHash> {
    Prefix::parse(packet).filter(|prefix| prefix.action == Action::Announce)?;
    let packet: &[u8; ANNOUNCE] = packet.first_chunk()?;
    field(packet, 16).copied().map(InfoHash)
}

fn field<const L: usize>(packet: &[u8], at: usize) -> Option<&[u8; L]> {
    packet.get(at..)?.first_chunk()
}

/// The info hashes of a scrape, at most [`UDP_SCRAPE_MAX`]. `None` stands for one that is cut short at the packet's end: it is answered
/// as an unknown torrent.
pub fn scrape_hashes(packet: &[u8]) -> impl Iterator<Item = Option<&[u8; 20]>> {
    let hashes = packet.get(PREFIX..).unwrap_or_default();
    hashes.chunks(20).take(UDP_SCRAPE_MAX).map(|hash| hash.try_into().ok())
}

/// Writes a reply into a buffer that is long enough for any ([`reply_max`]).
pub struct Reply<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl<'a> Reply<'a> {
    /// An empty reply.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Reply { buffer, length: 0 }
    }

    /// Bytes written. 0: there is no reply.
    pub fn length(&self) -> usize {
        self.length
    }

    fn put(&mut self, bytes: &[u8]) {
        if let Some(place) = self.buffer.get_mut(self.length..self.length + bytes.len()) {
            place.copy_from_slice(bytes);
            self.length += bytes.len();
        }
    }

    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    /// Writes action and transaction: the start of every reply, and the whole reply for a torrent that the access list forbids.
    pub fn action(&mut self, action: Action, transaction: [u8; 4]) {
        self.put_u32(match action {
            Action::Connect => 0,
            Action::Announce => 1,
            Action::Scrape => 2,
        });
        self.put(&transaction);
    }

    /// Writes the reply to a connect request.
    pub fn connected(&mut self, transaction: [u8; 4], connection: u64) {
        self.action(Action::Connect, transaction);
        self.put(&connection.to_be_bytes());
    }

    /// Writes the error for a wrong connection id (BEP 15: action 3).
    pub fn mismatch(&mut self, transaction: [u8; 4]) {
        self.put_u32(3);
        self.put(&transaction);
        self.put(MISMATCH);
    }

    /// The room for the peers of an announce's reply. They are written before [`announced`](Self::announced) is called.
    pub fn room_for_peers(&mut self) -> &mut [u8] {
        self.buffer.get_mut(ANNOUNCED..).unwrap_or_default()
    }

    /// Writes the reply to an announce. `peers` bytes of peers are in [their room](Self::room_for_peers) already.
    pub fn announced(&mut self, transaction: [u8; 4], interval: Interval, counts: Counts, peers: usize) {
        self.action(Action::Announce, transaction);
        self.put_u32(interval.seconds());
        self.put_u32(counts.leechers);
        self.put_u32(counts.seeders);
        self.length = self.buffer.len().min(self.length + peers);
    }

    /// Writes the reply to an announce whose torrent the access list forbids: an interval, and no peers.
    pub fn refused(&mut self, transaction: [u8; 4], seconds: u32) {
        self.action(Action::Announce, transaction);
        self.put_u32(seconds);
        self.put_u32(0);
        self.put_u32(0);
    }

    /// Writes one torrent of a scrape's reply.
    pub fn scraped(&mut self, counts: Counts) {
        self.put_u32(counts.seeders);
        self.put_u32(counts.downloaded);
        self.put_u32(counts.leechers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Intervals;
    use proptest::prelude::*;

    #[test]
    fn a_refusal_is_an_answer_without_peers() {
        let mut buffer = [9; 100];
        let mut reply = Reply::new(&mut buffer);
        reply.refused(*b"mine", 3600);
        assert_eq!(reply.length(), 20);
        assert_eq!(buffer[..20], *b"\0\0\0\x01mine\0\0\x0e\x10\0\0\0\0\0\0\0\0");
    }

    fn packet(action: u32, length: usize) -> Vec<u8> {
        let mut packet = vec![0; length.max(PREFIX)];
        packet[8..12].copy_from_slice(&action.to_be_bytes());
        packet[12..16].copy_from_slice(&[1, 2, 3, 4]);
        packet.truncate(length);
        packet
    }

    #[test]
    fn short_and_unknown_packets_are_ignored() {
        assert_eq!(Prefix::parse(&packet(0, 15)), None);
        assert_eq!(Prefix::parse(&packet(3, 16)), None);
        assert_eq!(Prefix::parse(&packet(u32::MAX, 16)), None);
        let prefix = Prefix::parse(&packet(2, 16)).unwrap();
        assert_eq!((prefix.action, prefix.transaction), (Action::Scrape, [1, 2, 3, 4]));
        assert_eq!(parse_announce(&packet(1, 97), 1), None);
        assert!(parse_announce(&packet(1, 120), 1).is_some());
        for nothing in [packet(0, 98), packet(1, 97), packet(2, 98), packet(3, 98)] {
            assert_eq!(announced_info_hash(&nothing), None);
        }
    }

    #[test]
    fn fields_of_an_announce() {
        let mut bytes = packet(1, 98);
        bytes[16..36].copy_from_slice(b"info_hash_info_hash_");
        bytes[64] = 1; // left, far above 32 bits
        bytes[83] = 3;
        bytes[92..96].copy_from_slice(&[255; 4]);
        bytes[96..98].copy_from_slice(&[0x1a, 0xe1]);
        assert_eq!(announced_info_hash(&bytes), Some(InfoHash(*b"info_hash_info_hash_")));
        assert_eq!(parse_announce(&bytes, 7).unwrap().numwant, 7);
        let said = parse_announce(&bytes, 200).unwrap();
        assert_eq!(said.info_hash, InfoHash(*b"info_hash_info_hash_"));
        assert!(!said.seeding && !said.completed && said.stopped);
        assert_eq!((said.numwant, said.port), (200, [0x1a, 0xe1]));
        bytes[64] = 0;
        bytes[83] = 1;
        let said = parse_announce(&bytes, 200).unwrap();
        assert!(said.seeding && said.completed && !said.stopped);
    }

    #[test]
    fn a_scrape_ends_at_75_hashes_and_may_be_cut_short() {
        let count = |length| scrape_hashes(&packet(2, length)).count();
        assert_eq!(count(16), 0);
        assert_eq!(count(36), 1);
        assert_eq!(count(16 + 20 * 80), 75);
        let bytes = packet(2, 16 + 27);
        assert_eq!(scrape_hashes(&bytes).map(|hash| hash.is_some()).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn the_longest_replies_fit() {
        for (v4, endpoint) in [(true, 6), (false, 18)] {
            let mut buffer = vec![0; reply_max(v4)];
            let mut reply = Reply::new(&mut buffer);
            reply.action(Action::Scrape, [0; 4]);
            (0..UDP_SCRAPE_MAX).for_each(|_| reply.scraped(Counts::default()));
            assert_eq!(reply.length(), 8 + 75 * 12);
            let mut reply = Reply::new(&mut buffer);
            let peers = NUMWANT_MAX * endpoint;
            assert!(reply.room_for_peers().len() >= peers);
            reply.announced([0; 4], Intervals::default().draw(0), Counts::default(), peers);
            assert_eq!(reply.length(), ANNOUNCED + NUMWANT_MAX * endpoint);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_packets_are_read(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            Prefix::parse(&bytes);
            parse_announce(&bytes, 200);
            prop_assert!(scrape_hashes(&bytes).count() <= UDP_SCRAPE_MAX);
        }
    }
}
