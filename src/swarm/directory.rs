//! The order of things: pages of sorted items, found through two levels of separators.
//!
//! Torrents by info hash and the peers of a huge swarm by endpoint both live in one of these. It is a B+ tree of fixed
//! height: shelves of pages of items. Info hashes are spread evenly, and so are endpoints in their order, so a few guesses
//! by interpolation find a place with hardly more memory touched than a hash table would; where somebody chose them,
//! binary search takes over. Unlike in a hash table nothing is ever rehashed, no operation does more than split or join
//! one page and one shelf, and there is an order to walk in. A page or shelf is split when full and joined with its
//! neighbour when sparse, so memory follows the number of items both ways.

use super::seek::{Key, count, interpolate, part_of, seek, share};
use crate::sys::cache::prefetch;

/// A bounded sorted sequence of items.
pub(super) trait Page: Default {
    type Key: Key;
    /// Items that a page holds at most.
    const MAX: usize;
    fn len(&self) -> usize;
    fn key(&self, index: usize) -> &Self::Key;
    /// Takes the upper half out.
    fn split(&mut self) -> Self;
    /// Takes over the items of the page that follows.
    fn append(&mut self, later: Self);
    /// Gives back room that is not needed.
    fn shrink(&mut self);
}

/// Pages of a shelf at most.
const SHELF_MAX: usize = 256;

struct Leaf<P: Page> {
    /// Not above any key of the page, and above all of the page before. The first of all is the lowest key there can be.
    first: P::Key,
    page: P,
}

struct Shelf<P: Page> {
    /// The same as that of its first page, here to be found without going there.
    first: P::Key,
    /// Never empty.
    leaves: Vec<Leaf<P>>,
    /// The ranks of their first keys, close together, so that a search touches little memory.
    ranks: Vec<u64>,
}

impl<P: Page> Shelf<P> {
    /// The leaf that a key is or would be in, by a guess.
    fn leaf(&self, key: &P::Key, rank: u64, guess: usize) -> usize {
        let leaf = count(&self.ranks, guess, rank).saturating_sub(1);
        // Of several with the same rank, it is one before.
        if self.ranks[leaf] < rank || self.leaves[leaf].first <= *key {
            return leaf;
        }
        self.leaves[..leaf].partition_point(|leaf| leaf.first <= *key).saturating_sub(1)
    }

    fn insert(&mut self, at: usize, leaf: Leaf<P>) {
        grow(&mut self.leaves);
        grow(&mut self.ranks);
        self.ranks.insert(at, leaf.first.rank());
        self.leaves.insert(at, leaf);
    }

    fn remove(&mut self, at: usize) -> Leaf<P> {
        self.ranks.remove(at);
        self.leaves.remove(at)
    }

    /// Sees to it that the first leaf begins where the shelf does.
    fn align(&mut self) {
        self.leaves[0].first = self.first;
        self.ranks[0] = self.first.rank();
    }

    /// Takes the upper half out.
    fn split(&mut self) -> Self {
        let mut leaves = Vec::with_capacity(SHELF_MAX * 5 / 8);
        let mut ranks = Vec::with_capacity(SHELF_MAX * 5 / 8);
        leaves.extend(self.leaves.drain(SHELF_MAX / 2..));
        ranks.extend(self.ranks.drain(SHELF_MAX / 2..));
        self.shrink(SHELF_MAX * 5 / 8);
        Self { first: leaves[0].first, leaves, ranks }
    }

    fn shrink(&mut self, capacity: usize) {
        self.leaves.shrink_to(capacity);
        self.ranks.shrink_to(capacity);
    }
}

/// Pages in order. There is always at least one, though it may be empty.
pub(super) struct Directory<P: Page> {
    shelves: Vec<Shelf<P>>,
    /// The ranks of their first keys, as in a shelf.
    ranks: Vec<u64>,
    pages: usize,
    /// How often pages came or went.
    edition: u64,
}

/// A page's place, good until pages come or go.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    shelf: usize,
    leaf: usize,
    /// How far into the page the key that was located is likely to be, as a share of its length.
    share: f32,
}

