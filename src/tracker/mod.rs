//! The rules: what a request is answered with.
//!
//! The tracker owns the swarms, the counters and everything else that requests can change. It does no I/O and reads no clock: a
//! request comes in as bytes with the time and the address it came from, and an answer goes out as bytes. [`udp`] answers datagrams,
//! [`http`] whole request heads, [`pages`] makes in slices what takes a look at every torrent.

pub mod connection_id;
mod fulllog;
pub mod http;
mod modest;
pub mod observers;
pub mod pages;
pub mod state;
#[cfg(test)]
mod tests;
pub mod udp;

use crate::config::Permissions;
use crate::limits::{MINUTE, WALK_INTERVAL, WALK_PACE, WALK_SLICE};
use crate::stats::counters::Counters;
use crate::swarm::{Acquaintance, Announced, Endpoint, InfoHash, Random, Swarms};
use crate::wire::address::to_ip;
use crate::wire::announce::Interval;
use connection_id::ConnectionIds;
use fulllog::RequestLog;
use ipnet::IpNet;
use modest::Modest;
use observers::Observers;
use std::time::Duration;

/// The time that a request is answered at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Seconds since the epoch.
    pub unix: u64,
    /// Time since the start.
    pub up: Duration,
}

impl Now {
    /// Minutes since the epoch, which swarms reckon in.
    pub fn minute(self) -> u32 {
        u32::try_from(self.unix / MINUTE).unwrap_or(u32::MAX)
    }
}

/// What the operator decided of the answers.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where `/` sends browsers, if anywhere.
    pub redirect_url: Option<Vec<u8>>,
    /// The path of the statistics, without its slash.
    pub stats_path: Vec<u8>,
    /// Name, version and switches, a line each.
    pub version: String,
    /// Who may do what others may not.
    pub blessings: Vec<(IpNet, Permissions)>,
}

/// A tracker for addresses of `N` bytes.
pub struct Tracker<const N: usize> {
    settings: Settings,
    swarms: Swarms<N>,
    counters: Counters,
    observers: Observers<N>,
    log: RequestLog<N>,
    modest: Modest<N>,
    random: Random,
    connection_ids: ConnectionIds,
    id: u32,
    /// Whether only peers that have a place already are served, for want of memory.
    shedding: bool,
    /// When the walk over all torrents began, or begins that is to come,
    walk_start: Duration,
    /// and when its next step is due.
    walk_step: Duration,
    /// Bodies and peers of HTTP replies are put together here, so that no reply needs memory of its own.
    body: Vec<u8>,
    peers: Vec<u8>,
}

impl<const N: usize> Tracker<N> {
    /// A tracker that knows no torrents. The seed is for everything that only has to be spread evenly.
    pub fn new(settings: Settings, seed: [u64; 2]) -> Self {
        let mut random = Random::new(seed);
        Tracker {
            settings,
            swarms: Swarms::new(),
            counters: Counters::default(),
            observers: Observers::default(),
            log: RequestLog::default(),
            modest: Modest::default(),
            id: random.next_u64() as u32,
            random,
            connection_ids: ConnectionIds::default(),
            shedding: false,
            walk_start: WALK_INTERVAL,
            walk_step: WALK_INTERVAL,
            body: Vec::new(),
            peers: Vec::new(),
        }
    }

    /// The state of all torrents, for reading.
    pub fn swarms(&self) -> &Swarms<N> {
        &self.swarms
    }

    /// Those who are told of announces.
    pub fn observers(&mut self) -> &mut Observers<N> {
        &mut self.observers
    }

    /// Whether a client was blessed with everything.
    fn is_blessed(&self, from: &[u8; N]) -> bool {
        let address = to_ip(from);
        let blessings = &self.settings.blessings;
        blessings.iter().any(|(network, may)| may.contains(Permissions::ALL) && network.contains(&address))
    }

    /// Counts a TCP connection.
    pub fn accepted(&mut self) {
        self.counters.tcp_accepted += 1;
    }

    /// Tells whether memory is short. While it is, peers that have no place in a swarm yet are turned away: the others are
    /// served on, and as peers leave there is room again.
    pub fn shed(&mut self, short: bool) {
        self.shedding = short;
    }

    fn turns_away(&self, hash: &InfoHash, peer: &Endpoint<N>) -> bool {
        self.shedding && !self.swarms.holds(hash, peer)
    }

    /// Takes a bounded step, when one is due, of the walk over all torrents in which peers and torrents leave. Tells when to call
    /// again, in time since the start.
    pub fn tend(&mut self, now: Now) -> Duration {
        if now.up >= self.walk_step {
            self.walk_step = now.up + WALK_PACE;
            self.observers.tend(now);
            if self.swarms.tend(now.minute(), WALK_SLICE) {
                self.walk_start = now.up.max(self.walk_start + WALK_INTERVAL);
                self.walk_step = self.walk_start;
            }
        }
        self.walk_step
    }

    /// When the next such step is due, in time since the start.
    pub fn next_step(&self) -> Duration {
        self.walk_step
    }

    fn interval(&mut self) -> Interval {
        Interval::from_draw(self.random.next_u64())
    }
}

/// Counts what an announce brought about. Not a method: the reply still borrows the swarms while it is called.
fn count(counters: &mut Counters, announced: &Announced) {
    counters.completed += u64::from(announced.newly_completed);
    if let Acquaintance::Known { minutes_ago } = announced.peer {
        counters.renewal(minutes_ago);
    }
}
