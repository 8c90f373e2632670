//! opentracker: a BitTorrent tracker, a drop-in replacement of the C program of the same name.
//!
//! The map of the house. Imports run one way: `main` -> [`start`], [`server`] -> [`tracker`] -> [`features`], [`swarm`],
//! [`stats`] -> [`wire`], [`config`] -> [`types`], [`address`], [`limits`]. [`sys`] stands beside and imports nothing of ours.
//!
//! - [`limits`]: every timeout, cap and buffer size
//! - [`types`]: the words that all rooms share
//! - [`address`]: IP addresses and networks: how they are read and stored
//! - [`config`]: what the operator said, on the command line and in config files
//! - [`wire`]: bytes to meaning and back
//! - [`swarm`]: the state: torrents, their peers, and the choice of peers
//! - [`stats`]: counters, and the pages made of them
//! - [`features`]: the switches
//! - [`tracker`]: the rules: what a request is answered with
//! - [`start`]: what the operator said, carried out
//! - [`server`]: the loop: sockets, connections, deadlines, and the helper threads, which own no state
//! - [`sys`]: the operating system, and all unsafe code

pub mod address;
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
