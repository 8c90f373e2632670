//! Datagrams and their answers (BEP 15).

use super::livesync::{tell_announce, tell_stop};
use super::{Now, Tracker, count};
use crate::swarm::{Announce, Endpoint, InfoHash};
use crate::wire::udp::{self, Action, MAGIC, Prefix, Reply};

impl<const N: usize> Tracker<N> {
    /// Answers one datagram: writes the reply and tells its length; 0 is silence. `reply` has room for the longest one
    /// ([`udp::reply_max`]).
    pub fn handle_udp(&mut self, now: Now, from: &[u8; N], packet: &[u8], reply: &mut [u8]) -> usize {
        self.counters.udp_received += u64::from(!packet.is_empty());
        let Some(prefix) = Prefix::parse(packet) else { return 0 };
        let mut reply = Reply::new(reply);
        if prefix.action == Action::Connect {
            if prefix.connection == MAGIC {
                self.counters.udp_connects += 1;
                reply.connected(prefix.transaction, self.connection_ids.give(now, from));
            }
        } else if !self.connection_ids.check(now, from, prefix.connection) {
            self.counters.udp_mismatches += 1;
            reply.mismatch(prefix.transaction);
        } else if prefix.action == Action::Announce {
            self.udp_announce(now, from, &prefix, packet, &mut reply);
        } else {
            self.udp_scrape(now, &prefix, packet, &mut reply);
        }
        reply.length()
    }

    /// Prepares for requests that come next, in this order, so that the answers are quick. Some may be left out.
    /// Connection ids are not looked at: what a false one wastes here is little beside what the kernel took to receive it.
    pub fn look_ahead<'a>(&mut self, requests: impl Iterator<Item = &'a [u8]>) {
        let hashes = requests.filter_map(udp::announced_to);
        self.swarms.look_ahead(hashes.map(|hash| InfoHash(*hash)));
    }

    fn udp_announce(&mut self, now: Now, from: &[u8; N], prefix: &Prefix, packet: &[u8], reply: &mut Reply<'_>) {
        let Some(said) = udp::Announce::parse(packet) else { return };
        let hash = InfoHash(*said.info_hash);
        let peer = Endpoint { address: *from, port: said.port };
        if !said.stopped && self.turns_away(&hash, &peer) {
            return;
        }
        self.counters.udp_announces += 1;
        let interval = self.interval();
        if said.stopped {
            let counts = self.swarms.stop(&hash, &peer).map(|(_, counts)| counts).unwrap_or_default();
            tell_stop(&mut self.outbox, &hash, &peer, said.seeding);
            reply.announced(prefix.transaction, interval, counts);
            return;
        }
        if !self.access_list.allows(&hash.0) {
            reply.action(Action::Announce, prefix.transaction);
            return;
        }
        let what = Announce { seeding: said.seeding, completed: said.completed };
        let (announced, torrent) = self.swarms.announce(now.minute(), &hash, &peer, what);
        count(&mut self.counters, &announced);
        self.observers.announced(now, from, &hash, None, &announced);
        tell_announce(&mut self.outbox, &hash, &peer, what, &announced);
        reply.announced(prefix.transaction, interval, torrent.counts());
        reply.peers(|room| torrent.choose(said.numwant, &mut self.random, room));
    }

    fn udp_scrape(&mut self, now: Now, prefix: &Prefix, packet: &[u8], reply: &mut Reply<'_>) {
        self.counters.udp_scrapes += 1;
        reply.action(Action::Scrape, prefix.transaction);
        let hashes = udp::scrape_hashes(packet);
        self.swarms.scrape_each(now.minute(), hashes, |known| reply.scraped(known.unwrap_or_default()));
    }
}