/// A key that is looked for: the page that it is or would be in, and where in that page, more or less.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight<K> {
    pub(super) key: K,
    pub(super) place: Place,
    pub(super) guess: usize,
}

impl<K> Sight<K> {
    /// A key that is still to be located, see [`Directory::locate_each`].
    pub(super) fn of(key: K) -> Self {
        Self { key, place: Place::default(), guess: 0 }
    }
}

impl<P: Page> Directory<P> {
    /// A directory of one page.
    pub(super) fn new(page: P) -> Self {
        let first = P::Key::default();
        let leaves = vec![Leaf { first, page }];
        let ranks = vec![first.rank()];
        Self { shelves: vec![Shelf { first, leaves, ranks: ranks.clone() }], ranks, pages: 1, edition: 0 }
    }

    /// Number of pages, one at least.
    pub(super) fn pages(&self) -> usize {
        self.pages
    }

    /// What changes when pages come or go, so that places are no longer good.
    pub(super) fn edition(&self) -> u64 {
        self.edition
    }

    /// Numbers for random choice: pages lie at some of them, see [`Self::page_at`].
    pub(super) fn places(&self) -> usize {
        match self.shelves.as_slice() {
            [only] => only.leaves.len(),
            // Every shelf is taken to be as wide as the widest can be.
            shelves => shelves.len() * SHELF_MAX,
        }
    }

    /// The page that a key is or would be in.
    pub(super) fn locate(&self, key: &P::Key) -> Place {
        let rank = key.rank();
        let shelf = self.shelf_of(key, rank);
        self.place_in(shelf, key, rank, self.guess_leaf(shelf, rank))
    }

    /// Locates all the keys. Each step of the way is taken for all of them before the next one is, with what that will
    /// need on its way into the cache meanwhile: so the waits for memory overlap.
    pub(super) fn locate_each(&self, sights: &mut [Sight<P::Key>]) {
        // From the shelves, which are likely to be in the cache, to the middle of what will be searched for the leaf.
        for sight in &mut *sights {
            let rank = sight.key.rank();
            sight.place.shelf = self.shelf_of(&sight.key, rank);
            let shelf = &self.shelves[sight.place.shelf];
            let guess = self.guess_leaf(sight.place.shelf, rank);
            if let (Some(rank), Some(leaf)) = (shelf.ranks.get(guess), shelf.leaves.get(guess)) {
                prefetch(rank);
                prefetch(leaf);
            }
            // Of a leaf, up to here; of an item, from the end on.
            sight.guess = guess;
        }
        // To the leaf, which knows where its items are.
        for sight in &mut *sights {
            sight.place = self.place_in(sight.place.shelf, &sight.key, sight.key.rank(), sight.guess);
            prefetch(self.page(sight.place));
        }
        // To the item, or the one before.
        for sight in &mut *sights {
            let page = self.page(sight.place);
            sight.guess = self.guess(sight.place);
            if let Some(last) = page.len().checked_sub(1) {
                prefetch(page.key(sight.guess.min(last)));
                prefetch(page.key((sight.guess + 1).min(last)));
            }
        }
    }

    /// The number of the shelf that a key is or would be in.
    fn shelf_of(&self, key: &P::Key, rank: u64) -> usize {
        let guess = interpolate(self.ranks.len(), (0, u64::MAX), rank);
        let shelf = count(&self.ranks, guess, rank).saturating_sub(1);
        // Of several with the same rank, it is one before.
        if self.ranks[shelf] < rank || self.shelves[shelf].first <= *key {
            return shelf;
        }
        self.shelves.partition_point(|shelf| shelf.first <= *key).saturating_sub(1)
    }

    /// The lowest rank that may be in the shelf after one.
    fn end_of(&self, shelf: usize) -> u64 {
        self.ranks.get(shelf + 1).map_or(u64::MAX, |next| *next)
    }

    /// Which leaf of a shelf a rank is in, more or less. They are spread evenly, where nobody chose them.
    fn guess_leaf(&self, shelf: usize, rank: u64) -> usize {
        interpolate(self.shelves[shelf].ranks.len(), (self.ranks[shelf], self.end_of(shelf)), rank)
    }

