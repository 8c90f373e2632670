//! opentracker: a BitTorrent tracker, a drop-in replacement of the C program of the same name.
//!
//! The modules, here called rooms. Imports run one way, from top to bottom (`tests/integration/layout.rs` checks that):
//!
//! | room | what it is |
//! |---|---|
//! | `main` | the steps of a start |
//! | [`start`] | carries out what the command line and the config files ask for |
//! | [`server`] | the event loop: sockets, HTTP connections, UDP batches, signals, helper threads |
//! | [`tracker`] | the rules, without I/O and without a clock: what a request does and what it is answered with |
//! | [`access`] | the access list, and the thread that loads it |
//! | [`cluster`] | live sync: packets to and from the other trackers of a cluster |
//! | [`stats`] | counters, and the pages made of them and of the swarms |
//! | [`features`] | the switches: constants |
//! | [`swarm`] | the state: torrents, their peers, and the choice of peers |
//! | [`wire`] | bytes to meaning and back: HTTP, UDP, bencode |
//! | [`config`] | what the operator may say, as directives: command line and config file |
//! | [`types`] | the words that all rooms share |
//! | [`address`] | IP addresses and networks: how they are read and stored |
//! | [`limits`] | every timeout, cap and buffer size |
//!
//! [`sys`] stands beside: the operating system, and all unsafe code. It imports nothing of ours. `server`, `start`, `access` and
//! `cluster` call it, and `swarm` for prefetches.
//!
//! # One announce
//!
//! Over UDP: poller, batch, `Tracker::handle_udp`, `wire::udp`, connection id, `tracker::announce`, `swarm`, reply, batch. Over HTTP: accept,
//! read, `Tracker::handle_http`, `wire`, the same `tracker::announce`, one write, close. Neither locks nor, unless the swarm grows, allocates.
//!
//! # Words
//!
//! The words of the BitTorrent specifications (announce, scrape, info hash, swarm, seeder, leecher, numwant) and of Unix have their usual
//! meaning. These are special:
//!
//! The loop and its work
//!
//! - *turn*: one pass of the event loop. Each part of it is bounded, by a constant in [`limits`].
//! - *slice*, *step*: the bounded part of a longer work that is done in one turn.
//! - *walk*: a pass over all torrents or peers in order, in slices. Torrents may come and go between the slices.
//! - *coalesce*: to let requests gather for a moment and answer them together. The *beat* is the time from one look at the sockets to
//!   the next.
//! - *batch*: datagrams that are received, or sent, with one system call.
//! - *worker*: a thread that receives and sends batches for a UDP socket.
//! - *waker*: a descriptor by which another thread wakes the loop.
//! - *budget*: the bytes that all long answers may take together. A request for which there is no room waits.
//! - *piece*: a part of a long answer, of at most [`limits::ANSWER_PIECE`] bytes. The *window* is how far an answer is built ahead of
//!   its receiver.
//! - *name* of a connection: its slot in the table and the slot's generation, so that the name of a closed connection fits no other.
//! - *fault*: an error of a system call that may last. It is reported once in a while, and what fails pauses.
//!
//! The state
//!
//! - *minute*: ages of peers and torrents are whole minutes on the steady clock.
//! - *page*: of a swarm, a block of memory with torrents or peers; of the statistics, what one `mode=` shows.
//! - *rank*: the number by which torrents and peers are ordered; it is spread evenly, so a search can guess a place.
//! - *inline*, *array*, *paged*: the three forms of a swarm's peers, from small to large.
//! - *run*: neighbouring peers of a large swarm that are drawn for a reply together.
//! - *chunk*, *pool*, *slot*: the state's memory comes from the system in chunks; a pool divides them into slots of few sizes.
//! - *ceiling*: the most bytes, torrents or peers that the state may hold. At a ceiling new peers are answered but not stored.
//! - *candidate*: a torrent with one peer or none, that may make room for another one where a ceiling is reached.
//! - *expire*: to remove peers and torrents that are too old.
//!
//! Rules
//!
//! - *blessed*: an address or network that the operator allows more than others (as the original names it).
//! - *directive*: one thing that the operator asked for, on the command line or in a config file.
//! - *refusal*: why an HTTP request is answered with an error.
//! - *storable*: an address of a family that this build has peers of.
//! - *live sync*: the trackers of a cluster report their peers to each other. A report is a *record*; the *outbox* holds records that
//!   wait to be sent.
//! - *woodpecker*: a network whose peers announce too often (as the original names it).
//! - *modest*: asking for full scrapes no more often than allowed (as the original names it).

pub mod access;
pub mod address;
pub mod cluster;
pub mod config;
pub mod features;
pub mod limits;
pub mod server;
pub mod start;
pub mod stats;
pub mod swarm;
pub mod sys;
pub mod tracker;
pub mod types;
pub mod wire;

#[cfg(feature = "log-networks")]
compile_error!("the switch log-networks does not compile, as in the original: what it names was never written");
#[cfg(all(feature = "accesslist-black", feature = "accesslist-white"))]
compile_error!("the switches accesslist-black and accesslist-white exclude each other");
#[cfg(all(feature = "accesslist-any", any(feature = "accesslist-black", feature = "accesslist-white")))]
compile_error!("the switch accesslist-any excludes accesslist-black and accesslist-white: it has both");
#[cfg(all(
    feature = "dynamic-accesslist",
    not(any(feature = "accesslist-black", feature = "accesslist-white", feature = "accesslist-any"))
))]
compile_error!(
    "the switch dynamic-accesslist needs accesslist-white, accesslist-black or accesslist-any: without a list there is nothing to change"
);
#[cfg(any(feature = "compression-zstd", feature = "compression-zstd-always"))]
compile_error!("there is no compression with zstd: use the switches compression-gzip and compression-gzip-always");
#[cfg(all(feature = "dual-stack", feature = "v6"))]
compile_error!("the switches dual-stack and v6 exclude each other: a dual-stack tracker has peers of both families");
