//! Threads that receive and send datagrams for the loop (`listen.udp.workers`).
//!
//! Receiving and sending is nine tenths of the work of a UDP announce. A worker does this for a batch: it receives one, passes it to the
//! loop, takes it back with the replies, and sends them. The replies are computed by the one thread that owns the state, so there is
//! nothing to lock. Each worker has one batch, which is either with it or with the loop: no queue can grow.
//!
//! One worker of a socket at a time has the lead and receives. It keeps the lead until a batch is full, so that more datagrams wait than
//! it can take; then the next worker wakes. So there are as many awake as there is work for, and under load, where they coalesce requests
//! as the loop does, none takes one by one what another lets gather.
//!
//! A socket for each worker (`SO_REUSEPORT`) costs more at each rate (benches/README.md has the figures): every worker wakes for clients of
//! its own. It would also leave datagrams at the socket of a worker that is busy or gone, and need several where a service manager hands
//! over one.

use crate::limits::{UDP_BATCH, UDP_PAUSE, UDP_REQUEST_MAX, UDP_WORKERS_MAX, WORKER_STACK};
use crate::server::coalesce::Coalescing;
use crate::server::faults::Faults;
use crate::sys::clock::Clock;
use crate::sys::datagram::Batch;
use crate::sys::socket::wait_readable;
use crate::sys::waker::Waker;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

/// A batch on its way through the loop.
pub struct WorkerBatch {
    /// Which worker it goes back to.
    pub worker: usize,
    /// The datagrams, and room for replies.
    pub batch: Batch,
    /// How many datagrams there are.
    pub received: usize,
}

/// What the workers of a socket have in common.
#[derive(Clone)]
pub struct Shared {
    socket: Arc<OwnedFd>,
    /// Locked by the worker that has the lead.
    lead: Arc<Mutex<()>>,
    /// Requests received.
    count: Arc<AtomicU64>,
}

impl Shared {
    /// Nobody has received anything yet.
    pub fn new(socket: Arc<OwnedFd>) -> Shared {
        Shared { socket, lead: Arc::default(), count: Arc::default() }
    }
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

    /// Starts a worker for a socket; replies have at most `reply_bytes`.
    ///
    /// # Errors
    /// The system has no thread or descriptor to give.
    pub fn start(&mut self, shared: Shared, reply_bytes: usize) -> io::Result<()> {
        let (give_back, back) = sync_channel(1);
        let worker = Worker {
            index: self.back.len(),
            clock: self.clock.clone(),
            coalescing: Coalescing::new(self.coalesce_rate, Arc::clone(&shared.count)),
            receiving: Faults::new("recvmmsg", UDP_PAUSE),
            socket: shared.socket,
            lead: shared.lead,
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
    receiving: Faults,
    socket: Arc<OwnedFd>,
    lead: Arc<Mutex<()>>,
    waker: Arc<Waker>,
    hand_over: SyncSender<WorkerBatch>,
    back: Receiver<Batch>,
}

impl Worker {
    /// Works until the loop ends.
    fn run(mut self, mut batch: Batch) {
        let lead = Arc::clone(&self.lead);
        let mut kept = None;
        loop {
            // it guards nothing that a panic could have left half done
            let leading = kept.take().unwrap_or_else(|| lead.lock().unwrap_or_else(PoisonError::into_inner));
            let Ok(received) = self.receive(&mut batch) else { return };
            let up = self.clock.now();
            self.receiving.works(up);
            // dropped where more datagrams wait
            kept = (received < UDP_BATCH).then_some(leading);
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

    /// Waits for datagrams, and returns how many it has received: one at least.
    ///
    /// # Errors
    /// Waiting fails where the socket does not block.
    fn receive(&mut self, batch: &mut Batch) -> io::Result<usize> {
        loop {
            match batch.wait(self.socket.as_fd()) {
                // the socket does not block, or the call was interrupted
                Ok(0) => wait_readable(self.socket.as_fd())?,
                Ok(received) => return Ok(received),
                Err(error) => {
                    self.receiving.failed(self.clock.now(), &error);
                    std::thread::sleep(UDP_PAUSE);
                }
            }
        }
    }
}
