//! The packets of live sync: datagrams of a head and whole records (as the original).
//!
//! The head is the sender's id, by which trackers recognise their own packets, and a type, of which only one was ever used: peers. A
//! record is an info hash and a peer as the original keeps it in memory: address, port, flags, age. The age is always 0 when a
//! record is sent, and ignored when it is received.

use crate::address::Family;
use crate::limits::LIVESYNC_PACKET_MAX;
use std::net::{IpAddr, Ipv4Addr};

/// The multicast group that packets are sent to.
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 23, 5);

/// Bytes before the records: tracker id and type.
pub const HEAD: usize = 8;

const SEEDING: u8 = 0x80;
const COMPLETED: u8 = 0x40;
const STOPPED: u8 = 0x20;

/// One announce, as another tracker reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The torrent.
    pub info_hash: [u8; 20],
    /// The peer's address.
    pub address: IpAddr,
    /// Its port, most significant byte first.
    pub port: [u8; 2],
    /// The peer has all of the torrent.
    pub seeding: bool,
    /// It has just completed its download.
    pub completed: bool,
    /// It leaves.
    pub stopped: bool,
}

/// What the packets of one type carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The number by which packets of this type are told apart.
    pub number: u8,
    /// The family of the peers.
    pub family: Family,
}

impl Kind {
    /// Bytes of a record: 28 with IPv4 addresses, 40 with IPv6 ones.
    pub const fn record(self) -> usize {
        let address = match self.family {
            Family::V4 => 4,
            Family::V6 => 16,
        };
        20 + address + 2 + 1 + 1
    }

    /// Records in a packet at most: 52 with IPv4 addresses, 36 with IPv6 ones.
    pub const fn per_packet(self) -> usize {
        (LIVESYNC_PACKET_MAX - 1 - HEAD) / self.record()
    }

    /// Bytes of a full packet.
    pub const fn full(self) -> usize {
        HEAD + self.per_packet() * self.record()
    }

    /// The head of the packets that a tracker sends.
    pub fn head(self, tracker_id: u32) -> [u8; HEAD] {
        let [a, b, c, d] = id_bytes(tracker_id);
        [a, b, c, d, 0, 0, 0, self.number]
    }
}

/// The types of packets that a tracker sends and takes: `number` 0 is the first family that it has peers of (as the original), 1 the
/// second (as the original's 1.0 line).
pub fn kinds(v4: bool, v6: bool) -> impl Iterator<Item = Kind> {
    let families =
        [(v4, Family::V4), (v6, Family::V6)].into_iter().filter_map(|(is_there, family)| is_there.then_some(family));
    families.zip(0..).map(|(family, number)| Kind { number, family })
}

impl Record {
    /// Appends the record to a packet.
    pub fn write(&self, packet: &mut Vec<u8>) {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(self.seeding, SEEDING) | flag(self.completed, COMPLETED) | flag(self.stopped, STOPPED);
        packet.extend_from_slice(&self.info_hash);
        match self.address {
            IpAddr::V4(v4) => packet.extend_from_slice(&v4.octets()),
            IpAddr::V6(v6) => packet.extend_from_slice(&v6.octets()),
        }
        packet.extend_from_slice(&self.port);
        packet.extend_from_slice(&[flags, 0]);
    }

    /// Reads a record of exactly as many bytes as the family has.
    fn read(bytes: &[u8], family: Family) -> Option<Record> {
        let (info_hash, rest) = bytes.split_first_chunk::<20>()?;
        let (address, rest): (IpAddr, _) = match family {
            Family::V4 => rest.split_first_chunk::<4>().map(|(address, rest)| ((*address).into(), rest))?,
            Family::V6 => rest.split_first_chunk::<16>().map(|(address, rest)| ((*address).into(), rest))?,
        };
        let (port, rest) = rest.split_first_chunk::<2>()?;
        let [flags, _age] = *rest else { return None };
        Some(Record {
            info_hash: *info_hash,
            address,
            port: *port,
            seeding: flags & SEEDING != 0,
            completed: flags & COMPLETED != 0,
            stopped: flags & STOPPED != 0,
        })
    }
}

static_assertions::const_assert_eq!(Kind { number: 0, family: Family::V4 }.per_packet(), 52);
static_assertions::const_assert_eq!(Kind { number: 1, family: Family::V6 }.per_packet(), 36);

/// The whole records of a received packet. There are none where the packet is this tracker's own or of none of these types. Bytes after
/// the last whole record are ignored.
pub fn records(packet: &[u8], own_id: u32, mut kinds: impl Iterator<Item = Kind>) -> impl Iterator<Item = Record> {
    let (head, records) = packet.split_at_checked(HEAD).unwrap_or_default();
    let is_foreign = !head.starts_with(&id_bytes(own_id));
    let kind = kinds.find(|kind| is_foreign && head.ends_with(&[0, 0, 0, kind.number]));
    kind.into_iter().flat_map(|kind| {
        records.chunks_exact(kind.record()).filter_map(move |record| Record::read(record, kind.family))
    })
}

