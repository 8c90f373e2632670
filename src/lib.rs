//! opentracker: a BitTorrent tracker, a drop-in replacement of the C program of the same name.
//!
//! The map of the house. Imports run one way: `main` -> [`server`] -> [`tracker`] -> [`features`], [`swarm`],
//! [`stats`] -> [`wire`] -> [`limits`]; [`config`] stands beside them, and [`sys`] imports nothing of ours.

pub mod limits;
pub mod swarm;
pub mod sys;
