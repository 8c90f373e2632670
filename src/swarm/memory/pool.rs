//! A pool: chunks of one size, each cut into slots of one of a few sizes.
//!
//! A slot is taken from the chunk with the lowest number, so that those with higher ones run empty; an empty chunk goes back to
//! the system, but for one that is kept for the next that is needed: a swarm that grows empties and opens chunks by turns. Where too many chunks are sparse, the walk over all torrents moves what lives in the highest of them
//! (`is_surplus`, `relocate`): the owner of a slot comes by anyway, so no slot needs to know its owner.

use super::Budget;
use super::numbers::Numbers;

/// Where a slot begins: the number of its chunk, and of its first item in there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot(u32);

/// Slots of one size.
struct Class {
    /// Items of a slot.
    items: usize,
    /// Slots of a chunk.
    slots: usize,
    /// Slots that are taken.
    taken: usize,
    /// Chunks that have a free slot.
    open: Numbers,
    /// Chunks from this number on are more than are needed.
    surplus: usize,
}

/// What is known of a chunk, beside its items.
#[derive(Default)]
struct Chunk {
    class: usize,
    taken: usize,
    free: Numbers,
}

/// Slots for items of type `T`.
pub(in crate::swarm) struct Pool<T> {
    /// The items of each chunk, as far as its slots were ever taken; those of a chunk that is not there are none.
    items: Vec<Vec<T>>,
    chunks: Vec<Chunk>,
    /// Numbers of chunks that are not there.
    absent: Numbers,
    /// The memory of a chunk that ran empty, for the next one.
    spare: Vec<T>,
    classes: Vec<Class>,
    /// Items of a chunk.
    chunk_items: usize,
    /// Room to put items together in that are about to be shared out anew.
    scratch: Vec<T>,
}

impl<T: Copy + Default> Pool<T> {
    /// A pool of chunks of so many bytes, with slots of so many items. A chunk holds one slot of each size at least. There is room
    /// to put so many items together in, see [`Self::take_scratch`].
    pub(in crate::swarm) fn new(chunk_bytes: usize, sizes: &[usize], scratch: usize) -> Self {
        let chunk_items = chunk_bytes / size_of::<T>();
        let class = |&items: &usize| {
            let slots = (chunk_items / items).max(1);
            Class { items, slots, taken: 0, open: Numbers::default(), surplus: usize::MAX }
        };
        let classes = sizes.iter().map(class).collect();
        let scratch = Vec::with_capacity(scratch);
        Self {
            items: Vec::new(),
            chunks: Vec::new(),
            absent: Numbers::default(),
            spare: Vec::new(),
            classes,
            chunk_items,
            scratch,
        }
    }

    /// Room to put items together in, empty. It comes back by [`Self::keep_scratch`].
    pub(in crate::swarm) fn take_scratch(&mut self) -> Vec<T> {
        std::mem::take(&mut self.scratch)
    }

    pub(in crate::swarm) fn keep_scratch(&mut self, mut scratch: Vec<T>) {
        scratch.clear();
        self.scratch = scratch;
    }

    /// Bits of a slot that number an item.
    const ITEM_BITS: u32 = usize::BITS - (crate::limits::SWARM_CHUNK / size_of::<T>()).leading_zeros();

    /// Chunks at most: all that a slot can number.
    const CHUNKS_MAX: usize = 1 << (u32::BITS - Self::ITEM_BITS);

    fn chunk_of(slot: Slot) -> usize {
        (slot.0 >> Self::ITEM_BITS) as usize
    }

    fn item_of(slot: Slot) -> usize {
        (slot.0 & ((1 << Self::ITEM_BITS) - 1)) as usize
    }

    /// The first items of a slot, so many.
    #[inline]
    pub(in crate::swarm) fn items(&self, slot: Slot, len: usize) -> &[T] {
        &self.items[Self::chunk_of(slot)][Self::item_of(slot)..][..len]
    }

    #[inline]
    pub(in crate::swarm) fn items_mut(&mut self, slot: Slot, len: usize) -> &mut [T] {
        &mut self.items[Self::chunk_of(slot)][Self::item_of(slot)..][..len]
    }

    /// The first item of a slot.
    #[inline]
    pub(in crate::swarm) fn first(&self, slot: Slot) -> &T {
        &self.items[Self::chunk_of(slot)][Self::item_of(slot)]
    }

    #[inline]
    pub(in crate::swarm) fn first_mut(&mut self, slot: Slot) -> &mut T {
        &mut self.items[Self::chunk_of(slot)][Self::item_of(slot)]
    }

    /// Items that a slot of a class holds.
    pub(in crate::swarm) fn capacity(&self, class: usize) -> usize {
        self.classes[class].items
    }

    /// The class with the smallest slots that hold so many items, or the largest there are.
    pub(in crate::swarm) fn class_for(&self, items: usize) -> usize {
        let class = self.classes.partition_point(|class| class.items < items);
        class.min(self.classes.len() - 1)
    }

    /// Takes a slot. None if its memory is refused.
    pub(in crate::swarm) fn take(&mut self, class: usize, budget: &mut Budget) -> Option<Slot> {
        let number = match self.classes[class].open.lowest() {
            Some(number) => number,
            None => self.add_chunk(class, budget)?,
        };
        self.take_from(number)
    }

