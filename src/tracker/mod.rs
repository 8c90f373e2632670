//! The rules: what a request is answered with.
//!
//! The tracker owns the swarms, the counters and everything else that requests can change. It does no I/O and reads no clock: a
//! request comes in as bytes with the time and the address it came from, and an answer goes out as bytes. `udp` answers datagrams,
//! [`http`] whole request heads, `cluster` packets of other trackers; `announce` is the rule that all three share. [`pages`] makes in
//! slices what looks at every torrent.

mod announce;
mod cluster;
mod connection_id;
pub mod http;
mod modest;
pub mod observers;
pub mod pages;
mod request_log;
mod scrape;
pub mod state_file;
mod statistics;
#[cfg(test)]
mod tests;
mod udp;

use crate::address::to_ip;
use crate::config::Permissions;
use crate::features::accesslist::List;
use crate::features::livesync::Outbox;
use crate::limits::{NUMWANT_MAX, WALK_INTERVAL, WALK_PACE, WALK_SLICE};
use crate::stats::counters::Counters;
use crate::swarm::{Endpoint, Random, Swarms};
use crate::types::Interval;
pub use crate::types::Now;
use connection_id::ConnectionIds;
use ipnet::IpNet;
use modest::Modest;
use observers::Observers;
use request_log::RequestLog;
use std::time::Duration;

/// What the operator decided of the answers.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Where `/` sends browsers, if anywhere.
    pub redirect_url: Option<Vec<u8>>,
    /// The path of the statistics, without its slash.
    pub stats_path: Vec<u8>,
    /// Name, version and switches, a line each.
    pub version: String,
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
    /// Who may do what others may not.
    blessings: Vec<(IpNet, Permissions)>,
    /// What the other trackers of the cluster are to be told.
    outbox: Outbox<N>,
    /// Which torrents are served.
    access_list: List,
    /// When the walk over all torrents began, or begins that is to come,
    walk_start: Duration,
    /// and when its next step is due.
    walk_step: Duration,
    /// The bodies of HTTP replies are put together here, so that no reply needs memory of its own.
    body: Vec<u8>,
    /// The peers chosen for an HTTP reply: room for as many as the largest has.
    peers: Box<[u8]>,
}

impl<const N: usize> Tracker<N> {
    /// A tracker that knows no torrents. The seed is for everything that only has to be spread evenly.
    pub fn new(settings: Settings, seed: [u64; 2]) -> Self {
        let mut random = Random::new(seed);
        let id = random.next_u64() as u32;
        Tracker {
            settings,
            swarms: Swarms::new(),
            counters: Counters::default(),
            observers: Observers::default(),
            log: RequestLog::default(),
            modest: Modest::default(),
            id,
            blessings: Vec::new(),
            outbox: Outbox::new(id),
            random,
            connection_ids: ConnectionIds::default(),
            access_list: List::default(),
            walk_start: WALK_INTERVAL,
            walk_step: WALK_INTERVAL,
            body: Vec::new(),
            peers: vec![0; NUMWANT_MAX * Endpoint::<N>::SIZE].into(),
        }
    }

    /// Allows these networks more than others.
    pub fn bless(&mut self, blessings: Vec<(IpNet, Permissions)>) {
        self.blessings = blessings;
    }

    fn allows(&self, address: &[u8; N], wanted: Permissions) -> bool {
        let address = to_ip(address);
        self.blessings.iter().any(|(network, given)| network.contains(&address) && given.contains(wanted))
    }

    /// What the other trackers of the cluster are to be told.
    pub fn outbox(&mut self) -> &mut Outbox<N> {
        &mut self.outbox
    }

    /// The list that decides which torrents are served. Those that a new one forbids stay until their peers have left.
    pub fn access_list(&mut self) -> &mut List {
        &mut self.access_list
    }

    /// The state of all torrents, for reading.
    pub fn swarms(&self) -> &Swarms<N> {
        &self.swarms
    }

    /// Those who are told of announces.
    pub fn observers(&mut self) -> &mut Observers<N> {
        &mut self.observers
    }

    /// Counts a TCP connection.
    pub fn accepted(&mut self) {
        self.counters.tcp_accepted += 1;
    }

    /// Sets how many bytes the state may hold. Where it would hold more, or the system refuses memory, new peers are answered but not
    /// stored: the others are served on, and as peers leave there is room again.
    pub fn set_memory_ceiling(&mut self, bytes: usize) {
        self.swarms.set_ceiling(bytes);
    }

    /// Takes a bounded step, when one is due, of the walk over all torrents in which peers and torrents leave. Tells when to call
    /// again, in time since the start.
    pub fn expire(&mut self, now: Now) -> Duration {
        if now.up >= self.walk_step {
            self.walk_step = now.up + WALK_PACE;
            self.observers.tend(now);
            if self.swarms.expire(now.minute(), WALK_SLICE) {
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
        Interval::from_random(self.random.next_u64())
    }
}
