//! The seam: the only place, besides `lib.rs`, that asks for cargo features.
//!
//! A small switch is a constant, and code that depends on it is a plain `if`, so that both sides always compile. A large one is
//! a module beside a face that does nothing and has the same items.

use crate::config::Switches;

/// `GET /scrape` without info hashes, and the dumps among the statistics.
pub const FULLSCRAPE: bool = cfg!(feature = "fullscrape");

/// A tracker for IPv6: peers of 18 bytes.
pub const V6: bool = cfg!(feature = "v6");

/// Bytes of an address in this build.
pub const ADDRESS: usize = if V6 { 16 } else { 4 };

/// What the command line and the config file may say in this build.
pub const SWITCHES: Switches = Switches {
    accesslist: None,
    sync_live: cfg!(feature = "sync-live"),
    restrict_stats: cfg!(feature = "restrict-stats"),
    ip_from_proxy: cfg!(feature = "ip-from-proxy"),
    v6: V6,
};

/// The names of the switches compiled in, for people who ask for the version.
pub const COMPILED_IN: &[(&str, bool)] = &[("fullscrape", FULLSCRAPE), ("v6", V6)];
