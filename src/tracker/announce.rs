//! The rule for announces: one for HTTP, UDP and the other trackers of a cluster.
//!
//! Clients and statistics depend on the order of its steps. The announce is counted. A peer that stops leaves, whatever the access
//! list says. The list is checked. The swarm is updated, and the change counted, observed and reported to the cluster. Last, peers are
//! chosen for the reply. Where memory is short, a new peer is answered and reported as usual, but not stored.

use super::Tracker;
use crate::cluster::Outbox;
use crate::cluster::packet::Record;
use crate::features::{SPOT_WOODPECKER, SYNC_LIVE};
use crate::limits::LIVESYNC_RENEWAL_MINUTES;
use crate::stats::counters::{Counters, Request};
use crate::swarm::{self, Announced, Chosen, Families, PeerStatus, Wanted};
use crate::types::{Announce, Counts, InfoHash, Now, Origin, PeerTimeout};
use std::net::IpAddr;

/// What came of an announce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The access list forbids the torrent.
    Forbidden,
    /// It does, and refusals are too many to be sent.
    Silenced,
    /// The peer has left, whether it was known or not. The counts are without it; all 0 if the torrent is not known.
    Stopped(Counts),
    /// The peer is in the swarm and counted, or it is answered as if it were because memory is short.
    Joined {
        /// What is counted of the torrent.
        counts: Counts,
        /// The chosen peers that are written.
        peers: Chosen,
    },
}

impl<F: Families> Tracker<F> {
    /// Applies an announce of the peer at this address, and writes the peers chosen for it to `room`: endpoints as on the wire, at
    /// most as many as the client wants and as fit. Over UDP all are of the client's family. Where swarms have no peers of that family,
    /// the client is answered, but is none of the peers.
    pub(super) fn announce(
        &mut self,
        now: Now,
        origin: Origin,
        address: IpAddr,
        said: &Announce,
        room: &mut [u8],
    ) -> Outcome {
        let Announce { info_hash, .. } = said;
        let peer = self.storable(address, said.port);
        self.count_announce(origin, address);
        if said.stopped {
            return Outcome::Stopped(self.stop(now, origin, peer.as_ref(), said));
        }
        if !self.access_list.allows(info_hash) {
            return self.refuse_torrent(now, origin);
        }
        let Some(peer) = peer else { return self.answer_stranger(now, said, room) };
        let what = swarm::PeerState { seeding: said.seeding, completed: said.completed };
        let (tick, timeout) = (self.tick(now), self.settings.peer_timeout);
        let memory_is_short = SPOT_WOODPECKER && swarm::memory_is_short();
        let (change, torrent) = self.swarms.announce(tick, info_hash, &peer, what);
        let change = in_minutes(change, timeout);
        count(&mut self.counters, origin, &change);
        let counts = torrent.counts();
        if origin == Origin::Cluster {
            return Outcome::Joined { counts, peers: Chosen::default() };
        }
        self.observers.announced(now, F::endpoint(&peer).0, info_hash, said.peer_id, &change, memory_is_short);
        if SYNC_LIVE {
            report_announce(&mut self.outbox, info_hash, F::endpoint(&peer), what, &change);
        }
        let wanted = wanted::<F>(origin, address, said.numwant);
        Outcome::Joined { counts, peers: torrent.choose(wanted, &mut self.random, room) }
    }

    /// The peer with this address and port, most significant byte first. None if swarms have no place for it.
    fn storable(&mut self, address: IpAddr, port: [u8; 2]) -> Option<F::Peer> {
        if u16::from_be_bytes(port) < self.settings.min_port {
            self.counters.low_ports += 1;
            return None;
        }
        F::peer(address, port)
    }

    /// Refuses an announce whose torrent the access list forbids.
    fn refuse_torrent(&mut self, now: Now, origin: Origin) -> Outcome {
        self.counters.not_listed(origin);
        // nothing is sent to a cluster
        if origin == Origin::Cluster || self.refusals.allows(self.settings.refusing.budget, now.up) {
            return Outcome::Forbidden;
        }
        self.counters.silenced += 1;
        Outcome::Silenced
    }