    /// The page in a shelf that a key is or would be in, by a guess of the leaf.
    fn place_in(&self, shelf: usize, key: &P::Key, rank: u64, guess: usize) -> Place {
        let leaf = self.shelves[shelf].leaf(key, rank, guess);
        let ranks = &self.shelves[shelf].ranks;
        let high = ranks.get(leaf + 1).map_or_else(|| self.end_of(shelf), |next| *next);
        Place { shelf, leaf, share: share((ranks[leaf], high), rank) }
    }

    /// Where in its page the key is, or where it would go.
    pub(super) fn search(&self, place: Place, key: &P::Key) -> Result<usize, usize> {
        self.search_near(self.guess(place), place, key)
    }

    /// The same, from a guess on.
    pub(super) fn search_near(&self, guess: usize, place: Place, key: &P::Key) -> Result<usize, usize> {
        let page = self.page(place);
        seek(page.len(), guess, key, |i| page.key(i))
    }

    fn guess(&self, place: Place) -> usize {
        part_of(self.page(place).len(), place.share)
    }

    pub(super) fn page(&self, place: Place) -> &P {
        &self.shelves[place.shelf].leaves[place.leaf].page
    }

    pub(super) fn page_mut(&mut self, place: Place) -> &mut P {
        &mut self.shelves[place.shelf].leaves[place.leaf].page
    }

    /// The page at a number below [`Self::places`], and true; or some other page, and false.
    pub(super) fn page_at(&self, number: usize) -> (&P, bool) {
        let leaves = &self.shelves[number / SHELF_MAX].leaves;
        let (leaf, last) = (number % SHELF_MAX, leaves.len() - 1);
        (&leaves[leaf.min(last)].page, leaf <= last)
    }

    /// The number of the page behind the one at a number; behind the last comes the first.
    pub(super) fn next_number(&self, number: usize) -> usize {
        let (shelf, leaf) = (number / SHELF_MAX, number % SHELF_MAX + 1);
        match (self.shelves[shelf].leaves.len() > leaf, self.shelves.len() > shelf + 1) {
            (true, _) => number + 1,
            (false, true) => (shelf + 1) * SHELF_MAX,
            (false, false) => 0,
        }
    }

