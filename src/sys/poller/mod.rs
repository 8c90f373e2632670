//! Waiting for many descriptors at once, level triggered.
//!
//! Two forms with the same items: epoll on Linux, poll(2) elsewhere and where the portable forms are asked for. Tests build and run both
//! on Linux.
//!
//! A descriptor must be removed before it is closed.

#[cfg(all(target_os = "linux", any(test, not(opentracker_portable))))]
mod epoll;
#[cfg(any(test, opentracker_portable, not(target_os = "linux")))]
mod poll;

#[cfg(all(target_os = "linux", not(opentracker_portable)))]
pub use epoll::Poller;
#[cfg(any(opentracker_portable, not(target_os = "linux")))]
pub use poll::Poller;

/// What of a descriptor is waited for. A hangup is always reported, even with nothing waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    /// Bytes, connections or an end of stream to be read.
    pub read: bool,
    /// Room to write.
    pub write: bool,
}

impl Interest {
    /// Only the hangup.
    pub const NONE: Interest = Interest { read: false, write: false };
    /// Something to read.
    pub const READ: Interest = Interest { read: true, write: false };
    /// Room to write.
    pub const WRITE: Interest = Interest { read: false, write: true };
}

/// What a wait found out about one descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The number that the descriptor was added with.
    pub token: u64,
    /// A read will not block. An end of stream is readable too.
    pub readable: bool,
    /// A write will not block.
    pub writable: bool,
    /// Both directions are dead. A peer that only shut its sending side does not count.
    pub hangup: bool,
}

#[cfg(all(test, target_os = "linux"))]
mod tests_epoll {
    use super::epoll::Poller;
    include!("tests.rs");
}

#[cfg(test)]
mod tests_poll {
    use super::poll::Poller;
    include!("tests.rs");
}
