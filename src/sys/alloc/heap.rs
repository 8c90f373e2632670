//! Small objects: runs of 16-byte granules, cut from free runs and merged with free neighbours when they leave.
//!
//! Objects of different sizes share the memory. Where each size has places of its own, arrays that all grow leave
//! sparse places behind in every size they passed through: that cost a third more memory than there was to hold.
//!
//! Objects have no headers, since Rust hands in the size of what it gives back. What must be known about
//! neighbours is kept in the free runs themselves (size and links, first and last) and in a bitmap at the region's
//! start: a granule's bit is set if a free run begins or ends with it. All steps take constant time.

use std::mem::size_of;
use std::ptr::{null_mut, with_exposed_provenance_mut};

use static_assertions::const_assert;

use super::pages::{GRANULE, Piece, map, refuse_huge_pages};

/// Bytes of the unit of all sizes, and the alignment of every object.
pub(super) const UNIT: usize = 16;

/// Biggest object in here. It also bounds the work of taking one back.
const OBJECT_MAX: usize = 128 << 10;

/// Bytes of a region, and what its address is a multiple of.
const REGION: usize = 64 << 20;

/// Bytes that are given back to the system together, once none of them is in use: a few pages, so that a thinning heap
/// shrinks early and a call stays short. Elsewhere pages may be as large as a granule.
const CHUNK: usize = if cfg!(target_arch = "x86_64") { 16 << 10 } else { GRANULE };

/// Chunks without objects that keep their memory for a while, since it may be needed again at once.
const KEPT_CHUNKS: usize = 64;

/// Bytes of a region's bitmap, which comes first in it.
const BITMAP: usize = REGION / UNIT / 8;

/// Bytes before a region's first object: the bitmap and what is known of the chunks, in whole chunks.
const HEAD: usize = (BITMAP + REGION / CHUNK * size_of::<Chunk>()).next_multiple_of(CHUNK);

/// Sizes up to this many units have a list of free runs each.
const FINE: usize = 64;

/// Beyond, as many lists (a power of two) between a power of two and the next.
const COARSE_BITS: u32 = 3;

/// Number of lists of free runs.
const LISTS: usize = list_of(REGION / UNIT) + 1;

/// Words of the bitmap that tells which lists have runs.
const WORDS: usize = LISTS.div_ceil(64);

/// The list that a free run of this many units is on.
const fn list_of(units: usize) -> usize {
    if units <= FINE {
        return units.saturating_sub(1);
    }
    let power = units.ilog2();
    let part = (units >> (power - COARSE_BITS)) & ((1 << COARSE_BITS) - 1);
    FINE + (((power - FINE.ilog2()) as usize) << COARSE_BITS) + part
}

/// The first list whose runs all have this many units.
const fn list_from(units: usize) -> usize {
    if units <= FINE { list_of(units) } else { list_of(units - 1) + 1 }
}

/// What a free run begins with. Its last four bytes are its size once more; in the shortest they are the same bytes.
///
/// Addresses are kept in 48 bits, which is what the system hands out unless asked for more.
#[repr(C, align(16))]
struct Run {
    next_low: u32,
    prev_low: u32,
    next_high: u16,
    prev_high: u16,
    units: u32,
}

const_assert!(size_of::<Run>() == UNIT);

impl Run {
    fn next(&self) -> usize {
        self.next_low as usize | (self.next_high as usize) << 32
    }

    fn prev(&self) -> usize {
        self.prev_low as usize | (self.prev_high as usize) << 32
    }

    fn set_next(&mut self, next: usize) {
        (self.next_low, self.next_high) = (next as u32, (next >> 32) as u16);
    }

    fn set_prev(&mut self, prev: usize) {
        (self.prev_low, self.prev_high) = (prev as u32, (prev >> 32) as u16);
    }
}

/// What is known of a chunk. All zero, as new memory is, for one without objects.
struct Chunk {
    /// Units that are in use.
    used: u16,
    /// Whether it is among those that are kept for a while.
    kept: bool,
}

/// Units for an object of this size and alignment; none if it shall be a mapping of its own.
#[inline]
pub(super) const fn units_of(size: usize, align: usize) -> Option<usize> {
    if size <= OBJECT_MAX && align <= OBJECT_MAX { Some(size.div_ceil(UNIT)) } else { None }
}

/// All regions and their free runs. Addresses in it are of runs, zero for none.
pub(super) struct Heap {
    /// First runs of the lists, and a bit for each list that has one.
    lists: [usize; LISTS],
    filled: [u64; WORDS],
    /// Chunks that became free lately, the place of the oldest, and zero where there is none.
    kept: [usize; KEPT_CHUNKS],
    oldest: usize,
    /// Units of all free runs.
    free: usize,
}

