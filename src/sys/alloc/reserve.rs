//! Address space held back for the moment when the system gives no more, so that the program gets to notice it and can
//! stop growing, in place of ending in the middle of something.

use super::pages::{Piece, map_nothing};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Enough for one more region wherever it is aligned, and for some big objects beside it.
pub(super) const SIZE: usize = 192 << 20;

/// Where the reserve is; 0 where there is none.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// Whether it has been used.
static BROKEN: AtomicBool = AtomicBool::new(false);

/// Holds the reserve back from now on. Takes no memory, only addresses; where there are none, there is no reserve.
pub fn hold() {
    HELD.store(map_nothing(SIZE), Ordering::Relaxed);
}

/// Gives the reserve to whoever needs it. False if there is none.
#[cold]
pub(super) fn release() -> bool {
    let start = HELD.swap(0, Ordering::Relaxed);
    if start != 0 {
        // SAFETY: the whole mapping that `hold` made, which nobody else knows of.
        unsafe { Piece::of_pages(start, SIZE) }.unmap();
        BROKEN.store(true, Ordering::Relaxed);
    }
    start != 0
}

/// Holds the reserve again, if the system has memory again. False if it has not.
#[cold]
pub(super) fn mend() -> bool {
    hold();
    let held = HELD.load(Ordering::Relaxed) != 0;
    BROKEN.store(!held, Ordering::Relaxed);
    held
}

/// Whether the system has refused memory, and no reserve is held for the next time.
pub(super) fn is_broken() -> bool {
    BROKEN.load(Ordering::Relaxed)
}
