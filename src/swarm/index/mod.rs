//! Finding things in order: a B*-tree of fixed height over pages of sorted items.
//!
//! Torrents by info hash and the peers of a large swarm by endpoint both live in one. Info hashes are spread evenly, and so are
//! endpoints in their order, so a guess by interpolation finds a place with hardly more memory touched than a hash table
//! would; where somebody chose the keys, binary search takes over. Unlike in a hash table nothing is ever rehashed, and there is
//! an order to walk in.
//!
//! The tree has two levels of inner nodes: a list of branches, each with up to [`BRANCH_MAX`] pages. It knows its pages by the
//! rank of their first keys alone; where ranks are equal it looks at the keys. The pages themselves are slots of a pool. A page
//! that overflows shares its items with its neighbours (`balance`), so pages stay well filled in steady turnover.

mod balance;
mod branch;
pub(super) mod lookup;
pub(super) mod search;

use super::memory::{Budget, Pool, Slot};
use crate::sys::cache::prefetch;
use branch::Branch;
use search::{Key, count, interpolate, part_of, seek, share};

/// Pages of a branch at most.
pub(super) const BRANCH_MAX: usize = 256;

/// What lives in a tree.
pub(super) trait Item: Copy + Default {
    type Key: Key;
    fn key(&self) -> &Self::Key;
    /// Moves the items that are still alive at `now` to the front, their ages known at `base`, and returns how many these are.
    fn retain_alive(items: &mut [Self], base: u32, now: u32) -> usize;
}

/// A page: where its items are, and how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) slot: Slot,
    /// The base of its items' ages, where these have any.
    pub(super) minute: u32,
    pub(super) len: u16,
}

/// Pages in order. There is always at least one, though it may be empty; no other one ever is between two calls.
pub(super) struct Tree {
    branches: Vec<Branch>,
    /// The ranks that the branches begin with, close together, so that a search touches little memory.
    ranks: Vec<u64>,
    pages: usize,
    /// The class of the pages' slots in their pool.
    class: usize,
    /// How full pages are when one is added, and may be after one is taken away, see [`SWARM_FILL`](crate::limits::SWARM_FILL).
    fill: (usize, usize),
}

/// A page's place, good until pages come or go.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Place {
    branch: usize,
    leaf: usize,
    /// How far into the page the key that was located is likely to be, as a share of its length.
    share: f32,
}

impl Tree {
    /// A tree of one empty page, a slot of `class`. None if its memory is refused.
    pub(super) fn new<I: Item>(
        pool: &mut Pool<I>,
        class: usize,
        fill: (usize, usize),
        minute: u32,
        budget: &mut Budget,
    ) -> Option<Self> {
        let (mut branches, mut ranks, mut branch) = (Vec::new(), Vec::new(), Branch::default());
        let has_room = budget.reserve(&mut branches, 1) && budget.reserve(&mut ranks, 1) && branch.reserve_one(budget);
        let slot = has_room.then(|| pool.take(class, budget)).flatten();
        let Some(slot) = slot else {
            budget.release(branches);
            budget.release(ranks);
            branch.release(budget);
            return None;
        };
        branch.insert(0, 0, Page { slot, minute, len: 0 });
        branches.push(branch);
        ranks.push(0);
        Some(Self { branches, ranks, pages: 1, class, fill })
    }

    /// Number of pages, one at least.
    pub(super) fn pages(&self) -> usize {
        self.pages
    }

    /// The number after the largest at which [`Self::page_at`] has a page.
    pub(super) fn numbers(&self) -> usize {
        match self.branches.as_slice() {
            [only] => only.pages.len(),
            // every branch is taken to be as wide as the widest can be
            branches => branches.len() * BRANCH_MAX,
        }
    }

    /// The page at a number below [`Self::numbers`], and true; or some other page, and false.
    #[inline]
    pub(super) fn page_at(&self, number: usize) -> (&Page, bool) {
        let pages = &self.branches[number / BRANCH_MAX].pages;
        // a branch has a page at least; the choice of peers comes by here too often to ask
        let (leaf, last) = (number % BRANCH_MAX, pages.len().wrapping_sub(1));
        (&pages[leaf.min(last)], leaf <= last)
    }

    /// The number of the page behind the one at a number; behind the last comes the first.
    pub(super) fn next_number(&self, number: usize) -> usize {
        let (branch, leaf) = (number / BRANCH_MAX, number % BRANCH_MAX + 1);
        match (self.branches[branch].pages.len() > leaf, self.branches.len() > branch + 1) {
            (true, _) => number + 1,
            (false, true) => (branch + 1) * BRANCH_MAX,
            (false, false) => 0,
        }
    }

