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
            self.swarms.stop(now.minute(), &hash, &peer);
            return;
        }
        // what keeps peers from announcing here keeps them out by this way too
        if self.turns_away(&hash, &peer) {
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
