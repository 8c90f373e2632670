//! How the C library's allocator behaves, and the reserve of memory for when the system has none to give.
//!
//! What is large asks whether memory [is short](is_short), or asks for memory in a way that may be refused. Everything else is small and
//! cannot be done without: where the system refuses that, the reserve is freed, and there is some.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// The reserve: memory that nobody touches. Null where there is none.
static RESERVE: AtomicPtr<u8> = AtomicPtr::new(null_mut());

/// Bytes that the reserve should have. 0 until it is asked for; it does not change afterwards.
static WANTED: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// The system's allocator. Where it refuses memory, the reserve is freed and it is asked again.
struct Allocator;

// SAFETY: all memory is the system allocator's, which is asked for what the caller asks for.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises what the system's allocator wants to be promised.
        or_from_reserve(layout.size(), || unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        or_from_reserve(layout.size(), || unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: as above; after a refusal the memory is what it was.
        or_from_reserve(bytes, || unsafe { System.realloc(memory, layout, bytes) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Asks for so many bytes, once more if freeing the reserve may help.
fn or_from_reserve(bytes: usize, ask: impl Fn() -> *mut u8) -> *mut u8 {
    let memory = ask();
    if memory.is_null() && bytes <= WANTED.load(Ordering::Relaxed) && free_reserve() { ask() } else { memory }
}

fn layout() -> Option<Layout> {
    Layout::array::<u8>(WANTED.load(Ordering::Relaxed)).ok().filter(|layout| layout.size() > 0)
}

/// Frees the reserve. Returns whether there was one.
fn free_reserve() -> bool {
    let reserve = RESERVE.swap(null_mut(), Ordering::AcqRel);
    let Some(layout) = layout().filter(|_| !reserve.is_null()) else { return false };
    // SAFETY: it was allocated with this layout, which stays the same, and only who takes it out of the static has it.
    unsafe { System.dealloc(reserve, layout) };
    true
}

/// Sets so many bytes aside, the same number each time. Returns whether they are there.
pub fn set_aside(bytes: usize) -> bool {
    WANTED.store(bytes, Ordering::Relaxed);
    let Some(layout) = layout().filter(|_| RESERVE.load(Ordering::Relaxed).is_null()) else { return true };
    // SAFETY: the layout has bytes.
    let fresh = unsafe { System.alloc(layout) };
    if fresh.is_null() {
        return false;
    }
    if RESERVE.compare_exchange(null_mut(), fresh, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        // SAFETY: it was just allocated with this layout, and is nowhere else: another thread was first.
        unsafe { System.dealloc(fresh, layout) };
    }
    true
}

/// Whether memory is short: the reserve was freed, and the system has not enough to set it aside again. Then nothing is to be begun that
/// takes much and can be done without.
pub fn is_short() -> bool {
    RESERVE.load(Ordering::Relaxed).is_null() && !set_aside(WANTED.load(Ordering::Relaxed))
}

/// Has pieces of memory of so many bytes and more be mappings of their own, which go back to the system when they are freed, whatever
/// was freed before; and has all threads share one heap, since each further one reserves 64 MiB of addresses. To be called before there are threads.
///
/// glibc otherwise raises the size from which on it does so to that of the largest mapping that was ever freed. Other C
/// libraries do it at a fixed size.
pub fn tune(large: usize) {
    #[cfg(target_env = "gnu")]
    // SAFETY: both settings only take a number, there is one thread yet, and a refusal changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, libc::c_int::try_from(large).unwrap_or(libc::c_int::MAX));
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
