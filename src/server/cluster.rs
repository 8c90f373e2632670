//! The cluster's part in a turn: a bounded number of packets comes in, and what is due goes out.

use super::faults::Faults;
use super::{Served, Server, Token, listen_for};
use crate::cluster::Sockets;
use crate::limits::{LIVESYNC_PACKETS_A_TURN, LIVESYNC_RECORDS_A_TURN, UDP_PAUSE};
use crate::swarm::Families;
use crate::sys::poller::{Interest, Poller};
use crate::tracker::Now;
use std::time::Duration;

/// The sockets of the cluster, and how receiving fares.
pub(in crate::server) struct Cluster {
    sockets: Sockets,
    receiving: Faults,
}

impl Cluster {
    pub(in crate::server) fn new(sockets: Sockets) -> Cluster {
        Cluster { sockets, receiving: Faults::new("recvmmsg", UDP_PAUSE) }
    }

    /// Receives a packet. Returns whether there was one. If receiving fails it pauses.
    fn receive(&mut self, now: Duration, poller: &mut Poller) -> bool {
        match self.sockets.receive() {
            Ok(is_there) => {
                self.receiving.works(now);
                is_there
            }
            Err(error) => {
                if self.receiving.failed(now, &error) {
                    self.listen_for(Interest::NONE, poller);
                }
                false
            }
        }
    }

    /// Receives again if a pause is over.
    fn look_after_pause(&mut self, now: Duration, poller: &mut Poller) {
        if self.receiving.is_over(now) {
            self.listen_for(Interest::READ, poller);
        }
    }

    /// When a pause is over.
    pub(in crate::server) fn next_pause(&self) -> Option<Duration> {
        self.receiving.until()
    }

    fn listen_for(&self, interest: Interest, poller: &mut Poller) {
        listen_for(poller, self.sockets.receiver(), Token::Cluster, interest);
    }
}

impl<F: Families> Server<F> {
    /// Receives packets of the other trackers, as many as there is a turn for.
    pub(in crate::server) fn receive_from_cluster(&mut self, now: Now) -> Served {
        let mut served = Served { requests: 0, drained: true };
        let Some(cluster) = &mut self.cluster else { return served };
        let mut records = 0;
        for _ in 0..LIVESYNC_PACKETS_A_TURN {
            if !cluster.receive(now.up, &mut self.poller) {
                return served;
            }
            if let Some((from, packet)) = cluster.sockets.packet() {
                records += self.tracker.handle_sync(now, from.to_canonical(), packet);
            }
            if records >= LIVESYNC_RECORDS_A_TURN {
                break;
            }
        }
        served.drained = false;
        served
    }

    /// Sends the other trackers what is due, and receives from them again after a pause.
    pub(in crate::server) fn look_after_cluster(&mut self, now: Now) {
        if let Some(cluster) = &mut self.cluster {
            cluster.look_after_pause(now.up, &mut self.poller);
            self.tracker.outbox().flush(now.up, |packet| cluster.sockets.send(packet));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::EVENTS_A_TURN;
    use crate::server::watch;

    #[test]
    fn an_error_that_stays_pauses_receiving_from_the_cluster() {
        let (reading_end, writing_end) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&writing_end, b"x").unwrap();
        let mut poller = Poller::new(EVENTS_A_TURN).unwrap();
        let mut cluster = Cluster::new(Sockets::broken(reading_end, writing_end));
        watch(&mut poller, cluster.sockets.receiver(), Token::Cluster).unwrap();
        let events = |poller: &mut Poller| {
            let mut events = Vec::new();
            poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
            events.len()
        };
        let now = Duration::from_secs(1);
        assert_eq!(events(&mut poller), 1);
        assert!(!cluster.receive(now, &mut poller), "no socket, so it fails");
        assert_eq!((events(&mut poller), cluster.next_pause()), (0, Some(now + UDP_PAUSE)));
        cluster.look_after_pause(now, &mut poller);
        assert_eq!(events(&mut poller), 0);
        cluster.look_after_pause(now + UDP_PAUSE, &mut poller);
        assert_eq!((events(&mut poller), cluster.next_pause()), (1, None));
    }
}
