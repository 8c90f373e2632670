//! The counters for the statistics.

use crate::features::METRICS;
use crate::limits::{NUMWANT_MAX, PEER_TIMEOUT_MINUTES};
use crate::types::Origin;
use crate::wire::http::Refusal;
use std::net::IpAddr;

/// The places of HTTP errors among their counters, in the original's order. It counts redirections among the errors, and has another
/// counter for 402, at place 5, that nothing increments.
const REDIRECT: usize = 0;

fn place(refusal: Refusal) -> usize {
    match refusal {
        Refusal::Request => 1,
        Refusal::Parameter => 2,
        Refusal::Compact => 3,
        Refusal::NotModest => 4,
        Refusal::Denied => 6,
        Refusal::NotFound => 7,
        Refusal::Internal => 8,
    }
}

/// Kinds of requests that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// TCP connections accepted.
    Connection,
    /// HTTP announces answered, stopped and unauthorized ones included.
    HttpAnnounce,
    /// HTTP scrapes answered, however many info hashes each.
    HttpScrape,
    /// Datagrams received that were not empty.
    Datagram,
    /// Connect requests answered.
    Connect,
    /// UDP announces answered, stopped and unauthorized ones included.
    UdpAnnounce,
    /// UDP scrapes answered.
    UdpScrape,
}

const REQUESTS: usize = Request::UdpScrape as usize + 1;

/// The ways by which announces come: [`Origin`].
const ORIGINS: usize = Origin::Cluster as usize + 1;

/// What is counted in builds with `metrics` alone, since the start.
#[derive(Clone, Debug, Default)]
pub struct Detail {
    /// Requests of IPv6 clients. These are among all requests.
    v6: [u64; REQUESTS],
    /// Announces for torrents that are not served, by the way they came.
    not_listed: [u64; ORIGINS],
    /// New peers for which there was no memory, likewise.
    not_stored: [u64; ORIGINS],
    /// Datagrams that are no requests.
    pub malformed: u64,
    /// Full scrapes begun.
    pub full_scrapes: u64,
    /// Packets of other trackers with records.
    pub sync_packets: u64,
    /// Connections closed because others came.
    pub connections_shed: u64,
    /// Connections closed because they took too long.
    pub connections_late: u64,
}

/// Everything counted since the start.
#[derive(Clone, Debug)]
pub struct Counters {
    requests: [u64; REQUESTS],
    /// Requests with a wrong connection id.
    pub udp_mismatches: u64,
    /// Announces whose torrent the access list forbids that were not answered because refusals were too many.
    pub silenced: u64,
    /// Announces, and records of live sync, whose port was too low for the peer to be stored.
    pub low_ports: u64,
    /// Downloads completed.
    pub completed: u64,
    /// Records received by live sync.
    pub sync_records: u64,
    /// Announces of known peers by the minutes since their last one, as many as peers stay.
    pub renewed: Box<[u64]>,
    /// HTTP announces by the peers they wanted, up to the most that they get.
    pub numwants: Box<[u64]>,
    errors: [u64; 9],
    /// What is counted in builds with `metrics` alone. 0 in others.
    pub detail: Detail,
}

impl Default for Counters {
    fn default() -> Self {
        Self::new(PEER_TIMEOUT_MINUTES, NUMWANT_MAX)
    }
}

impl Counters {
    /// Nothing counted yet, where peers stay for so many minutes and replies have so many of them at most.
    pub fn new(minutes: u32, numwant_max: usize) -> Self {
        Counters {
            requests: [0; REQUESTS],
            udp_mismatches: 0,
            silenced: 0,
            low_ports: 0,
            completed: 0,
            sync_records: 0,
            renewed: vec![0; minutes as usize].into(),
            numwants: vec![0; numwant_max + 1].into(),
            errors: [0; 9],
            detail: Detail::default(),
        }
    }
}

impl Detail {
    /// Announces for torrents that are not served, by the way they came.
    pub fn not_listed(&self, origin: Origin) -> u64 {
        self.not_listed[origin as usize]
    }

    /// New peers for which there was no memory, likewise.
    pub fn not_stored(&self, origin: Origin) -> u64 {
        self.not_stored[origin as usize]
    }
}

impl Counters {
    /// Counts a request of a client with this address.
    pub fn count(&mut self, request: Request, from: IpAddr) {
        self.requests[request as usize] += 1;
        if METRICS {
            self.detail.v6[request as usize] += u64::from(from.is_ipv6());
        }
    }

    /// How many requests of a kind there were.
    pub fn get(&self, request: Request) -> u64 {
        self.requests[request as usize]
    }

    /// The same, of clients of IPv4 and of IPv6.
    pub fn by_family(&self, request: Request) -> [u64; 2] {
        let v6 = self.detail.v6[request as usize];
        [self.get(request) - v6, v6]
    }

    /// Counts an announce for a torrent that is not served.
    pub fn not_listed(&mut self, origin: Origin) {
        self.detail(|detail| detail.not_listed[origin as usize] += 1);
    }

    /// Counts a new peer for which there was no memory.
    pub fn not_stored(&mut self, origin: Origin) {
        self.detail(|detail| detail.not_stored[origin as usize] += 1);
    }

    /// Counts something in builds with `metrics`. In others this does nothing.
    pub fn detail(&mut self, count: impl FnOnce(&mut Detail)) {
        if METRICS {
            count(&mut self.detail);
        }
    }

    /// Counts a redirection.
    pub fn redirected(&mut self) {
        self.errors[REDIRECT] += 1;
    }

    /// Counts an HTTP request that is answered with an error.
    pub fn refused(&mut self, refusal: Refusal) {
        self.errors[place(refusal)] += 1;
    }

    /// The HTTP errors so far: 302; 400 for the request, a parameter, compact=0; 402 for full scrapes too soon, and one more that is
    /// always 0; 403; 404; 500.
    pub fn errors(&self) -> &[u64; 9] {
        &self.errors
    }

    /// HTTP requests answered with 400.
    pub fn malformed_http(&self) -> u64 {
        let [(_, malformed), ..] = self.errors_by_code();
        malformed
    }

    /// The HTTP errors so far by their code, without redirections.
    pub fn errors_by_code(&self) -> [(u16, u64); 5] {
        let [_, request, parameter, compact, not_modest, never, denied, not_found, internal] = self.errors;
        let malformed = request + parameter + compact;
        [(400, malformed), (402, not_modest + never), (403, denied), (404, not_found), (500, internal)]
    }

    /// Counts an announce of a peer that was known, by the minutes since its last one.
    pub fn renewal(&mut self, minutes_ago: u32) {
        if let Some(count) = usize::try_from(minutes_ago).ok().and_then(|minutes| self.renewed.get_mut(minutes)) {
            *count += 1;
        }
    }

    /// Counts an HTTP announce by the peers it wants.
    pub fn numwant(&mut self, wanted: usize) {
        if let Some(count) = self.numwants.get_mut(wanted) {
            *count += 1;
        }
    }

    /// UDP requests that were answered as asked.
    pub fn udp_successes(&self) -> u64 {
        self.get(Request::Connect) + self.get(Request::UdpAnnounce)
    }
}
