//! A torrent: its entry in the tree, and the rules by which it and its peers leave.

use super::index::Item;
use super::index::search::Key;
use super::peers::{PeerCounts, Peers, Store, choose};
use super::{Counts, Endpoint, InfoHash, Random};
use crate::limits::{PEER_TIMEOUT_MINUTES, TORRENT_TIMEOUT_MINUTES};
use static_assertions::const_assert;

/// What is known of a torrent.
#[derive(Clone, Copy)]
pub(super) struct Entry<const N: usize> {
    pub(super) hash: InfoHash,
    /// The stored minute: of the last announce or cleaning, and the base of the peers' ages.
    pub(super) minute: u32,
    pub(super) downloaded: u32,
    pub(super) peers: Peers<N>,
}

const_assert!(size_of::<Entry<4>>() == 52 && size_of::<Entry<16>>() == 52);

impl<const N: usize> Entry<N> {
    pub(super) fn new(hash: InfoHash, minute: u32, downloaded: u32) -> Self {
        Self { hash, minute, downloaded, peers: Peers::NONE }
    }

    pub(super) fn counts(&self, store: &Store<N>) -> Counts {
        let PeerCounts { seeders, leechers } = self.peers.counts(store);
        Counts { seeders, leechers, downloaded: self.downloaded }
    }

    /// Lets time pass up to `now`, the peers go who are too old then, and stores that minute. Time does not pass backwards.
    pub(super) fn pass(&mut self, now: u32, store: &mut Store<N>) {
        if now > self.minute {
            self.peers.expire(store, self.minute, now);
            self.minute = now;
            if self.peers.is_empty(store) {
                self.peers.clear(store);
            }
        }
    }

    /// Cleans the torrent as a walk or touch does; false if it is to be removed.
    pub(super) fn clean(&mut self, now: u32, store: &mut Store<N>) -> bool {
        let elapsed = now.saturating_sub(self.minute);
        if elapsed == 0 {
            return true;
        }
        if elapsed > TORRENT_TIMEOUT_MINUTES {
            return false;
        }
        if self.peers.is_empty(store) && elapsed > PEER_TIMEOUT_MINUTES {
            return self.downloaded > 0;
        }
        self.pass(now, store);
        if self.peers.is_empty(store) {
            self.minute = now.saturating_sub(PEER_TIMEOUT_MINUTES);
        }
        true
    }
}

impl<const N: usize> Default for Entry<N> {
    fn default() -> Self {
        Self::new(InfoHash::default(), 0, 0)
    }
}

impl<const N: usize> Item for Entry<N> {
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
pub struct Torrent<'a, const N: usize> {
    /// None if the torrent is not there, for want of memory.
    pub(super) entry: Option<&'a Entry<N>>,
    pub(super) store: &'a Store<N>,
    /// The peer that announced, and whether it is seeding, if it has no place here for want of memory. It is told what it would be
    /// told if it had one.
    pub(super) guest: Option<(Endpoint<N>, bool)>,
}

impl<const N: usize> Torrent<'_, N> {
    /// How many are in the swarm.
    pub fn counts(&self) -> Counts {
        let mut counts = self.entry.map(|entry| entry.counts(self.store)).unwrap_or_default();
        if let Some((_, seeding)) = self.guest {
            let kind = if seeding { &mut counts.seeders } else { &mut counts.leechers };
            *kind = kind.saturating_add(1);
        }
        counts
    }

    /// Writes `wanted` distinct peers to `out`, or all if there are no more, as address and port each, leechers first,
    /// seeders behind them, and returns the number of bytes. Every peer is equally likely to be among them.
    /// What does not fit into `out` is not wanted.
    pub fn choose(&self, wanted: usize, random: &mut Random, out: &mut [u8]) -> usize {
        let length =
            self.entry.map_or(0, |entry| choose::choose(&entry.peers, self.store, entry.minute, wanted, random, out));
        match self.guest {
            Some((peer, seeding)) if wanted > length / Endpoint::<N>::SIZE => {
                self.put_guest(&peer, seeding, length, out)
            }
            _ => length,
        }
    }

    /// Adds the guest to a reply of all peers, where there is room: before the leechers or behind the seeders.
    fn put_guest(&self, peer: &Endpoint<N>, seeding: bool, length: usize, out: &mut [u8]) -> usize {
        let size = Endpoint::<N>::SIZE;
        let Some(reply) = out.get_mut(..length + size) else { return length };
        let at = if seeding { length } else { 0 };
        reply.copy_within(at..length, at + size);
        peer.write(&mut reply[at..]);
        length + size
    }
}
