//! What is done with announces besides answering them, in builds with `spot-woodpecker` or `syslogs`.

use super::Now;
use crate::features::{SPOT_WOODPECKER, SYSLOGS};
use crate::limits::{ANSWER_STEP, SYSLOG_QUEUE};
use crate::stats::woodpeckers::Woodpeckers;
use crate::swarm::{Announced, InfoHash, PeerStatus};
use std::collections::VecDeque;
use std::net::IpAddr;

/// A completed download, for the system's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The time, in seconds since the epoch.
    pub unix: u64,
    /// The torrent.
    pub info_hash: [u8; 20],
    /// The client's peer id; `None` for UDP clients (as the original).
    pub peer_id: Option<[u8; 20]>,
    /// The peer's address.
    pub address: IpAddr,
}

/// The observers of announces.
#[derive(Debug)]
pub struct Observers {
    pub(super) woodpeckers: Woodpeckers,
    completions: VecDeque<Completion>,
    /// Completions dropped because the queue was full.
    missed: u64,
}

impl Observers {
    /// Observers in swarms of IPv4 peers, of IPv6 peers, or of both.
    pub(super) fn new(v4: bool, v6: bool) -> Self {
        Self { woodpeckers: Woodpeckers::new(v4, v6), completions: VecDeque::new(), missed: 0 }
    }

    /// Observes an announce of a peer with this address, as swarms store it, and what it changed. Where memory is short nothing grows.
    pub(super) fn announced(
        &mut self,
        now: Now,
        address: IpAddr,
        info_hash: &InfoHash,
        peer_id: Option<[u8; 20]>,
        change: &Announced,
        memory_is_short: bool,
    ) {
        if let (true, PeerStatus::Known { minutes_ago }) = (SPOT_WOODPECKER, change.peer) {
            self.woodpeckers.count(now.up, address, minutes_ago, memory_is_short);
        }
        if SYSLOGS && change.newly_completed {
            self.completed(Completion { unix: now.unix, info_hash: info_hash.0, peer_id, address });
        }
    }

    fn completed(&mut self, completion: Completion) {
        if self.completions.len() < SYSLOG_QUEUE {
            self.completions.push_back(completion);
        } else {
            self.missed += 1;
        }
    }

    /// Whether completed downloads wait to be logged.
    pub fn is_waiting(&self) -> bool {
        !self.completions.is_empty() || self.missed > 0
    }

    /// Takes the oldest completed download that waits to be logged.
    pub fn take_completion(&mut self) -> Option<Completion> {
        self.completions.pop_front()
    }

    /// How many were dropped since the last call because the queue was full.
    pub fn take_missed(&mut self) -> u64 {
        std::mem::take(&mut self.missed)
    }

    /// Forgets what has expired: a bounded step.
    pub(super) fn expire_step(&mut self, now: Now) {
        if SPOT_WOODPECKER {
            self.woodpeckers.expire_step(now.up, ANSWER_STEP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_of_completions_is_bounded() {
        let mut observers = Observers::new(true, false);
        let completion = |n| Completion { unix: n, info_hash: [1; 20], peer_id: None, address: [1; 4].into() };
        (0..SYSLOG_QUEUE as u64 + 3).for_each(|n| observers.completed(completion(n)));
        assert!(observers.is_waiting());
        for n in 0..SYSLOG_QUEUE as u64 {
            assert_eq!(observers.take_completion(), Some(completion(n)));
        }
        assert_eq!((observers.take_completion(), observers.take_missed(), observers.is_waiting()), (None, 3, false));
    }
}
