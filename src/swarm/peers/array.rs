//! The form of some hundred peers: a sorted array in a slot of the pool, and what is done with any sorted slice of peers.

use super::super::{Endpoint, index};
use super::{Budget, PeerCounts, Pool, Stored};
use crate::swarm::index::Item;
use crate::swarm::memory::Slot;
use crate::sys::cache;
use index::search::{Key, interpolate, seek};

/// Sizes that a slot may be too large before its array moves to a smaller one: with none it would be copied to and fro at a border.
const SLACK: usize = 1;

/// Where the peers of an array are, and how many.
#[derive(Clone, Copy)]
pub struct Array {
    slot: Slot,
    len: u16,
    seeders: u16,
    /// The class of its slot.
    class: u8,
}

impl Array {
    /// An array of these peers. None if the memory is refused.
    pub(super) fn of<const N: usize>(
        peers: &[Stored<N>],
        pool: &mut Pool<Stored<N>>,
        budget: &mut Budget,
    ) -> Option<Self> {
        let class = pool.class_for(peers.len());
        let slot = pool.take(class, budget)?;
        pool.items_mut(slot, peers.len()).copy_from_slice(peers);
        let seeders = PeerCounts::of(peers).seeders as u16;
        Some(Self { slot, len: peers.len() as u16, seeders, class: class as u8 })
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    pub(super) fn counts(&self) -> PeerCounts {
        PeerCounts { seeders: self.seeders.into(), leechers: (self.len - self.seeders).into() }
    }

    #[inline]
    pub(super) fn peers<'a, const N: usize>(&self, pool: &'a Pool<Stored<N>>) -> &'a [Stored<N>] {
        pool.items(self.slot, self.len())
    }

    #[inline]
    pub(super) fn peers_mut<'a, const N: usize>(&self, pool: &'a mut Pool<Stored<N>>) -> &'a mut [Stored<N>] {
        pool.items_mut(self.slot, self.len())
    }

    /// A peer was seeding and is now, or not.
    pub(super) fn recount(&mut self, was_seeding: bool, is_seeding: bool) {
        self.seeders = self.seeders - u16::from(was_seeding) + u16::from(is_seeding);
    }

    /// Puts in a peer that is not there. None, and nothing changes, if the memory is refused.
    pub(super) fn insert<const N: usize>(
        &mut self,
        stored: Stored<N>,
        pool: &mut Pool<Stored<N>>,
        budget: &mut Budget,
    ) -> Option<()> {
        if self.len() == pool.capacity(usize::from(self.class)) {
            self.resize(pool.class_for(self.len() + 1), pool, budget)?;
        }
        let at = find(self.peers(pool), &stored.endpoint).unwrap_or_else(|at| at);
        self.len += 1;
        self.seeders += u16::from(stored.seeding());
        let peers = self.peers_mut(pool);
        peers.copy_within(at..peers.len() - 1, at + 1);
        peers[at] = stored;
        Some(())
    }

    /// Takes a peer out; false if it is not there.
    pub(super) fn remove<const N: usize>(&mut self, peer: &Endpoint<N>, pool: &mut Pool<Stored<N>>) -> bool {
        let peers = self.peers_mut(pool);
        let Ok(at) = find(peers, peer) else { return false };
        self.seeders -= u16::from(peers[at].seeding());
        peers.copy_within(at + 1.., at);
        self.len -= 1;
        true
    }

    /// Drops the peers that are too old at `now`, their ages known at `base`; false if none is.
    pub(super) fn expire<const N: usize>(&mut self, pool: &mut Pool<Stored<N>>, base: u32, now: u32) -> bool {
        let peers = self.peers_mut(pool);
        let before = peers.len();
        let alive = Stored::retain_alive(peers, base, now);
        if alive == before {
            return false;
        }
        self.seeders = PeerCounts::of(&peers[..alive]).seeders as u16;
        self.len = alive as u16;
        true
    }

    /// Moves to a smaller slot, if this one is much too large; not if the memory is refused.
    pub(super) fn shrink<const N: usize>(&mut self, pool: &mut Pool<Stored<N>>, budget: &mut Budget) {
        let class = pool.class_for(self.len());
        if class + SLACK < usize::from(self.class) {
            let _stays_where_refused = self.resize(class, pool, budget);
        }
    }

    /// Moves to a slot of another class, which holds the peers. None, and nothing changes, if the memory is refused.
    fn resize<const N: usize>(&mut self, class: usize, pool: &mut Pool<Stored<N>>, budget: &mut Budget) -> Option<()> {
        let slot = pool.take(class, budget)?;
        pool.copy(self.slot, slot, self.len());
        pool.give(self.slot, budget);
        (self.slot, self.class) = (slot, class as u8);
        Some(())
    }

    /// Moves to a fuller chunk, if this one could be freed.
    pub(super) fn relocate<const N: usize>(&mut self, pool: &mut Pool<Stored<N>>, budget: &mut Budget) {
        if pool.is_surplus(self.slot) {
            self.slot = pool.relocate(self.slot, self.len(), budget);
        }
    }

    /// Gives its memory up.
    pub(super) fn give<const N: usize>(self, pool: &mut Pool<Stored<N>>, budget: &mut Budget) {
        pool.give(self.slot, budget);
    }
}

/// Has peers fetched into the cache, for a search and a choice that follow.
#[inline]
pub(super) fn prefetch<const N: usize>(peers: &[Stored<N>]) {
    peers.iter().step_by(cache::LINE / Stored::<N>::SIZE).for_each(cache::prefetch);
}

/// The age of the one peer, if there is one.
pub(super) fn age_of_only<const N: usize>(peers: &[Stored<N>], minute: u32) -> Option<u32> {
    match peers {
        [only] => Some(only.age(minute)),
        _ => None,
    }
}

/// Where the peer is, or where it would go.
#[inline]
pub(super) fn find<const N: usize>(peers: &[Stored<N>], peer: &Endpoint<N>) -> Result<usize, usize> {
    let guess = interpolate(peers.len(), (0, u64::MAX), peer.rank());
    seek(peers.len(), guess, peer, |at| &peers[at].endpoint)
}

/// Visits peers as [`super::Peers::walk`] does.
pub(super) fn walk<const N: usize>(
    peers: &[Stored<N>],
    after: Option<&Endpoint<N>>,
    left: &mut usize,
    mut visit: impl FnMut(&Endpoint<N>),
) -> Option<Endpoint<N>> {
    let start = after.map_or(0, |after| peers.partition_point(|p| p.endpoint <= *after));
    let slice = &peers[start..peers.len().min(start.saturating_add(*left))];
    slice.iter().for_each(|peer| visit(&peer.endpoint));
    *left -= slice.len();
    if start + slice.len() == peers.len() {
        return None;
    }
    slice.last().map(|peer| peer.endpoint)
}
