//! Memory straight from the system: mappings, and giving them back without ever giving back much in one go.

use std::ptr::{null_mut, with_exposed_provenance_mut};

use super::reserve;
use rustix::mm::{Advice, MapFlags, MremapFlags, ProtFlags, madvise, mmap_anonymous, mremap, munmap};

/// Alignment that every mapping has. Pages may be larger than this on other machines, never smaller.
pub(super) const PAGE: usize = 4096;

/// Mappings are multiples of this, which is a multiple of every page size in use. What is not touched costs nothing.
pub(super) const GRANULE: usize = 64 << 10;

/// Bytes of a big object that one call gives back: some ten microseconds of the system's work.
const SLICE: usize = 64 << 10;

/// `size` rounded up to whole granules.
const fn whole(size: usize) -> usize {
    size.saturating_add(GRANULE - 1) & !(GRANULE - 1)
}

/// New zeroed memory of at least `size` bytes at a multiple of `align`, a power of two; null if there is none.
pub(super) fn map(size: usize, align: usize) -> *mut u8 {
    let size = whole(size);
    let start = map_anywhere(size);
    if start.addr() & (align - 1) == 0 {
        return start; // also where it is null
    }
    Piece { start: start.expose_provenance(), size }.unmap();
    // With this much more there is an aligned start inside, whose surroundings are given back.
    let Some(roomy) = size.checked_add(whole(align)) else {
        return null_mut();
    };
    let start = map_anywhere(roomy).expose_provenance();
    if start == 0 {
        return null_mut();
    }
    let aligned = (start + align - 1) & !(align - 1);
    Piece { start, size: aligned - start }.unmap();
    Piece { start: aligned + size, size: start + roomy - aligned - size }.unmap();
    with_exposed_provenance_mut(aligned)
}

fn map_anywhere(size: usize) -> *mut u8 {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    loop {
        // SAFETY: a new mapping at a place of the kernel's choice disturbs nobody.
        let mapping = unsafe { mmap_anonymous(null_mut(), size, access, MapFlags::PRIVATE) };
        match mapping {
            Ok(start) => return start.cast(),
            Err(_) if reserve::release() => {}
            Err(_) => return null_mut(),
        }
    }
}

/// The start of `size` bytes of addresses with nothing behind them; 0 if there are none.
pub(super) fn map_nothing(size: usize) -> usize {
    // SAFETY: as above.
    let mapping = unsafe { mmap_anonymous(null_mut(), size, ProtFlags::empty(), MapFlags::PRIVATE) };
    mapping.map_or(0, |start| start.expose_provenance())
}

/// Keeps huge pages away from `size` bytes at `start`, where the system would use them unasked.
pub(super) fn refuse_huge_pages(start: *mut u8, size: usize) {
    // SAFETY: this advice changes no contents. It fails where there are no huge pages, which is just as well.
    let _ = unsafe { madvise(start.cast(), size, Advice::LinuxNoHugepage) };
}

/// Whole pages that are ours and that nobody uses any more, by address.
///
/// Who makes one vouches for that; it is what makes the methods safe.
pub(super) struct Piece {
    start: usize,
    size: usize,
}

impl Piece {
    /// The mapping behind a big object of `size` bytes.
    ///
    /// # Safety
    /// `start` came from [`map`] or [`Piece::grow`] with a size that rounds alike, and its contents are used no more unless
    /// through the methods' results.
    pub(super) unsafe fn of(start: *mut u8, size: usize) -> Self {
        Self { start: start.expose_provenance(), size: whole(size) }
    }

    /// Just these pages, of a mapping whose address has been exposed.
    ///
    /// # Safety
    /// They are whole pages, mapped, and their contents are used no more.
    pub(super) unsafe fn of_pages(start: usize, size: usize) -> Self {
        Self { start, size }
    }

    /// Gives memory and address space back.
    pub(super) fn unmap(self) {
        if self.size == 0 {
            return;
        }
        // SAFETY: whole pages that nobody uses, as every piece.
        let done = unsafe { munmap(with_exposed_provenance_mut(self.start), self.size) };
        if done.is_err() {
            // The table of mappings is full: the addresses are lost, the memory is not.
            self.discard();
        }
    }

    /// Gives the memory back and keeps the addresses: it reads as zero afterwards.
    pub(super) fn discard(self) {
        // SAFETY: whole pages whose contents nobody uses, as every piece.
        let _ = unsafe { madvise(with_exposed_provenance_mut(self.start), self.size, Advice::LinuxDontNeed) };
    }

    /// Cuts off what an object of `size` bytes does not need; none if it needs more than this.
    pub(super) fn split_for(&mut self, size: usize) -> Option<Piece> {
        let head = whole(size);
        let tail = self.size.checked_sub(head)?;
        self.size = head;
        Some(Piece { start: self.start + head, size: tail })
    }

    /// Makes it longer where it is or moves it, contents and all. Null if there is no room: then it is as before.
    pub(super) fn grow(self, size: usize) -> *mut u8 {
        let start = with_exposed_provenance_mut(self.start);
        loop {
            // SAFETY: the whole of one mapping, and the object in it is given up for the result.
            let moved = unsafe { mremap(start, self.size, whole(size), MremapFlags::MAYMOVE) };
            match moved {
                Ok(start) => return start.cast(),
                Err(_) if reserve::release() => {}
                Err(_) => return null_mut(),
            }
        }
    }
}

/// Big objects on their way back to the system, from their ends to their starts. The notes about them are kept in
/// their own first bytes.
pub(super) struct Leaving {
    first: *mut Note,
}

struct Note {
    next: *mut Note,
    size: usize,
}

impl Leaving {
    pub(super) const fn new() -> Self {
        Self { first: null_mut() }
    }

    /// Takes a piece in; [`Leaving::slice`] hands it out again.
    pub(super) fn push(&mut self, piece: Piece) {
        if piece.size == 0 {
            return;
        }
        let note: *mut Note = with_exposed_provenance_mut(piece.start);
        let next = self.first;
        // SAFETY: the piece is writable memory of at least a page that nobody else uses.
        unsafe { note.write(Note { next, size: piece.size }) };
        self.first = note;
    }

    /// The next slice that shall be unmapped, if any is left.
    #[inline]
    pub(super) fn slice(&mut self) -> Option<Piece> {
        if self.first.is_null() { None } else { Some(self.cut()) }
    }

    #[cold]
    fn cut(&mut self) -> Piece {
        let start = self.first.addr();
        // SAFETY: `first` is a note that `push` wrote, in a piece that is still mapped at least that far.
        let note = unsafe { &mut *self.first };
        if note.size <= SLICE {
            let size = note.size;
            self.first = note.next;
            return Piece { start, size };
        }
        note.size -= SLICE;
        Piece { start: start + note.size, size: SLICE }
    }
}
