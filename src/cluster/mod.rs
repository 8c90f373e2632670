//! Live sync: the trackers of a cluster report their peers to each other, so that clients of all of them meet (`sync-live`).
//!
//! [`packet`] has the format of what they send. The [`Outbox`] collects what this tracker has to report and knows when it is due; it
//! does no I/O, and time is an argument. The [`Sockets`] belong to the server.

mod outbox;
pub mod packet;
mod sockets;

pub use outbox::Outbox;
pub use sockets::Sockets;
