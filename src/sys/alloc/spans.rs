//! Small objects: spans of 64 KiB, each cut into objects of one size.
//!
//! Spans are cut from regions. The first span's room of a region holds the headers of all the others, so that an
//! object's address gives its header by masking, objects stay aligned to what their size is a multiple of, and the
//! headers that are walked lie close together.
//!
//! Objects are taken from the span that most recently stopped being full: it has the fewest holes, and the sparse
//! ones get time to become empty. An empty span serves any class; a few of them keep their memory, the rest
//! give it back.

use std::mem::size_of;
use std::ptr::{null_mut, with_exposed_provenance_mut};

use static_assertions::const_assert;

use super::pages::{GRANULE, Piece, map, refuse_huge_pages};

/// Bytes of a span.
const SPAN: usize = GRANULE;

/// Bytes of a region, and what its address is a multiple of.
const REGION: usize = 64 << 20;

/// Empty spans that keep their memory, so that a class which comes and goes does not go to the system each time.
const KEPT_SPANS: usize = 16;

/// Classes up to this size are [`STEP`] apart.
const FINE_MAX: usize = 1024;

/// Step of the fine classes, and the smallest object.
const STEP: usize = 16;

/// Number of fine classes.
const FINE: usize = FINE_MAX / STEP;

/// Bits in a coarse class's number below the power of two: eight steps between a power and the next.
const COARSE_BITS: u32 = 3;

/// Biggest object in a span.
const OBJECT_MAX: usize = SPAN / 2;

/// Number of classes.
const CLASSES: usize = FINE + ((OBJECT_MAX.ilog2() - FINE_MAX.ilog2()) << COARSE_BITS) as usize;

/// No object: the end of a span's list of free ones. No object starts here, the span's end.
const NONE: u32 = SPAN as u32;

/// What is known about a span. All zero (as new memory is) for one that was never used.
#[repr(align(64))]
struct Span {
    next: *mut Span,
    prev: *mut Span,
    /// Offset of the first free object; its first four bytes are the offset of the next.
    free: u32,
    /// Offset behind the last object ever taken: memory beyond is untouched.
    fresh: u32,
    /// Objects in use, and how many there can be.
    used: u32,
    room: u32,
    size: u32,
    class: u32,
}

const_assert!(size_of::<Span>() * (REGION / SPAN) <= SPAN);

/// The class of objects of this size and alignment; none for those that get a mapping of their own.
///
/// All objects of a class are aligned alike: sizes of fine classes are multiples of any power of two that the rounded size is
/// one of, and coarse sizes are multiples of their step, which is either no less than the alignment or divides it.
#[inline]
pub(super) const fn class_of(size: usize, align: usize) -> Option<usize> {
    let size = (size + align - 1) & !(align - 1);
    let last = size.saturating_sub(1);
    if size <= FINE_MAX {
        Some(last / STEP)
    } else if size <= OBJECT_MAX {
        let power = last.ilog2();
        let eighth = (last >> (power - COARSE_BITS)) & ((1 << COARSE_BITS) - 1);
        Some(FINE + (((power - FINE_MAX.ilog2()) as usize) << COARSE_BITS) + eighth)
    } else {
        None
    }
}

/// Bytes of an object of a class.
const fn size_of_class(class: usize) -> usize {
    if class < FINE {
        return (class + 1) * STEP;
    }
    let power = FINE_MAX << ((class - FINE) >> COARSE_BITS);
    let eighth = (class - FINE) & ((1 << COARSE_BITS) - 1);
    power + (power >> COARSE_BITS) * (eighth + 1)
}

/// A span without objects that is on no list.
pub(super) struct EmptySpan(*mut Span);

impl EmptySpan {
    /// Its memory.
    pub(super) fn memory(&self) -> Piece {
        let start = with_exposed_provenance_mut(start_of(self.0));
        // SAFETY: the span is on no list and has no objects, so that nobody uses its memory.
        unsafe { Piece::of(start, SPAN) }
    }
}

/// A doubly linked list of spans, last in, first out.
#[derive(Clone, Copy)]
struct List {
    first: *mut Span,
}

impl List {
    const EMPTY: List = List { first: null_mut() };

    /// # Safety
    /// `span` is a header of the heap that this list belongs to, and on no list.
    unsafe fn push(&mut self, span: *mut Span) {
        let second = self.first;
        // SAFETY: a header, by contract; so is what is on the list.
        unsafe {
            (*span).prev = null_mut();
            (*span).next = second;
            if !second.is_null() {
                (*second).prev = span;
            }
        }
        self.first = span;
    }

    /// # Safety
    /// `span` is on this list.
    unsafe fn remove(&mut self, span: *mut Span) {
        // SAFETY: on the list are only headers, and both neighbours are on it too.
        unsafe {
            let (prev, next) = ((*span).prev, (*span).next);
            if prev.is_null() {
                self.first = next;
            } else {
                (*prev).next = next;
            }
            if !next.is_null() {
                (*next).prev = prev;
            }
        }
    }

    fn pop(&mut self) -> Option<*mut Span> {
        let span = self.first;
        if span.is_null() {
            return None;
        }
        // SAFETY: it is the list's first.
        unsafe { self.remove(span) };
        Some(span)
    }
}

/// All spans and their objects.
pub(super) struct Heap {
    /// By class, spans with objects and with room for more.
    open: [List; CLASSES],
    /// Empty spans that keep their memory, and how many they are.
    kept: List,
    kept_len: usize,
    /// Empty spans without memory.
    bare: List,
    /// Headers of the newest region's spans that were never used, and their end.
    unused: usize,
    unused_end: usize,
}

