//! Counters, and the pages of the statistics, which people read and plugins parse.
//!
//! [`counters`] are kept by the tracker as it answers. [`modes`] has the modes and formats that requests name. [`text`] makes the pages of
//! counters alone; [`dump`], [`top`] and [`networks`] those of every torrent or peer; [`woodpeckers`] the one of networks that announce
//! too often.
//! [`figures`] has all figures for programs that collect them, [`metrics`] is their page for
//! Prometheus, [`json`] a document for others.

mod best;
pub mod counters;
pub mod dump;
pub mod figures;
pub mod histogram;
pub mod json;
pub mod metrics;
pub mod modes;
pub mod networks;
pub mod text;
pub mod top;
pub mod woodpeckers;
