//! Every timeout, cap and buffer size of the tracker, named, with where it comes from.
//!
//! "As the original" marks what clients and operators can observe of the C program; the other values are our choice.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Seconds in the minute that ages are counted in.
pub const MINUTE: u64 = 60;

/// Bytes of a line of a config file, with its line feed; a longer one is read as several lines (as the original).
pub const CONFIG_LINE_MAX: usize = 511;

// ---- swarms -----------------------------------------------------------------------------------------------------

/// Minutes after its last announce when a peer leaves its swarm, by default (as the original). In other units of time where the
/// operator chooses another: swarms count so many units up to it in any case.
pub const PEER_TIMEOUT_MINUTES: u32 = 45;

/// What the operator may choose for it, in minutes. It must be above the longest announce interval as well.
pub const PEER_TIMEOUTS: RangeInclusive<u32> = 6..=720;

/// Minutes after which a torrent that has only its download count left is forgotten (as the original: 24 hours).
pub const TORRENT_TIMEOUT_MINUTES: u32 = 24 * 60;

/// Time between the starts of two walks over all torrents, in which peers and torrents leave (as the original).
pub const WALK_INTERVAL: Duration = Duration::from_secs(120);

/// Torrents of a page. Searching a page of this size takes a cache miss or two, and the tree above the pages stays small.
pub const SWARM_PAGE: usize = 20;

/// Peers of a page of a large swarm.
pub const SWARM_PEER_PAGE: usize = 128;

/// Sizes of the slots for peers, in peers. Each is about a tenth larger than the one before, so that arrays waste little while they
/// grow. A page of peers is one of these. The last one is the longest array.
pub const SWARM_ARRAY_SIZES: [usize; 42] = [
    2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 18, 20, 22, 24, 26, 29, 32, 35, 38, 42, 46, 50, 55, 60, 66, 72, 79,
    86, 94, 103, 115, 128, 142, 160, 180, 202, 228, 256,
];

/// Neighbouring pages that share their items before another page is added or removed.
pub const SWARM_WINDOW: usize = 6;

/// Two percentages for pages of torrents. A page is added between neighbours when these are fuller on average than the first. One is
/// removed if the others are then not fuller than the second.
pub const SWARM_FILL: (usize, usize) = (90, 85);

/// The same for pages of peers. These have more items, so a smaller share of free places is enough.
pub const SWARM_PEER_FILL: (usize, usize) = (98, 94);

/// Peers of a mid-sized swarm that are cleaned for the price of a torrent in a step of the walk: most of it is to wait for their memory.
pub const SWARM_PEERS_A_STEP: usize = 4;

/// Memory that goes back to the system for the price of a torrent in a step of the walk. A chunk takes as long as some 250 torrents.
pub const SWARM_RETURNED_A_STEP: usize = 1 << 10;

/// Bytes of the chunks that the pages of the state live in, together with the header that an allocator puts before a mapping. It is
/// more than the 128 KiB from which on glibc and musl make a mapping of its own, which goes back to the system at once.
pub const SWARM_CHUNK: usize = (256 << 10) - 64;

/// Time between two steps of such a walk, so that it takes a small share of the processor.
pub const WALK_PACE: Duration = Duration::from_millis(4);

/// Torrents and pages of peers cleaned in one step of such a walk. A step takes half a millisecond if all of them expire, a walk over
/// ten million torrents forty seconds.
pub const WALK_SLICE: usize = 1000;

/// Bytes of a line of a state file that are read; a line has some 60.
pub const STATE_LINE_MAX: u64 = 1024;

/// Bytes that the state leaves to everything else (answers, connections, lists, threads) where memory has a limit. At most half of the
/// memory is left. Of what is left, half is for long answers and a quarter for connections.
pub const MEMORY_BESIDE: u64 = 128 << 20;

/// Bytes held in reserve. They are freed when the system refuses memory, so that what cannot be done without finds some.
pub const MEMORY_RESERVE: usize = 4 << 20;

/// Time between two lines on stderr that say that memory is short.
pub const MEMORY_SILENCE: Duration = Duration::from_secs(600);

/// Torrents that are known to be the next to make room where there are as many torrents or peers as there may be: as many as a batch of
/// announces may ask for. They take 24 bytes each.
pub const CEILING_CANDIDATES: usize = 64;

/// Pages of torrents in which a turn looks for them, some 300 torrents in all: some ten microseconds.
pub const CEILING_PAGES_A_TURN: usize = 16;

/// How many of them an announce looks at. Most are still what they were when they were found.
pub const CEILING_TRIES: usize = 8;

/// Time between two lines on stderr that say that a ceiling is reached.
pub const CEILING_SILENCE: Duration = Duration::from_secs(600);

