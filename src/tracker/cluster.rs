//! Packets of the other trackers of a cluster.

use super::announce::Origin;
use super::{Now, Tracker};
use crate::cluster::packet::records;
use crate::config::Permissions;
use crate::types::{Announce, InfoHash};

impl<const N: usize> Tracker<N> {
    /// Applies the announces in a packet of another tracker, and returns how many there were: none where the sender is not blessed
    /// with [`Permissions::SYNC`], or the packet is malformed or our own.
    pub fn handle_sync(&mut self, now: Now, from: &[u8; N], packet: &[u8]) -> usize {
        if !self.allows(from, Permissions::SYNC) {
            return 0;
        }
        let mut taken = 0;
        for record in records(packet, self.id) {
            taken += 1;
            self.counters.sync_records += 1;
            let said = Announce {
                info_hash: InfoHash(record.info_hash),
                peer_id: None,
                port: record.port,
                seeding: record.seeding,
                completed: record.completed,
                stopped: record.stopped,
                numwant: 0,
            };
            self.announce(now, Origin::Cluster, &record.address, &said, &mut []);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::List;
    use crate::address::from_ip;
    use crate::cluster::packet::{Record, head};
    use crate::tracker::Settings;
    use crate::types::Counts;
    use std::net::IpAddr;
    use std::time::Duration;

    const HASH: InfoHash = InfoHash([9; 20]);

    fn at(minute: u64) -> Now {
        Now::agreed(1_700_000_040 + minute * 60, Duration::from_secs(minute * 60))
    }

    /// A tracker that takes packets from 10.0.0.2 alone.
    fn tracker<const N: usize>() -> Tracker<N> {
        let settings = Settings { redirect_url: None, stats_path: Vec::new(), version: String::new() };
        let mut tracker = Tracker::new(settings, [1, 2]);
        *tracker.access_list() = List::serving([HASH]);
        let node = if N == 4 { "10.0.0.2/32" } else { "::ffff:10.0.0.2/128" };
        let reader = if N == 4 { "10.0.0.3/32" } else { "::ffff:10.0.0.3/128" };
        tracker.bless(vec![
            (node.parse().unwrap(), Permissions::SYNC),
            (reader.parse().unwrap(), Permissions::STATS),
            (reader.parse().unwrap(), Permissions::PROXY),
        ]);
        tracker
    }

    fn record<const N: usize>(n: u8, seeding: bool, completed: bool, stopped: bool) -> Record<N> {
        Record { info_hash: HASH.0, address: [n; N], port: [26, 225], seeding, completed, stopped }
    }

    fn receive<const N: usize>(tracker: &mut Tracker<N>, now: Now, from: [u8; 4], records: &[Record<N>]) -> usize {
        let mut packet = head(tracker.id.wrapping_add(1)).to_vec();
        records.iter().for_each(|record| record.write(&mut packet));
        tracker.handle_sync(now, &from_ip(IpAddr::from(from)).unwrap(), &packet)
    }

    fn packets_are_taken_from_blessed_nodes_only<const N: usize>() {
        let mut tracker = tracker::<N>();
        let records = [record(1, true, false, false), record(2, false, false, false)];
        for stranger in [[10, 0, 0, 1], [10, 0, 0, 3], [0; 4]] {
            assert_eq!(receive(&mut tracker, at(0), stranger, &records), 0);
        }
        assert_eq!((tracker.swarms.totals().peers, tracker.counters.sync_records), (0, 0));
        assert_eq!(receive(&mut tracker, at(0), [10, 0, 0, 2], &records), 2);
        assert_eq!((tracker.swarms.totals().peers, tracker.counters.sync_records), (2, 2));
        assert_eq!(receive(&mut tracker, at(0), [10, 0, 0, 2], &[record(1, false, false, true)]), 1);
        assert_eq!((tracker.swarms.totals().peers, tracker.counters.sync_records), (1, 3));
    }

    #[test]
    fn packets_are_taken_from_blessed_nodes_only_in_every_build() {
        packets_are_taken_from_blessed_nodes_only::<4>();
        packets_are_taken_from_blessed_nodes_only::<16>();
    }

    #[test]
    fn records_count_as_announces_but_are_not_reported_back() {
        let mut tracker = tracker::<4>();
        let completes = record(1, true, true, false);
        receive(&mut tracker, at(0), [10, 0, 0, 2], &[completes, completes, record(2, false, true, false)]);
        receive(&mut tracker, at(20), [10, 0, 0, 2], &[completes]);
        assert_eq!(
            tracker.swarms.scrape(at(20).minute(), &HASH),
            Some(Counts { seeders: 1, leechers: 1, downloaded: 1 })
        );
        assert_eq!(tracker.counters.completed, 1);
        assert_eq!((tracker.counters.renewed[0], tracker.counters.renewed[20]), (1, 1));
        assert_eq!(tracker.outbox.due(), None);
    }
}
