//! The peers of one torrent, in one of three forms.
//!
//! Most torrents have a peer or two, which then live in the torrent's own entry (inline); some hundred are an array, sorted, in a
//! slot of the pool; more than that are paged, a tree of such slots.

mod array;
pub(super) mod choose;
mod inline;
mod paged;
mod stored;

use super::Sizes;
use super::memory::{Budget, Pool};
use super::{Announced, Endpoint, PeerState, PeerStatus};
use crate::limits::{SWARM_ARRAY_SIZES, SWARM_WINDOW};
use array::Array;
use inline::Inline;
pub(super) use paged::Paged;
use static_assertions::const_assert;
pub(super) use stored::Stored;

/// Peers of an array at most, and of all forms but pages.
pub(super) const ARRAY_MAX: usize = SWARM_ARRAY_SIZES[SWARM_ARRAY_SIZES.len() - 1];

const_assert!(size_of::<Peers<4>>() == 24 && size_of::<Peers<16>>() == 24);

/// How many peers, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PeerCounts {
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

/// Where the peers of all torrents live that do not live in a torrent's entry.
pub(super) struct Store<const N: usize> {
    pub(super) budget: Budget,
    pool: Pool<Stored<N>>,
    /// Paged swarms by their numbers, one each; none at a vacant number. A vector of one is a box whose memory can be refused.
    paged: Vec<Vec<Paged<N>>>,
    vacant: Vec<u32>,
    /// The numbers of swarms that are gone, and leave page by page.
    leaving: Vec<u32>,
    sizes: Sizes,
}

impl<const N: usize> Store<N> {
    /// A store that holds nothing yet.
    pub(super) fn new(sizes: Sizes) -> Self {
        Self {
            budget: Budget::default(),
            pool: Pool::new(sizes.chunk, &SWARM_ARRAY_SIZES, (SWARM_WINDOW + 1) * sizes.peer_page),
            sizes,
            paged: Vec::new(),
            vacant: Vec::new(),
            leaving: Vec::new(),
        }
    }

    fn paged(&self, number: u32) -> Option<&Paged<N>> {
        self.paged.get(number as usize)?.first()
    }

    /// A paged swarm, and what it works with.
    fn paged_mut(&mut self, number: u32) -> Option<(&mut Paged<N>, &mut Pool<Stored<N>>, &mut Budget)> {
        let paged = self.paged.get_mut(number as usize)?.first_mut()?;
        Some((paged, &mut self.pool, &mut self.budget))
    }

    /// Makes peers in order a paged swarm, their ages known at `minute`. None, and nothing changes, if the memory is refused.
    fn add_paged(&mut self, peers: &[Stored<N>], minute: u32) -> Option<u32> {
        let Self { budget, pool, paged, vacant, leaving, sizes } = self;
        // so that leaving needs no memory
        let more = paged.len() + 1;
        let mut alone = Vec::new();
        let has_room = (!vacant.is_empty() || budget.grow(paged))
            && budget.reserve(vacant, more.saturating_sub(vacant.len()))
            && budget.reserve(leaving, more.saturating_sub(leaving.len()))
            && budget.reserve(&mut alone, 1);
        let made =
            if has_room { Paged::new(peers, minute, pool.class_for(sizes.peer_page), pool, budget) } else { None };
        let Some(made) = made else {
            budget.release(alone);
            return None;
        };
        alone.push(made);
        let number = vacant.pop().unwrap_or(paged.len() as u32);
        if number as usize == paged.len() {
            paged.push(Vec::new());
        }
        paged[number as usize] = alone;
        Some(number)
    }

    /// Frees pages of swarms that are gone, at most so many.
    pub(super) fn free_some(&mut self, pages: usize) {
        for _ in 0..pages {
            let Some(number) = self.leaving.last().copied() else { return };
            let has_more = self.paged_mut(number).is_some_and(|(paged, pool, budget)| paged.discard_page(pool, budget));
            if !has_more {
                self.leaving.pop();
                self.budget.release(std::mem::take(&mut self.paged[number as usize]));
                self.vacant.push(number);
            }
        }
    }

    /// Whether all that is gone has left.
    #[cfg(any(test, fuzzing))]
    pub(super) fn is_settled(&self) -> bool {
        self.leaving.is_empty()
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn taken(&self) -> usize {
        self.pool.taken()
    }

    /// Looks for memory that is sparse, to be called once in each walk.
    pub(super) fn find_surplus(&mut self) {
        self.pool.find_surplus();
    }
}

/// The peers of a torrent. The base of their ages is the torrent's stored minute.
#[derive(Clone, Copy)]
pub(super) enum Peers<const N: usize> {
    Inline(Inline),
    Array(Array),
    Paged(u32),
}

impl<const N: usize> Peers<N> {
    pub(super) const NONE: Self = Self::Inline(Inline::EMPTY);

    #[inline]
    pub(super) fn counts(&self, store: &Store<N>) -> PeerCounts {
        match self {
            Self::Inline(inline) => inline.counts::<N>(),
            Self::Array(array) => array.counts(),
            Self::Paged(number) => store.paged(*number).map(|paged| paged.counts).unwrap_or_default(),
        }
    }

    /// Has them fetched into the cache, for an announce that follows.
    pub(super) fn prefetch(&self, store: &Store<N>) {
        match self {
            Self::Inline(_) => {}
            Self::Array(array) => array::prefetch(array.peers(&store.pool)),
            Self::Paged(number) => store.paged(*number).map(crate::sys::cache::prefetch).unwrap_or_default(),
        }
    }

    /// Whether the swarm is empty.
    pub(super) fn is_empty(&self, store: &Store<N>) -> bool {
        match self {
            Self::Inline(inline) => inline.is_empty(),
            Self::Array(_) | Self::Paged(_) => self.counts(store).all() == 0,
        }
    }