    /// All pages in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Page> {
        self.branches.iter().flat_map(|branch| &branch.pages)
    }

    #[inline]
    pub(super) fn page(&self, place: Place) -> &Page {
        &self.branches[place.branch].pages[place.leaf]
    }

    #[inline]
    pub(super) fn page_mut(&mut self, place: Place) -> &mut Page {
        &mut self.branches[place.branch].pages[place.leaf]
    }

    /// The items of a page.
    #[inline]
    pub(super) fn items<'a, I: Item>(&self, pool: &'a Pool<I>, place: Place) -> &'a [I] {
        let page = self.page(place);
        pool.items(page.slot, usize::from(page.len))
    }

    #[inline]
    pub(super) fn items_mut<'a, I: Item>(&self, pool: &'a mut Pool<I>, place: Place) -> &'a mut [I] {
        let page = self.page(place);
        pool.items_mut(page.slot, usize::from(page.len))
    }

    /// The page that a key is or would be in: the last whose first key is not above it.
    #[inline]
    pub(super) fn locate<I: Item>(&self, pool: &Pool<I>, key: &I::Key) -> Place {
        let rank = key.rank();
        let branch = self.branch_of(pool, key, rank);
        self.place_in(pool, branch, key, rank, self.guess_leaf(branch, rank))
    }

    /// Whether a place is that of a key's page, as far as the ranks of the pages tell.
    #[inline]
    pub(super) fn covers(&self, place: Place, rank: u64) -> bool {
        let Some(branch) = self.branches.get(place.branch) else { return false };
        let begins_below = branch.ranks.get(place.leaf).is_some_and(|first| *first < rank);
        begins_below && self.end_of(place.branch, place.leaf) > rank
    }

    /// Where in its page the key is, or where it would go.
    #[inline]
    pub(super) fn search<I: Item>(&self, pool: &Pool<I>, place: Place, key: &I::Key) -> Result<usize, usize> {
        self.search_near(pool, self.guess(place), place, key)
    }

    /// The same, from a guess on.
    #[inline]
    pub(super) fn search_near<I: Item>(
        &self,
        pool: &Pool<I>,
        guess: usize,
        place: Place,
        key: &I::Key,
    ) -> Result<usize, usize> {
        let items = self.items(pool, place);
        seek(items.len(), guess, key, |at| items[at].key())
    }

    #[inline]
    fn guess(&self, place: Place) -> usize {
        part_of(usize::from(self.page(place).len), place.share)
    }

    /// The number of the branch that a key is or would be in.
    #[inline]
    fn branch_of<I: Item>(&self, pool: &Pool<I>, key: &I::Key, rank: u64) -> usize {
        let guess = interpolate(self.ranks.len(), (0, u64::MAX), rank);
        let branch = count(&self.ranks, guess, rank).saturating_sub(1);
        if self.ranks[branch] < rank {
            return branch;
        }
        // of several that begin with the same rank, it may be one before
        let from = self.ranks[..branch].partition_point(|first| *first < rank);
        let equal = &self.branches[from..=branch];
        let not_above = |branch: &Branch| branch.pages.first().is_none_or(|page| begins_not_above(pool, page, key));
        (from + equal.partition_point(not_above)).saturating_sub(1)
    }

    /// Which page of a branch a rank is in, more or less. They are spread evenly, where nobody chose them.
    #[inline]
    fn guess_leaf(&self, branch: usize, rank: u64) -> usize {
        let end = self.ranks.get(branch + 1).copied().unwrap_or(u64::MAX);
        interpolate(self.branches[branch].ranks.len(), (self.ranks[branch], end), rank)
    }

    /// The rank that the page behind this one begins with.
    #[inline]
    fn end_of(&self, branch: usize, leaf: usize) -> u64 {
        let within = self.branches[branch].ranks.get(leaf + 1);
        within.or_else(|| self.ranks.get(branch + 1)).copied().unwrap_or(u64::MAX)
    }

    /// The page in a branch that a key is or would be in, by a guess.
    #[inline]
    fn place_in<I: Item>(&self, pool: &Pool<I>, branch: usize, key: &I::Key, rank: u64, guess: usize) -> Place {
        let Branch { ranks, pages } = &self.branches[branch];
        let mut leaf = count(ranks, guess, rank).saturating_sub(1);
        if ranks[leaf] == rank {
            // of several that begin with the same rank, it may be one before
            let from = ranks[..leaf].partition_point(|first| *first < rank);
            let not_above = pages[from..=leaf].partition_point(|page| begins_not_above(pool, page, key));
            leaf = (from + not_above).saturating_sub(1);
        }
        Place { branch, leaf, share: share((ranks[leaf], self.end_of(branch, leaf)), rank) }
    }

    /// The place behind another one.
    fn next(&self, place: Place) -> Option<Place> {
        let next = match self.branches[place.branch].pages.len() > place.leaf + 1 {
            true => Place { leaf: place.leaf + 1, ..place },
            false => Place { branch: place.branch + 1, leaf: 0, share: 0.0 },
        };
        (next.branch < self.branches.len()).then_some(next)
    }

    /// The first key of the page behind this one.
    pub(super) fn next_key<I: Item>(&self, pool: &Pool<I>, place: Place) -> Option<I::Key> {
        self.items(pool, self.next(place)?).first().map(|item| *item.key())
    }

    /// The place and index of the first item above `after` (or of all). None at the end.
    pub(super) fn above<I: Item>(&self, pool: &Pool<I>, after: Option<&I::Key>) -> Option<(Place, usize)> {
        let (place, index) = match after {
            None => (Place::default(), 0),
            Some(key) => {
                let place = self.locate(pool, key);
                let found = self.search(pool, place, key);
                (place, found.map_or_else(|at| at, |at| at + 1))
            }
        };
        if index < usize::from(self.page(place).len) {
            return Some((place, index));
        }
        Some((self.next(place)?, 0))
    }

    /// Puts in an item that is not there, at its index in its page. Returns where it is then; None, and nothing changes, if the
    /// memory for it is refused.
    pub(super) fn insert<I: Item>(
        &mut self,
        pool: &mut Pool<I>,
        budget: &mut Budget,
        mut place: Place,
        mut at: usize,
        item: I,
    ) -> Option<(Place, usize)> {
        if usize::from(self.page(place).len) >= pool.capacity(self.class) {
            self.make_room(pool, budget, place)?;
            place = self.locate(pool, item.key());
            at = self.search(pool, place, item.key()).unwrap_or_else(|at| at);
        }
        let page = self.page_mut(place);
        page.len += 1;
        let items = pool.items_mut(page.slot, usize::from(page.len));
        items.copy_within(at..items.len() - 1, at + 1);
        items[at] = item;
        Some((place, at))
    }

    /// Takes the item at an index out of a page. The caller settles the page when it is done with it.
    pub(super) fn remove<I: Item>(&mut self, pool: &mut Pool<I>, place: Place, at: usize) {
        self.items_mut(pool, place).copy_within(at + 1.., at);
        self.page_mut(place).len -= 1;
    }
}

