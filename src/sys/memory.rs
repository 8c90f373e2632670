//! How the C library's allocator behaves.

/// Has large pieces of memory be mappings of their own, which go back to the system when they are freed, whatever was freed before;
/// and has all threads share one heap, since each further one reserves 64 MiB of addresses. To be called before there are threads.
///
/// glibc otherwise raises the size from which on it does so to that of the largest mapping that was ever freed. Other C
/// libraries do it at a fixed size.
pub fn tune() {
    #[cfg(target_env = "gnu")]
    // SAFETY: both settings only take a number, there is one thread yet, and a refusal changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10);
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
