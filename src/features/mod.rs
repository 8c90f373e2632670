//! The seam: the only place, besides `lib.rs`, that asks for cargo features.
//!
//! A small switch is a constant, and code that depends on it is a plain `if`, so that both sides always compile. A large one is
//! a module beside a face that does nothing and has the same items.

use crate::config::{AccessList, Switches};

#[cfg(any(feature = "accesslist-black", feature = "accesslist-white"))]
pub mod accesslist;
#[cfg(not(any(feature = "accesslist-black", feature = "accesslist-white")))]
#[path = "no_accesslist.rs"]
pub mod accesslist;
#[cfg(not(feature = "sync-live"))]
#[path = "no_livesync.rs"]
pub mod livesync;
#[cfg(feature = "sync-live")]
pub mod livesync;

/// A tracker for IPv6: peers of 18 bytes.
pub const V6: bool = cfg!(feature = "v6");

/// Bytes of an address in this build.
pub const ADDRESS: usize = if V6 { 16 } else { 4 };

/// `GET /scrape` without info hashes, and the dumps among the statistics.
pub const FULLSCRAPE: bool = cfg!(feature = "fullscrape");

/// The list that decides which torrents are served, if there is one.
pub const ACCESSLIST: Option<AccessList> = if cfg!(feature = "accesslist-white") {
    Some(AccessList::White)
} else if cfg!(feature = "accesslist-black") {
    Some(AccessList::Black)
} else {
    None
};

/// Statistics are for blessed addresses only.
pub const RESTRICT_STATS: bool = cfg!(feature = "restrict-stats");

/// `ip=` of an HTTP announce is believed.
pub const IP_FROM_QUERY_STRING: bool = cfg!(feature = "ip-from-query-string");

/// `X-Forwarded-For` is believed from blessed proxies.
pub const IP_FROM_PROXY: bool = cfg!(feature = "ip-from-proxy");

/// HTTP connections stay for further requests where the client asks for that.
pub const KEEPALIVE: bool = cfg!(feature = "keepalive");

/// What the command line and the config file may say in this build.
pub const SWITCHES: Switches = Switches {
    accesslist: ACCESSLIST,
    sync_live: cfg!(feature = "sync-live"),
    restrict_stats: RESTRICT_STATS,
    ip_from_proxy: IP_FROM_PROXY,
    v6: V6,
};

/// Every switch, and whether it is compiled in, for people who ask for the version.
pub const COMPILED_IN: &[(&str, bool)] = &[
    ("fullscrape", FULLSCRAPE),
    ("v6", V6),
    ("compression-gzip", cfg!(feature = "compression-gzip")),
    ("compression-gzip-always", cfg!(feature = "compression-gzip-always")),
    ("accesslist-black", cfg!(feature = "accesslist-black")),
    ("accesslist-white", cfg!(feature = "accesslist-white")),
    ("sync-live", SWITCHES.sync_live),
    ("restrict-stats", RESTRICT_STATS),
    ("ip-from-query-string", IP_FROM_QUERY_STRING),
    ("ip-from-proxy", IP_FROM_PROXY),
    ("modest-fullscrapes", cfg!(feature = "modest-fullscrapes")),
    ("log-numwant", cfg!(feature = "log-numwant")),
    ("spot-woodpecker", cfg!(feature = "spot-woodpecker")),
    ("fulllog-networks", cfg!(feature = "fulllog-networks")),
    ("syslogs", cfg!(feature = "syslogs")),
    ("keepalive", KEEPALIVE),
];