impl Heap {
    pub(super) const fn new() -> Self {
        Self { lists: [0; LISTS], filled: [0; WORDS], kept: [0; KEPT_CHUNKS], oldest: 0, free: 0 }
    }

    /// Bytes of all free runs.
    pub(super) fn free_bytes(&self) -> usize {
        self.free * UNIT
    }

    /// A new object, its contents undefined. Null if there is no memory.
    #[inline]
    pub(super) fn take(&mut self, units: usize, align: usize) -> *mut u8 {
        // With this much more there is an aligned start inside.
        let spare = align.div_ceil(UNIT) - 1;
        let Some(run) = self.find(units + spare) else {
            return null_mut();
        };
        let all = self.remove(run);
        let start = (run + align - 1) & !(align - 1);
        let before = (start - run) / UNIT;
        self.insert(run, before);
        self.insert(start + units * UNIT, all - before - units);
        count_in(start, units);
        with_exposed_provenance_mut(start)
    }

    /// Takes an object back, or its end.
    ///
    /// # Safety
    /// The units from `start` on came from [`Heap::take`] or [`Heap::extend`] of this heap and are used no more.
    #[inline]
    pub(super) unsafe fn give(&mut self, start: usize, units: usize) {
        let end = start + units * UNIT;
        let (mut first, mut all) = (start, units);
        if bit(start - UNIT).get() {
            // SAFETY: the free run before ends with its size.
            let before = unsafe { *with_exposed_provenance_mut::<u32>(start - 4) } as usize;
            first -= before * UNIT;
            all += self.remove(first);
        }
        if bit(end).get() {
            all += self.remove(end);
        }
        self.insert(first, all);
        self.count_out(start, units);
    }

    /// Adds units to an object's end, if there are that many free ones.
    ///
    /// # Safety
    /// The object that ends before `end` came from this heap.
    pub(super) unsafe fn extend(&mut self, end: usize, units: usize) -> bool {
        // SAFETY: where the bit is set, a free run begins.
        if !bit(end).get() || (unsafe { (*run_at(end)).units } as usize) < units {
            return false;
        }
        let all = self.remove(end);
        self.insert(end + units * UNIT, all - units);
        count_in(end, units);
        true
    }

    /// A free run of at least this many units, still on its list.
    #[inline]
    fn find(&mut self, units: usize) -> Option<usize> {
        let from = list_from(units);
        let mut mask = u64::MAX << (from % 64);
        for (at, word) in self.filled.iter().enumerate().skip(from / 64) {
            let word = word & mask;
            if word != 0 {
                return self.lists.get(at * 64 + word.trailing_zeros() as usize).copied();
            }
            mask = u64::MAX;
        }
        self.add_region()
    }

    /// Maps a region. Its free run is the result, on its list.
    #[cold]
    fn add_region(&mut self) -> Option<usize> {
        let region = map(REGION, REGION);
        if region.is_null() {
            return None;
        }
        refuse_huge_pages(region, REGION);
        let run = region.expose_provenance() + HEAD;
        // The last unit is never free, so that every run has a neighbour behind it.
        let units = (REGION - HEAD) / UNIT - 1;
        count_in(run + units * UNIT, 1);
        self.insert(run, units);
        Some(run)
    }

    /// Puts units that nobody uses, and whose neighbours are not free, on their list. None of them: nothing.
    #[inline]
    fn insert(&mut self, start: usize, units: usize) {
        if units == 0 {
            return;
        }
        let list = list_of(units);
        let (Some(first), Some(word)) = (self.lists.get_mut(list), self.filled.get_mut(list / 64)) else {
            return;
        };
        let mut run = Run { next_low: 0, prev_low: 0, next_high: 0, prev_high: 0, units: units as u32 };
        run.set_next(*first);
        let end = start + units * UNIT;
        // SAFETY: the run's first unit and last four bytes are free memory of ours.
        unsafe {
            run_at(start).write(run);
            *with_exposed_provenance_mut::<u32>(end - 4) = units as u32;
        }
        if *first != 0 {
            // SAFETY: on the lists are free runs only, and nobody refers to this one.
            unsafe { (*run_at(*first)).set_prev(start) };
        }
        *first = start;
        *word |= 1 << (list % 64);
        self.free += units;
        bit(start).set();
        bit(end - UNIT).set();
    }

