//! What is counted, and the pages that operators and their plugins read.
//!
//! [`counters`] are kept by the tracker as it answers; [`modes`] knows what can be asked for; [`text`] makes the pages that
//! counters alone are enough for; [`dump`], [`top`] and [`networks`] those that are shown every torrent or peer, and [`woodpeckers`] the one of networks that
//! announce too often.

mod best;
pub mod counters;
pub mod dump;
pub mod modes;
pub mod networks;
pub mod text;
pub mod top;
pub mod woodpeckers;
