//! The cluster's part in a turn: a bounded number of packets comes in, and what is due goes out.

use super::{Served, Server};
use crate::limits::{LIVESYNC_PACKETS_A_TURN, LIVESYNC_RECORDS_A_TURN};
use crate::swarm::Families;
use crate::tracker::Now;

impl<F: Families> Server<F> {
    /// Receives packets of the other trackers, as many as there is a turn for.
    pub(in crate::server) fn receive_from_cluster(&mut self, now: Now) -> Served {
        let mut served = Served { requests: 0, drained: true };
        let Some(cluster) = &mut self.cluster else { return served };
        let mut records = 0;
        for _ in 0..LIVESYNC_PACKETS_A_TURN {
            let Some(packet) = cluster.receive() else { return served };
            if let Some((from, packet)) = packet {
                records += self.tracker.handle_sync(now, from.to_canonical(), packet);
            }
            if records >= LIVESYNC_RECORDS_A_TURN {
                break;
            }
        }
        served.drained = false;
        served
    }

    /// Sends the other trackers what is due.
    pub(in crate::server) fn send_to_cluster(&mut self, now: Now) {
        if let Some(cluster) = &self.cluster {
            self.tracker.outbox().flush(now.up, |packet| cluster.send(packet));
        }
    }
}
