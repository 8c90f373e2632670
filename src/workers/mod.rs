//! Helper threads. They own no tracker state: messages in, messages out, bounded.
//! [`pace`] is the loop's as well.

pub mod pace;
pub mod press;
pub mod udp;
