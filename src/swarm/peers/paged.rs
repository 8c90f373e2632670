//! The form of large swarms: a tree of pages.
//!
//! Nothing here may take time in proportion to the swarm, so peers that are too old are not looked for when a minute
//! passes: a count per minute says how many they are, and they leave their page when it is next written to or swept.
//! Until then they are skipped. Each page has its own base for the ages of its peers (see [`Stored`]), so a page that
//! was not looked at for days is still read right.

use super::super::{Announced, Endpoint, PeerState, PeerStatus};
use super::{Budget, PeerCounts, Pool, Stored};
use crate::limits::{PEER_TIMEOUT_MINUTES, SWARM_PEER_FILL};
use crate::swarm::index::{Item, Page, Place, Tree};
use crate::sys::cache;

/// Every age that a peer in the swarm can have has a place in the counts.
const AGES: usize = PEER_TIMEOUT_MINUTES as usize;

/// The peers of a large swarm.
pub(in crate::swarm) struct Paged<const N: usize> {
    pub(super) tree: Tree,
    /// Leechers and seeders in the swarm by the minute of their last announce, modulo [`AGES`].
    by_minute: [[u32; 2]; AGES],
    pub(super) counts: PeerCounts,
}

impl<const N: usize> Paged<N> {
    /// A paged swarm of these peers in order, none too old at `minute`, the base of their ages, with pages of a class. None if the
    /// memory is refused.
    pub(super) fn new(
        peers: &[Stored<N>],
        minute: u32,
        class: usize,
        pool: &mut Pool<Stored<N>>,
        budget: &mut Budget,
    ) -> Option<Self> {
        let tree = Tree::new(pool, class, SWARM_PEER_FILL, minute, budget)?;
        let mut paged = Self { tree, by_minute: [[0; 2]; AGES], counts: PeerCounts::default() };
        for stored in peers {
            let place = paged.tree.locate(pool, &stored.endpoint);
            if paged.insert(place, *stored, pool, budget).is_none() {
                while paged.discard_page(pool, budget) {}
                return None;
            }
            *paged.count_of(minute.wrapping_sub(stored.age(minute)), stored.seeding()) += 1;
            paged.counts.add(stored.seeding());
        }
        Some(paged)
    }

    /// The peers in order, if they are one page's.
    pub(super) fn as_array(&self, pool: &Pool<Stored<N>>, minute: u32) -> Option<Vec<Stored<N>>> {
        if self.tree.pages() > 1 {
            return None;
        }
        let page = self.tree.page(Place::default());
        let mut peers = self.tree.items(pool, Place::default()).to_vec();
        let alive = Stored::retain_alive(&mut peers, page.minute, minute);
        peers.truncate(alive);
        Some(peers)
    }

    fn count_of(&mut self, minute: u32, seeding: bool) -> &mut u32 {
        &mut self.by_minute[minute as usize % AGES][usize::from(seeding)]
    }

    /// Lets time pass from `minute` to `now`: those who get too old are no longer counted.
    pub(super) fn pass(&mut self, minute: u32, now: u32) {
        for step in 1..=now.saturating_sub(minute).min(PEER_TIMEOUT_MINUTES) {
            let gone = &mut self.by_minute[minute.wrapping_add(step) as usize % AGES];
            self.counts.leechers -= gone[0];
            self.counts.seeders -= gone[1];
            *gone = [0, 0];
        }
    }

    /// A peer announces at `now`, to which time has passed already. None, and nothing changes, if it is not there and the memory
    /// for it is refused.
    pub(super) fn announce(
        &mut self,
        now: u32,
        peer: &Endpoint<N>,
        what: PeerState,
        pool: &mut Pool<Stored<N>>,
        budget: &mut Budget,
    ) -> Option<Announced> {
        let place = self.tree.locate(pool, peer);
        self.expire(place, now, pool);
        let announced = match self.tree.search(pool, place, peer) {
            Ok(at) => {
                let stored = &mut self.tree.items_mut(pool, place)[at];
                let (age, was_seeding) = (stored.age(now), stored.seeding());
                let newly_completed = stored.renew(now, what);
                *self.count_of(now.wrapping_sub(age), was_seeding) -= 1;
                self.counts.remove(was_seeding);
                Announced { peer: PeerStatus::Known { minutes_ago: age }, newly_completed }
            }
            Err(_) => {
                let (stored, newly_completed) = Stored::new(peer, now, what);
                self.insert(place, stored, pool, budget)?;
                Announced { peer: PeerStatus::New, newly_completed }
            }
        };
        *self.count_of(now, what.seeding) += 1;
        self.counts.add(what.seeding);
        Some(announced)
    }

    /// Whether a peer is in the swarm at `minute`, up to which time has passed.
    pub(super) fn has(&self, pool: &Pool<Stored<N>>, minute: u32, peer: &Endpoint<N>) -> bool {
        let place = self.tree.locate(pool, peer);
        let base = self.tree.page(place).minute;
        let found = self.tree.search(pool, place, peer).ok().and_then(|at| self.tree.items(pool, place).get(at));
        found.is_some_and(|stored| stored.is_alive(base, minute.saturating_sub(base)))
    }

