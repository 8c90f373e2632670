//! Keeping pages well filled: a page that is full shares its items with its neighbours, and only where they are nearly full
//! too a page is added; where they have become sparse one is taken away. So in steady turnover pages are some 80 % full, as in
//! a B*-tree, and no operation touches more than [`WINDOW`] pages and a branch or two.

use super::branch::Branch;
use super::search::Key;
use super::{BRANCH_MAX, Item, Page, Place, Tree};
use crate::limits::{SWARM_PAGE, SWARM_PEER_PAGE, SWARM_WINDOW as WINDOW};
use crate::swarm::memory::{Budget, Pool};
use static_assertions::const_assert;
use std::ops::Range;

// or a page might still be full after it has shared its items with one more
const_assert!(SWARM_PAGE > WINDOW && SWARM_PEER_PAGE > WINDOW);

impl Tree {
    /// The pages that share items with one of a branch: some on either side, as far as there are.
    fn window(&self, place: Place) -> Range<usize> {
        let pages = self.branches[place.branch].pages.len();
        let from = place.leaf.saturating_sub(WINDOW / 2).min(pages.saturating_sub(WINDOW));
        from..pages.min(from + WINDOW)
    }

    /// Items of some pages of a branch.
    fn count_items(&self, branch: usize, window: Range<usize>) -> usize {
        self.branches[branch].pages[window].iter().map(|page| usize::from(page.len)).sum()
    }

    /// Sees to it that a full page gets room for one more item at least. Places are no longer good afterwards. None, and
    /// nothing changes, if the memory is refused.
    pub(super) fn make_room<I: Item>(&mut self, pool: &mut Pool<I>, budget: &mut Budget, place: Place) -> Option<()> {
        let capacity = pool.capacity(self.class);
        let window = self.window(place);
        let total = self.count_items(place.branch, window.clone());
        let is_room = total <= window.len() * (capacity - 1);
        if is_room && total * 100 <= window.len() * capacity * self.fill.0 {
            self.branches[place.branch].spread(pool, window.clone(), window.len());
            self.drop_empty(pool, budget, place.branch, window);
            return Some(());
        }
        if self.branches[place.branch].pages.len() == BRANCH_MAX {
            self.split_branch(place.branch, budget)?;
            let is_upper = place.leaf >= BRANCH_MAX / 2;
            let branch = place.branch + usize::from(is_upper);
            let leaf = place.leaf - if is_upper { BRANCH_MAX / 2 } else { 0 };
            return self.make_room(pool, budget, Place { branch, leaf, ..place });
        }
        let branch = &mut self.branches[place.branch];
        if !branch.reserve_one(budget) {
            return None;
        }
        let slot = pool.take(self.class, budget)?;
        // the rank is set when it gets its items
        branch.insert(window.end, 0, Page { slot, minute: 0, len: 0 });
        self.pages += 1;
        branch.spread(pool, window.start..window.end + 1, window.len() + 1);
        self.drop_empty(pool, budget, place.branch, window.start..window.end + 1);
        Some(())
    }

    fn split_branch(&mut self, branch: usize, budget: &mut Budget) -> Option<()> {
        if !budget.grow(&mut self.branches) || !budget.grow(&mut self.ranks) {
            return None;
        }
        let upper = self.branches[branch].split(budget)?;
        self.ranks.insert(branch + 1, upper.ranks.first().copied().unwrap_or_default());
        self.branches.insert(branch + 1, upper);
        Some(())
    }

    /// After items left a page: takes a page away where it and its neighbours have become sparse. Places are no longer good
    /// afterwards.
    pub(in crate::swarm) fn settle<I: Item>(&mut self, pool: &mut Pool<I>, budget: &mut Budget, place: Place) {
        let capacity = pool.capacity(self.class);
        let len = usize::from(self.page(place).len);
        if len * 100 > capacity * self.fill.1 {
            return;
        }
        let window = self.window(place);
        let total = self.count_items(place.branch, window.clone());
        let fewer = window.len() - 1;
        if fewer > 0 && total * 100 <= fewer * capacity * self.fill.1 {
            self.branches[place.branch].spread(pool, window.clone(), fewer);
            self.drop_empty(pool, budget, place.branch, window);
        } else if len == 0 {
            self.drop_empty(pool, budget, place.branch, place.leaf..place.leaf + 1);
        }
    }

