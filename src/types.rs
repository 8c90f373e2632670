//! The words that all rooms share: what an announce says, and what a tracker answers with.

use crate::limits::{INTERVAL_MIN, INTERVAL_SPREAD, MINUTE};
use std::time::Duration;

/// The name of a torrent: the SHA-1 hash of its info dictionary (BEP 3). Ordered by ascending bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHash(pub [u8; 20]);

/// What an announce says, whichever way it comes: over HTTP (BEP 3, 23), over UDP (BEP 15), from another tracker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The torrent.
    pub info_hash: InfoHash,
    /// The name that the client has chosen for itself. `None` of those that came over UDP: the
    /// system's log has none for them (as the original).
    pub peer_id: Option<[u8; 20]>,
    /// The port that the peer listens on, most significant byte first.
    pub port: [u8; 2],
    /// The peer has all of the torrent.
    pub seeding: bool,
    /// The peer has just completed its download.
    pub completed: bool,
    /// The peer leaves.
    pub stopped: bool,
    /// How many peers the client wants, at most [`NUMWANT_MAX`](crate::limits::NUMWANT_MAX).
    pub numwant: usize,
}

/// What is counted of a torrent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Peers that have all of it.
    pub seeders: u32,
    /// Peers that do not.
    pub leechers: u32,
    /// Completed downloads.
    pub downloaded: u32,
}

/// Seconds until a client should announce again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval(u32);

impl Interval {
    /// The interval for a random number: spread out, so that clients that came together do not stay together.
    pub fn from_random(random: u64) -> Interval {
        Interval(INTERVAL_MIN + (random % u64::from(INTERVAL_SPREAD)) as u32)
    }

    /// The interval in seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }

    /// The least time between two announces, in seconds.
    pub fn minimum(self) -> u32 {
        self.0 / 2
    }
}

/// The time that a request is answered at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Seconds since the epoch.
    pub unix: u64,
    /// Time since the start.
    pub up: Duration,
}

impl Now {
    /// Minutes since the epoch: the unit of ages in swarms.
    pub fn minute(self) -> u32 {
        u32::try_from(self.unix / MINUTE).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_spread() {
        assert_eq!(Interval::from_random(0).seconds(), 1620);
        assert_eq!(Interval::from_random(359).seconds(), 1979);
        assert_eq!(Interval::from_random(360).seconds(), 1620);
        assert_eq!(Interval::from_random(359).minimum(), 989);
    }
}
