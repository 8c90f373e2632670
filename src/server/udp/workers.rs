//! Threads that receive and send datagrams for the loop (`listen.udp.workers`).
//!
//! Receiving and sending is nine tenths of the work of a UDP announce. A worker does this for a batch: it receives one, passes it to the
//! loop, takes it back with the replies, and sends them. Under load it coalesces requests, as the loop does. Workers of a socket wait for
//! a datagram in the receiving call, from which the kernel wakes one of them for each. The replies are computed by the one thread that
//! owns the state, so there is nothing to lock. Each worker has one batch, which is either with it or with the loop: no queue can grow.

use crate::limits::{UDP_BATCH, UDP_PAUSE, UDP_REQUEST_MAX, UDP_WORKERS_MAX, WORKER_STACK};
use crate::server::coalesce::Coalescing;
use crate::server::faults::Faults;
use crate::sys::clock::Clock;
use crate::sys::datagram::Batch;
use crate::sys::socket::wait_readable;
use crate::sys::waker::Waker;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// A batch on its way through the loop.
pub struct WorkerBatch {
    /// Which worker it goes back to.
    pub worker: usize,
    /// The datagrams, and room for replies.
    pub batch: Batch,
    /// How many datagrams there are.
    pub received: usize,
}

/// All workers of all sockets.
pub struct Pool {
    clock: Clock,
    coalesce_rate: u32,
    waker: Arc<Waker>,
    jobs: Receiver<WorkerBatch>,
    hand_over: SyncSender<WorkerBatch>,
    back: Vec<SyncSender<Batch>>,
}

impl Pool {
    /// No workers yet.
    ///
    /// # Errors
    /// The system has no descriptor to give.
    pub fn new(clock: Clock, coalesce_rate: u32) -> io::Result<Pool> {
        let (hand_over, jobs) = sync_channel(UDP_WORKERS_MAX as usize);
        Ok(Pool { clock, coalesce_rate, waker: Arc::new(Waker::new()?), jobs, hand_over, back: Vec::new() })
    }

    /// Starts a worker for a socket, whose workers share a count of requests; replies have at most `reply_bytes`.
    ///
    /// # Errors
    /// The system has no thread or descriptor to give.
    pub fn start(&mut self, socket: Arc<OwnedFd>, count: Arc<AtomicU64>, reply_bytes: usize) -> io::Result<()> {
        let (give_back, back) = sync_channel(1);
        let worker = Worker {
            index: self.back.len(),
            clock: self.clock.clone(),
            coalescing: Coalescing::new(self.coalesce_rate, count),
            socket,
            waker: Arc::clone(&self.waker),
            hand_over: self.hand_over.clone(),
            back,
        };
        let batch = Batch::new(UDP_BATCH, UDP_REQUEST_MAX, reply_bytes);
        let name = format!("udp {}", worker.index);
        std::thread::Builder::new().name(name).stack_size(WORKER_STACK).spawn(move || worker.run(batch))?;
        self.back.push(give_back);
        Ok(())
    }

    /// Wakes the loop when batches wait.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }

    /// How many batches can wait at once.
    pub fn count(&self) -> usize {
        self.back.len()
    }

    /// A batch that waits to be answered.
    pub fn take(&self) -> Option<WorkerBatch> {
        self.jobs.try_recv().ok()
    }

    /// Returns a batch to its worker, which sends the replies.
    pub fn give_back(&self, job: WorkerBatch) {
        if let Some(back) = self.back.get(job.worker) {
            // it has room for the worker's only batch; a worker that has ended needs none
            let _ = back.try_send(job.batch);
        }
    }
}

struct Worker {
    index: usize,
    clock: Clock,
    coalescing: Coalescing,
    socket: Arc<OwnedFd>,
    waker: Arc<Waker>,
    hand_over: SyncSender<WorkerBatch>,
    back: Receiver<Batch>,
}

impl Worker {
    /// Works until the loop ends.
    fn run(mut self, mut batch: Batch) {
        let mut receiving = Faults::new("recvmmsg", UDP_PAUSE);
        loop {
            let received = match batch.wait(self.socket.as_fd()) {
                Ok(0) => {
                    // the socket does not block, or the call was interrupted
                    if wait_readable(self.socket.as_fd()).is_err() {
                        return;
                    }
                    continue;
                }
                Ok(received) => received,
                Err(error) => {
                    receiving.failed(self.clock.now(), &error);
                    std::thread::sleep(UDP_PAUSE);
                    continue;
                }
            };
            let up = self.clock.now();
            receiving.works(up);
            if self.hand_over.send(WorkerBatch { worker: self.index, batch, received }).is_err() {
                return;
            }
            self.waker.wake();
            match self.back.recv() {
                Ok(answered) => batch = answered,
                Err(_) => return,
            }
            batch.send(self.socket.as_fd());
            self.coalescing.after_turn(&self.clock, up, received as u32, !batch.is_full());
        }
    }
}