    /// Takes a free run off its list. The result is its units.
    #[inline]
    fn remove(&mut self, start: usize) -> usize {
        // SAFETY: a free run begins here, as callers have it from a list, a bit or a size.
        let run = unsafe { &*run_at(start) };
        let (next, prev, units) = (run.next(), run.prev(), run.units as usize);
        self.free -= units;
        if next != 0 {
            // SAFETY: neighbours on the list are free runs other than this one.
            unsafe { (*run_at(next)).set_prev(prev) };
        }
        if prev != 0 {
            // SAFETY: as above.
            unsafe { (*run_at(prev)).set_next(next) };
        } else {
            let list = list_of(units);
            if let (Some(first), Some(word)) = (self.lists.get_mut(list), self.filled.get_mut(list / 64)) {
                *first = next;
                if next == 0 {
                    *word &= !(1 << (list % 64));
                }
            }
        }
        bit(start).clear();
        bit(start + (units - 1) * UNIT).clear();
        units
    }

    /// Counts units out of their chunks. A chunk that is free now goes to the kept ones, and the oldest of those
    /// loses its memory if it still is free.
    #[inline]
    fn count_out(&mut self, start: usize, units: usize) {
        for (chunk, units) in parts(start, units) {
            // SAFETY: a chunk's entry, to which nobody else refers.
            let entry = unsafe { &mut *entry_of(chunk) };
            entry.used -= units;
            if entry.used == 0 && !entry.kept {
                entry.kept = true;
                self.keep(chunk);
            }
        }
    }

    #[cold]
    fn keep(&mut self, chunk: usize) {
        let Some(place) = self.kept.get_mut(self.oldest) else {
            return;
        };
        self.oldest = (self.oldest + 1) % KEPT_CHUNKS;
        let old = std::mem::replace(place, chunk);
        if old == 0 {
            return;
        }
        // SAFETY: a chunk's entry, to which nobody else refers.
        let entry = unsafe { &mut *entry_of(old) };
        entry.kept = false;
        if entry.used == 0 {
            discard(old);
        }
    }
}

/// Gives back the memory of a chunk without objects, and keeps what a free run has written at its borders.
fn discard(chunk: usize) {
    let last = chunk + CHUNK - UNIT;
    let read = |unit| {
        // SAFETY: memory of ours, of which anything may be read as bytes.
        bit(unit).get().then(|| unsafe { *with_exposed_provenance_mut::<[u8; UNIT]>(unit) })
    };
    let borders = [(chunk, read(chunk)), (last, read(last))];
    // SAFETY: nothing of the chunk is in use, but for the borders.
    unsafe { Piece::of_pages(chunk, CHUNK) }.discard();
    for (unit, bytes) in borders {
        if let Some(bytes) = bytes {
            // SAFETY: as above.
            unsafe { *with_exposed_provenance_mut(unit) = bytes };
        }
    }
}

fn run_at(start: usize) -> *mut Run {
    with_exposed_provenance_mut(start)
}

/// Counts units into their chunks.
#[inline]
fn count_in(start: usize, units: usize) {
    for (chunk, units) in parts(start, units) {
        // SAFETY: a chunk's entry, to which nobody refers.
        unsafe { (*entry_of(chunk)).used += units };
    }
}

/// The chunks that a run lies in, each with the number of its units there.
#[inline]
fn parts(mut start: usize, units: usize) -> impl Iterator<Item = (usize, u16)> {
    let end = start + units * UNIT;
    std::iter::from_fn(move || {
        if start == end {
            return None;
        }
        let chunk = start & !(CHUNK - 1);
        let units = ((chunk + CHUNK).min(end) - start) / UNIT;
        start += units * UNIT;
        Some((chunk, units as u16))
    })
}

/// What is known of the chunk at this address, in its region's head.
#[inline]
fn entry_of(chunk: usize) -> *mut Chunk {
    let number = (chunk & (REGION - 1)) / CHUNK;
    with_exposed_provenance_mut((chunk & !(REGION - 1)) + BITMAP + number * size_of::<Chunk>())
}

/// A unit's bit in its region's bitmap.
struct Bit {
    word: *mut u64,
    mask: u64,
}

/// The bit of the unit at this address, which lies in a region.
#[inline]
fn bit(unit: usize) -> Bit {
    let number = (unit & (REGION - 1)) / UNIT;
    let word = with_exposed_provenance_mut((unit & !(REGION - 1)) + number / 64 * 8);
    Bit { word, mask: 1 << (number % 64) }
}

impl Bit {
    #[inline]
    fn get(&self) -> bool {
        // SAFETY: a word of a region's bitmap, as all bits; the lock is held, as by all of this module's callers.
        unsafe { *self.word & self.mask != 0 }
    }

    #[inline]
    fn set(&self) {
        // SAFETY: as above.
        unsafe { *self.word |= self.mask }
    }

    #[inline]
    fn clear(&self) {
        // SAFETY: as above.
        unsafe { *self.word &= !self.mask }
    }
}