    /// Drops the pages among some of a branch that have no items, but for the last of the tree.
    fn drop_empty<I: Item>(&mut self, pool: &mut Pool<I>, budget: &mut Budget, index: usize, window: Range<usize>) {
        let branch = &mut self.branches[index];
        let before = self.pages;
        for leaf in window.rev() {
            if branch.pages[leaf].len == 0 && self.pages > 1 {
                pool.give(branch.remove(leaf).slot, budget);
                self.pages -= 1;
            }
        }
        if branch.pages.is_empty() {
            self.drop_branch(index, budget);
        } else if self.pages < before {
            self.settle_branch(index, budget);
        }
    }

    /// Drops a branch without pages.
    fn drop_branch(&mut self, index: usize, budget: &mut Budget) {
        self.branches.remove(index).release(budget);
        self.ranks.remove(index);
        if index == 0 {
            // what comes first owns all keys from the lowest on
            if let (Some(rank), Some(branch)) = (self.ranks.first_mut(), self.branches.first_mut()) {
                *rank = 0;
                branch.ranks[0] = 0;
            }
        }
        self.shrink(budget);
    }

    /// Joins a branch that has become sparse with a neighbour, and gives back room.
    fn settle_branch(&mut self, index: usize, budget: &mut Budget) {
        let len = |branch: usize| self.branches.get(branch).map_or(BRANCH_MAX, |branch| branch.pages.len());
        let fits = |other: usize| len(index) + len(other) <= BRANCH_MAX * 3 / 4;
        if len(index) < BRANCH_MAX / 4 && fits(index + 1) {
            self.join_branches(index, budget);
        } else if len(index) < BRANCH_MAX / 4 && index > 0 && fits(index - 1) {
            self.join_branches(index - 1, budget);
        } else {
            let branch = &mut self.branches[index];
            let used = branch.pages.len();
            if branch.pages.capacity() > used + used / 2 + 4 {
                branch.shrink(used + used / 8, budget);
            }
        }
    }

    /// Joins a branch with the one behind it, unless the memory is refused.
    fn join_branches(&mut self, index: usize, budget: &mut Budget) {
        let mut later = std::mem::take(&mut self.branches[index + 1]);
        if !self.branches[index].append(&mut later, budget) {
            self.branches[index + 1] = later;
            return;
        }
        later.release(budget);
        self.branches.remove(index + 1);
        self.ranks.remove(index + 1);
        self.shrink(budget);
    }

    fn shrink(&mut self, budget: &mut Budget) {
        let used = self.branches.len();
        if self.branches.capacity() > 2 * used + 8 {
            budget.shrink(&mut self.branches, used + used / 4);
            budget.shrink(&mut self.ranks, used + used / 4);
        }
    }

    /// Frees the last page; false if that was the only one, and nothing is left of the tree's memory. For trees that are on their
    /// way out.
    pub(in crate::swarm) fn discard_page<I: Item>(&mut self, pool: &mut Pool<I>, budget: &mut Budget) -> bool {
        let Some(branch) = self.branches.last_mut() else { return false };
        branch.ranks.pop();
        if let Some(page) = branch.pages.pop() {
            pool.give(page.slot, budget);
            self.pages -= 1;
        }
        if branch.pages.is_empty() {
            self.ranks.pop();
            self.branches.pop().unwrap_or_default().release(budget);
        }
        if self.branches.is_empty() {
            budget.release(std::mem::take(&mut self.branches));
            budget.release(std::mem::take(&mut self.ranks));
        }
        self.pages > 0
    }
}

impl Branch {
    /// Shares out the items of some pages evenly among the first `keep` of them; the others are empty then. Items that are too
    /// old go, and the rest has one base of ages.
    fn spread<I: Item>(&mut self, pool: &mut Pool<I>, window: Range<usize>, keep: usize) {
        let pages = &mut self.pages[window.clone()];
        let minute = pages.iter().map(|page| page.minute).max().unwrap_or_default();
        let mut scratch = pool.take_scratch();
        for page in &mut *pages {
            let from = scratch.len();
            scratch.extend_from_slice(pool.items(page.slot, usize::from(page.len)));
            let alive = I::retain_alive(&mut scratch[from..], page.minute, minute);
            scratch.truncate(from + alive);
        }
        let mut rest = scratch.as_slice();
        for (index, page) in pages.iter_mut().enumerate() {
            let share = rest.len().div_ceil(keep.saturating_sub(index).max(1));
            let (mine, others) = rest.split_at(share);
            pool.items_mut(page.slot, share).copy_from_slice(mine);
            (page.len, page.minute) = (share as u16, minute);
            if let (Some(first), true) = (mine.first(), index > 0) {
                self.ranks[window.start + index] = first.key().rank();
            }
            rest = others;
        }
        pool.keep_scratch(scratch);
    }
}
