//! UDP sockets: received, answered and sent in batches, by the loop itself or through workers.

use super::workers::Pool;
use crate::address::from_ip;
use crate::limits::{UDP_BATCH, UDP_REQUEST_MAX, UDP_WORKERS_MAX};
use crate::sys::clock::Clock;
use crate::sys::datagram::Batch;
use crate::sys::failure::reason;
use crate::sys::stderr;
use crate::tracker::{Now, Tracker};
use crate::wire::udp::reply_max;
use std::io;
use std::ops::AddAssign;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// What a turn did for one or more sockets.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Served {
    /// Datagrams and connections taken.
    pub(in crate::server) requests: u32,
    /// Whether none were left.
    pub(in crate::server) drained: bool,
}

impl AddAssign for Served {
    fn add_assign(&mut self, other: Served) {
        self.requests += other.requests;
        self.drained &= other.drained;
    }
}

/// The UDP sockets, and the buffers or workers by which they are served.
pub(in crate::server) struct Service {
    /// Those that the loop serves itself, each with the buffers that are as large as it needs.
    sockets: Vec<(Arc<OwnedFd>, Batch)>,
    workers: Pool,
}

impl Service {
    /// Serves these sockets to addresses of `N` bytes. Where the system has no threads to give there are fewer workers, and a socket that has
    /// none is served by the loop.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub(in crate::server) fn new<const N: usize>(clock: Clock, sockets: Vec<(OwnedFd, u32)>) -> io::Result<Service> {
        let mut workers = Pool::new(clock)?;
        let mut own = Vec::new();
        for (socket, threads) in sockets {
            let (socket, count) = (Arc::new(socket), Arc::default());
            let mut start = || workers.start(Arc::clone(&socket), Arc::clone(&count), reply_max(N));
            let refused = (0..threads.min(UDP_WORKERS_MAX)).find_map(|started| Some((started, start().err()?)));
            if let Some((started, error)) = &refused {
                let why = reason(error);
                stderr::write_line(&format!("Warning: Could not start more than {started} UDP workers: {why}.\n"));
            }
            if threads == 0 || refused.is_some_and(|(started, _)| started == 0) {
                own.push((socket, Batch::new(UDP_BATCH, UDP_REQUEST_MAX, reply_max(N))));
            }
        }
        Ok(Service { sockets: own, workers })
    }

    /// The sockets that the loop serves itself, to watch for datagrams; [`serve`](Service::serve) takes their index.
    pub(in crate::server) fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.sockets.iter().map(|(socket, _)| socket.as_fd())
    }

    /// The workers, to watch for their batches.
    pub(in crate::server) fn workers(&self) -> &Pool {
        &self.workers
    }

    /// Answers what waits at a socket: one batch, so that the others need not wait for long.
    pub(in crate::server) fn serve<const N: usize>(
        &mut self,
        index: usize,
        now: Now,
        tracker: &mut Tracker<N>,
    ) -> Served {
        let Some((socket, batch)) = self.sockets.get_mut(index) else { return Served { requests: 0, drained: false } };
        // an error here is news of an earlier reply that did not arrive, and gone with the telling
        let received = batch.receive(socket.as_fd()).unwrap_or(0);
        answer(batch, received, now, tracker);
        batch.send(socket.as_fd());
        Served { requests: received as u32, drained: !batch.is_full() }
    }

    /// Answers the batches that workers have handed over: at most one from each. They gather while a worker has the one before, so the loop
    /// does not wait for them.
    pub(in crate::server) fn serve_workers<const N: usize>(&mut self, now: Now, tracker: &mut Tracker<N>) {
        self.workers.waker().clear();
        let mut left = self.workers.count();
        while let Some(mut job) = self.workers.take() {
            answer(&mut job.batch, job.received, now, tracker);
            self.workers.give_back(job);
            left = left.saturating_sub(1);
            if left == 0 {
                // more may wait already: look again in the next turn
                self.workers.waker().wake();
                break;
            }
        }
    }
}

/// Writes the replies to a batch.
fn answer<const N: usize>(batch: &mut Batch, received: usize, now: Now, tracker: &mut Tracker<N>) {
    tracker.prefetch(batch.requests());
    for at in 0..received {
        let Some(exchange) = batch.exchange(at) else { continue };
        let Some(from) = from_ip::<N>(exchange.from.ip()) else { continue };
        let length = tracker.handle_udp(now, &from, exchange.request, exchange.reply);
        batch.set_reply(at, length);
    }
}
