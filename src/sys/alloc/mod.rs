//! The memory allocator: gives memory back to the system as it becomes free, in small steps.
//!
//! A tracker holds tens of millions of small arrays that grow, shrink and go. A general allocator either keeps what
//! they leave behind or, in one call that happens to be the unlucky one, trims for many milliseconds. Here each call
//! does a bounded piece of work: no more goes back to the system than the chunks of 16 KiB that an object filled, or one
//! slice of a big object.
//!
//! Up to 128 KiB an object lives in a heap of regions, without a header of its own (`heap`). Anything bigger is a mapping of
//! its own (`pages`). The layout alone tells which of the two. Where the system gives no more, there is a `reserve`.
//!
//! One spin lock guards it all, since one thread does nearly all the allocating; slices of big objects are given back
//! outside of it. Nothing in here panics or allocates: out of memory is a null pointer.

mod heap;
mod pages;
mod reserve;
#[cfg(test)]
mod tests;

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};

use heap::{Heap, UNIT, units_of};
pub use reserve::hold as hold_reserve;

use pages::{Leaving, PAGE, Piece};

/// Looks at a taken lock before the processor is offered to another thread. Its holder is done within some hundred
/// instructions, unless it has been preempted.
const SPINS: u32 = 100;

/// Bytes of free memory that count as short where the system has refused more.
const REST: usize = 48 << 20;

/// An allocator for the whole process: `#[global_allocator] static ALLOCATOR: Allocator = Allocator::new();`
///
/// Meant to live as long as the process: dropping one leaves its memory mapped.
pub struct Allocator {
    locked: AtomicBool,
    inner: UnsafeCell<Inner>,
}

struct Inner {
    heap: Heap,
    leaving: Leaving,
}

// SAFETY: `inner` is reached through `with` alone, which lets one thread in at a time; the memory behind its pointers
// belongs to the process, not to a thread.
unsafe impl Sync for Allocator {}

// SAFETY: as above.
unsafe impl Send for Allocator {}

impl Allocator {
    /// An allocator that holds nothing yet.
    pub const fn new() -> Self {
        Self {
            locked: AtomicBool::new(false),
            inner: UnsafeCell::new(Inner { heap: Heap::new(), leaving: Leaving::new() }),
        }
    }

    /// Whether memory has run out but for a rest that is kept for what goes on without growing.
    pub fn is_short(&self) -> bool {
        reserve::is_broken() && !reserve::mend() && self.with(|inner| inner.heap.free_bytes()) < REST
    }

    /// Runs `work` under the lock. It must neither panic nor come back here.
    #[inline]
    fn with<R>(&self, work: impl FnOnce(&mut Inner) -> R) -> R {
        if self.locked.swap(true, Ordering::Acquire) {
            self.wait();
        }
        // SAFETY: the lock is ours until the store below, so this is the only reference.
        let result = work(unsafe { &mut *self.inner.get() });
        self.locked.store(false, Ordering::Release);
        result
    }

    /// Waits for the lock and takes it.
    #[cold]
    fn wait(&self) {
        loop {
            for _ in 0..SPINS {
                spin_loop();
                if !self.locked.load(Ordering::Relaxed) && !self.locked.swap(true, Ordering::Acquire) {
                    return;
                }
            }
            std::thread::yield_now();
        }
    }

    #[inline]
    fn alloc_small(&self, units: usize, align: usize) -> *mut u8 {
        let (object, slice) = self.with(|inner| (inner.heap.take(units, align), inner.leaving.slice()));
        if let Some(slice) = slice {
            slice.unmap();
        }
        object
    }

    /// # Safety
    /// `object` came from `alloc_small` of this allocator with as many units and is used no more.
    #[inline]
    unsafe fn free_small(&self, object: *mut u8, units: usize) {
        let slice = self.with(|inner| {
            // SAFETY: passed on from our caller.
            unsafe { inner.heap.give(object.addr(), units) };
            inner.leaving.slice()
        });
        if let Some(slice) = slice {
            slice.unmap();
        }
    }

