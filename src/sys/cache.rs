//! Hints to the processor's cache.

/// Bytes that come into the cache together; more on some machines.
pub const LINE: usize = 64;

/// Has the processor fetch the cache line that a value begins in, without waiting for it. Nothing happens on machines whose
/// instruction for that is not known here.
#[inline(always)]
pub fn prefetch<T>(value: &T) {
    let at: *const T = value;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every processor of this kind has the instruction, and it changes nothing that a program can see.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) at, options(nostack, preserves_flags, readonly));
    }
    let _ = at;
}
