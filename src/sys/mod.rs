//! The operating system: sockets, waiting, time, randomness, identity; and the machine: memory, the cache.
//!
//! All unsafe code of the tracker is in here, so that it can be read in one sitting; everything else is checked by
//! the compiler. Nothing in here knows of trackers: sizes and times come in as arguments.
//!
//! What Linux does better than other systems is in `linux` and `poller::epoll`; the same in calls that every Unix has is in `portable`
//! and `poller::poll`. `RUSTFLAGS="--cfg opentracker_portable"` has the portable forms used on Linux too, where all tests pass with them.

pub mod cache;
#[cfg(all(target_os = "linux", any(test, not(opentracker_portable))))]
// as `linux`, which has it
#[cfg_attr(opentracker_portable, expect(dead_code))]
mod capability;
pub mod clock;
pub mod datagram;
mod environment;
pub mod failure;
pub mod file;
pub mod handed;
pub mod headroom;
#[cfg(all(target_os = "linux", any(test, not(opentracker_portable))))]
// tests build it in any case, for the poller's sake
#[cfg_attr(opentracker_portable, expect(dead_code))]
mod linux;
pub mod memory;
pub mod multicast;
mod pktinfo;
pub mod poller;
mod portable;
pub mod privileges;
pub mod process;
pub mod randomness;
pub mod resources;
pub mod service_manager;
pub mod signals;
pub mod socket;
pub mod stderr;
pub mod syslog;
mod turns;
pub mod waker;

#[cfg(all(target_os = "linux", not(opentracker_portable)))]
use linux as native;
#[cfg(not(all(target_os = "linux", not(opentracker_portable))))]
use portable as native;