/// Whether a page's first key is not above another key.
fn begins_not_above<I: Item>(pool: &Pool<I>, page: &Page, key: &I::Key) -> bool {
    pool.items(page.slot, usize::from(page.len)).first().is_none_or(|first| first.key() <= key)
}

/// A key that is looked for: the page that it is or would be in, and where in that page, more or less.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lookup<K> {
    pub(super) key: K,
    pub(super) place: Place,
    pub(super) guess: usize,
}

impl<K> Lookup<K> {
    /// A key that is still to be located, see [`Tree::locate_each`].
    pub(super) fn of(key: K) -> Self {
        Self { key, place: Place::default(), guess: 0 }
    }
}

impl Tree {
    /// Locates all the keys. Each step of the way is taken for all of them before the next one is, with what that will
    /// need on its way into the cache meanwhile: so the waits for memory overlap.
    pub(super) fn locate_each<I: Item>(&self, pool: &Pool<I>, lookups: &mut [Lookup<I::Key>]) {
        // from the branches, which are likely to be in the cache, to the middle of what will be searched for the page
        for lookup in &mut *lookups {
            let rank = lookup.key.rank();
            let branch = self.branch_of(pool, &lookup.key, rank);
            let guess = self.guess_leaf(branch, rank);
            let Branch { ranks, pages } = &self.branches[branch];
            for near in [guess.saturating_sub(2), (guess + 2).min(ranks.len() - 1)] {
                prefetch(&ranks[near]);
                prefetch(&pages[near]);
            }
            (lookup.place.branch, lookup.guess) = (branch, guess);
        }
        // to the page, which knows where its items are
        for lookup in &mut *lookups {
            lookup.place = self.place_in(pool, lookup.place.branch, &lookup.key, lookup.key.rank(), lookup.guess);
        }
        // to the item, or one beside it
        for lookup in &mut *lookups {
            let items = self.items(pool, lookup.place);
            lookup.guess = self.guess(lookup.place);
            if let Some(last) = items.len().checked_sub(1) {
                prefetch(items[lookup.guess.min(last)].key());
                prefetch(items[(lookup.guess + 1).min(last)].key());
            }
        }
    }
}
