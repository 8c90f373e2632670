//! Bytes to meaning and back, without any state.
//!
//! [`query`] scans request lines, [`http`] reads requests and writes the heads of replies, [`announce`] and [`scrape`] read parameters,
//! [`udp`] the datagrams of BEP 15, [`bencode`] the bodies of replies, [`number`] what counts as a number.

pub mod announce;
pub mod bencode;
pub mod http;
pub mod number;
pub mod query;
pub mod scrape;
pub mod udp;
