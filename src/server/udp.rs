//! UDP sockets: received, answered and sent in batches.

use crate::limits::{UDP_BATCH, UDP_BATCHES_A_TURN, UDP_REQUEST_MAX};
use crate::sys::datagram::Batch;
use crate::tracker::{Now, Tracker};
use crate::wire::address::from_ip;
use crate::wire::udp::reply_max;
use std::ops::AddAssign;
use std::os::fd::{AsFd, OwnedFd};

/// What a turn did for one or more sockets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    /// Datagrams and connections taken.
    pub(super) requests: u32,
    /// Whether none were left.
    pub(super) drained: bool,
}

impl AddAssign for Served {
    fn add_assign(&mut self, other: Served) {
        self.requests += other.requests;
        self.drained &= other.drained;
    }
}

/// The UDP sockets and the buffers they share.
pub(super) struct Service {
    sockets: Vec<OwnedFd>,
    batch: Batch,
}

impl Service {
    /// Serves these sockets to addresses of `N` bytes.
    pub(super) fn new<const N: usize>(sockets: Vec<OwnedFd>) -> Service {
        Service { sockets, batch: Batch::new(UDP_BATCH, UDP_REQUEST_MAX, reply_max(N)) }
    }

    /// Answers what waits at a socket, as much as there is a turn for.
    pub(super) fn serve<const N: usize>(&mut self, index: usize, now: Now, tracker: &mut Tracker<N>) -> Served {
        let mut served = Served { requests: 0, drained: false };
        let Some(socket) = self.sockets.get(index) else { return served };
        for _ in 0..UDP_BATCHES_A_TURN {
            // an error here is news of an earlier reply that did not arrive, and gone with the telling
            let received = self.batch.receive(socket.as_fd()).unwrap_or(0);
            for at in 0..received {
                let Some(exchange) = self.batch.exchange(at) else { continue };
                let Some(from) = from_ip::<N>(exchange.from.ip()) else { continue };
                let length = tracker.handle_udp(now, &from, exchange.request, exchange.reply);
                self.batch.set_reply(at, length);
            }
            self.batch.send(socket.as_fd());
            served.requests += received as u32;
            if received < UDP_BATCH {
                served.drained = true;
                break;
            }
        }
        served
    }
}
