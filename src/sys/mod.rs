//! The operating system: sockets, waiting, time, randomness, identity; and the machine: memory, the cache.
//!
//! All unsafe code of the tracker lives here, so that it can be read in one sitting; everything else is checked by
//! the compiler. The wing knows nothing of trackers: sizes and times come in as arguments.

pub mod cache;
pub mod clock;
pub mod datagram;
pub mod failure;
pub mod file;
pub mod memory;
pub mod multicast;
mod pktinfo;
pub mod poller;
pub mod privileges;
pub mod randomness;
pub mod resources;
pub mod signals;
pub mod socket;
pub mod stderr;
pub mod syslog;
mod turns;
pub mod waker;
