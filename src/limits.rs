//! Every timeout, cap and buffer size of the tracker, named, with where it comes from.
//!
//! "as the original" marks what clients and operators can see of the C program; everything else is ours to choose.

use std::time::Duration;

/// Seconds in the minute that ages are counted in.
pub const MINUTE: u64 = 60;

/// Bytes of a config file's line, its line feed among them; what is longer counts as several lines (as the original).
pub const CONFIG_LINE_MAX: usize = 511;

// ---- swarms -----------------------------------------------------------------------------------------------------

/// Minutes after its last announce when a peer leaves its swarm (as the original).
pub const PEER_TIMEOUT_MINUTES: u32 = 45;

/// Minutes after which a torrent that has only its download count left is forgotten (as the original: 24 hours).
pub const TORRENT_TIMEOUT_MINUTES: u32 = 24 * 60;

/// Time between the starts of two walks over all torrents, in which peers and torrents leave (as the original).
pub const WALK_INTERVAL: Duration = Duration::from_secs(120);

// ---- announces --------------------------------------------------------------------------------------------------

/// Shortest announce interval told to clients, in seconds (as the original).
pub const INTERVAL_MIN: u32 = 1620;

/// Number of different announce intervals: they run from [`INTERVAL_MIN`] to 1979 seconds (as the original).
pub const INTERVAL_SPREAD: u32 = 360;

/// Peers in a reply to an HTTP announce that names no numwant (as the original).
pub const NUMWANT_DEFAULT: usize = 50;

/// Peers in a reply at most (as the original).
pub const NUMWANT_MAX: usize = 200;

/// Info hashes that one HTTP scrape is answered for (as the original).
pub const HTTP_SCRAPE_MAX: usize = 64;

/// Info hashes that one UDP scrape is answered for (as the original; BEP 15 says about 74).
pub const UDP_SCRAPE_MAX: usize = 75;

/// How long a UDP connection id is given out. It is taken for as long again afterwards.
pub const CONNECTION_ID_LIFE: Duration = Duration::from_secs(3600);

// ---- HTTP connections -------------------------------------------------------------------------------------------

/// Bytes of a request that are collected; more is answered with 500 (as the original).
pub const REQUEST_MAX: usize = 8192;

/// How long a connection may take to send its request (as the original).
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a receiver may take to fetch its answer (as the original for long answers).
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(15 * 60);
