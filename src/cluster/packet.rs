//! The packets of live sync: datagrams of a head and whole records (as the original).
//!
//! The head is the sender's id, by which trackers recognise their own packets, and a type, of which only one was ever used: peers. A
//! record is an info hash and a peer as the original keeps it in memory: address, port, flags, age. The age is always 0 when a
//! record is sent, and ignored when it is received.

use crate::limits::LIVESYNC_PACKET_MAX;
use std::net::Ipv4Addr;

/// The multicast group that packets are sent to.
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 23, 5);

/// Bytes before the records: tracker id and type.
pub const HEAD: usize = 8;

/// The type of packets with records of peers.
const PEERS: [u8; 4] = [0; 4];

const SEEDING: u8 = 0x80;
const COMPLETED: u8 = 0x40;
const STOPPED: u8 = 0x20;

/// One announce, as another tracker reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<const N: usize> {
    /// The torrent.
    pub info_hash: [u8; 20],
    /// The peer's address, most significant byte first.
    pub address: [u8; N],
    /// Its port, most significant byte first.
    pub port: [u8; 2],
    /// The peer has all of the torrent.
    pub seeding: bool,
    /// It has just completed its download.
    pub completed: bool,
    /// It leaves.
    pub stopped: bool,
}

impl<const N: usize> Record<N> {
    /// Bytes of a record: 28 with IPv4 addresses, 40 with IPv6 ones.
    pub const SIZE: usize = 20 + N + 2 + 1 + 1;

    /// Records in a packet at most: 52 with IPv4 addresses, 36 with IPv6 ones.
    pub const PER_PACKET: usize = (LIVESYNC_PACKET_MAX - 1 - HEAD) / Self::SIZE;

    /// Appends the record to a packet.
    pub fn write(&self, packet: &mut Vec<u8>) {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(self.seeding, SEEDING) | flag(self.completed, COMPLETED) | flag(self.stopped, STOPPED);
        packet.extend_from_slice(&self.info_hash);
        packet.extend_from_slice(&self.address);
        packet.extend_from_slice(&self.port);
        packet.extend_from_slice(&[flags, 0]);
    }

    /// Reads a record of exactly [`SIZE`](Self::SIZE) bytes.
    fn read(bytes: &[u8]) -> Option<Record<N>> {
        let (info_hash, rest) = bytes.split_first_chunk::<20>()?;
        let (address, rest) = rest.split_first_chunk::<N>()?;
        let (port, rest) = rest.split_first_chunk::<2>()?;
        let [flags, _age] = *rest else { return None };
        Some(Record {
            info_hash: *info_hash,
            address: *address,
            port: *port,
            seeding: flags & SEEDING != 0,
            completed: flags & COMPLETED != 0,
            stopped: flags & STOPPED != 0,
        })
    }
}

static_assertions::const_assert_eq!(Record::<4>::PER_PACKET, 52);
static_assertions::const_assert_eq!(Record::<16>::PER_PACKET, 36);

/// The head of the packets that a tracker sends.
pub fn head(tracker_id: u32) -> [u8; HEAD] {
    let [a, b, c, d] = id_bytes(tracker_id);
    let [e, f, g, h] = PEERS;
    [a, b, c, d, e, f, g, h]
}

/// The whole records of a received packet. There are none where the packet is this tracker's own or of another type. Bytes after the
/// last whole record are ignored.
pub fn records<const N: usize>(packet: &[u8], own_id: u32) -> impl Iterator<Item = Record<N>> {
    let (head, records) = packet.split_at_checked(HEAD).unwrap_or_default();
    let valid = !head.starts_with(&id_bytes(own_id)) && head.ends_with(&PEERS);
    let records = if valid { records } else { &[] };
    records.chunks_exact(Record::<N>::SIZE).filter_map(Record::read)
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

    fn record<const N: usize>(n: u8) -> Record<N> {
        Record {
            info_hash: [n; 20],
            address: [n.wrapping_add(1); N],
            port: [0x1a, 0xe1],
            seeding: n & 1 != 0,
            completed: n & 2 != 0,
            stopped: n & 4 != 0,
        }
    }

    fn packet<const N: usize>(id: u32, count: u8) -> Vec<u8> {
        let mut packet = head(id).to_vec();
        (0..count).for_each(|n| record::<N>(n).write(&mut packet));
        packet
    }

    fn received<const N: usize>(packet: &[u8]) -> Vec<Record<N>> {
        records(packet, OWN).collect()
    }

    #[test]
    fn every_byte_has_its_place() {
        let mut bytes = Vec::new();
        Record::<4> { address: [10, 0, 0, 7], ..record(7) }.write(&mut bytes);
        assert_eq!(bytes, [&[7; 20][..], &[10, 0, 0, 7, 0x1a, 0xe1, 0xe0, 0]].concat());
        bytes.clear();
        Record::<16> { seeding: false, completed: false, ..record(4) }.write(&mut bytes);
        assert_eq!(bytes, [&[4; 20][..], &[5; 16], &[0x1a, 0xe1, 0x20, 0]].concat());
        for (n, flags) in [(0, 0), (1, 0x80), (2, 0x40), (3, 0xc0), (5, 0xa0)] {
            bytes.clear();
            record::<4>(n).write(&mut bytes);
            assert_eq!(bytes[26], flags);
        }
        assert_eq!(head(OWN)[..4], OWN.to_ne_bytes());
        assert_eq!(head(OWN)[4..], [0; 4]);
    }

    fn round_trip<const N: usize>() {
        let full = Record::<N>::PER_PACKET as u8;
        let packet = packet::<N>(OTHER, full);
        assert!(packet.len() < LIVESYNC_PACKET_MAX && packet.len() + Record::<N>::SIZE >= LIVESYNC_PACKET_MAX);
        assert_eq!(received::<N>(&packet), (0..full).map(record).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_written_is_read() {
        round_trip::<4>();
        round_trip::<16>();
    }

    #[test]
    fn only_whole_records_of_others_are_received() {
        let good = packet::<4>(OTHER, 2);
        assert_eq!(received::<4>(&good).len(), 2);
        assert_eq!(received::<4>(&packet::<4>(OWN, 2)), []);
        for at in 4..8 {
            let mut other_type = good.clone();
            other_type[at] = 1;
            assert_eq!(received::<4>(&other_type), [], "byte {at}");
        }
        for length in 0..good.len() {
            assert_eq!(received::<4>(&good[..length]).len(), length.saturating_sub(HEAD) / 28, "{length}");
        }
        let trailing = [&good[..], &[0xff; 27]].concat();
        assert_eq!(received::<4>(&trailing), received::<4>(&good));
    }

    #[test]
    fn age_and_unknown_flags_are_ignored() {
        let mut packet = packet::<4>(OTHER, 1);
        let end = packet.len();
        packet[end - 1] = 200;
        packet[end - 2] = 0x1f;
        assert_eq!(received::<4>(&packet), [record(0)]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(packet: Vec<u8>, own_id: u32) {
            prop_assert!(records::<4>(&packet, own_id).count() <= packet.len() / 28);
            prop_assert!(records::<16>(&packet, own_id).count() <= packet.len() / 40);
        }
    }
}
