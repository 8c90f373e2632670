//! Datagrams and their answers (BEP 15).

use super::announce::Outcome;
use super::{Now, Tracker};
use crate::stats::counters::Request;
use crate::swarm::Families;
use crate::types::Origin;
use crate::wire::udp::{self, Action, MAGIC, Prefix, Reply};
use std::net::IpAddr;

impl<F: Families> Tracker<F> {
    /// Answers one datagram: writes the reply and returns its length in bytes, 0 for no reply. `reply` has room for the longest one
    /// ([`udp::reply_max`]).
    pub fn handle_udp(&mut self, now: Now, from: IpAddr, packet: &[u8], reply: &mut [u8]) -> usize {
        if !packet.is_empty() {
            self.counters.count(Request::Datagram, from);
        }
        let Some(prefix) = Prefix::parse(packet) else {
            self.counters.detail(|detail| detail.malformed += 1);
            return 0;
        };
        let mut reply = Reply::new(reply);
        if prefix.action == Action::Connect {
            if prefix.connection == MAGIC {
                self.counters.count(Request::Connect, from);
                reply.connected(prefix.transaction, self.connection_ids.create(now, from));
            } else {
                self.counters.detail(|detail| detail.malformed += 1);
            }
        } else if !self.connection_ids.check(now, from, prefix.connection) {
            self.counters.udp_mismatches += 1;
            reply.mismatch(prefix.transaction);
        } else if prefix.action == Action::Announce {
            self.udp_announce(now, from, &prefix, packet, &mut reply);
        } else {
            self.udp_scrape(now, from, &prefix, packet, &mut reply);
        }
        reply.length()
    }

    /// Prefetches the torrents of the requests that follow, in this order. Some of the requests may then be left out.
    /// Connection ids are not checked: what a false one wastes here is little beside what it cost the kernel to receive it.
    pub fn prefetch<'a>(&mut self, requests: impl Iterator<Item = &'a [u8]>) {
        self.swarms.prefetch(requests.filter_map(udp::announced_info_hash));
    }

    fn udp_announce(&mut self, now: Now, from: IpAddr, prefix: &Prefix, packet: &[u8], reply: &mut Reply<'_>) {
        let Some(said) = udp::parse_announce(packet, self.settings.numwant.max) else {
            return self.counters.detail(|detail| detail.malformed += 1);
        };
        match self.announce(now, Origin::Udp, from, &said, reply.room_for_peers()) {
            Outcome::Forbidden => match self.settings.refusing.udp_interval {
                Some(seconds) => reply.refused(prefix.transaction, seconds),
                None => reply.action(Action::Announce, prefix.transaction),
            },
            Outcome::Silenced => {}
            Outcome::Stopped(counts) => reply.announced(prefix.transaction, self.interval(), counts, 0),
            Outcome::Joined { counts, peers } => {
                reply.announced(prefix.transaction, self.interval(), counts, peers.bytes());
            }
        }
    }
}
