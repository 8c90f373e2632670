//! Datagrams and their answers (BEP 15).

use super::announce::{Origin, Outcome};
use super::{Now, Tracker};
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
    pub fn prefetch<'a>(&mut self, requests: impl Iterator<Item = &'a [u8]>) {
        self.swarms.prefetch(requests.filter_map(udp::announced_info_hash));
    }

    fn udp_announce(&mut self, now: Now, from: &[u8; N], prefix: &Prefix, packet: &[u8], reply: &mut Reply<'_>) {
        let Some(said) = udp::parse_announce(packet) else { return };
        match self.announce(now, Origin::Udp, from, &said, reply.room_for_peers()) {
            Outcome::Forbidden => reply.action(Action::Announce, prefix.transaction),
            Outcome::Stopped(counts) => reply.announced(prefix.transaction, self.interval(), counts, 0),
            Outcome::Joined { counts, peers } => reply.announced(prefix.transaction, self.interval(), counts, peers),
        }
    }
}
