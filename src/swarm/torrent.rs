//! A torrent: its entry in the tree, and the rules by which it and its peers leave.

use super::families::{Dual, Families, V4, V6};
use super::index::Item;
use super::index::search::Key;
use super::memory::Budget;
use super::peers::{PeerCounts, PeerSet};
use super::{Chosen, Counts, InfoHash, Random, Wanted};
use crate::limits::PEER_TIMEOUT_MINUTES;
use static_assertions::const_assert;

/// What is known of a torrent.
#[derive(Clone, Copy)]
pub(super) struct Entry<F: Families> {
    pub(super) hash: InfoHash,
    /// The stored minute: of the last announce or cleaning, and the base of the peers' ages.
    pub(super) minute: u32,
    pub(super) downloaded: u32,
    pub(super) peers: F::Peers,
}

const_assert!(size_of::<Entry<V4>>() == 52 && size_of::<Entry<V6>>() == 52 && size_of::<Entry<Dual>>() == 56);

impl<F: Families> Entry<F> {
    pub(super) fn new(hash: InfoHash, minute: u32, downloaded: u32) -> Self {
        Self { hash, minute, downloaded, peers: F::Peers::NONE }
    }

    pub(super) fn counts(&self, store: &F::Store) -> Counts {
        let PeerCounts { seeders, leechers } = self.peers.counts(store);
        Counts { seeders, leechers, downloaded: self.downloaded }
    }

    /// Lets time pass up to `now`, the peers go who are too old then, and stores that minute. Time does not pass backwards.
    pub(super) fn pass(&mut self, now: u32, store: &mut F::Store, budget: &mut Budget) {
        if now > self.minute {
            self.peers.expire(store, budget, self.minute, now);
            self.minute = now;
            if self.peers.is_empty(store) {
                self.peers.clear(store, budget);
            }
        }
    }

    /// Cleans the torrent as a walk or touch does; false if it is to be removed, as one is that nobody has touched for `timeout`.
    pub(super) fn clean(&mut self, now: u32, timeout: u32, store: &mut F::Store, budget: &mut Budget) -> bool {
        let elapsed = now.saturating_sub(self.minute);
        if elapsed == 0 {
            return true;
        }
        if elapsed > timeout {
            return false;
        }
        if self.peers.is_empty(store) && elapsed > PEER_TIMEOUT_MINUTES {
            return self.downloaded > 0;
        }
        self.pass(now, store, budget);
        if self.peers.is_empty(store) {
            self.minute = now.saturating_sub(PEER_TIMEOUT_MINUTES);
        }
        true
    }
}

impl<F: Families> Default for Entry<F> {
    fn default() -> Self {
        Self::new(InfoHash::default(), 0, 0)
    }
}

impl<F: Families> Item for Entry<F> {
    type Key = InfoHash;

    #[inline]
    fn key(&self) -> &InfoHash {
        &self.hash
    }

    /// Torrents have no ages in their page.
    fn retain_alive(entries: &mut [Self], _base: u32, _now: u32) -> usize {
        entries.len()
    }
}

impl Key for InfoHash {
    #[inline]
    fn rank(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// A torrent as an announce left it.
pub struct Torrent<'a, F: Families> {
    /// None if the torrent is not there, for want of memory or because nobody asked for it to be.
    pub(super) entry: Option<&'a Entry<F>>,
    pub(super) store: &'a F::Store,
    /// The peer that announced, and whether it is seeding, if it has no place here for want of memory. It is told what it would be
    /// told if it had one.
    pub(super) guest: Option<(F::Peer, bool)>,
}

impl<F: Families> Torrent<'_, F> {
    /// How many are in the swarm.
    pub fn counts(&self) -> Counts {
        let mut counts = self.entry.map(|entry| entry.counts(self.store)).unwrap_or_default();
        if let Some((_, seeding)) = self.guest {
            let kind = if seeding { &mut counts.seeders } else { &mut counts.leechers };
            *kind = kind.saturating_add(1);
        }
        counts
    }

    /// Writes as many distinct peers as are wanted to `out`, or all if there are no more, as address and port each: of each family
    /// leechers first, seeders behind them. Within a family every peer is equally likely to be among them.
    /// What does not fit into `out` is not wanted.
    pub fn choose(&self, wanted: Wanted, random: &mut Random, out: &mut [u8]) -> Chosen {
        match self.entry {
            Some(entry) => entry.peers.choose(self.store, entry.minute, self.guest, wanted, random, out),
            None => F::Peers::NONE.choose(self.store, 0, self.guest, wanted, random, out),
        }
    }
}
