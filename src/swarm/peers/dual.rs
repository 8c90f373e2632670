//! The peers of a torrent in swarms of both families.
//!
//! Most torrents have peers of one family: then its set of them lies in the torrent's entry, as in swarms of that family alone. A torrent
//! with peers of both has a pair of sets, in a pool of pairs. Each family's peers live in a store of its own.

use super::shares::shares;
use super::{PeerCounts, PeerSet, PeerStore, Peers, Store};
use crate::address::Family;
use crate::swarm::memory::{Budget, Pool, Slot};
use crate::swarm::{Announced, Chosen, DualEndpoint, Endpoint, PeerState, Random, Sizes, Wanted};
use static_assertions::const_assert;

/// The peers of a torrent, of one family or of both.
#[derive(Clone, Copy)]
pub enum DualPeers {
    /// None of IPv6.
    V4(Peers<4>),
    /// None of IPv4.
    V6(Peers<16>),
    /// Some of each.
    Pair(Slot),
}

const_assert!(size_of::<DualPeers>() == 28);

/// The sets of a torrent with peers of both families.
#[derive(Clone, Copy)]
struct Pair {
    v4: Peers<4>,
    v6: Peers<16>,
}

impl Default for Pair {
    fn default() -> Self {
        Self { v4: Peers::NONE, v6: Peers::NONE }
    }
}

/// Where peers of both families live that do not live in their torrent's entry.
pub struct DualStore {
    v4: Store<4>,
    v6: Store<16>,
    pairs: Pool<Pair>,
}

impl DualStore {
    /// A pair, and what its sets work with.
    fn pair_mut(&mut self, slot: Slot) -> (&mut Pair, &mut Store<4>, &mut Store<16>) {
        let pair = self.pairs.first_mut(slot);
        (pair, &mut self.v4, &mut self.v6)
    }
}

impl PeerStore for DualStore {
    fn new(sizes: Sizes) -> Self {
        Self { v4: Store::new(sizes), v6: Store::new(sizes), pairs: Pool::new(sizes.chunk, &[1], 0) }
    }

    fn free_some(&mut self, budget: &mut Budget, left: &mut usize) {
        self.v4.free_some(budget, left);
        self.v6.free_some(budget, left);
    }

    fn find_surplus(&mut self) {
        self.v4.find_surplus();
        self.v6.find_surplus();
        self.pairs.find_surplus();
    }

    #[cfg(any(test, fuzzing))]
    fn is_settled(&self) -> bool {
        self.v4.is_settled() && self.v6.is_settled()
    }

    #[cfg(any(test, fuzzing))]
    fn taken(&self) -> usize {
        self.v4.taken() + self.v6.taken() + self.pairs.taken()
    }
}

impl DualPeers {
    /// The sets of both families.
    fn sets<'a>(&'a self, store: &'a DualStore) -> (&'a Peers<4>, &'a Peers<16>) {
        const NO_V4: Peers<4> = Peers::NONE;
        const NO_V6: Peers<16> = Peers::NONE;
        match self {
            Self::V4(v4) => (v4, &NO_V6),
            Self::V6(v6) => (&NO_V4, v6),
            Self::Pair(slot) => {
                let pair = store.pairs.first(*slot);
                (&pair.v4, &pair.v6)
            }
        }
    }

    /// Takes a form that has place for a peer of this family. None if the memory is refused.
    fn make_place(&mut self, store: &mut DualStore, budget: &mut Budget, family: Family) -> Option<()> {
        let pair = match self {
            Self::V4(v4) if family == Family::V6 => Pair { v4: *v4, v6: Peers::NONE },
            Self::V6(v6) if family == Family::V4 => Pair { v4: Peers::NONE, v6: *v6 },
            _ => return Some(()),
        };
        if self.is_empty(store) {
            self.clear(store, budget);
            if family == Family::V6 {
                *self = Self::V6(Peers::NONE);
            }
            return Some(());
        }
        let slot = store.pairs.take(0, budget)?;
        *store.pairs.first_mut(slot) = pair;
        *self = Self::Pair(slot);
        Some(())
    }

    /// Gives a pair up of which one set is empty.
    fn settle(&mut self, store: &mut DualStore, budget: &mut Budget) {
        let Self::Pair(slot) = *self else { return };
        let (pair, store_v4, store_v6) = store.pair_mut(slot);
        if pair.v6.is_empty(store_v6) {
            pair.v6.clear(store_v6, budget);
            *self = Self::V4(pair.v4);
        } else if pair.v4.is_empty(store_v4) {
            pair.v4.clear(store_v4, budget);
            *self = Self::V6(pair.v6);
        } else {
            return;
        }
        store.pairs.give(slot, budget);
    }
}

impl PeerSet for DualPeers {
    type Peer = DualEndpoint;
    type Store = DualStore;

    const NONE: Self = Self::V4(Peers::NONE);