// ---- announces --------------------------------------------------------------------------------------------------

/// The announce interval, in seconds, by default (as the original). Those of replies are up to a tenth shorter or longer.
pub const INTERVAL: u32 = 1800;

/// What the operator may choose for it, in seconds.
pub const INTERVALS: RangeInclusive<u32> = 300..=10_800;

/// Peers in a reply to an HTTP announce without a numwant, by default (as the original).
pub const NUMWANT_DEFAULT: usize = 50;

/// Most peers in a reply, by default (as the original). Over UDP there are never more.
pub const NUMWANT_MAX: usize = 200;

/// What the operator may choose for either. The largest reply has 18 KB of IPv6 peers.
pub const NUMWANTS: RangeInclusive<u32> = 1..=1000;

/// Most info hashes that an HTTP scrape is answered for (as the original).
pub const HTTP_SCRAPE_MAX: usize = 64;

/// Most info hashes that a UDP scrape is answered for (as the original; BEP 15 recommends about 74).
pub const UDP_SCRAPE_MAX: usize = 75;

/// How long an address has the same UDP connection id. The id is valid for as long again afterwards.
pub const CONNECTION_ID_LIFE: Duration = Duration::from_secs(3600);

// ---- HTTP connections -------------------------------------------------------------------------------------------

/// Bytes of a request that are collected; more is answered with 500 (as the original).
pub const REQUEST_MAX: usize = 8192;

/// How long a connection may take to send its request (as the original).
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may take to receive its answer (as the original for long answers).
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// After a request that is too long, so many further bytes are read and discarded before the connection is closed. Otherwise the client
/// might not receive the answer.
pub const LINGER_MAX: usize = 1 << 20;

/// How long such a client may take to receive the answer and to close.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that may wait at a time, by default. The system needs some 4 KiB for each, some 128 MiB in all. The original has as many
/// as there are descriptors. Most requests are answered without a wait and do not count.
pub const CONNECTIONS_MAX: usize = 32_768;

/// Long answers may have this part of the places of connections. They are not closed for others, so they could take all places for as
/// long as their receivers like.
pub const CONNECTIONS_LONG_PART: usize = 2;

/// Bytes that all waiting connections may hold together where memory has no limit: unfinished requests, short answers that are not
/// taken yet, and [`CONNECTION_BYTES`] for each.
pub const CONNECTION_BYTES_MAX: usize = 32 << 20;

/// The same at least, whatever the limit: room for the unfinished requests of ordinary clients.
pub const CONNECTION_BYTES_MIN: usize = 1 << 20;

/// Bytes that a waiting connection takes in the tables.
pub const CONNECTION_BYTES: usize = 512;

/// Connections accepted from one listening socket in one turn of the loop.
pub const ACCEPTS_A_TURN: usize = 64;

/// How long accepting pauses when it fails. It goes on earlier if a connection is closed, which frees a descriptor.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Time after a line on stderr about an error before the next line about it.
pub const FAULT_SILENCE: Duration = Duration::from_secs(60);

/// Requests of one connection that are answered in one turn, where clients send several without waiting for answers. In a turn at most
/// [`EVENTS_A_TURN`] connections do so.
pub const REQUESTS_A_TURN: usize = 4;

// ---- UDP --------------------------------------------------------------------------------------------------------

/// Datagrams received or sent in one call, and taken from one socket in one turn of the loop. Announces take a third of a
/// millisecond then, scrapes of 70 hashes twice that.
pub const UDP_BATCH: usize = 64;

/// Bytes of a datagram that are received: more than the longest request has. It is no power of two, so that the datagrams of a batch do
/// not all compete for the same lines of the processor's cache.
pub const UDP_REQUEST_MAX: usize = 1600;

/// Bytes of the receive buffer of each UDP socket: over 8,000 announces, which take 768 bytes each. The original keeps the system's
/// default, which overflows at some 250.
pub const UDP_RECEIVE_BUFFER: usize = 8 << 20;

/// How long receiving from a UDP socket pauses when it fails.
pub const UDP_PAUSE: Duration = Duration::from_millis(100);

/// The most workers that are started for one UDP socket.
pub const UDP_WORKERS_MAX: u32 = 64;

/// Bytes of stack of a helper thread.
pub const WORKER_STACK: usize = 256 << 10;

// ---- coalescing -------------------------------------------------------------------------------------------------

/// Requests a second from which on the loop, or the workers of a socket, coalesce them, by default. A connection counts as a request,
/// and so does each time that it can be read. Below this rate the sleep costs more than the wake-ups that it saves.
pub const COALESCE_RATE: u32 = 12_000;

