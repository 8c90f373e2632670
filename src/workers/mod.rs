//! Helper threads. They own no tracker state: messages in, messages out, bounded.

pub mod udp;
