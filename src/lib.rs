//! opentracker: a BitTorrent tracker, a drop-in replacement of the C program of the same name.
//!
//! The map of the house. Imports run one way, from top to bottom (`tests/integration/layout.rs` checks that):
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
//! Those of the BitTorrent specifications (announce, scrape, info hash, swarm, seeder, leecher, numwant), of Unix, and a few of ours:
//!
//! - *turn*: one pass of the event loop. Each part of it is bounded, by a constant in [`limits`].
//! - *slice*, *step*: the bounded part of a longer work that is done in one turn.
//! - *minute*: ages of peers and torrents are counted in whole minutes since the epoch.
//! - *blessed*: an address or network that the operator allows more than others (as the original names it).
//! - *directive*: one thing that the operator asked for, on the command line or in a config file.
//! - *refusal*: why an HTTP request is answered with an error.
//! - *page*: of the statistics, what one `mode=` shows; of a swarm, a block of memory with torrents or peers.
//! - *ceiling*: the bytes that the state may hold. At the ceiling new peers are answered but not stored.
//! - *live sync*: the trackers of a cluster report their peers to each other. The *outbox* holds what waits to be sent.
//! - *woodpecker*: a network whose peers announce too often (as the original names it).

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