/// The time between two looks at the sockets while requests are coalesced. At 120,000 requests a second a socket has a batch then. There
/// is no wait if a socket was not drained, or if answering took longer.
pub const COALESCE_BEAT: Duration = Duration::from_micros(400);

/// The shortest rest of a beat that the loop sleeps. A turn that leaves less has answered many requests for one wake-up already: the
/// sleep would save little, and delay clients whose requests take long.
pub const COALESCE_SLEEP_MIN: Duration = Duration::from_micros(240);

/// The time over which the rate is measured: it covers 240 requests or more, so that chance hardly matters.
pub const COALESCE_WINDOW: Duration = Duration::from_millis(20);

// ---- live sync --------------------------------------------------------------------------------------------------

/// A packet to the other trackers has fewer bytes than this (as the original), so that no network fragments it.
pub const LIVESYNC_PACKET_MAX: usize = 1480;

/// Time after a packet until the next one is sent, full or not (as the original).
pub const LIVESYNC_DELAY: Duration = Duration::from_secs(15);

/// A known peer is reported again only if its previous announce is more minutes ago than this (as the original).
pub const LIVESYNC_RENEWAL_MINUTES: u32 = 10;

/// Time to live of packets to the other trackers: they pass no router (as the original).
pub const LIVESYNC_TTL: u32 = 1;

/// Most full packets that wait while the system takes none; further records are dropped. A turn yields far fewer.
pub const LIVESYNC_BACKLOG: usize = 256;

/// Time until such packets are sent again.
pub const LIVESYNC_RETRY: Duration = Duration::from_millis(10);

/// Bytes of a received packet that are read: all that UDP can carry.
pub const LIVESYNC_RECEIVE_MAX: usize = 65_536;

/// Most packets of other trackers that are received in one turn of the loop.
pub const LIVESYNC_PACKETS_A_TURN: usize = 64;

/// After so many of their records no further packet is received in that turn. A packet has up to 52, the largest possible one 2,340.
pub const LIVESYNC_RECORDS_A_TURN: usize = 1000;

// ---- the operator ----------------------------------------------------------------------------------------------

/// Most addresses and networks that can be blessed; more are ignored (as the original).
pub const BLESSINGS_MAX: usize = 64;

/// Most bytes of an access list file; a larger one is not read. That is room for a hundred million torrents.
pub const ACCESS_LIST_FILE_MAX: u64 = 4 << 30;

/// About how many info hashes share an entry of an access list's index. The index then takes a quarter of a byte for each.
pub const ACCESS_LIST_SHARE: usize = 16;

/// Info hashes of an access list whose memory is freed in one step: 64 KiB.
pub const ACCESS_LIST_STEP: usize = (64 << 10) / 20;

/// Most info hashes that an access list is changed by while the tracker runs, until its file is read again, where memory has no limit;
/// more are dropped. They take some 45 MB, while the file is read again twice that.
pub const ACCESS_CHANGES_MAX: usize = 1 << 21;

/// The same at least, whatever the limit.
pub const ACCESS_CHANGES_MIN: usize = 1 << 12;

/// Bytes that such a change takes at most, on average.
pub const ACCESS_CHANGE_BYTES: usize = 24;

/// Time after a warning that changes are dropped until the next one.
pub const ACCESS_CHANGES_SILENCE: Duration = Duration::from_secs(600);

/// Most info hashes in a block of them: 10 KiB.
pub const ACCESS_BLOCK: usize = 512;

/// For how many info hashes at a time such a block grows and shrinks.
pub const ACCESS_BLOCK_STEP: usize = 32;

/// Bytes read from a pipe with changes in one turn: as many as a pipe holds, so that all that was written before a request is known to it.
/// These are 1,600 changes, which take some 1.6 milliseconds among millions.
pub const ACCESS_PIPE_READ: usize = 64 << 10;

/// With fewer descriptors the start warns: each connection that waits takes one.
pub const DESCRIPTORS_MIN: u64 = 4096;

/// With a smaller table of connections in the kernel the start warns. A client is in it for up to two minutes: these are 500 a second.
pub const CONNTRACK_MIN: u64 = 65_536;

/// How long `--check-health` waits for a connection, and for each part of an answer.
pub const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

/// Bytes of an answer that it reads.
pub const HEALTH_ANSWER_MAX: u64 = 4096;

/// Time between two lines for the service manager with the tracker's figures.
pub const STATUS_INTERVAL: Duration = Duration::from_secs(60);

/// Notifications that wait while the service manager has no room; a reload that comes then is not reported.
pub const NOTIFICATIONS_WAITING: usize = 8;

/// Time until they are sent again.
pub const NOTIFICATION_RETRY: Duration = Duration::from_millis(100);

