//! An inner node: pages in order, and the ranks that they begin with.

use super::{BRANCH_MAX, Page};
use crate::swarm::memory::Budget;

/// Pages in order, one at least.
#[derive(Default)]
pub(super) struct Branch {
    /// For each page a rank that is not above any of its keys', and not below any of the page before. They lie close together, so
    /// that a search touches little memory.
    pub(super) ranks: Vec<u64>,
    pub(super) pages: Vec<Page>,
}

impl Branch {
    /// Makes room for one more page; false if the memory is refused.
    pub(super) fn reserve_one(&mut self, budget: &mut Budget) -> bool {
        budget.grow(&mut self.ranks) && budget.grow(&mut self.pages)
    }

    /// Puts in a page that there is room for.
    pub(super) fn insert(&mut self, at: usize, rank: u64, page: Page) {
        self.ranks.insert(at, rank);
        self.pages.insert(at, page);
    }

    /// Takes a page out. The next one begins where it did, if it was the first.
    pub(super) fn remove(&mut self, at: usize) -> Page {
        let rank = self.ranks.remove(at);
        match self.ranks.first_mut() {
            Some(first) if at == 0 => *first = rank,
            _ => {}
        }
        self.pages.remove(at)
    }

    /// Takes the upper half out. None, and nothing changes, if the memory is refused.
    pub(super) fn split(&mut self, budget: &mut Budget) -> Option<Self> {
        let mut upper = Self::default();
        let room = BRANCH_MAX * 5 / 8;
        if !budget.reserve(&mut upper.ranks, room) || !budget.reserve(&mut upper.pages, room) {
            upper.release(budget);
            return None;
        }
        upper.ranks.extend(self.ranks.drain(BRANCH_MAX / 2..));
        upper.pages.extend(self.pages.drain(BRANCH_MAX / 2..));
        self.shrink(room, budget);
        Some(upper)
    }

    /// Takes over the pages of the branch behind. False, and nothing changes, if the memory is refused.
    pub(super) fn append(&mut self, later: &mut Self, budget: &mut Budget) -> bool {
        let more = later.pages.len();
        if !budget.reserve(&mut self.ranks, more) || !budget.reserve(&mut self.pages, more) {
            return false;
        }
        self.ranks.append(&mut later.ranks);
        self.pages.append(&mut later.pages);
        true
    }

    pub(super) fn shrink(&mut self, capacity: usize, budget: &mut Budget) {
        budget.shrink(&mut self.ranks, capacity);
        budget.shrink(&mut self.pages, capacity);
    }

    /// Drops a branch without pages.
    pub(super) fn release(self, budget: &mut Budget) {
        budget.release(self.ranks);
        budget.release(self.pages);
    }
}
