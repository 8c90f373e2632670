//! The cluster's part in a turn: a bounded number of packets comes in, and what is due goes out.

use super::Server;
use super::udp::Served;
use crate::address::from_ip;
use crate::limits::{LIVESYNC_PACKETS_A_TURN, LIVESYNC_RECORDS_A_TURN};
use crate::tracker::Now;

impl<const N: usize> Server<N> {
    /// Takes in what the other trackers told, as much as there is a turn for.
    pub(in crate::server) fn hear_cluster(&mut self, now: Now) -> Served {
        let mut served = Served { requests: 0, drained: true };
        let Some(cluster) = &mut self.cluster else { return served };
        let mut records = 0;
        for _ in 0..LIVESYNC_PACKETS_A_TURN {
            let Some(packet) = cluster.receive() else { return served };
            if let Some((from, packet)) = packet
                && let Some(from) = from_ip(from)
            {
                records += self.tracker.handle_sync(now, &from, packet);
            }
            if records >= LIVESYNC_RECORDS_A_TURN {
                break;
            }
        }
        served.drained = false;
        served
    }

    /// Tells the other trackers what they are due to be told.
    pub(in crate::server) fn tell_cluster(&mut self, now: Now) {
        if let Some(cluster) = &self.cluster {
            self.tracker.outbox().flush(now.up, |packet| cluster.send(packet));
        }
    }
}
