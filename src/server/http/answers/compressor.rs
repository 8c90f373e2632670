//! The thread that compresses long answers.
//!
//! It keeps no state of an answer: a piece comes with its encoder, and both are returned when the piece is compressed. So an answer that
//! is cancelled meanwhile need not be reported here. Both channels are bounded, and only this thread ever waits for one.

use crate::features::gzip::Encoder;
use crate::limits::{GZIP_QUEUE, WORKER_STACK};
use crate::sys::waker::Waker;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// A piece of an answer to be compressed, or compressed.
pub struct Job {
    /// The connection of the answer, as [`Name::to_bits`](super::super::Name::to_bits) returns it.
    pub whose: u64,
    /// The encoder of the answer.
    pub encoder: Box<Encoder>,
    /// The piece. It comes back empty, to be filled again.
    pub piece: Vec<u8>,
    /// Where the piece begins.
    pub from: usize,
    /// It is the answer's last piece.
    pub last: bool,
}

impl Job {
    fn compress(&mut self) {
        self.encoder.compress(self.piece.get(self.from..).unwrap_or_default(), self.last);
        self.piece.clear();
    }
}

/// The thread, as the loop sees it.
pub struct Compressor {
    jobs: SyncSender<Job>,
    done: Receiver<Job>,
    hand_back: SyncSender<Job>,
    waker: Arc<Waker>,
}

impl Compressor {
    /// Starts the thread. Call it after privileges are dropped. Where the system has no thread to give, pieces are compressed by the one
    /// that hands them over.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn start() -> io::Result<Compressor> {
        let (jobs, to_do) = sync_channel(GZIP_QUEUE);
        let (hand_back, done) = sync_channel(GZIP_QUEUE);
        let waker = Arc::new(Waker::new()?);
        let (theirs, back) = (Arc::clone(&waker), hand_back.clone());
        let work = move || run(&to_do, &back, &theirs);
        let _refused_is_harmless =
            std::thread::Builder::new().name("gzip".to_owned()).stack_size(WORKER_STACK).spawn(work);
        Ok(Compressor { jobs, done, hand_back, waker })
    }

    /// Wakes the loop when pieces came back.
    pub fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Hands a piece over, unless too many wait already.
    ///
    /// # Errors
    /// The piece, to be handed over later.
    pub fn hand_over(&self, job: Job) -> Result<(), Job> {
        match self.jobs.try_send(job) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(job)) => Err(job),
            Err(TrySendError::Disconnected(mut job)) => {
                job.compress();
                // as many pieces as there is room for are handed over before any is taken back
                let handed_back = self.hand_back.try_send(job);
                self.waker.wake();
                handed_back.map_err(|(TrySendError::Full(job) | TrySendError::Disconnected(job))| job)
            }
        }
    }

    /// A piece that came back.
    pub fn take(&self) -> Option<Job> {
        self.done.try_recv().ok()
    }
}

/// Works until the loop ends.
fn run(to_do: &Receiver<Job>, hand_back: &SyncSender<Job>, waker: &Waker) {
    while let Ok(mut job) = to_do.recv() {
        job.compress();
        if hand_back.send(job).is_err() {
            return;
        }
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::socket::wait_readable;
    use std::os::fd::AsFd;

    #[test]
    fn pieces_come_back_in_order_and_woken_for() {
        let compressor = Compressor::start().unwrap();
        let job = |whose| Job {
            whose,
            encoder: Box::new(Encoder::new(Vec::new())),
            piece: b"  piece".to_vec(),
            from: 2,
            last: true,
        };
        let mut handed = 0;
        let mut back = 0;
        while back < 1000 {
            match compressor.hand_over(job(handed)) {
                Ok(()) if handed < 2000 => handed += 1,
                Ok(()) => panic!("nothing comes back"),
                Err(refused) => {
                    assert_eq!(refused.whose, handed);
                    wait_readable(compressor.waker().as_fd()).unwrap();
                    compressor.waker().clear();
                    while let Some(mut job) = compressor.take() {
                        assert_eq!(job.whose, back);
                        assert!(job.piece.is_empty() && !job.encoder.output().is_empty());
                        back += 1;
                    }
                }
            }
        }
    }
}
