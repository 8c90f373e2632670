//! Bytes to meaning and back, without any state: what stands on the wire.
//!
//! [`query`] scans request lines, [`http`] knows requests and reply heads, [`announce`] and [`scrape`] their parameters,
//! [`udp`] the datagrams of BEP 15, [`livesync`] those of a cluster, [`bencode`] the bodies of replies, [`number`] what counts as a number.

pub mod announce;
pub mod bencode;
pub mod http;
pub mod livesync;
pub mod number;
pub mod query;
pub mod scrape;
pub mod udp;