    /// A peer leaves, if swarms have a place for it. Returns the counts without it.
    fn stop(&mut self, now: Now, origin: Origin, peer: Option<&F::Peer>, said: &Announce) -> Counts {
        let Some(peer) = peer else {
            let tick = self.tick(now);
            return self.swarms.look(tick, &said.info_hash).counts();
        };
        if SYNC_LIVE && origin != Origin::Cluster {
            report_stop(&mut self.outbox, &said.info_hash, F::endpoint(peer), said.seeding);
        }
        self.swarms.stop(&said.info_hash, peer).map(|(_, counts)| counts).unwrap_or_default()
    }

    /// Answers an announce of a peer that swarms have no place for.
    fn answer_stranger(&mut self, now: Now, said: &Announce, room: &mut [u8]) -> Outcome {
        let tick = self.tick(now);
        let torrent = self.swarms.look(tick, &said.info_hash);
        let wanted = Wanted { peers: said.numwant, family: None };
        Outcome::Joined { counts: torrent.counts(), peers: torrent.choose(wanted, &mut self.random, room) }
    }

    fn count_announce(&mut self, origin: Origin, address: IpAddr) {
        match origin {
            Origin::Http => self.counters.count(Request::HttpAnnounce, address),
            Origin::Udp => self.counters.count(Request::UdpAnnounce, address),
            // counted when it was received
            Origin::Cluster => {}
        }
    }
}

/// What a client at this address wants: over UDP, whose replies have one list of peers, those of its own family.
fn wanted<F: Families>(origin: Origin, address: IpAddr, peers: usize) -> Wanted {
    Wanted { peers, family: (origin == Origin::Udp).then(|| F::family(address)) }
}

/// The same change, with an age in minutes: swarms have it in ticks.
fn in_minutes(change: Announced, timeout: PeerTimeout) -> Announced {
    let peer = match change.peer {
        PeerStatus::Known { minutes_ago } => PeerStatus::Known { minutes_ago: timeout.in_minutes(minutes_ago) },
        other => other,
    };
    Announced { peer, ..change }
}

// Not methods from here on: the torrent still borrows the swarms while they are called.

/// Counts what an announce changed.
fn count(counters: &mut Counters, origin: Origin, change: &Announced) {
    counters.completed += u64::from(change.newly_completed);
    match change.peer {
        PeerStatus::Known { minutes_ago } => counters.renewal(minutes_ago),
        PeerStatus::NotStored => counters.not_stored(origin),
        PeerStatus::New => {}
    }
}

/// Reports an announce to the cluster if it is news there: a new peer, a completed download, or a known peer that did not announce
/// for more than [`LIVESYNC_RENEWAL_MINUTES`].
fn report_announce(
    outbox: &mut Outbox,
    info_hash: &InfoHash,
    (address, port): (IpAddr, [u8; 2]),
    what: swarm::PeerState,
    change: &Announced,
) {
    let is_news = match change.peer {
        PeerStatus::New | PeerStatus::NotStored => true,
        PeerStatus::Known { minutes_ago } => minutes_ago > LIVESYNC_RENEWAL_MINUTES || change.newly_completed,
    };
    if is_news {
        let completed = what.completed && what.seeding;
        outbox.push(&Record { completed, ..record(info_hash, (address, port), what.seeding) });
    }
}

/// Reports to the cluster that a peer leaves. The others may know it even where this tracker does not.
fn report_stop(outbox: &mut Outbox, info_hash: &InfoHash, (address, port): (IpAddr, [u8; 2]), seeding: bool) {
    outbox.push(&Record { stopped: true, ..record(info_hash, (address, port), seeding) });
}

