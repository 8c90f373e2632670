//! The rules: what a request does, and what it is answered with.
//!
//! The tracker owns the swarms, the counters and everything else that requests can change. It does no I/O and reads no clock: a
//! request comes in as bytes with the time and the sender's address, and is answered with bytes. `udp` answers datagrams, [`http`]
//! whole request heads; `cluster` takes the packets of other trackers. `announce` is the rule that all three share. [`pages`] builds
//! in slices what needs a walk over all torrents.

mod announce;
mod cluster;
mod connection_id;
pub mod http;
mod modest;
pub mod observers;
pub mod pages;
pub mod refusals;
mod request_log;
mod scrape;
pub mod state_file;
mod statistics;
#[cfg(test)]
mod tests;
mod udp;

use crate::access::List;
use crate::cluster::Outbox;
use crate::config::Permissions;
use crate::limits::{NETWORKS_MEMORY, WALK_INTERVAL, WALK_PACE, WALK_SLICE};
use crate::stats::counters::{Counters, Request};
use crate::swarm::{Endpoint, Families, Limits, Random, Swarms};
pub use crate::types::Now;
use crate::types::{Interval, Intervals, Numwant, PeerTimeout};
use connection_id::ConnectionIds;
use ipnet::IpNet;
use modest::Modest;
use observers::Observers;
use refusals::{Budget, Refusing};
use request_log::RequestLog;
use std::net::IpAddr;
use std::time::Duration;

/// What the operator has set about the answers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The URL that `/` redirects to, if any.
    pub redirect_url: Option<Vec<u8>>,
    /// The path of the statistics, without its slash.
    pub stats_path: Vec<u8>,
    /// The path of the metrics, likewise.
    pub metrics_path: Vec<u8>,
    /// Name, version and switches, a line each.
    pub version: String,
    /// How announces are refused whose torrent the access list forbids.
    pub refusing: Refusing,
    /// Peers with lower ports are answered, but not stored.
    pub min_port: u16,
    /// The announce intervals.
    pub interval: Intervals,
    /// How long peers stay.
    pub peer_timeout: PeerTimeout,
    /// How many peers replies have.
    pub numwant: Numwant,
    /// Full scrapes and dumps are answered, in builds that have them.
    pub full_scrape: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            redirect_url: None,
            stats_path: b"stats".to_vec(),
            metrics_path: b"metrics".to_vec(),
            version: String::new(),
            refusing: Refusing::default(),
            min_port: 0,
            interval: Intervals::default(),
            peer_timeout: PeerTimeout::default(),
            numwant: Numwant::default(),
            full_scrape: true,
        }
    }
}

/// A tracker with peers of these families.
pub struct Tracker<F: Families> {
    settings: Settings,
    swarms: Swarms<F>,
    counters: Counters,
    observers: Observers,
    log: RequestLog,
    modest: Modest,
    random: Random,
    connection_ids: ConnectionIds,
    id: u32,
    /// The networks that are allowed more than others.
    blessings: Vec<(IpNet, Permissions)>,
    /// What waits to be sent to the other trackers of the cluster.
    outbox: Outbox,
    /// Which torrents are served.
    access_list: List,
    /// Bytes in which a page counts networks.
    networks_memory: usize,
    refusals: Budget,
    /// When the current walk over all torrents began, or the next one begins, in time since the start.
    walk_start: Duration,
    /// When the next step of the walk is due, in time since the start.
    walk_step: Duration,
    /// The body of the HTTP reply that is being made: kept, so that no reply has to allocate.
    body: Vec<u8>,
    /// The peers chosen for an HTTP reply, as many as the largest reply has.
    peers: Box<[u8]>,
}

impl<F: Families> Tracker<F> {
    /// A tracker without torrents. The seed is for random numbers that need not be secret.
    pub fn new(settings: Settings, seed: [u64; 2]) -> Self {
        let mut random = Random::new(seed);
        let id = random.next_u64() as u32;
        let (peer, numwant) = (if F::V6 { Endpoint::<16>::SIZE } else { Endpoint::<4>::SIZE }, settings.numwant.max);
        let mut swarms = Swarms::new();
        swarms.set_torrent_timeout(settings.peer_timeout.torrent_ticks());
        Tracker {
            counters: Counters::new(settings.peer_timeout.minutes(), numwant),
            settings,
            swarms,
            observers: Observers::new(F::V4, F::V6),
            log: RequestLog::default(),
            modest: Modest::default(),
            id,
            blessings: Vec::new(),
            outbox: Outbox::new(id, F::V4, F::V6),
            random,
            connection_ids: ConnectionIds::default(),
            access_list: List::default(),
            networks_memory: NETWORKS_MEMORY,
            refusals: Budget::default(),
            walk_start: WALK_INTERVAL,
            walk_step: WALK_INTERVAL,
            body: Vec::new(),
            peers: vec![0; numwant * peer].into(),
        }
    }

    /// Sets the networks that are allowed more than others.
    pub fn bless(&mut self, blessings: Vec<(IpNet, Permissions)>) {
        self.blessings = blessings;
    }

    fn allows(&self, address: IpAddr, wanted: Permissions) -> bool {
        let address = F::widened(address);
        self.blessings.iter().any(|(network, permitted)| network.contains(&address) && permitted.contains(wanted))
    }

    /// What waits to be sent to the other trackers of the cluster.
    pub fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    /// The list that decides which torrents are served. Torrents that a new list forbids stay until their peers have expired.
    pub fn access_list(&mut self) -> &mut List {
        &mut self.access_list
    }

    /// The state of all torrents, for reading.
    pub fn swarms(&self) -> &Swarms<F> {
        &self.swarms
    }

    /// Announces answered since the start.
    pub fn announces(&self) -> u64 {
        self.counters.get(Request::HttpAnnounce) + self.counters.get(Request::UdpAnnounce)
    }

    /// What else is done with announces.
    pub fn observers(&mut self) -> &mut Observers {
        &mut self.observers
    }

    /// What is counted of requests, to count more.
    pub fn counters(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// Sets how many bytes the state may hold. Where it would hold more, or the system refuses memory, new peers are answered but not
    /// stored. The others are served as usual, and as peers leave there is room again.
    pub fn set_memory_ceiling(&mut self, bytes: usize) {
        self.swarms.set_ceiling(bytes);
    }

    /// Sets in how many bytes a page counts networks.
    pub fn set_networks_memory(&mut self, bytes: usize) {
        self.networks_memory = bytes;
    }

    /// Sets how many torrents and peers there may be. What is new beyond takes the place of torrents with one peer or none, or is
    /// answered but not stored.
    pub fn set_limits(&mut self, limits: Limits) {
        self.swarms.set_limits(limits);
    }

    /// Looks for torrents that may make room where there are as many as there may be, and if it is due, takes a bounded step of the walk over all torrents in which peers and torrents expire. Returns when the next step
    /// is due, in time since the start.
    pub fn expire(&mut self, now: Now) -> Duration {
        self.swarms.find_candidates();
        if now.up >= self.walk_step {
            self.walk_step = now.up + WALK_PACE;
            self.observers.expire_step(now);
            if self.swarms.expire(self.tick(now), WALK_SLICE) {
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
        self.settings.interval.draw(self.random.next_u64())
    }

    /// The swarms' time.
    fn tick(&self, now: Now) -> u32 {
        self.settings.peer_timeout.tick(now)
    }
}
