//! What this tracker has to report to the others of its cluster, in packets.

use super::packet::{HEAD, Kind, Record, kinds};
use crate::address::Family;
use crate::features::SYNC_LIVE;
use crate::limits::{LIVESYNC_BACKLOG, LIVESYNC_DELAY, LIVESYNC_RETRY};
use smallvec::SmallVec;
use std::time::Duration;

/// Records that wait to be sent, by the type of their packets.
#[derive(Debug)]
pub struct Outbox {
    queues: SmallVec<[Queue; 2]>,
}

/// What became of the records so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Packets that were sent.
    pub packets: u64,
    /// Records in them.
    pub records: u64,
    /// Records that were dropped.
    pub dropped: u64,
}

impl Outbox {
    /// An empty outbox of the tracker with this id, which has peers of IPv4, of IPv6, or of both.
    pub fn new(tracker_id: u32, v4: bool, v6: bool) -> Self {
        Outbox { queues: kinds(v4, v6).map(|kind| Queue::new(tracker_id, kind)).collect() }
    }

    /// Adds a record. It is dropped where so many wait that the system cannot be taking any packets.
    pub fn push(&mut self, record: &Record) {
        let family = if record.address.is_ipv4() { Family::V4 } else { Family::V6 };
        if let Some(queue) = self.queues.iter_mut().find(|queue| queue.kind.family == family) {
            queue.push(record);
        }
    }

    /// What became of the records so far.
    pub fn sent(&self) -> Sent {
        self.queues.iter().fold(Sent::default(), |all, Queue { sent, .. }| Sent {
            packets: all.packets + sent.packets,
            records: all.records + sent.records,
            dropped: all.dropped + sent.dropped,
        })
    }

    /// When the next packet is due, in time since the start. `None`: the outbox is empty.
    pub fn due(&self) -> Option<Duration> {
        self.queues.iter().filter_map(Queue::due).min()
    }

    /// Sends what is due, packet by packet. `send` returns whether the system took the packet; if not, it is sent again later.
    pub fn flush(&mut self, up: Duration, mut send: impl FnMut(&[u8]) -> bool) {
        self.queues.iter_mut().for_each(|queue| queue.flush(up, &mut send));
    }
}

/// Records of one type that wait to be sent.
#[derive(Debug)]
struct Queue {
    kind: Kind,
    head: [u8; HEAD],
    /// Packets, one after the other; all are full but the last one, perhaps.
    packets: Vec<u8>,
    /// When the last packet was sent, in time since the start.
    last: Duration,
    /// Until when nothing is sent, after a packet that the system did not take.
    pause: Duration,
    sent: Sent,
}

impl Queue {
    fn new(tracker_id: u32, kind: Kind) -> Self {
        // all the memory it ever takes, so that no announce has to allocate
        let packets = Vec::with_capacity(if SYNC_LIVE { LIVESYNC_BACKLOG * kind.full() } else { 0 });
        Queue {
            kind,
            head: kind.head(tracker_id),
            packets,
            last: Duration::ZERO,
            pause: Duration::ZERO,
            sent: Sent::default(),
        }
    }

    fn push(&mut self, record: &Record) {
        if self.packets.len() >= LIVESYNC_BACKLOG * self.kind.full() {
            self.sent.dropped += 1;
            return;
        }
        if self.packets.chunks_exact(self.kind.full()).remainder().is_empty() {
            self.packets.extend_from_slice(&self.head);
        }
        record.write(&mut self.packets);
    }

    fn due(&self) -> Option<Duration> {
        let due = match self.packets.len() {
            0 => return None,
            length if length >= self.kind.full() => Duration::ZERO,
            _ => self.last + LIVESYNC_DELAY,
        };
        Some(due.max(self.pause))
    }

