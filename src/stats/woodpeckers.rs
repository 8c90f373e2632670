//! Networks whose peers announce too often (`spot-woodpecker`).
//!
//! All counts are halved every so often. That would take long where there are many, so each remembers when it was halved last and
//! is halved as often as it missed when it is looked at next.

use super::best::Best;
use super::networks::{narrow, write_narrow};
use crate::limits::{NETWORKS_LISTED, WOODPECKER_HALVING, WOODPECKER_MINUTES, WOODPECKER_NETWORKS};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

/// Networks looked at for each new one, so that those that are forgotten go sooner than others come.
const CLEARED_FOR_A_NEW_ONE: usize = 4;

/// What is counted of one network.
#[derive(Clone, Copy, Debug)]
struct Knocks {
    count: u32,
    /// After so many halvings of all.
    halvings: u32,
}

impl Knocks {
    fn at(self, halvings: u32) -> u32 {
        self.count.checked_shr(halvings.saturating_sub(self.halvings)).unwrap_or(0)
    }
}

/// The networks, and how often each was heard lately.
#[derive(Debug, Default)]
pub struct Woodpeckers<const N: usize> {
    /// In order and growing without a pause, which a hash table does not.
    networks: BTreeMap<[u8; N], Knocks>,
    /// Up to where those that are forgotten have been cleared away.
    cleared: Option<[u8; N]>,
}

/// The page of the busiest ones, in the making.
#[derive(Debug)]
pub struct Spotting<const N: usize> {
    after: Option<[u8; N]>,
    best: Best<[u8; N]>,
}

impl<const N: usize> Default for Spotting<N> {
    fn default() -> Self {
        Spotting { after: None, best: Best::new(NETWORKS_LISTED) }
    }
}

/// How often all counts have been halved by then.
fn halvings(up: Duration) -> u32 {
    u32::try_from(up.as_secs() / WOODPECKER_HALVING.as_secs().max(1)).unwrap_or(u32::MAX)
}

impl<const N: usize> Woodpeckers<N> {
    /// Hears a known peer announce so many minutes after its last time.
    pub fn hear(&mut self, up: Duration, address: &[u8; N], minutes_ago: u32) {
        if minutes_ago == 0 || minutes_ago >= WOODPECKER_MINUTES {
            return;
        }
        let (network, now) = (narrow(address), halvings(up));
        if let Some(knocks) = self.networks.get_mut(&network) {
            *knocks = Knocks { count: knocks.at(now).saturating_add(1), halvings: now };
            return;
        }
        self.clear_away(up, CLEARED_FOR_A_NEW_ONE);
        if self.networks.len() < WOODPECKER_NETWORKS {
            self.networks.insert(network, Knocks { count: 1, halvings: now });
        }
    }

    /// Looks at some more networks and clears away those whose count has come to nothing.
    pub fn clear_away(&mut self, up: Duration, networks: usize) {
        let from = self.cleared.map_or(Bound::Unbounded, Bound::Excluded);
        let now = halvings(up);
        let looked: Vec<_> =
            self.networks.range((from, Bound::Unbounded)).take(networks).map(|(n, k)| (*n, *k)).collect();
        self.cleared = if looked.len() < networks { None } else { looked.last().map(|(network, _)| *network) };
        for (network, _) in looked.iter().filter(|(_, knocks)| knocks.at(now) == 0) {
            self.networks.remove(network);
        }
    }

    /// Looks at some more networks for a page; true when all have been looked at.
    pub fn spot(&self, spotting: &mut Spotting<N>, up: Duration, networks: usize) -> bool {
        let from = spotting.after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut left = networks;
        for (network, knocks) in self.networks.range((from, Bound::Unbounded)).take(networks) {
            spotting.best.offer(knocks.at(halvings(up)), *network);
            spotting.after = Some(*network);
            left -= 1;
        }
        left > 0
    }
}

impl<const N: usize> Spotting<N> {
    /// The page.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_narrow(out, &self.best);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page<const N: usize>(woodpeckers: &Woodpeckers<N>, seconds: u64) -> String {
        let mut spotting = Spotting::default();
        while !woodpeckers.spot(&mut spotting, Duration::from_secs(seconds), 2) {}
        let mut out = Vec::new();
        spotting.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn counts_are_halved_every_two_minutes() {
        let mut woodpeckers = Woodpeckers::<4>::default();
        let at = Duration::from_secs;
        assert_eq!(page(&woodpeckers, 0), "Networks, limit /28:\n\n");
        for minutes in 0..25 {
            woodpeckers.hear(at(1), &[10, 0, 0, 1], minutes);
        }
        for last in [1, 17, 18, 33] {
            woodpeckers.hear(at(1), &[10, 0, 1, last], 5);
        }
        let lines = "00000019: 10.0.0.0\n00000002: 10.0.1.16\n00000001: 10.0.1.0\n00000001: 10.0.1.32\n";
        assert_eq!(page(&woodpeckers, 119), format!("Networks, limit /28:\n{lines}\n"));
        assert_eq!(page(&woodpeckers, 120), "Networks, limit /28:\n00000009: 10.0.0.0\n00000001: 10.0.1.16\n\n");
        woodpeckers.hear(at(360), &[10, 0, 0, 2], 5);
        assert_eq!(page(&woodpeckers, 360), "Networks, limit /28:\n00000003: 10.0.0.0\n\n");
        assert_eq!(page(&woodpeckers, 1 << 40), "Networks, limit /28:\n\n");
    }

    #[test]
    fn what_is_forgotten_is_cleared_away() {
        let mut woodpeckers = Woodpeckers::<16>::default();
        for n in 0..100 {
            let up = Duration::from_secs(if n % 3 == 0 { 130 } else { 0 });
            woodpeckers.hear(up, &[n; 16], 5);
        }
        for _ in 0..15 {
            woodpeckers.clear_away(Duration::from_secs(140), 7);
        }
        assert_eq!(woodpeckers.networks.len(), 34);
        assert!(woodpeckers.networks.keys().all(|network| network[0] % 3 == 0));
    }
}