/// The least time between two signs of life for the service manager, however often it asks for them.
pub const WATCHDOG_MIN: Duration = Duration::from_millis(1);

// ---- the loop ---------------------------------------------------------------------------------------------------

/// Connections that took too long, closed in one turn.
pub const CLOSES_A_TURN: usize = 256;

/// Events taken from the system in one turn. A request by HTTP takes some twenty microseconds.
pub const EVENTS_A_TURN: usize = 64;

// ---- statistics -------------------------------------------------------------------------------------------------

/// Networks in each table of the busiest ones (as the original).
pub const NETWORKS_LISTED: usize = 128;

/// Bytes that one pass over all peers takes to count networks for that table, where memory has no limit: 500,000 networks of IPv4, or
/// 250,000 of IPv6. If there are more, another pass counts the next ones.
pub const NETWORKS_MEMORY: usize = 12 << 20;

/// Most networks that are counted as woodpeckers; further ones are ignored until some expire.
pub const WOODPECKER_NETWORKS: usize = 1 << 20;

/// An announce counts as a woodpecker's if the peer's previous one is fewer minutes ago than this (as the original).
pub const WOODPECKER_MINUTES: u32 = 20;

/// The period after which their counts are halved (as the original).
pub const WOODPECKER_HALVING: Duration = Duration::from_secs(120);

// ---- long answers -----------------------------------------------------------------------------------------------

/// Bytes of all long answers together, from their first slice until the client has them, where memory has no limit. A request for which
/// there is no room waits.
pub const ANSWERS_BUDGET: usize = 64 << 20;

/// The same at least, whatever the limit: room for a few answers that are streamed.
pub const ANSWERS_BUDGET_MIN: usize = 4 << 20;

/// An answer of up to this part of the budget (16 MiB) is built whole, so that its head can have its length. A longer one is streamed.
pub const ANSWER_WHOLE_PART: usize = 4;

/// The answers to one address may have this part of the budget. The other half has room for an answer that is built whole, whatever the
/// address does.
pub const ANSWERS_SHARE_PART: usize = 2;

/// Answers to one address that may wait for room; beyond, the oldest is given up. A client that has left costs a walk all the same.
pub const ANSWERS_WAITING_MAX: usize = 128;

/// How long a client may receive nothing of its answer while others wait for room.
pub const ANSWER_STALL: Duration = Duration::from_secs(60);

/// Bytes of the pieces that long answers are built of.
pub const ANSWER_PIECE: usize = 64 << 10;

/// Bytes that one slice of a page has at most; it has some 13 kilobytes.
pub const ANSWER_SLICE_MAX: usize = 16 << 10;

/// This part of the budget (8 MiB) is kept for small answers.
pub const ANSWERS_KEPT_PART: usize = 8;

/// Answers of up to this part of the budget (1 MiB) are small.
pub const ANSWER_SMALL_PART: usize = 64;

/// Bytes of a streamed answer that are built ahead of the receiver.
pub const ANSWER_WINDOW: usize = 512 << 10;

/// Torrents, peers or networks that are walked before the time is checked: some tens of microseconds.
pub const ANSWER_STEP: usize = 128;

/// Time in one turn of the loop for building and sending long answers. Announces wait that much longer.
pub const ANSWERS_TURN: Duration = Duration::from_micros(150);

/// Pieces of cancelled answers that are freed in one turn.
pub const DISCARD_STEP: usize = 8;

/// Level of compression. The next ones take two and four times as long and save a tenth.
pub const GZIP_LEVEL: u32 = 1;

/// Bytes that the compression of one answer takes besides the answer.
pub const GZIP_MEMORY: usize = 512 << 10;

/// Pieces that may wait for the compressing thread, and as many that may wait for the loop.
pub const GZIP_QUEUE: usize = 128;

/// Time between two full scrapes of an address with `modest-fullscrapes` (as the original).
pub const MODEST_INTERVAL: Duration = Duration::from_secs(300);

/// Most addresses that are remembered for that; beyond, the oldest are forgotten.
pub const MODEST_ADDRESSES: usize = 1 << 16;

// ---- logs -------------------------------------------------------------------------------------------------------

/// Most bytes of logged requests; beyond, the oldest are dropped.
pub const FULLLOG_MAX: usize = 8 << 20;

/// Most networks whose requests are logged; beyond, the oldest are dropped.
pub const FULLLOG_NETWORKS: usize = 256;

/// Most completed downloads that wait to be written to the system's log; further ones are only counted.
pub const SYSLOG_QUEUE: usize = 4096;

/// Most of them that are written in one turn.
pub const SYSLOG_LINES_A_TURN: usize = 64;