    /// Lets those go who are too old at `now`; the base of the others moves there from `minute`.
    pub(super) fn expire(&mut self, store: &mut Store<N>, minute: u32, now: u32) {
        match self {
            Self::Inline(inline) => {
                let mut few = inline.read::<N>();
                if few.expire(minute, now) {
                    *inline = Inline::of(few.peers());
                }
            }
            Self::Array(array) => {
                if array.expire(&mut store.pool, minute, now) {
                    self.settle(store, now);
                }
            }
            Self::Paged(number) => {
                if let Some((paged, ..)) = store.paged_mut(*number) {
                    paged.pass(minute, now);
                }
            }
        }
    }

    /// Takes the simplest form that holds the peers, whose ages have the base `minute`.
    pub(super) fn settle(&mut self, store: &mut Store<N>, minute: u32) {
        match self {
            Self::Inline(_) => {}
            Self::Array(array) if array.len() > Inline::max::<N>() => array.shrink(&mut store.pool, &mut store.budget),
            Self::Array(array) => {
                let inline = Inline::of(array.peers(&store.pool));
                array.give(&mut store.pool, &mut store.budget);
                *self = Self::Inline(inline);
            }
            Self::Paged(number) => {
                let peers = store.paged(*number).and_then(|paged| paged.as_array(&store.pool, minute));
                if let Some(smaller) = peers.and_then(|peers| Self::of(&peers, store)) {
                    self.clear(store);
                    *self = smaller;
                }
            }
        }
    }

    /// The right form for so few peers that they need not be paged. None if the memory is refused.
    fn of(peers: &[Stored<N>], store: &mut Store<N>) -> Option<Self> {
        if peers.len() <= Inline::max::<N>() {
            return Some(Self::Inline(Inline::of(peers)));
        }
        Array::of(peers, &mut store.pool, &mut store.budget).map(Self::Array)
    }

    /// Lets all of them go.
    pub(super) fn clear(&mut self, store: &mut Store<N>) {
        match std::mem::replace(self, Self::NONE) {
            Self::Inline(_) => {}
            Self::Array(array) => array.give(&mut store.pool, &mut store.budget),
            Self::Paged(number) => store.leaving.push(number),
        }
    }

    /// A peer announces at `now`, which is the base of all ages already. None, and nothing changes, if it is not there and the
    /// memory for it is refused.
    pub(super) fn announce(
        &mut self,
        store: &mut Store<N>,
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
                let (paged, pool, budget) = store.paged_mut(*number)?;
                return paged.announce(now, peer, what, pool, budget);
            }
        }
        self.insert(store, now, peer, what)
    }

    /// Puts in a peer that is not there, in the next larger form if need be.
    fn insert(&mut self, store: &mut Store<N>, now: u32, peer: &Endpoint<N>, what: PeerState) -> Option<Announced> {
        let (stored, newly_completed) = Stored::new(peer, now, what);
        let announced = Announced { peer: PeerStatus::New, newly_completed };
        match self {
            Self::Inline(inline) => {
                let few = inline.read::<N>().with(stored);
                *self = Self::of(few.peers(), store)?;
            }
            Self::Array(array) if array.len() < store.sizes.array_max => {
                array.insert(stored, &mut store.pool, &mut store.budget)?;
            }
            Self::Array(array) => {
                let mut peers = array.peers(&store.pool).to_vec();
                peers.insert(array::find(&peers, peer).unwrap_or_else(|at| at), stored);
                let number = store.add_paged(&peers, now)?;
                self.clear(store);
                *self = Self::Paged(number);
            }
            Self::Paged(_) => return self.announce(store, now, peer, what),
        }
        Some(announced)
    }

    /// A peer leaves; false if it was not there. `minute` is the base of all ages.
    pub(super) fn remove(&mut self, store: &mut Store<N>, minute: u32, peer: &Endpoint<N>) -> bool {
        let was_there = match self {
            Self::Inline(inline) => {
                let mut few = inline.read::<N>();
                let was_there = few.remove(peer);
                *inline = Inline::of(few.peers());
                was_there
            }
            Self::Array(array) => array.remove(peer, &mut store.pool),
            Self::Paged(number) => {
                store.paged_mut(*number).is_some_and(|(paged, pool, budget)| paged.remove(minute, peer, pool, budget))
            }
        };
        self.settle(store, minute);
        was_there
    }

    /// Rids a paged swarm's pages of the peers that are too old at `minute`, from the page of `from` on, at most so many pages.
    /// Returns where to go on; None when all are done, or if there is nothing to do.
    pub(super) fn sweep(
        &mut self,
        store: &mut Store<N>,
        minute: u32,
        from: Endpoint<N>,
        pages: &mut usize,
    ) -> Option<Endpoint<N>> {
        let Self::Paged(number) = self else { return None };
        let (paged, pool, budget) = store.paged_mut(*number)?;
        let next = paged.sweep(minute, from, pages, pool, budget);
        if next.is_none() {
            self.settle(store, minute);
        }
        next
    }

    /// Moves them to fuller memory, if they are in what could be freed.
    pub(super) fn relocate(&mut self, store: &mut Store<N>) {
        if let Self::Array(array) = self {
            array.relocate(&mut store.pool, &mut store.budget);
        }
    }

    /// Visits the peers that come after `after` in order while steps are `left`, one each (there must be one at
    /// least), and returns the last of them; None if no more come after that.
    pub(super) fn walk(
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
}

/// A peer that is there announces again.
fn renew<const N: usize>(stored: &mut Stored<N>, now: u32, what: PeerState) -> Announced {
    let minutes_ago = stored.age(now);
    Announced { peer: PeerStatus::Known { minutes_ago }, newly_completed: stored.renew(now, what) }
}