    fn flush(&mut self, up: Duration, mut send: impl FnMut(&[u8]) -> bool) {
        if self.due().is_none_or(|due| up < due) {
            return;
        }
        let mut sent = 0;
        while let Some(rest) = self.packets.get(sent..).filter(|rest| !rest.is_empty()) {
            let packet = rest.get(..self.kind.full()).unwrap_or(rest);
            if packet.len() < self.kind.full() && up < self.last + LIVESYNC_DELAY {
                break;
            }
            if !send(packet) {
                self.pause = up + LIVESYNC_RETRY;
                break;
            }
            self.last = up;
            sent += packet.len();
            self.sent.packets += 1;
            self.sent.records += ((packet.len() - HEAD) / self.kind.record()) as u64;
        }
        self.packets.drain(..sent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::IpAddr;

    const ID: u32 = 7;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn push(outbox: &mut Outbox, count: usize) {
        push_from(outbox, [1; 4].into(), count);
    }

    fn push_from(outbox: &mut Outbox, address: IpAddr, count: usize) {
        for n in 0..count {
            outbox.push(&Record {
                info_hash: [n as u8; 20],
                address,
                port: [2; 2],
                seeding: true,
                completed: false,
                stopped: false,
            });
        }
    }

    /// Flushes, and returns the number of records in each packet.
    fn flush(outbox: &mut Outbox, up: Duration) -> Vec<usize> {
        let mut sent = Vec::new();
        let outbox_kinds: Vec<Kind> = outbox.queues.iter().map(|queue| queue.kind).collect();
        let outbox_heads: Vec<_> = outbox.queues.iter().map(|queue| queue.head).collect();
        outbox.flush(up, |packet| {
            assert!(outbox_heads.contains(packet.first_chunk().unwrap()));
            let families = outbox_kinds.iter().copied();
            sent.push(crate::cluster::packet::records(packet, ID + 1, families).count());
            true
        });
        sent
    }

    #[test]
    fn a_packet_is_sent_15_seconds_after_the_last_one() {
        let mut outbox = Outbox::new(ID, true, false);
        assert_eq!(outbox.due(), None);
        assert_eq!(flush(&mut outbox, at(100_000)), [0; 0], "no packet without records");
        let mut outbox = Outbox::new(ID, true, false);
        push(&mut outbox, 1);
        assert_eq!(outbox.due(), Some(at(15_000)), "counted from the start");
        assert_eq!(flush(&mut outbox, at(14_999)), [0; 0]);
        push(&mut outbox, 2);
        assert_eq!(flush(&mut outbox, at(15_000)), [3]);
        assert_eq!(outbox.due(), None);
        push(&mut outbox, 1);
        assert_eq!(outbox.due(), Some(at(30_000)));
        assert_eq!(flush(&mut outbox, at(29_999)), [0; 0]);
        assert_eq!(flush(&mut outbox, at(31_000)), [1]);
        // after a long pause it is sent at once
        push(&mut outbox, 1);
        assert_eq!(flush(&mut outbox, at(99_000)), [1]);
    }

    #[test]
    fn a_full_packet_is_sent_at_once() {
        let mut outbox = Outbox::new(ID, true, false);
        push(&mut outbox, 51);
        assert_eq!(flush(&mut outbox, at(1000)), [0; 0]);
        push(&mut outbox, 1);
        assert_eq!(outbox.due(), Some(Duration::ZERO));
        assert_eq!(flush(&mut outbox, at(1000)), [52]);
        // the others wait for 15 seconds from then on
        push(&mut outbox, 52 + 52 + 3);
        assert_eq!(flush(&mut outbox, at(2000)), [52, 52]);
        assert_eq!(outbox.due(), Some(at(17_000)));
        assert_eq!(flush(&mut outbox, at(17_000)), [3]);
        let mut wide = Outbox::new(ID, false, true);
        push_from(&mut wide, [1; 16].into(), 40);
        assert_eq!(flush(&mut wide, at(0)), [36]);
    }

    #[test]
    fn each_family_has_packets_of_its_own() {
        let mut both = Outbox::new(ID, true, true);
        push_from(&mut both, [1; 16].into(), 40);
        push_from(&mut both, [1; 4].into(), 60);
        let mut heads = Vec::new();
        both.flush(at(0), |packet| {
            heads.push((packet[7], packet.len()));
            true
        });
        assert_eq!(heads, [(0, 8 + 52 * 28), (1, 8 + 36 * 40)]);
        assert_eq!(both.due(), Some(at(15_000)));
        assert_eq!(flush(&mut both, at(15_000)), [8, 4]);
    }

    #[test]
    fn what_the_system_does_not_take_is_sent_a_little_later() {
        let mut outbox = Outbox::new(ID, true, false);
        push(&mut outbox, 110);
        let mut tried = 0;
        outbox.flush(at(1000), |_| {
            tried += 1;
            tried == 1
        });
        assert_eq!((tried, outbox.due()), (2, Some(at(1010))));
        assert_eq!(flush(&mut outbox, at(1009)), [0; 0]);
        assert_eq!(flush(&mut outbox, at(1010)), [52]);
        assert_eq!(flush(&mut outbox, at(16_010)), [6]);
    }

    #[test]
    fn the_backlog_is_bounded() {
        let mut outbox = Outbox::new(ID, true, false);
        push(&mut outbox, 52 * LIVESYNC_BACKLOG + 9);
        assert_eq!(flush(&mut outbox, at(0)), vec![52; LIVESYNC_BACKLOG]);
        push(&mut outbox, 52);
        assert_eq!(flush(&mut outbox, at(0)), [52]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_early(steps in prop::collection::vec((0..120_usize, 0..9000_u64), 1..60)) {
            let mut outbox = Outbox::new(ID, true, false);
            let (mut pushed, mut sent, mut up, mut last) = (0, 0, 0, 0);
            for (count, milliseconds) in steps {
                up += milliseconds;
                push(&mut outbox, count);
                pushed += count;
                for records in flush(&mut outbox, at(up)) {
                    prop_assert!(records == 52 || up - last >= 15_000);
                    last = up;
                    sent += records;
                }
                prop_assert!(pushed - sent < 52 && (pushed == sent || up - last < 15_000));
                prop_assert_eq!(outbox.due(), (pushed > sent).then(|| at(last + 15_000)));
            }
        }
    }
}
