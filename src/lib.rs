//! opentracker: a BitTorrent tracker, a drop-in replacement of the C program of the same name.
//!
//! The map of the house. Imports run one way: `main` -> [`server`] -> [`tracker`] -> [`features`], [`swarm`],
//! [`stats`] -> [`wire`] -> [`limits`]; [`config`] stands beside them, and [`sys`] imports nothing of ours.
//!
//! - [`limits`]: every timeout, cap and buffer size
//! - [`config`]: what the operator said, on the command line and in config files
//! - [`wire`]: bytes to meaning and back
//! - [`swarm`]: the state: torrents, their peers, and the choice of peers
//! - [`stats`]: counters, and the pages made of them
//! - [`features`]: the switches
//! - [`tracker`]: the rules: what a request is answered with
//! - [`server`]: the loop: sockets, connections, deadlines
//! - [`sys`]: the operating system, and all unsafe code

pub mod config;
pub mod features;
pub mod limits;
pub mod server;
pub mod stats;
pub mod swarm;
pub mod sys;
pub mod tracker;
pub mod wire;