    #[inline]
    fn counts(&self, store: &DualStore) -> PeerCounts {
        match self {
            Self::V4(v4) => v4.counts(&store.v4),
            Self::V6(v6) => v6.counts(&store.v6),
            Self::Pair(slot) => {
                let pair = store.pairs.first(*slot);
                let (v4, v6) = (pair.v4.counts(&store.v4), pair.v6.counts(&store.v6));
                PeerCounts { seeders: v4.seeders + v6.seeders, leechers: v4.leechers + v6.leechers }
            }
        }
    }

    fn v6_counts(&self, store: &DualStore) -> PeerCounts {
        let (_, v6) = self.sets(store);
        v6.counts(&store.v6)
    }

    fn has(&self, store: &DualStore, minute: u32, peer: &DualEndpoint) -> bool {
        let (v4, v6) = self.sets(store);
        match peer {
            DualEndpoint::V4(peer) => v4.has(&store.v4, minute, peer),
            DualEndpoint::V6(peer) => v6.has(&store.v6, minute, peer),
        }
    }

    fn age_of_only(&self, store: &DualStore, minute: u32) -> Option<u32> {
        let (v4, v6) = self.sets(store);
        match (v4.age_of_only(&store.v4, minute), v6.age_of_only(&store.v6, minute)) {
            (Some(age), None) if v6.is_empty(&store.v6) => Some(age),
            (None, Some(age)) if v4.is_empty(&store.v4) => Some(age),
            _ => None,
        }
    }

    fn prefetch(&self, store: &DualStore) {
        match self {
            Self::V4(v4) => v4.prefetch(&store.v4),
            Self::V6(v6) => v6.prefetch(&store.v6),
            // what its sets need is known only when it is here
            Self::Pair(slot) => crate::sys::cache::prefetch(store.pairs.first(*slot)),
        }
    }

    fn is_empty(&self, store: &DualStore) -> bool {
        match self {
            Self::V4(v4) => v4.is_empty(&store.v4),
            Self::V6(v6) => v6.is_empty(&store.v6),
            Self::Pair(_) => self.counts(store).all() == 0,
        }
    }

    fn is_paged(&self, store: &DualStore) -> bool {
        let (v4, v6) = self.sets(store);
        v4.is_paged(&store.v4) || v6.is_paged(&store.v6)
    }

    fn expire(&mut self, store: &mut DualStore, budget: &mut Budget, minute: u32, now: u32) {
        match self {
            Self::V4(v4) => v4.expire(&mut store.v4, budget, minute, now),
            Self::V6(v6) => v6.expire(&mut store.v6, budget, minute, now),
            Self::Pair(slot) => {
                let (pair, store_v4, store_v6) = store.pair_mut(*slot);
                pair.v4.expire(store_v4, budget, minute, now);
                pair.v6.expire(store_v6, budget, minute, now);
                self.settle(store, budget);
            }
        }
    }

    fn clear(&mut self, store: &mut DualStore, budget: &mut Budget) {
        match std::mem::replace(self, Self::NONE) {
            Self::V4(mut v4) => v4.clear(&mut store.v4, budget),
            Self::V6(mut v6) => v6.clear(&mut store.v6, budget),
            Self::Pair(slot) => {
                let (pair, store_v4, store_v6) = store.pair_mut(slot);
                pair.v4.clear(store_v4, budget);
                pair.v6.clear(store_v6, budget);
                store.pairs.give(slot, budget);
            }
        }
    }

    fn announce(
        &mut self,
        store: &mut DualStore,
        budget: &mut Budget,
        now: u32,
        peer: &DualEndpoint,
        what: PeerState,
    ) -> Option<Announced> {
        match (&mut *self, peer) {
            (Self::V4(v4), DualEndpoint::V4(peer)) => v4.announce(&mut store.v4, budget, now, peer, what),
            (Self::V6(v6), DualEndpoint::V6(peer)) => v6.announce(&mut store.v6, budget, now, peer, what),
            (Self::Pair(slot), peer) => {
                let (pair, store_v4, store_v6) = store.pair_mut(*slot);
                match peer {
                    DualEndpoint::V4(peer) => pair.v4.announce(store_v4, budget, now, peer, what),
                    DualEndpoint::V6(peer) => pair.v6.announce(store_v6, budget, now, peer, what),
                }
            }
            (_, peer) => {
                self.make_place(store, budget, peer.family())?;
                self.announce(store, budget, now, peer, what)
            }
        }
    }

    fn remove(&mut self, store: &mut DualStore, budget: &mut Budget, minute: u32, peer: &DualEndpoint) -> bool {
        match (&mut *self, peer) {
            (Self::V4(v4), DualEndpoint::V4(peer)) => v4.remove(&mut store.v4, budget, minute, peer),
            (Self::V6(v6), DualEndpoint::V6(peer)) => v6.remove(&mut store.v6, budget, minute, peer),
            (Self::Pair(slot), peer) => {
                let (pair, store_v4, store_v6) = store.pair_mut(*slot);
                let was_there = match peer {
                    DualEndpoint::V4(peer) => pair.v4.remove(store_v4, budget, minute, peer),
                    DualEndpoint::V6(peer) => pair.v6.remove(store_v6, budget, minute, peer),
                };
                self.settle(store, budget);
                was_there
            }
            _ => false,
        }
    }