fn record(info_hash: &InfoHash, (address, port): (IpAddr, [u8; 2]), seeding: bool) -> Record {
    Record { info_hash: info_hash.0, address, port, seeding, completed: false, stopped: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::List;
    use crate::cluster::packet::{kinds, records};
    use crate::config::AccessList;
    use crate::features::ACCESS_LIST;
    use crate::swarm::{Dual, V4};
    use crate::tracker::Settings;
    use std::time::Duration;

    const ORIGINS: [Origin; 3] = [Origin::Http, Origin::Udp, Origin::Cluster];
    const SERVED: InfoHash = InfoHash([9; 20]);
    const FORBIDDEN: InfoHash = InfoHash([8; 20]);

    fn at(minute: u64) -> Now {
        Now::agreed(1_700_000_040 + minute * 60, Duration::from_secs(minute * 60))
    }

    fn tracker() -> Tracker<V4> {
        let mut tracker = Tracker::new(Settings::default(), [1, 2]);
        *tracker.access_list() = List::serving([SERVED]);
        tracker
    }

    fn announce(info_hash: InfoHash) -> Announce {
        let (seeding, completed, stopped) = (false, false, false);
        Announce { info_hash, peer_id: None, port: [26, 225], seeding, completed, stopped, numwant: 50 }
    }

    /// The last byte of the peer's address, the outcome, and the records reported to the cluster.
    fn apply(tracker: &mut Tracker<V4>, origin: Origin, n: u8, said: &Announce) -> (Outcome, Vec<Record>) {
        let outcome = tracker.announce(at(0), origin, [10, 0, 0, n].into(), said, &mut [0; 1200]);
        (outcome, reported(tracker))
    }

    fn reported(tracker: &mut Tracker<V4>) -> Vec<Record> {
        let mut reported = Vec::new();
        let due = tracker.outbox().due().unwrap_or_default();
        tracker.outbox().flush(due, |packet| {
            reported.extend(records(packet, 0, kinds(true, false)));
            true
        });
        reported
    }

    #[test]
    fn every_way_leads_to_the_same_swarm() {
        let mut tracker = tracker();
        for (n, origin) in ORIGINS.into_iter().enumerate() {
            let (outcome, reported) = apply(&mut tracker, origin, n as u8, &announce(SERVED));
            let v4 = if origin == Origin::Cluster { 0 } else { 6 * (n + 1) };
            let peers = Chosen { v4, v6: 0 };
            let counts = Counts { leechers: n as u32 + 1, ..Counts::default() };
            assert_eq!(outcome, Outcome::Joined { counts, peers }, "{origin:?}");
            assert_eq!(reported.len(), usize::from(origin != Origin::Cluster && SYNC_LIVE), "{origin:?}");
        }
        assert_eq!((tracker.counters.get(Request::HttpAnnounce), tracker.counters.get(Request::UdpAnnounce)), (1, 1));
    }

    #[test]
    fn where_memory_is_short_new_peers_are_answered_but_not_stored() {
        for origin in ORIGINS {
            let mut tracker = tracker();
            apply(&mut tracker, origin, 1, &announce(SERVED));
            tracker.set_memory_ceiling(0);
            // these have a place in the torrent's entry, which needs no memory
            (2..4).for_each(|n| {
                assert!(matches!(apply(&mut tracker, origin, n, &announce(SERVED)).0, Outcome::Joined { .. }))
            });
            let stored = tracker.swarms().totals().peers;
            let counts = |outcome| match outcome {
                Outcome::Joined { counts, .. } => counts.leechers,
                _ => 0,
            };
            for n in 4..7 {
                let (outcome, reported) = apply(&mut tracker, origin, n, &announce(SERVED));
                assert_eq!(counts(outcome), stored as u32 + 1);
                assert_eq!(reported.len(), usize::from(origin != Origin::Cluster && SYNC_LIVE));
            }
            assert_eq!(counts(apply(&mut tracker, origin, 1, &announce(SERVED)).0), stored as u32);
            assert_eq!(tracker.swarms().totals().peers, stored);
            let stopped = Announce { stopped: true, ..announce(SERVED) };
            assert!(matches!(apply(&mut tracker, origin, 9, &stopped).0, Outcome::Stopped(_)));
            tracker.set_memory_ceiling(usize::MAX);
            apply(&mut tracker, origin, 4, &announce(SERVED));
            assert_eq!(tracker.swarms().totals().peers, stored + 1);
        }
    }

    #[test]
    fn stopping_is_reported_by_clients_only_and_whatever_the_list_says() {
        let mut tracker = tracker();
        for (info_hash, origin) in [(SERVED, Origin::Http), (FORBIDDEN, Origin::Udp), (SERVED, Origin::Cluster)] {
            let stopped = Announce { stopped: true, ..announce(info_hash) };
            let (outcome, reported) = apply(&mut tracker, origin, 1, &stopped);
            assert_eq!(outcome, Outcome::Stopped(Counts::default()));
            assert_eq!(reported.len(), usize::from(origin != Origin::Cluster && SYNC_LIVE));
            assert!(reported.iter().all(|record| record.stopped && record.info_hash == info_hash.0));
        }
    }

    #[test]
    fn only_news_is_reported() {
        let reported = |peer, newly_completed| {
            let mut tracker = tracker();
            let what = swarm::PeerState { seeding: false, completed: true };
            let endpoint = (IpAddr::from([1; 4]), [26, 225]);
            let change = Announced { peer, newly_completed };
            report_announce(&mut tracker.outbox, &SERVED, endpoint, what, &change);
            let reported = reported(&mut tracker);
            // completed without seeding is not completed
            assert!(reported.iter().all(|reported| *reported == record(&SERVED, endpoint, false)));
            reported.len()
        };
        let known = |minutes_ago| PeerStatus::Known { minutes_ago };
        assert_eq!(reported(PeerStatus::New, false), 1);
        assert_eq!([reported(known(0), false), reported(known(10), false)], [0, 0]);
        assert_eq!([reported(known(11), false), reported(known(44), false), reported(known(0), true)], [1; 3]);
    }
    #[test]
    fn over_http_peers_of_both_families_are_told_and_over_udp_those_of_the_clients() {
        let mut tracker = Tracker::<Dual>::new(Settings::default(), [1, 2]);
        *tracker.access_list() = List::serving([SERVED]);
        let peers = |outcome| match outcome {
            Outcome::Joined { peers, .. } => (peers.v4 / 6, peers.v6 / 18),
            _ => (0, 0),
        };
        let mut apply = |origin, address: &str| {
            peers(tracker.announce(at(0), origin, address.parse().unwrap(), &announce(SERVED), &mut [0; 1200]))
        };
        assert_eq!(apply(Origin::Udp, "10.0.0.1"), (1, 0));
        assert_eq!(apply(Origin::Http, "2001:db8::1"), (1, 1));
        assert_eq!(apply(Origin::Udp, "2001:db8::2"), (0, 2));
        assert_eq!(apply(Origin::Udp, "::ffff:10.0.0.2"), (2, 0));
        assert_eq!(apply(Origin::Http, "10.0.0.2"), (2, 2));
        assert_eq!(apply(Origin::Cluster, "10.0.0.3"), (0, 0));
    }

    #[test]
    fn who_is_of_no_family_of_the_build_is_answered_but_not_stored() {
        let mut tracker = tracker();
        let stranger = "2001:db8::1".parse().unwrap();
        let ask = |tracker: &mut Tracker<V4>, said: &Announce| {
            tracker.announce(at(0), Origin::Http, stranger, said, &mut [0; 1200])
        };
        let alone = Outcome::Joined { counts: Counts::default(), peers: Chosen::default() };
        assert_eq!(ask(&mut tracker, &announce(SERVED)), alone);
        assert_eq!(tracker.swarms().totals().torrents, 0);
        apply(&mut tracker, Origin::Http, 1, &announce(SERVED));
        let counts = Counts { leechers: 1, ..Counts::default() };
        assert_eq!(ask(&mut tracker, &announce(SERVED)), Outcome::Joined { counts, peers: Chosen { v4: 6, v6: 0 } });
        // a blacklist is empty here
        let forbidden = if ACCESS_LIST == Some(AccessList::White) { Outcome::Forbidden } else { alone };
        assert_eq!(ask(&mut tracker, &announce(FORBIDDEN)), forbidden);
        assert_eq!(ask(&mut tracker, &Announce { stopped: true, ..announce(SERVED) }), Outcome::Stopped(counts));
        assert_eq!((tracker.swarms().totals().peers, tracker.counters.get(Request::HttpAnnounce)), (1, 5));
        assert_eq!(reported(&mut tracker), [], "the cluster does not hear of strangers");
    }
}
