//! The counters for the statistics.

use crate::limits::{NUMWANT_MAX, PEER_TIMEOUT_MINUTES};
use crate::wire::http::Refusal;

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

/// Everything counted since the start.
#[derive(Clone, Debug)]
pub struct Counters {
    /// TCP connections accepted.
    pub tcp_accepted: u64,
    /// HTTP announces answered, stopped and unauthorized ones included.
    pub tcp_announces: u64,
    /// HTTP scrapes answered, however many info hashes each.
    pub tcp_scrapes: u64,
    /// Datagrams received that were not empty.
    pub udp_received: u64,
    /// Connect requests answered.
    pub udp_connects: u64,
    /// UDP announces answered, stopped and unauthorized ones included.
    pub udp_announces: u64,
    /// UDP scrapes answered.
    pub udp_scrapes: u64,
    /// Requests with a wrong connection id.
    pub udp_mismatches: u64,
    /// Downloads completed.
    pub completed: u64,
    /// Records received by live sync.
    pub sync_records: u64,
    /// Announces of known peers by the minutes since their last one.
    pub renewed: [u64; PEER_TIMEOUT_MINUTES as usize],
    /// HTTP announces by the peers they wanted.
    pub numwants: [u64; NUMWANT_MAX + 1],
    errors: [u64; 9],
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            tcp_accepted: 0,
            tcp_announces: 0,
            tcp_scrapes: 0,
            udp_received: 0,
            udp_connects: 0,
            udp_announces: 0,
            udp_scrapes: 0,
            udp_mismatches: 0,
            completed: 0,
            sync_records: 0,
            renewed: [0; PEER_TIMEOUT_MINUTES as usize],
            numwants: [0; NUMWANT_MAX + 1],
            errors: [0; 9],
        }
    }
}

impl Counters {
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
        self.udp_connects + self.udp_announces
    }
}
