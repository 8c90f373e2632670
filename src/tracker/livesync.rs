//! What the other trackers of a cluster are told of, and what is believed of what they tell.

use super::{Now, Tracker, count};
use crate::config::Permissions;
use crate::features::livesync::Outbox;
use crate::limits::LIVESYNC_RENEWAL_MINUTES;
use crate::swarm::{Acquaintance, Announce, Announced, Endpoint, InfoHash};
use crate::wire::livesync::{Record, records};

impl<const N: usize> Tracker<N> {
    /// Takes in a packet of another tracker, if it is one and may be believed. Gives how many records it had.
    pub fn handle_sync(&mut self, now: Now, from: &[u8; N], packet: &[u8]) -> usize {
        if !self.allows(from, Permissions::SYNC) {
            return 0;
        }
        let mut taken = 0;
        for record in records(packet, self.id) {
            taken += 1;
            self.counters.sync_records += 1;
            self.synced(now, &record);
        }
        taken
    }

    /// Does as with an announce, but answers nobody and tells nobody.
    fn synced(&mut self, now: Now, record: &Record<N>) {
        let hash = InfoHash(record.info_hash);
        let peer = Endpoint { address: record.address, port: record.port };
        if record.stopped {
            self.swarms.stop(&hash, &peer);
            return;
        }
        // what keeps peers from announcing here keeps them out by this way too
        if !self.access_list.allows(&hash.0) || self.turns_away(&hash, &peer) {
            return;
        }
        let what = Announce { seeding: record.seeding, completed: record.completed };
        let (announced, _) = self.swarms.announce(now.minute(), &hash, &peer, what);
        count(&mut self.counters, &announced);
    }
}

/// Tells the others of an announce, if that is news to them. Not a method: the reply still borrows the swarms while it is called.
pub(super) fn tell_announce<const N: usize>(
    outbox: &mut Outbox<N>,
    hash: &InfoHash,
    peer: &Endpoint<N>,
    what: Announce,
    announced: &Announced,
) {
    let news = match announced.peer {
        Acquaintance::New => true,
        Acquaintance::Known { minutes_ago } => minutes_ago > LIVESYNC_RENEWAL_MINUTES || announced.newly_completed,
    };
    if news {
        let completed = what.completed && what.seeding;
        outbox.tell(&Record { completed, ..record(hash, peer, what.seeding) });
    }
}

/// Tells the others that a peer leaves: they may know it even where this tracker does not.
pub(super) fn tell_stop<const N: usize>(outbox: &mut Outbox<N>, hash: &InfoHash, peer: &Endpoint<N>, seeding: bool) {
    outbox.tell(&Record { stopped: true, ..record(hash, peer, seeding) });
}

