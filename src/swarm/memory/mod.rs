//! The memory of the state: a budget in bytes, and pools of equal slots that torrents and peers live in.
//!
//! Nothing here needs more of an allocator than chunks of one size, which it returns to the system at once when they leave: each
//! chunk is a mapping of its own. So there are no holes that only one size can use, and what is held is known to the byte.
//! Memory that the system or the budget refuses is an answer like any other, and changes nothing.

mod numbers;
mod pool;

use crate::sys::memory;
pub(super) use pool::{Pool, Slot};

/// How many bytes the state holds, and how many it may hold.
#[derive(Debug)]
pub struct Budget {
    held: usize,
    ceiling: usize,
    refusals: u64,
    /// Bytes that went back since somebody asked.
    returned: usize,
    /// The system has refused memory: then the state adds nothing, and everything else finds some.
    is_short: bool,
}

impl Default for Budget {
    fn default() -> Self {
        Self { held: 0, ceiling: usize::MAX, refusals: 0, returned: 0, is_short: false }
    }
}

impl Budget {
    /// Bytes that are held.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// How often memory was refused, by this budget or by the system.
    pub(super) fn refusals(&self) -> u64 {
        self.refusals
    }

    /// Refuses whatever would exceed so many bytes from now on. What is held already stays.
    pub(super) fn set_ceiling(&mut self, bytes: usize) {
        self.ceiling = bytes;
    }

    /// Bytes that may be held.
    pub(super) fn ceiling(&self) -> usize {
        self.ceiling
    }

    /// Asks the system again for what it refused, if there is memory for the reserve.
    pub(super) fn recover(&mut self) {
        self.is_short = memory::is_short();
    }

    /// Makes room for more items at a vector's end; false, and nothing changes, if the memory is refused.
    pub(super) fn reserve<T>(&mut self, items: &mut Vec<T>, more: usize) -> bool {
        if items.capacity() - items.len() >= more {
            return true;
        }
        let before = items.capacity() * size_of::<T>();
        let after = (items.len() + more) * size_of::<T>();
        let is_within = self.held - before <= self.ceiling.saturating_sub(after);
        let is_refused = !is_within || self.is_short || {
            self.is_short = memory::is_short() || items.try_reserve_exact(more).is_err();
            self.is_short
        };
        if is_refused {
            self.refusals += 1;
            return false;
        }
        self.held = self.held - before + items.capacity() * size_of::<T>();
        true
    }

    /// Makes room for one more item, and for some to come.
    pub(super) fn grow<T>(&mut self, items: &mut Vec<T>) -> bool {
        items.len() < items.capacity() || self.reserve(items, (items.len() / 8).max(2))
    }

    /// Returns the room behind a vector's items that exceeds this capacity.
    pub(super) fn shrink<T>(&mut self, items: &mut Vec<T>, capacity: usize) {
        self.held -= items.capacity() * size_of::<T>();
        items.shrink_to(capacity);
        self.held += items.capacity() * size_of::<T>();
    }

    /// Drops a vector.
    pub(super) fn release<T>(&mut self, items: Vec<T>) {
        let bytes = items.capacity() * size_of::<T>();
        self.held -= bytes;
        self.returned += bytes;
        drop(items);
    }

    /// Bytes that went back by [`Self::release`] since the last call of this.
    pub(super) fn take_returned(&mut self) -> usize {
        std::mem::take(&mut self.returned)
    }
}