    /// Takes a slot of a chunk that has a free one.
    fn take_from(&mut self, number: usize) -> Option<Slot> {
        let chunk = &mut self.chunks[number];
        let class = &mut self.classes[chunk.class];
        let index = chunk.free.lowest()?;
        chunk.free.remove(index);
        chunk.taken += 1;
        class.taken += 1;
        if chunk.taken == class.slots {
            class.open.remove(number);
        }
        let (first, items) = (index * class.items, &mut self.items[number]);
        // within the capacity that the chunk was made with
        items.resize(items.len().max(first + class.items), T::default());
        Some(Slot((number << Self::ITEM_BITS) as u32 | first as u32))
    }

    /// Adds a chunk for a class; all or nothing.
    #[cold]
    fn add_chunk(&mut self, class: usize, budget: &mut Budget) -> Option<usize> {
        let number = self.absent.lowest().unwrap_or(self.chunks.len());
        if number >= Self::CHUNKS_MAX {
            return None;
        }
        let slots = self.classes[class].slots;
        let mut chunk = Chunk { class, ..Chunk::default() };
        let mut items = std::mem::take(&mut self.spare);
        let room = self.chunk_items.max(self.classes[class].items);
        let has_room = budget.grow(&mut self.items)
            && budget.grow(&mut self.chunks)
            && self.absent.reserve(number + 1, budget)
            && self.classes[class].open.reserve(number + 1, budget)
            && chunk.free.reserve(slots, budget)
            && budget.reserve(&mut items, room);
        if !has_room {
            chunk.free.release(budget);
            budget.release(items);
            return None;
        }
        chunk.free.insert_all(slots);
        self.absent.remove(number);
        if number == self.chunks.len() {
            self.items.push(Vec::new());
            self.chunks.push(Chunk::default());
        }
        self.items[number] = items;
        self.chunks[number] = chunk;
        self.classes[class].open.insert(number);
        Some(number)
    }

    /// Gives a slot back. Its chunk leaves with the last one, or becomes the spare one.
    pub(in crate::swarm) fn give(&mut self, slot: Slot, budget: &mut Budget) {
        let number = Self::chunk_of(slot);
        let chunk = &mut self.chunks[number];
        let class = &mut self.classes[chunk.class];
        chunk.free.insert(Self::item_of(slot) / class.items);
        chunk.taken -= 1;
        class.taken -= 1;
        if chunk.taken > 0 {
            class.open.insert(number);
            return;
        }
        class.open.remove(number);
        chunk.free.release(budget);
        let mut items = std::mem::take(&mut self.items[number]);
        if self.spare.capacity() == 0 {
            items.clear();
            self.spare = items;
        } else {
            budget.release(items);
        }
        self.absent.insert(number);
    }

    #[cfg(any(test, fuzzing))]
    pub(in crate::swarm) fn taken(&self) -> usize {
        self.classes.iter().map(|class| class.taken).sum()
    }

    /// Looks for the chunks that are more than are needed, one in sixteen beside those that would be full. To be called now and
    /// then: it looks at all chunks.
    pub(in crate::swarm) fn find_surplus(&mut self) {
        let mut needed: Vec<usize> = Vec::new();
        needed.extend(self.classes.iter().map(|class| {
            let full = class.taken.div_ceil(class.slots);
            full + full / 16 + 1
        }));
        self.classes.iter_mut().for_each(|class| class.surplus = usize::MAX);
        for (number, chunk) in self.chunks.iter().enumerate().filter(|(_, chunk)| chunk.taken > 0) {
            match needed[chunk.class].checked_sub(1) {
                Some(rest) => needed[chunk.class] = rest,
                None => self.classes[chunk.class].surplus = self.classes[chunk.class].surplus.min(number),
            }
        }
    }

    /// Whether a slot lies in a chunk that is more than are needed.
    pub(in crate::swarm) fn is_surplus(&self, slot: Slot) -> bool {
        let number = Self::chunk_of(slot);
        number >= self.classes[self.chunks[number].class].surplus
    }

    /// Copies the first items of a slot to another one.
    pub(in crate::swarm) fn copy(&mut self, from: Slot, to: Slot, len: usize) {
        let (source, target) = (Self::chunk_of(from), Self::chunk_of(to));
        let (start, end) = (Self::item_of(from), Self::item_of(to));
        if source == target {
            return self.items[source].copy_within(start..start + len, end);
        }
        let (low, high) = self.items.split_at_mut(source.max(target));
        let (low, high) = (&mut low[source.min(target)], &mut high[0]);
        let (from, to) = if source < target { (low, high) } else { (high, low) };
        to[end..][..len].copy_from_slice(&from[start..][..len]);
    }

    /// Moves the first items of a slot to a lower chunk, if there is a free slot. Returns where they are now.
    pub(in crate::swarm) fn relocate(&mut self, slot: Slot, len: usize, budget: &mut Budget) -> Slot {
        let from = Self::chunk_of(slot);
        let to = self.classes[self.chunks[from].class].open.lowest().filter(|to| *to < from);
        let Some(new) = to.and_then(|to| self.take_from(to)) else { return slot };
        self.copy(slot, new, len);
        self.give(slot, budget);
        new
    }
}