    /// All pages in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &P> {
        let leaves = self.shelves.iter().flat_map(|shelf| &shelf.leaves);
        leaves.map(|leaf| &leaf.page)
    }

    /// The first key that belongs to the page behind this one.
    pub(super) fn next_first(&self, place: Place) -> Option<P::Key> {
        let here = &self.shelves[place.shelf].leaves;
        match here.get(place.leaf + 1) {
            Some(leaf) => Some(leaf.first),
            None => self.shelves.get(place.shelf + 1).map(|shelf| shelf.first),
        }
    }

    /// The place and index of the first item above `after` (or of all). None at the end.
    pub(super) fn above(&self, after: Option<&P::Key>) -> Option<(Place, usize)> {
        let (mut place, mut index) = match after {
            None => (self.locate(&P::Key::default()), 0),
            Some(key) => {
                let place = self.locate(key);
                let index = match self.search(place, key) {
                    Ok(at) => at + 1,
                    Err(at) => at,
                };
                (place, index)
            }
        };
        while index >= self.page(place).len() {
            place = self.locate(&self.next_first(place)?);
            index = 0;
        }
        Some((place, index))
    }

    /// Splits a page that is full. Places are no longer good afterwards.
    pub(super) fn make_room(&mut self, place: Place) {
        let shelf = &mut self.shelves[place.shelf];
        let page = shelf.leaves[place.leaf].page.split();
        let first = *page.key(0);
        shelf.insert(place.leaf + 1, Leaf { first, page });
        self.pages += 1;
        self.edition += 1;
        if shelf.leaves.len() > SHELF_MAX {
            let upper = shelf.split();
            grow(&mut self.ranks);
            self.ranks.insert(place.shelf + 1, upper.first.rank());
            self.shelves.insert(place.shelf + 1, upper);
        }
    }

    /// After items left: gives back room, joins a sparse page with a neighbour. Places are no longer good afterwards.
    pub(super) fn settle(&mut self, place: Place) {
        let only_shelf = self.shelves.len() == 1;
        let shelf = &mut self.shelves[place.shelf];
        let len = |leaf: usize| shelf.leaves.get(leaf).map_or(P::MAX, |l| l.page.len());
        let here = len(place.leaf);
        let fits = |leaf: usize| here + len(leaf) <= P::MAX * 3 / 4;
        if here >= P::MAX / 4 {
            return shelf.leaves[place.leaf].page.shrink();
        }
        if here == 0 && shelf.leaves.len() > 1 {
            shelf.remove(place.leaf);
            shelf.align();
        } else if fits(place.leaf + 1) {
            let later = shelf.remove(place.leaf + 1);
            shelf.leaves[place.leaf].page.append(later.page);
        } else if place.leaf > 0 && fits(place.leaf - 1) {
            let later = shelf.remove(place.leaf);
            shelf.leaves[place.leaf - 1].page.append(later.page);
        } else if here == 0 && !only_shelf {
            self.drop_shelf(place.shelf);
        } else {
            return shelf.leaves[place.leaf].page.shrink();
        }
        self.pages -= 1;
        self.edition += 1;
        self.settle_shelf(place.shelf);
    }

    fn settle_shelf(&mut self, index: usize) {
        let len = |shelf: usize| self.shelves.get(shelf).map_or(SHELF_MAX, |s| s.leaves.len());
        let fits = |other: usize| len(index) + len(other) <= SHELF_MAX * 3 / 4;
        if len(index) < SHELF_MAX / 4 {
            if fits(index + 1) {
                self.join_shelves(index);
            } else if index > 0 && fits(index - 1) {
                self.join_shelves(index - 1);
            }
        }
        if let Some(shelf) = self.shelves.get_mut(index) {
            let used = shelf.leaves.len();
            if shelf.leaves.capacity() > used + used / 2 + 4 {
                shelf.shrink(used + used / 8);
            }
        }
    }

    fn join_shelves(&mut self, index: usize) {
        let later = self.shelves.remove(index + 1);
        self.ranks.remove(index + 1);
        let shelf = &mut self.shelves[index];
        shelf.leaves.reserve_exact(later.leaves.len());
        shelf.leaves.extend(later.leaves);
        shelf.ranks.reserve_exact(later.ranks.len());
        shelf.ranks.extend(later.ranks);
        self.shrink_shelves();
    }

    /// Drops a shelf without items.
    fn drop_shelf(&mut self, index: usize) {
        let gone = self.shelves.remove(index);
        self.ranks.remove(index);
        if index == 0 {
            // What comes first owns all keys from the lowest on.
            self.ranks[0] = gone.first.rank();
            self.shelves[0].first = gone.first;
            self.shelves[0].align();
        }
        self.shrink_shelves();
    }

    fn shrink_shelves(&mut self) {
        let used = self.shelves.len();
        if self.shelves.capacity() > 2 * used + 8 {
            self.shelves.shrink_to(used + used / 4);
            self.ranks.shrink_to(used + used / 4);
        }
    }

    /// Frees the last page; false if only one was left, which stays. For directories that are on their way out.
    pub(super) fn discard_page(&mut self) -> bool {
        if self.pages <= 1 {
            return false;
        }
        if let Some(shelf) = self.shelves.last_mut() {
            shelf.leaves.pop();
            shelf.ranks.pop();
            if shelf.leaves.is_empty() {
                self.shelves.pop();
                self.ranks.pop();
            }
        }
        self.pages -= 1;
        self.edition += 1;
        true
    }
}

/// Makes room for one more, by an eighth, so that little is wasted.
pub(super) fn grow<T>(items: &mut Vec<T>) {
    if items.len() == items.capacity() {
        items.reserve_exact((items.len() / 8).max(1));
    }
}
