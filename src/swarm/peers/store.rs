//! Where peers of one family live that do not live in their torrent's entry.

use super::{Paged, PeerStore, Stored};
use crate::limits::{SWARM_ARRAY_SIZES, SWARM_RETURNED_A_STEP, SWARM_WINDOW};
use crate::swarm::Sizes;
use crate::swarm::memory::{Budget, Pool};

/// Where the peers of all torrents live that do not live in a torrent's entry.
pub struct Store<const N: usize> {
    pub(super) pool: Pool<Stored<N>>,
    /// Paged swarms by their numbers, one each; none at a vacant number. A vector of one is a box whose memory can be refused.
    paged: Vec<Vec<Paged<N>>>,
    vacant: Vec<u32>,
    /// The numbers of swarms that are gone, and leave page by page.
    leaving: Vec<u32>,
    pub(super) sizes: Sizes,
}

impl<const N: usize> Store<N> {
    pub(super) fn paged(&self, number: u32) -> Option<&Paged<N>> {
        self.paged.get(number as usize)?.first()
    }

    /// A paged swarm, and the pool of its pages.
    pub(super) fn paged_mut(&mut self, number: u32) -> Option<(&mut Paged<N>, &mut Pool<Stored<N>>)> {
        let paged = self.paged.get_mut(number as usize)?.first_mut()?;
        Some((paged, &mut self.pool))
    }

    /// Makes peers in order a paged swarm, their ages known at `minute`. None, and nothing changes, if the memory is refused.
    pub(super) fn add_paged(&mut self, budget: &mut Budget, peers: &[Stored<N>], minute: u32) -> Option<u32> {
        let Self { pool, paged, vacant, leaving, sizes } = self;
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

    /// Has a paged swarm leave, page by page.
    pub(super) fn leave(&mut self, number: u32) {
        self.leaving.push(number);
    }
}

impl<const N: usize> PeerStore for Store<N> {
    fn new(sizes: Sizes) -> Self {
        Self {
            pool: Pool::new(sizes.chunk, &SWARM_ARRAY_SIZES, (SWARM_WINDOW + 1) * sizes.peer_page),
            sizes,
            paged: Vec::new(),
            vacant: Vec::new(),
            leaving: Vec::new(),
        }
    }

    fn free_some(&mut self, budget: &mut Budget, left: &mut usize) {
        while *left > 0 {
            let Some(number) = self.leaving.last().copied() else { return };
            let has_more = self.paged_mut(number).is_some_and(|(paged, pool)| paged.discard_page(pool, budget));
            if !has_more {
                self.leaving.pop();
                budget.release(std::mem::take(&mut self.paged[number as usize]));
                self.vacant.push(number);
            }
            *left = left.saturating_sub(1 + budget.take_returned() / SWARM_RETURNED_A_STEP);
        }
    }

    fn find_surplus(&mut self) {
        self.pool.find_surplus();
    }

    #[cfg(any(test, fuzzing))]
    fn is_settled(&self) -> bool {
        self.leaving.is_empty()
    }

    #[cfg(any(test, fuzzing))]
    fn taken(&self) -> usize {
        self.pool.taken()
    }
}
