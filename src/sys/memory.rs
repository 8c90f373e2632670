//! How the C library's allocator behaves.

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