fn record<const N: usize>(hash: &InfoHash, peer: &Endpoint<N>, seeding: bool) -> Record<N> {
    Record { info_hash: hash.0, address: peer.address, port: peer.port, seeding, completed: false, stopped: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::from_ip;
    use crate::features::SWITCHES;
    use crate::features::accesslist::List;
    use crate::tracker::Settings;
    use crate::types::Counts;
    use crate::wire::livesync::head;
    use std::net::IpAddr;
    use std::time::Duration;

    const HASH: InfoHash = InfoHash([9; 20]);

    fn at(minute: u64) -> Now {
        Now { unix: 1_700_000_040 + minute * 60, up: Duration::from_secs(minute * 60) }
    }

    /// A tracker that believes 10.0.0.2, and nobody else, of the cluster.
    fn tracker<const N: usize>() -> Tracker<N> {
        let settings = Settings { redirect_url: None, stats_path: Vec::new(), version: String::new() };
        let mut tracker = Tracker::new(settings, [1, 2]);
        *tracker.access_list() = List::serving([HASH.0]);
        let believed = if N == 4 { "10.0.0.2/32" } else { "::ffff:10.0.0.2/128" };
        let reader = if N == 4 { "10.0.0.3/32" } else { "::ffff:10.0.0.3/128" };
        tracker.bless(vec![
            (believed.parse().unwrap(), Permissions::SYNC),
            (reader.parse().unwrap(), Permissions::STATS),
            (reader.parse().unwrap(), Permissions::PROXY),
        ]);
        tracker
    }

    fn peer<const N: usize>(n: u8) -> Endpoint<N> {
        Endpoint { address: [n; N], port: [26, 225] }
    }

    fn synced<const N: usize>(n: u8, seeding: bool, completed: bool, stopped: bool) -> Record<N> {
        Record { completed, stopped, ..record(&HASH, &peer(n), seeding) }
    }

    fn hear<const N: usize>(tracker: &mut Tracker<N>, now: Now, from: [u8; 4], records: &[Record<N>]) -> usize {
        let mut packet = head(tracker.id.wrapping_add(1)).to_vec();
        records.iter().for_each(|record| record.write(&mut packet));
        tracker.handle_sync(now, &from_ip(IpAddr::from(from)).unwrap(), &packet)
    }

    fn only_who_is_blessed_is_believed<const N: usize>() {
        let mut tracker = tracker::<N>();
        let records = [synced(1, true, false, false), synced(2, false, false, false)];
        for stranger in [[10, 0, 0, 1], [10, 0, 0, 3], [0; 4]] {
            assert_eq!(hear(&mut tracker, at(0), stranger, &records), 0);
        }
        assert_eq!((tracker.swarms.totals().peers, tracker.counters.sync_records), (0, 0));
        assert_eq!(hear(&mut tracker, at(0), [10, 0, 0, 2], &records), 2);
        assert_eq!((tracker.swarms.totals().peers, tracker.counters.sync_records), (2, 2));
        assert_eq!(hear(&mut tracker, at(0), [10, 0, 0, 2], &[synced(1, false, false, true)]), 1);
        assert_eq!((tracker.swarms.totals().peers, tracker.counters.sync_records), (1, 3));
    }

    #[test]
    fn only_who_is_blessed_is_believed_in_every_build() {
        only_who_is_blessed_is_believed::<4>();
        only_who_is_blessed_is_believed::<16>();
    }

    #[test]
    fn what_is_synced_counts_as_announced_but_is_not_told() {
        let mut tracker = tracker::<4>();
        let completes = synced(1, true, true, false);
        hear(&mut tracker, at(0), [10, 0, 0, 2], &[completes, completes, synced(2, false, true, false)]);
        hear(&mut tracker, at(20), [10, 0, 0, 2], &[completes]);
        assert_eq!(
            tracker.swarms.scrape(at(20).minute(), &HASH),
            Some(Counts { seeders: 1, leechers: 1, downloaded: 1 })
        );
        assert_eq!(tracker.counters.completed, 1);
        assert_eq!((tracker.counters.renewed[0], tracker.counters.renewed[20]), (1, 1));
        assert_eq!(tracker.outbox.due(), None);
    }

    #[test]
    fn no_new_peers_while_memory_is_short() {
        let mut tracker = tracker::<4>();
        hear(&mut tracker, at(0), [10, 0, 0, 2], &[synced(1, false, false, false)]);
        tracker.shed(true);
        hear(&mut tracker, at(0), [10, 0, 0, 2], &[synced(1, true, false, false), synced(2, true, false, false)]);
        assert_eq!((tracker.swarms.totals().peers, tracker.swarms.totals().seeders), (1, 1));
    }

    #[test]
    fn only_news_are_told() {
        let told = |peer, newly_completed| {
            let mut outbox = Outbox::<4>::new(7);
            let what = Announce { seeding: false, completed: true };
            tell_announce(&mut outbox, &HASH, &self::peer(1), what, &Announced { peer, newly_completed });
            let mut told = Vec::new();
            outbox.flush(Duration::from_secs(60), |packet| {
                told.extend(records::<4>(packet, 8));
                true
            });
            // completed without seeding is not completed
            assert!(told.iter().all(|record| *record == synced(1, false, false, false)));
            told.len()
        };
        let known = |minutes_ago| Acquaintance::Known { minutes_ago };
        let news = usize::from(SWITCHES.sync_live);
        assert_eq!(told(Acquaintance::New, false), news);
        assert_eq!([told(known(0), false), told(known(10), false)], [0, 0]);
        assert_eq!([told(known(11), false), told(known(44), false), told(known(0), true)], [news; 3]);
    }
}