    fn sweep(
        &mut self,
        store: &mut DualStore,
        budget: &mut Budget,
        minute: u32,
        from: DualEndpoint,
        pages: &mut usize,
    ) -> Option<DualEndpoint> {
        let mut v4 = |v4: &mut Peers<4>, store: &mut Store<4>, budget: &mut Budget, from| {
            v4.sweep(store, budget, minute, from, pages).map(DualEndpoint::V4)
        };
        let next = match (&mut *self, from) {
            (Self::V4(set), DualEndpoint::V4(from)) => v4(set, &mut store.v4, budget, from),
            (Self::V4(_), DualEndpoint::V6(_)) => None,
            (Self::V6(set), from) => {
                set.sweep(&mut store.v6, budget, minute, from.v6_or_lowest(), pages).map(DualEndpoint::V6)
            }
            (Self::Pair(slot), DualEndpoint::V4(from)) => {
                let (pair, store_v4, _) = store.pair_mut(*slot);
                let next = v4(&mut pair.v4, store_v4, budget, from);
                Some(next.unwrap_or(DualEndpoint::V6(Endpoint::default())))
            }
            (Self::Pair(slot), DualEndpoint::V6(from)) => {
                let (pair, _, store_v6) = store.pair_mut(*slot);
                pair.v6.sweep(store_v6, budget, minute, from, pages).map(DualEndpoint::V6)
            }
        };
        self.settle(store, budget);
        next
    }

    fn relocate(&mut self, store: &mut DualStore, budget: &mut Budget) {
        match self {
            Self::V4(v4) => v4.relocate(&mut store.v4, budget),
            Self::V6(v6) => v6.relocate(&mut store.v6, budget),
            Self::Pair(slot) => {
                let (pair, store_v4, store_v6) = store.pair_mut(*slot);
                pair.v4.relocate(store_v4, budget);
                pair.v6.relocate(store_v6, budget);
                if store.pairs.is_surplus(*slot) {
                    *slot = store.pairs.relocate(*slot, 1, budget);
                }
            }
        }
    }

    /// The peers of IPv4 come before those of IPv6.
    fn walk(
        &self,
        store: &DualStore,
        minute: u32,
        after: Option<&DualEndpoint>,
        left: &mut usize,
        mut visit: impl FnMut(&DualEndpoint),
    ) -> Option<DualEndpoint> {
        let (v4, v6) = self.sets(store);
        let (after_v4, after_v6) = match after {
            None => (None, None),
            Some(DualEndpoint::V4(after)) => (Some(after), None),
            Some(DualEndpoint::V6(after)) => (None, Some(after)),
        };
        if after_v6.is_none() {
            let mut last = after.copied();
            let more = v4.walk(&store.v4, minute, after_v4, left, |peer| {
                last = Some(DualEndpoint::V4(*peer));
                visit(&DualEndpoint::V4(*peer));
            });
            if let Some(more) = more {
                return Some(DualEndpoint::V4(more));
            }
            if v6.is_empty(&store.v6) {
                return None;
            }
            if *left == 0 {
                return last;
            }
        }
        v6.walk(&store.v6, minute, after_v6, left, |peer| visit(&DualEndpoint::V6(*peer))).map(DualEndpoint::V6)
    }

    fn choose(
        &self,
        store: &DualStore,
        minute: u32,
        guest: Option<(DualEndpoint, bool)>,
        wanted: Wanted,
        random: &mut Random,
        out: &mut [u8],
    ) -> Chosen {
        let (v4, v6) = self.sets(store);
        let (guest_v4, guest_v6) = match guest {
            None => (None, None),
            Some((DualEndpoint::V4(peer), seeding)) => (Some((peer, seeding)), None),
            Some((DualEndpoint::V6(peer), seeding)) => (None, Some((peer, seeding))),
        };
        let (share_v4, share_v6) = match wanted.family {
            Some(Family::V4) => (wanted.peers, 0),
            Some(Family::V6) => (0, wanted.peers),
            None => {
                let all_v4 = v4.counts(&store.v4).all() as usize + usize::from(guest_v4.is_some());
                let all_v6 = v6.counts(&store.v6).all() as usize + usize::from(guest_v6.is_some());
                shares(all_v4, all_v6, wanted.peers)
            }
        };
        let mut chosen = Chosen::default();
        if share_v4 > 0 {
            let wanted = Wanted { peers: share_v4, ..wanted };
            chosen.v4 = v4.choose(&store.v4, minute, guest_v4, wanted, random, out).v4;
        }
        if share_v6 > 0 {
            let wanted = Wanted { peers: share_v6, ..wanted };
            let out = out.get_mut(chosen.v4..).unwrap_or_default();
            chosen.v6 = v6.choose(&store.v6, minute, guest_v6, wanted, random, out).v6;
        }
        chosen
    }
}