/// Ids are only compared, so they are sent as they are in memory (as the original).
fn id_bytes(tracker_id: u32) -> [u8; 4] {
    tracker_id.to_ne_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OWN: u32 = 0x0102_0304;
    const OTHER: u32 = 0x0102_0305;
    const V4: Kind = Kind { number: 0, family: Family::V4 };
    const V6: Kind = Kind { number: 1, family: Family::V6 };

    fn record(n: u8, family: Family) -> Record {
        Record {
            info_hash: [n; 20],
            address: if family == Family::V4 { [n.wrapping_add(1); 4].into() } else { [n.wrapping_add(1); 16].into() },
            port: [0x1a, 0xe1],
            seeding: n & 1 != 0,
            completed: n & 2 != 0,
            stopped: n & 4 != 0,
        }
    }

    fn packet(id: u32, kind: Kind, count: u8) -> Vec<u8> {
        let mut packet = kind.head(id).to_vec();
        (0..count).for_each(|n| record(n, kind.family).write(&mut packet));
        packet
    }

    fn received(packet: &[u8]) -> Vec<Record> {
        records(packet, OWN, [V4, V6].into_iter()).collect()
    }

    #[test]
    fn every_byte_has_its_place() {
        let mut bytes = Vec::new();
        Record { address: [10, 0, 0, 7].into(), ..record(7, Family::V4) }.write(&mut bytes);
        assert_eq!(bytes, [&[7; 20][..], &[10, 0, 0, 7, 0x1a, 0xe1, 0xe0, 0]].concat());
        bytes.clear();
        Record { seeding: false, completed: false, ..record(4, Family::V6) }.write(&mut bytes);
        assert_eq!(bytes, [&[4; 20][..], &[5; 16], &[0x1a, 0xe1, 0x20, 0]].concat());
        for (n, flags) in [(0, 0), (1, 0x80), (2, 0x40), (3, 0xc0), (5, 0xa0)] {
            bytes.clear();
            record(n, Family::V4).write(&mut bytes);
            assert_eq!(bytes[26], flags);
        }
        assert_eq!(V4.head(OWN)[..4], OWN.to_ne_bytes());
        assert_eq!((&V4.head(OWN)[4..], &V6.head(OWN)[4..]), (&[0; 4][..], &[0, 0, 0, 1][..]));
    }

    #[test]
    fn types_are_numbered_by_the_families_of_a_build() {
        let types = |v4, v6| kinds(v4, v6).map(|kind| (kind.number, kind.family)).collect::<Vec<_>>();
        assert_eq!(types(true, false), [(0, Family::V4)]);
        assert_eq!(types(false, true), [(0, Family::V6)]);
        assert_eq!(types(true, true), [(0, Family::V4), (1, Family::V6)]);
    }

    #[test]
    fn what_is_written_is_read() {
        for kind in [V4, V6] {
            let full = kind.per_packet() as u8;
            let packet = packet(OTHER, kind, full);
            assert!(packet.len() < LIVESYNC_PACKET_MAX && packet.len() + kind.record() >= LIVESYNC_PACKET_MAX);
            assert_eq!(received(&packet), (0..full).map(|n| record(n, kind.family)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn only_whole_records_of_others_are_received() {
        let good = packet(OTHER, V4, 2);
        assert_eq!(received(&good).len(), 2);
        assert_eq!(received(&packet(OWN, V4, 2)), []);
        for at in 4..8 {
            let mut other_type = good.clone();
            other_type[at] = 2;
            assert_eq!(received(&other_type), [], "byte {at}");
        }
        for length in 0..good.len() {
            assert_eq!(received(&good[..length]).len(), length.saturating_sub(HEAD) / 28, "{length}");
        }
        let trailing = [&good[..], &[0xff; 27]].concat();
        assert_eq!(received(&trailing), received(&good));
        let alone = |packet: &[u8]| records(packet, OWN, [V4].into_iter()).count();
        assert_eq!((alone(&good), alone(&packet(OTHER, V6, 2))), (2, 0));
    }

    #[test]
    fn age_and_unknown_flags_are_ignored() {
        let mut packet = packet(OTHER, V4, 1);
        let end = packet.len();
        packet[end - 1] = 200;
        packet[end - 2] = 0x1f;
        assert_eq!(received(&packet), [record(0, Family::V4)]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(packet: Vec<u8>, own_id: u32, number: u8) {
            let read = |family| records(&packet, own_id, [Kind { number, family }].into_iter()).count();
            prop_assert!(read(Family::V4) <= packet.len() / 28);
            prop_assert!(read(Family::V6) <= packet.len() / 40);
        }
    }
}
