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

/// Torrents kept together at most. With so many a page stays under 1 KiB and takes a cache miss or two to search.
pub const SWARM_PAGE_MAX: usize = 18;

/// Time between two steps of such a walk, so that it takes a small share of the processor.
pub const WALK_PACE: Duration = Duration::from_millis(4);

/// Bytes of a line of a state file that are looked at; it has some 60.
pub const STATE_LINE_MAX: u64 = 1024;

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

/// Bytes of a request that was too long that are read and thrown away before its connection is closed, so that the client gets to
/// read the answer.
pub const LINGER_MAX: usize = 1 << 20;

/// How long a client is given to read such an answer and to close.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections accepted from one listening socket in one turn of the loop.
pub const ACCEPTS_A_TURN: usize = 64;

/// How long accepting pauses when there are no descriptors left, unless one of ours gets free before.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Requests that one connection is answered in one turn, where clients send more before they have read the answer. As many
/// connections as there are events in a turn may do so.
pub const REQUESTS_A_TURN: usize = 4;

// ---- UDP --------------------------------------------------------------------------------------------------------

/// Datagrams received or sent in one call.
pub const UDP_BATCH: usize = 64;

/// Such batches from one socket in one turn of the loop.
pub const UDP_BATCHES_A_TURN: usize = 4;

/// Bytes of a datagram that are looked at: more than the longest request has, and no power of two, so that the
/// datagrams of a batch do not all compete for the same places of the processor's cache.
pub const UDP_REQUEST_MAX: usize = 1600;

/// Bytes of receive buffer asked for each UDP socket: over 8,000 announces, which take 768 bytes of it each. The original keeps the system's default,
/// which overflows at some 250.
pub const UDP_RECEIVE_BUFFER: usize = 8 << 20;

/// Workers for one UDP socket at most; more are not started, however many are asked for.
pub const UDP_WORKERS_MAX: u32 = 64;

/// Bytes of stack of a helper thread.
pub const WORKER_STACK: usize = 256 << 10;

// ---- gathering --------------------------------------------------------------------------------------------------

/// Requests a second from which on the loop lets them gather.
pub const GATHER_RATE: f64 = 12_000.0;

/// How long it lets them gather.
pub const GATHER_WAIT: Duration = Duration::from_micros(150);

/// Requests that have to come meanwhile for it to have been worth it.
pub const GATHER_LEAST: u32 = 2;

/// Over how long the rate is measured, and for how long nothing is gathered where it was not worth it.
pub const GATHER_WINDOW: Duration = Duration::from_millis(10);

// ---- live sync --------------------------------------------------------------------------------------------------

/// Bytes that a packet to the other trackers stays under (as the original), so that no network has to cut it.
pub const LIVESYNC_PACKET_MAX: usize = 1480;

/// Time after the last packet when the next one goes, full or not (as the original).
pub const LIVESYNC_DELAY: Duration = Duration::from_secs(15);

/// Peers that announce again are told of only when their last announce is more minutes ago than this (as the original).
pub const LIVESYNC_RENEWAL_MINUTES: u32 = 10;

/// Routers that packets to the other trackers may pass, and one: none (as the original).
pub const LIVESYNC_TTL: u32 = 1;

/// Full packets that wait where the system takes no more for a moment; what comes on top is not told. A turn makes far fewer.
pub const LIVESYNC_BACKLOG: usize = 256;

/// Time until such packets are tried again.
pub const LIVESYNC_RETRY: Duration = Duration::from_millis(10);

/// Bytes of a received packet that are looked at: all that UDP can carry.
pub const LIVESYNC_RECEIVE_MAX: usize = 65_536;

/// Packets of other trackers that are received in one turn of the loop,
pub const LIVESYNC_PACKETS_A_TURN: usize = 64;

/// and records: none is received after so many. The packet that goes beyond it has 2,340 at most, usual ones have up to 52.
pub const LIVESYNC_RECORDS_A_TURN: usize = 1000;

// ---- the operator ----------------------------------------------------------------------------------------------

/// Addresses and networks that can be blessed; more are ignored (as the original).
pub const BLESSINGS_MAX: usize = 64;

/// Bytes of an access list file; a larger one is not read. That is room for a hundred million torrents.
pub const ACCESS_LIST_FILE_MAX: u64 = 4 << 30;

/// Info hashes that share an entry of the index over an access list, about; the index then takes a quarter of a byte a hash.
pub const ACCESS_LIST_SHARE: usize = 16;

/// Info hashes of an access list whose memory is given back in one step: 64 KiB.
pub const ACCESS_LIST_STEP: usize = (64 << 10) / 20;

// ---- the loop ---------------------------------------------------------------------------------------------------

/// Events taken from the system in one turn.
pub const EVENTS_A_TURN: usize = 256;

// ---- statistics -------------------------------------------------------------------------------------------------

/// Networks in each table of the busiest ones (as the original).
pub const NETWORKS_LISTED: usize = 128;

/// Torrents, peers or networks looked at in one turn for pages that are made of all of them: well under a millisecond.
pub const WALK_SLICE: usize = 2000;
