//! The peers of one torrent, in one of three forms.
//!
//! Most torrents have a peer or two, which then live in the torrent's own entry (inline); some hundred are an array, sorted, in a
//! slot of the pool; more than that are paged, a tree of such slots. A torrent with peers of both families has a set of each (`dual`).

mod array;
pub(super) mod choose;
mod dual;
mod inline;
mod paged;
mod set;
mod shares;
mod store;
mod stored;

use super::memory::{Budget, Pool};
use super::{Announced, Chosen, Endpoint, PeerState, PeerStatus, Random, Wanted};
use crate::limits::SWARM_ARRAY_SIZES;
use array::Array;
pub use dual::{DualPeers, DualStore};
use inline::Inline;
use paged::Paged;
pub use set::{PeerSet, PeerStore};
#[cfg(any(test, fuzzing))]
pub(super) use shares::shares;
use static_assertions::const_assert;
pub use store::Store;
pub(super) use stored::Stored;

/// Peers of an array at most, and of all forms but pages.
pub(super) const ARRAY_MAX: usize = SWARM_ARRAY_SIZES[SWARM_ARRAY_SIZES.len() - 1];

const_assert!(size_of::<Peers<4>>() == 24 && size_of::<Peers<16>>() == 24);

/// How many peers, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerCounts {
    pub(super) seeders: u32,
    pub(super) leechers: u32,
}

impl PeerCounts {
    fn of<const N: usize>(peers: &[Stored<N>]) -> Self {
        let mut counts = Self::default();
        peers.iter().for_each(|peer| counts.add(peer.seeding()));
        counts
    }

    pub(super) fn add(&mut self, seeding: bool) {
        let kind = if seeding { &mut self.seeders } else { &mut self.leechers };
        *kind += 1;
    }

    fn remove(&mut self, seeding: bool) {
        let kind = if seeding { &mut self.seeders } else { &mut self.leechers };
        *kind -= 1;
    }

    pub(super) fn all(self) -> u32 {
        self.seeders + self.leechers
    }
}

/// The peers of a torrent. The base of their ages is the torrent's stored minute.
#[derive(Clone, Copy)]
pub enum Peers<const N: usize> {
    Inline(Inline),
    Array(Array),
    Paged(u32),
}

impl<const N: usize> Peers<N> {
    /// Takes the simplest form that holds the peers, whose ages have the base `minute`.
    fn settle(&mut self, store: &mut Store<N>, budget: &mut Budget, minute: u32) {
        match self {
            Self::Inline(_) => {}
            Self::Array(array) if array.len() > Inline::max::<N>() => array.shrink(&mut store.pool, budget),
            Self::Array(array) => {
                let inline = Inline::of(array.peers(&store.pool));
                array.give(&mut store.pool, budget);
                *self = Self::Inline(inline);
            }
            Self::Paged(number) => {
                let peers = store.paged(*number).and_then(|paged| paged.as_array(&store.pool, minute));
                if let Some(smaller) = peers.and_then(|peers| Self::of(&peers, store, budget)) {
                    self.clear(store, budget);
                    *self = smaller;
                }
            }
        }
    }

    /// The right form for so few peers that they need not be paged. None if the memory is refused.
    fn of(peers: &[Stored<N>], store: &mut Store<N>, budget: &mut Budget) -> Option<Self> {
        if peers.len() <= Inline::max::<N>() {
            return Some(Self::Inline(Inline::of(peers)));
        }
        Array::of(peers, &mut store.pool, budget).map(Self::Array)
    }

    /// Puts in a peer that is not there, in the next larger form if need be.
    fn insert(
        &mut self,
        store: &mut Store<N>,
        budget: &mut Budget,
        now: u32,
        peer: &Endpoint<N>,
        what: PeerState,
    ) -> Option<Announced> {
        let (stored, newly_completed) = Stored::new(peer, now, what);
        let announced = Announced { peer: PeerStatus::New, newly_completed };
        match self {
            Self::Inline(inline) => {
                let few = inline.read::<N>().with(stored);
                *self = Self::of(few.peers(), store, budget)?;
            }
            Self::Array(array) if array.len() < store.sizes.array_max => {
                array.insert(stored, &mut store.pool, budget)?;
            }
            Self::Array(array) => {
                let mut peers = array.peers(&store.pool).to_vec();
                peers.insert(array::find(&peers, peer).unwrap_or_else(|at| at), stored);
                let number = store.add_paged(budget, &peers, now)?;
                self.clear(store, budget);
                *self = Self::Paged(number);
            }
            Self::Paged(_) => return self.announce(store, budget, now, peer, what),
        }
        Some(announced)
    }
}

impl<const N: usize> PeerSet for Peers<N> {
    type Peer = Endpoint<N>;
    type Store = Store<N>;

    const NONE: Self = Self::Inline(Inline::EMPTY);

    #[inline]
    fn counts(&self, store: &Store<N>) -> PeerCounts {
        match self {
            Self::Inline(inline) => inline.counts::<N>(),
            Self::Array(array) => array.counts(),
            Self::Paged(number) => store.paged(*number).map(|paged| paged.counts).unwrap_or_default(),
        }
    }

    fn has(&self, store: &Store<N>, minute: u32, peer: &Endpoint<N>) -> bool {
        match self {
            Self::Inline(inline) => array::find(inline.read::<N>().peers(), peer).is_ok(),
            Self::Array(array) => array::find(array.peers(&store.pool), peer).is_ok(),
            Self::Paged(number) => store.paged(*number).is_some_and(|paged| paged.has(&store.pool, minute, peer)),
        }
    }