    /// Drops the peers of a page that are too old at `now`, and makes that the base.
    fn expire(&mut self, place: Place, now: u32, pool: &mut Pool<Stored<N>>) {
        let base = self.tree.page(place).minute;
        if base < now {
            let alive = Stored::retain_alive(self.tree.items_mut(pool, place), base, now);
            let page = self.tree.page_mut(place);
            (page.len, page.minute) = (alive as u16, now);
        }
    }

    /// Puts in a peer that is not there, its age known at the base of its page; the counts know of it already or soon.
    fn insert(
        &mut self,
        place: Place,
        stored: Stored<N>,
        pool: &mut Pool<Stored<N>>,
        budget: &mut Budget,
    ) -> Option<()> {
        let at = self.tree.search(pool, place, &stored.endpoint).unwrap_or_else(|at| at);
        self.tree.insert(pool, budget, place, at, stored).map(|_| ())
    }

    /// A peer leaves; true if it was in the swarm at `minute`, up to which time has passed.
    pub(super) fn remove(
        &mut self,
        minute: u32,
        peer: &Endpoint<N>,
        pool: &mut Pool<Stored<N>>,
        budget: &mut Budget,
    ) -> bool {
        let place = self.tree.locate(pool, peer);
        let Ok(at) = self.tree.search(pool, place, peer) else {
            return false;
        };
        let base = self.tree.page(place).minute;
        let stored = self.tree.items(pool, place)[at];
        let was_there = stored.is_alive(base, minute.saturating_sub(base));
        self.tree.remove(pool, place, at);
        self.tree.settle(pool, budget, place);
        if was_there {
            *self.count_of(base.wrapping_sub(stored.age(base)), stored.seeding()) -= 1;
            self.counts.remove(stored.seeding());
        }
        was_there
    }

    /// Rids pages of the peers that are too old at `minute`, from the page of `from` on, one step each, and moves them to fuller
    /// memory where need be. Returns where to go on, or None when all pages are done.
    pub(super) fn sweep(
        &mut self,
        minute: u32,
        mut from: Endpoint<N>,
        steps: &mut usize,
        pool: &mut Pool<Stored<N>>,
        budget: &mut Budget,
    ) -> Option<Endpoint<N>> {
        while *steps > 0 {
            *steps -= 1;
            let place = self.tree.locate(pool, &from);
            let next = self.tree.next_key(pool, place);
            self.expire(place, minute, pool);
            let Page { slot, len, .. } = *self.tree.page(place);
            if pool.is_surplus(slot) {
                self.tree.page_mut(place).slot = pool.relocate(slot, len.into(), budget);
            }
            self.tree.settle(pool, budget, place);
            from = next?;
        }
        Some(from)
    }

    /// Frees a page; false if there are no more.
    pub(super) fn discard_page(&mut self, pool: &mut Pool<Stored<N>>, budget: &mut Budget) -> bool {
        self.tree.discard_page(pool, budget)
    }

    /// Visits peers as [`super::Peers::walk`] does. Those who are too old are passed over, but cost a step too.
    pub(super) fn walk(
        &self,
        pool: &Pool<Stored<N>>,
        minute: u32,
        after: Option<&Endpoint<N>>,
        left: &mut usize,
        mut visit: impl FnMut(&Endpoint<N>),
    ) -> Option<Endpoint<N>> {
        let mut last = after.copied();
        while *left > 0 {
            let (place, index) = self.tree.above(pool, last.as_ref())?;
            let base = self.tree.page(place).minute;
            let elapsed = minute.saturating_sub(base);
            for stored in self.tree.items(pool, place)[index..].iter().take(*left) {
                last = Some(stored.endpoint);
                *left -= 1;
                if stored.is_alive(base, elapsed) {
                    visit(&stored.endpoint);
                }
            }
        }
        last
    }
}

/// The peers of a page, to be chosen from.
#[derive(Clone, Copy)]
pub(super) struct PageView<'a, const N: usize> {
    peers: &'a [Stored<N>],
    /// The base of their ages.
    base: u32,
    /// Minutes that have passed since.
    elapsed: u32,
}

impl<'a, const N: usize> PageView<'a, N> {
    #[inline]
    pub(super) fn new(pool: &'a Pool<Stored<N>>, page: &Page, minute: u32) -> Self {
        let peers = pool.items(page.slot, page.len.into());
        Self { peers, base: page.minute, elapsed: minute.saturating_sub(page.minute) }
    }

    /// The peers that are still in the swarm, from an index on, with their indexes.
    pub(super) fn alive(self, from: usize) -> impl Iterator<Item = (usize, &'a Stored<N>)> {
        let alive = move |(_, stored): &(usize, &Stored<N>)| stored.is_alive(self.base, self.elapsed);
        self.peers.iter().enumerate().skip(from).filter(alive)
    }

    /// So many peers from an index on, if they are there and all still in the swarm.
    #[inline]
    pub(super) fn alive_run(self, from: usize, run: usize) -> Option<&'a [Stored<N>]> {
        let run = self.peers.get(from..from + run)?;
        run.iter().all(|stored| stored.is_alive(self.base, self.elapsed)).then_some(run)
    }

    /// Has so many peers from an index on, which there must be, fetched into the cache.
    #[inline]
    pub(super) fn prefetch(self, from: usize, run: usize) {
        let end = (from + run).min(self.peers.len());
        let run = &self.peers[from..end];
        super::array::prefetch(run);
        if let Some(last) = run.last() {
            cache::prefetch(last);
        }
    }
}