impl Heap {
    pub(super) const fn new() -> Self {
        Self {
            open: [List::EMPTY; CLASSES],
            kept: List::EMPTY,
            kept_len: 0,
            bare: List::EMPTY,
            unused: 0,
            unused_end: 0,
        }
    }

    /// A new object of a class from [`class_of`], its contents undefined. Null if there is no memory.
    #[inline]
    pub(super) fn take(&mut self, class: usize) -> *mut u8 {
        let Some(list) = self.open.get_mut(class) else {
            return null_mut();
        };
        let mut header = list.first;
        if header.is_null() {
            header = self.open_span(class);
            if header.is_null() {
                return null_mut();
            }
        }
        // SAFETY: a header, of a span on its class's list, and nobody else refers to it.
        let span = unsafe { &mut *header };
        let start = start_of(header);
        let object: *mut u8;
        if span.free == NONE {
            object = with_exposed_provenance_mut(start + span.fresh as usize);
            span.fresh += span.size;
        } else {
            object = with_exposed_provenance_mut(start + span.free as usize);
            // SAFETY: the span's free objects begin with the offset of the next, aligned since objects are.
            span.free = unsafe { object.cast::<u32>().read() };
        }
        span.used += 1;
        if span.used == span.room {
            self.close_span(class, header);
        }
        object
    }

    /// Takes an object back. A span that becomes empty by it and shall lose its memory is handed out: it
    /// comes back through [`Heap::store`].
    ///
    /// # Safety
    /// `object` came from [`Heap::take`] of this heap and is used no more.
    #[inline]
    pub(super) unsafe fn give(&mut self, object: *mut u8) -> Option<EmptySpan> {
        let header = header_of(object.addr());
        // SAFETY: the header of a span with at least one object; nobody else refers to it.
        let span = unsafe { &mut *header };
        let list = self.open.get_mut(span.class as usize)?;
        // SAFETY: every object has room for four bytes at this alignment and this one is ours now.
        unsafe { object.cast::<u32>().write(span.free) };
        span.free = (object.addr() & (SPAN - 1)) as u32;
        let was_full = span.used == span.room;
        span.used -= 1;
        if was_full {
            // SAFETY: full spans are on no list.
            unsafe { list.push(header) };
        }
        if span.used == 0 { self.empty_span(header) } else { None }
    }

    /// Stores a span whose memory has been given back.
    pub(super) fn store(&mut self, span: EmptySpan) {
        // SAFETY: an empty span is on no list.
        unsafe { self.bare.push(span.0) };
    }

    fn close_span(&mut self, class: usize, header: *mut Span) {
        if let Some(list) = self.open.get_mut(class) {
            // SAFETY: spans with room are on the list of their class, and this one had some a moment ago.
            unsafe { list.remove(header) };
        }
    }

    #[cold]
    fn empty_span(&mut self, header: *mut Span) -> Option<EmptySpan> {
        // SAFETY: a header, whose span has room and so is on the list of its class.
        let class = unsafe { (*header).class } as usize;
        self.close_span(class, header);
        if self.kept_len == KEPT_SPANS {
            return Some(EmptySpan(header));
        }
        self.kept_len += 1;
        // SAFETY: it has just left its only list.
        unsafe { self.kept.push(header) };
        None
    }

    /// Puts an empty span at the service of a class. Null if there is no memory.
    #[cold]
    fn open_span(&mut self, class: usize) -> *mut Span {
        let header = if let Some(kept) = self.kept.pop() {
            self.kept_len -= 1;
            kept
        } else if let Some(bare) = self.bare.pop() {
            bare
        } else {
            self.unused_span()
        };
        let (false, Some(list)) = (header.is_null(), self.open.get_mut(class)) else {
            return null_mut();
        };
        let size = size_of_class(class);
        let span = Span {
            next: null_mut(),
            prev: null_mut(),
            free: NONE,
            fresh: 0,
            used: 0,
            room: (SPAN / size) as u32,
            size: size as u32,
            class: class as u32,
        };
        // SAFETY: room for a header that nobody refers to.
        unsafe { header.write(span) };
        // SAFETY: it has just left its list or was on none yet.
        unsafe { list.push(header) };
        header
    }

    /// The next span that was never used, from a new region if need be. Null if there is no memory.
    fn unused_span(&mut self) -> *mut Span {
        if self.unused == self.unused_end {
            let region = map(REGION, REGION);
            if region.is_null() {
                return null_mut();
            }
            refuse_huge_pages(region, REGION);
            let start = region.expose_provenance();
            // The first header would be that of the headers' own place.
            self.unused = start + size_of::<Span>();
            self.unused_end = start + size_of::<Span>() * (REGION / SPAN);
        }
        let header = with_exposed_provenance_mut(self.unused);
        self.unused += size_of::<Span>();
        header
    }
}

/// Where the header is of the span that an object's address lies in.
#[inline]
fn header_of(object: usize) -> *mut Span {
    let region = object & !(REGION - 1);
    let number = (object & (REGION - 1)) / SPAN;
    with_exposed_provenance_mut(region + number * size_of::<Span>())
}

/// Address of the memory of a header's span.
#[inline]
fn start_of(header: *mut Span) -> usize {
    let region = header.addr() & !(REGION - 1);
    let number = (header.addr() & (REGION - 1)) / size_of::<Span>();
    region + number * SPAN
}
