//! Packets of the other trackers of a cluster.

use super::{Now, Tracker};
use crate::cluster::packet::{kinds, records};
use crate::config::Permissions;
use crate::swarm::Families;
use crate::types::{Announce, InfoHash, Origin};
use std::net::IpAddr;

impl<F: Families> Tracker<F> {
    /// Applies the announces in a packet of another tracker, and returns how many there were: none where the sender is not blessed
    /// with [`Permissions::SYNC`], or the packet is malformed or our own.
    pub fn handle_sync(&mut self, now: Now, from: IpAddr, packet: &[u8]) -> usize {
        if !self.allows(from, Permissions::SYNC) {
            return 0;
        }
        let mut taken = 0;
        for record in records(packet, self.id, kinds(F::V4, F::V6)) {
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
            self.announce(now, Origin::Cluster, record.address, &said, &mut []);
        }
        if taken > 0 {
            self.counters.detail(|detail| detail.sync_packets += 1);
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::List;
    use crate::cluster::packet::Record;
    use crate::swarm::{Dual, V4, V6};
    use crate::tracker::Settings;
    use crate::types::Counts;
    use std::time::Duration;

    const HASH: InfoHash = InfoHash([9; 20]);

    fn at(minute: u64) -> Now {
        Now::agreed(1_700_000_040 + minute * 60, Duration::from_secs(minute * 60))
    }

    /// A tracker that takes packets from 10.0.0.2 alone.
    fn tracker<F: Families>() -> Tracker<F> {
        let settings = Settings::default();
        let mut tracker = Tracker::new(settings, [1, 2]);
        *tracker.access_list() = List::serving([HASH]);
        let node = if F::V6 { "::ffff:10.0.0.2/128" } else { "10.0.0.2/32" };
        let reader = if F::V6 { "::ffff:10.0.0.3/128" } else { "10.0.0.3/32" };
        tracker.bless(vec![
            (node.parse().unwrap(), Permissions::SYNC),
            (reader.parse().unwrap(), Permissions::STATS),
            (reader.parse().unwrap(), Permissions::PROXY),
        ]);
        tracker
    }

    /// A peer of the family of the last type of packets that the tracker takes.
    fn record<F: Families>(n: u8, seeding: bool, completed: bool, stopped: bool) -> Record {
        let address = if F::V6 { IpAddr::from([n; 16]) } else { IpAddr::from([n; 4]) };
        Record { info_hash: HASH.0, address, port: [26, 225], seeding, completed, stopped }
    }

    fn receive<F: Families>(tracker: &mut Tracker<F>, now: Now, from: [u8; 4], records: &[Record]) -> usize {
        let kind = kinds(F::V4, F::V6).last().unwrap();
        let mut packet = kind.head(tracker.id.wrapping_add(1)).to_vec();
        records.iter().for_each(|record| record.write(&mut packet));
        tracker.handle_sync(now, from.into(), &packet)
    }

    fn packets_are_taken_from_blessed_nodes_only<F: Families>() {
        let mut tracker = tracker::<F>();
        let records = [record::<F>(1, true, false, false), record::<F>(2, false, false, false)];
        for stranger in [[10, 0, 0, 1], [10, 0, 0, 3], [0; 4]] {
            assert_eq!(receive(&mut tracker, at(0), stranger, &records), 0);
        }
        assert_eq!((tracker.swarms.totals().peers, tracker.counters.sync_records), (0, 0));
        assert_eq!(receive(&mut tracker, at(0), [10, 0, 0, 2], &records), 2);
        assert_eq!((tracker.swarms.totals().peers, tracker.counters.sync_records), (2, 2));
        assert_eq!(receive(&mut tracker, at(0), [10, 0, 0, 2], &[record::<F>(1, false, false, true)]), 1);
        assert_eq!((tracker.swarms.totals().peers, tracker.counters.sync_records), (1, 3));
    }

    #[test]
    fn packets_are_taken_from_blessed_nodes_only_in_every_build() {
        packets_are_taken_from_blessed_nodes_only::<V4>();
        packets_are_taken_from_blessed_nodes_only::<V6>();
        packets_are_taken_from_blessed_nodes_only::<Dual>();
    }

    #[test]
    fn trackers_of_one_family_and_of_both_understand_each_other() {
        let four = Record { address: [10, 0, 0, 9].into(), ..record::<V4>(1, true, false, false) };
        let mut packet = kinds(true, false).next().unwrap().head(1).to_vec();
        four.write(&mut packet);
        let node = [10, 0, 0, 2].into();
        let mut both = tracker::<Dual>();
        assert_eq!(both.handle_sync(at(0), node, &packet), 1);
        let six = Record { address: [7; 16].into(), ..four };
        let mut packet = kinds(true, true).nth(1).unwrap().head(1).to_vec();
        six.write(&mut packet);
        assert_eq!(both.handle_sync(at(0), node, &packet), 1);
        assert_eq!((tracker::<V4>().handle_sync(at(0), node, &packet), both.swarms.totals().peers), (0, 2));
    }

    #[test]
    fn records_count_as_announces_but_are_not_reported_back() {
        let mut tracker = tracker::<V4>();
        let completes = record::<V4>(1, true, true, false);
        receive(&mut tracker, at(0), [10, 0, 0, 2], &[completes, completes, record::<V4>(2, false, true, false)]);
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
