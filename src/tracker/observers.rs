//! What is done with announces besides answering them, in builds that want it.

use super::Now;
use crate::features::{SPOT_WOODPECKER, SYSLOGS};
use crate::limits::{ANSWER_STEP, SYSLOG_QUEUE};
use crate::stats::woodpeckers::Woodpeckers;
use crate::swarm::{Announced, InfoHash, PeerStatus};
use std::collections::VecDeque;

/// A completed download, for the system's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion<const N: usize> {
    /// When, in seconds since the epoch.
    pub unix: u64,
    /// Which torrent.
    pub info_hash: [u8; 20],
    /// How the client calls itself; not known of UDP clients (as the original).
    pub peer_id: Option<[u8; 20]>,
    /// Where the peer is.
    pub address: [u8; N],
}

/// Those who are told of every announce.
#[derive(Debug, Default)]
pub struct Observers<const N: usize> {
    pub(super) woodpeckers: Woodpeckers<N>,
    completions: VecDeque<Completion<N>>,
    missed: u64,
}

impl<const N: usize> Observers<N> {
    /// Tells them of an announce and what it changed.
    pub(super) fn announced(
        &mut self,
        now: Now,
        address: &[u8; N],
        info_hash: &InfoHash,
        peer_id: Option<[u8; 20]>,
        announced: &Announced,
    ) {
        if let (true, PeerStatus::Known { minutes_ago }) = (SPOT_WOODPECKER, announced.peer) {
            self.woodpeckers.hear(now.up, address, minutes_ago);
        }
        if SYSLOGS && announced.newly_completed {
            self.completed(Completion { unix: now.unix, info_hash: info_hash.0, peer_id, address: *address });
        }
    }

    fn completed(&mut self, completion: Completion<N>) {
        if self.completions.len() < SYSLOG_QUEUE {
            self.completions.push_back(completion);
        } else {
            self.missed += 1;
        }
    }

    /// Whether there are downloads that the log was not told of.
    pub fn is_waiting(&self) -> bool {
        !self.completions.is_empty() || self.missed > 0
    }

    /// Takes the oldest completed download that the log was not told of.
    pub fn take_completion(&mut self) -> Option<Completion<N>> {
        self.completions.pop_front()
    }

    /// How many there was no room for since this was asked last.
    pub fn take_missed(&mut self) -> u64 {
        std::mem::take(&mut self.missed)
    }

    /// Lets time pass: a bounded step.
    pub(super) fn tend(&mut self, now: Now) {
        if SPOT_WOODPECKER {
            self.woodpeckers.clear_away(now.up, ANSWER_STEP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_wait_within_bounds() {
        let mut observers = Observers::<4>::default();
        let completion = |n| Completion { unix: n, info_hash: [1; 20], peer_id: None, address: [1; 4] };
        (0..SYSLOG_QUEUE as u64 + 3).for_each(|n| observers.completed(completion(n)));
        assert!(observers.is_waiting());
        for n in 0..SYSLOG_QUEUE as u64 {
            assert_eq!(observers.take_completion(), Some(completion(n)));
        }
        assert_eq!((observers.take_completion(), observers.take_missed(), observers.is_waiting()), (None, 3, false));
    }
}