    fn age_of_only(&self, store: &Store<N>, minute: u32) -> Option<u32> {
        match self {
            Self::Inline(inline) => array::age_of_only(inline.read::<N>().peers(), minute),
            Self::Array(array) => array::age_of_only(array.peers(&store.pool), minute),
            Self::Paged(_) => None,
        }
    }

    fn prefetch(&self, store: &Store<N>) {
        match self {
            Self::Inline(_) => {}
            Self::Array(array) => array::prefetch(array.peers(&store.pool)),
            Self::Paged(number) => store.paged(*number).map(crate::sys::cache::prefetch).unwrap_or_default(),
        }
    }

    fn is_empty(&self, store: &Store<N>) -> bool {
        match self {
            Self::Inline(inline) => inline.is_empty(),
            Self::Array(_) | Self::Paged(_) => self.counts(store).all() == 0,
        }
    }

    fn expire(&mut self, store: &mut Store<N>, budget: &mut Budget, minute: u32, now: u32) {
        match self {
            Self::Inline(inline) => {
                let mut few = inline.read::<N>();
                if few.expire(minute, now) {
                    *inline = Inline::of(few.peers());
                }
            }
            Self::Array(array) => {
                if array.expire(&mut store.pool, minute, now) {
                    self.settle(store, budget, now);
                }
            }
            Self::Paged(number) => {
                if let Some((paged, _)) = store.paged_mut(*number) {
                    paged.pass(minute, now);
                }
            }
        }
    }

    fn clear(&mut self, store: &mut Store<N>, budget: &mut Budget) {
        match std::mem::replace(self, Self::NONE) {
            Self::Inline(_) => {}
            Self::Array(array) => array.give(&mut store.pool, budget),
            Self::Paged(number) => store.leave(number),
        }
    }

    fn announce(
        &mut self,
        store: &mut Store<N>,
        budget: &mut Budget,
        now: u32,
        peer: &Endpoint<N>,
        what: PeerState,
    ) -> Option<Announced> {
        match self {
            Self::Inline(inline) => {
                if let Some(announced) = inline.renew(peer, now, what) {
                    return Some(announced);
                }
            }
            Self::Array(array) => {
                let peers = array.peers_mut(&mut store.pool);
                // it may not have been foreseen
                array::prefetch(peers);
                if let Ok(at) = array::find(peers, peer) {
                    let was_seeding = peers[at].seeding();
                    let announced = renew(&mut peers[at], now, what);
                    array.recount(was_seeding, what.seeding);
                    return Some(announced);
                }
            }
            Self::Paged(number) => {
                let (paged, pool) = store.paged_mut(*number)?;
                return paged.announce(now, peer, what, pool, budget);
            }
        }
        self.insert(store, budget, now, peer, what)
    }

    fn remove(&mut self, store: &mut Store<N>, budget: &mut Budget, minute: u32, peer: &Endpoint<N>) -> bool {
        let was_there = match self {
            Self::Inline(inline) => {
                let mut few = inline.read::<N>();
                let was_there = few.remove(peer);
                *inline = Inline::of(few.peers());
                was_there
            }
            Self::Array(array) => array.remove(peer, &mut store.pool),
            Self::Paged(number) => {
                store.paged_mut(*number).is_some_and(|(paged, pool)| paged.remove(minute, peer, pool, budget))
            }
        };
        self.settle(store, budget, minute);
        was_there
    }

    fn sweep(
        &mut self,
        store: &mut Store<N>,
        budget: &mut Budget,
        minute: u32,
        from: Endpoint<N>,
        pages: &mut usize,
    ) -> Option<Endpoint<N>> {
        let Self::Paged(number) = self else { return None };
        let (paged, pool) = store.paged_mut(*number)?;
        let next = paged.sweep(minute, from, pages, pool, budget);
        if next.is_none() {
            self.settle(store, budget, minute);
        }
        next
    }

    fn relocate(&mut self, store: &mut Store<N>, budget: &mut Budget) {
        if let Self::Array(array) = self {
            array.relocate(&mut store.pool, budget);
        }
    }

    fn walk(
        &self,
        store: &Store<N>,
        minute: u32,
        after: Option<&Endpoint<N>>,
        left: &mut usize,
        visit: impl FnMut(&Endpoint<N>),
    ) -> Option<Endpoint<N>> {
        match self {
            Self::Inline(inline) => array::walk(inline.read::<N>().peers(), after, left, visit),
            Self::Array(array) => array::walk(array.peers(&store.pool), after, left, visit),
            Self::Paged(number) => store.paged(*number)?.walk(&store.pool, minute, after, left, visit),
        }
    }

    fn is_paged(&self, _: &Store<N>) -> bool {
        matches!(self, Self::Paged(_))
    }

    fn choose(
        &self,
        store: &Store<N>,
        minute: u32,
        guest: Option<(Endpoint<N>, bool)>,
        wanted: Wanted,
        random: &mut Random,
        out: &mut [u8],
    ) -> Chosen {
        let length = choose::choose(self, store, minute, wanted.peers, random, out);
        let length = match guest {
            Some((peer, seeding)) if wanted.peers > length / Endpoint::<N>::SIZE => {
                choose::put_guest(&peer, seeding, length, out)
            }
            _ => length,
        };
        if N == 4 { Chosen { v4: length, v6: 0 } } else { Chosen { v4: 0, v6: length } }
    }
}

/// A peer that is there announces again.
fn renew<const N: usize>(stored: &mut Stored<N>, now: u32, what: PeerState) -> Announced {
    let minutes_ago = stored.age(now);
    Announced { peer: PeerStatus::Known { minutes_ago }, newly_completed: stored.renew(now, what) }
}