    /// Changes the size of an object in its place; false if there is something behind it.
    ///
    /// # Safety
    /// `object` came from `alloc_small` of this allocator with `old` units, and those beyond `new` are used no more.
    unsafe fn resize_small(&self, object: *mut u8, old: usize, new: usize) -> bool {
        let end = object.addr() + UNIT * old.min(new);
        if new > old {
            // SAFETY: passed on from our caller.
            return self.with(|inner| unsafe { inner.heap.extend(end, new - old) });
        }
        if new < old {
            // SAFETY: passed on from our caller.
            self.with(|inner| unsafe { inner.heap.give(end, old - new) });
        }
        true
    }

    /// Lets go of a mapping, or the end of one: small ones at once, bigger ones slice by slice in the calls to come.
    fn free_big(&self, piece: Piece) {
        let slice = self.with(|inner| {
            inner.leaving.push(piece);
            inner.leaving.slice()
        });
        if let Some(slice) = slice {
            slice.unmap();
        }
    }

    /// Changes the size of a mapping: it stays, or its pages move without being copied.
    ///
    /// # Safety
    /// `object` is a mapping of this allocator made for `old` bytes, aligned to no more than a page; if the result is not
    /// null, the result takes its place.
    unsafe fn resize_big(&self, object: *mut u8, old: usize, new: usize) -> *mut u8 {
        // SAFETY: passed on from our caller.
        let mut whole = unsafe { Piece::of(object, old) };
        match whole.split_for(new) {
            Some(tail) => {
                self.free_big(tail);
                object
            }
            None => whole.grow(new),
        }
    }
}

impl Default for Allocator {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: objects come from the heap or are mappings, which hold at least the layout's size at its alignment, and no two
// overlap; `units_of` decides alike for every call with the same layout, so each goes back to where it came from.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match units_of(layout.size(), layout.align()) {
            Some(units) => self.alloc_small(units, layout.align()),
            None => pages::map(layout.size(), layout.align()),
        }
    }

    #[inline]
    unsafe fn dealloc(&self, object: *mut u8, layout: Layout) {
        match units_of(layout.size(), layout.align()) {
            // SAFETY: the caller hands back an object of this layout, and such objects are made by `alloc_small`.
            Some(units) => unsafe { self.free_small(object, units) },
            // SAFETY: likewise, objects of such a layout are mappings of their own.
            None => self.free_big(unsafe { Piece::of(object, layout.size()) }),
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on from our caller.
        let object = unsafe { self.alloc(layout) };
        // A new mapping is zero already. The heap's memory may have been used before.
        if !object.is_null() && units_of(layout.size(), layout.align()).is_some() {
            // SAFETY: the object has room for the layout's size.
            unsafe { object.write_bytes(0, layout.size()) };
        }
        object
    }

    unsafe fn realloc(&self, object: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let align = layout.align();
        match (units_of(layout.size(), align), units_of(new_size, align)) {
            // SAFETY: the object is of the heap and of so many units; the rest is passed on from our caller.
            (Some(old), Some(new)) if unsafe { self.resize_small(object, old, new) } => return object,
            // SAFETY: both layouts are of mappings; the rest is passed on from our caller.
            (None, None) if align <= PAGE => return unsafe { self.resize_big(object, layout.size(), new_size) },
            _ => {}
        }
        let Ok(new_layout) = Layout::from_size_align(new_size, align) else {
            return null_mut();
        };
        // SAFETY: the caller promises a new size above zero.
        let new = unsafe { self.alloc(new_layout) };
        if !new.is_null() {
            // SAFETY: both hold at least the smaller of the sizes, and a new object overlaps no other.
            unsafe { new.copy_from_nonoverlapping(object, layout.size().min(new_size)) };
            // SAFETY: the caller gives the old object up, and it was made with this layout.
            unsafe { self.dealloc(object, layout) };
        }
        new
    }
}
