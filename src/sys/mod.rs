//! The operating system: everything that is unsafe, or differs from system to system. It imports nothing of ours.

#[cfg(target_os = "linux")]
pub mod alloc;
