//! Networks whose peers announce too often (`spot-woodpecker`).
//!
//! All counts are halved every two minutes. To halve them all at once would take long, so each has the time of its last halving and
//! makes up for the missed ones when it is used next.

use super::best::Best;
use super::networks::{narrow, write_narrow};
use crate::limits::{NETWORKS_LISTED, WOODPECKER_HALVING, WOODPECKER_MINUTES, WOODPECKER_NETWORKS};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Bound;
use std::time::Duration;

/// Networks checked for expiry before each new one, so that they expire faster than new ones come.
const CHECKED_FOR_A_NEW_ONE: usize = 4;

/// The count of one network.
#[derive(Clone, Copy, Debug)]
struct Count {
    count: u32,
    /// The halvings that are in it, since the start.
    halvings: u32,
}

impl Count {
    fn at(self, halvings: u32) -> u32 {
        self.count.checked_shr(halvings.saturating_sub(self.halvings)).unwrap_or(0)
    }
}

/// The networks of one family, and how often their peers announced too early of late.
#[derive(Debug, Default)]
struct Table<const N: usize> {
    /// An ordered map: it grows without the pauses of a hash table.
    networks: BTreeMap<[u8; N], Count>,
    /// Up to where networks have been checked for expiry.
    checked: Option<[u8; N]>,
}

/// The busiest networks of one family, while they are selected.
#[derive(Debug)]
struct Busiest<const N: usize> {
    after: Option<[u8; N]>,
    best: Best<[u8; N]>,
}

impl<const N: usize> Default for Busiest<N> {
    fn default() -> Self {
        Busiest { after: None, best: Best::new(NETWORKS_LISTED) }
    }
}

/// Halvings from the start to this time.
fn halvings(up: Duration) -> u32 {
    u32::try_from(up.as_secs() / WOODPECKER_HALVING.as_secs().max(1)).unwrap_or(u32::MAX)
}

impl<const N: usize> Table<N> {
    /// Counts an announce of a known peer, so many minutes after its last one. Only early ones count.
    fn count(&mut self, up: Duration, address: &[u8; N], minutes_ago: u32, memory_is_short: bool) {
        if minutes_ago == 0 || minutes_ago >= WOODPECKER_MINUTES {
            return;
        }
        let (network, now) = (narrow(address), halvings(up));
        if let Some(count) = self.networks.get_mut(&network) {
            *count = Count { count: count.at(now).saturating_add(1), halvings: now };
            return;
        }
        self.expire_step(up, CHECKED_FOR_A_NEW_ONE);
        if self.networks.len() < WOODPECKER_NETWORKS && !memory_is_short {
            self.networks.insert(network, Count { count: 1, halvings: now });
        }
    }

    /// Checks so many networks, and forgets those whose count is 0.
    fn expire_step(&mut self, up: Duration, networks: usize) {
        let from = self.checked.map_or(Bound::Unbounded, Bound::Excluded);
        let now = halvings(up);
        let checked: Vec<_> =
            self.networks.range((from, Bound::Unbounded)).take(networks).map(|(n, k)| (*n, *k)).collect();
        self.checked = if checked.len() < networks { None } else { checked.last().map(|(network, _)| *network) };
        for (network, _) in checked.iter().filter(|(_, count)| count.at(now) == 0) {
            self.networks.remove(network);
        }
    }

    /// Offers so many networks to a page. Returns whether all have been offered.
    fn select(&self, page: &mut Busiest<N>, up: Duration, networks: usize) -> bool {
        let from = page.after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut left = networks;
        for (network, count) in self.networks.range((from, Bound::Unbounded)).take(networks) {
            page.best.offer(count.at(halvings(up)), *network);
            page.after = Some(*network);
            left -= 1;
        }
        left > 0
    }
}

impl<const N: usize> Busiest<N> {
    /// Writes the page.
    fn write(&self, out: &mut Vec<u8>) {
        write_narrow(out, &self.best);
    }
}

/// The networks of the families that there are peers of, and how often their peers announced too early of late.
#[derive(Debug)]
pub struct Woodpeckers {
    v4: Option<Table<4>>,
    v6: Option<Table<16>>,
}

/// The page of the busiest networks, while it is built.
#[derive(Debug, Default)]
pub struct WoodpeckerPage {
    v4: Busiest<4>,
    v6: Busiest<16>,
}

impl Woodpeckers {
    /// No networks yet: of IPv4, of IPv6, or of both.
    pub fn new(v4: bool, v6: bool) -> Self {
        Self { v4: v4.then(Table::default), v6: v6.then(Table::default) }
    }

    /// Counts an announce of a known peer, so many minutes after its last one. Only early ones count. Where memory is short no network is
    /// added.
    pub fn count(&mut self, up: Duration, address: IpAddr, minutes_ago: u32, memory_is_short: bool) {
        match (address, &mut self.v4, &mut self.v6) {
            (IpAddr::V4(address), Some(table), _) => table.count(up, &address.octets(), minutes_ago, memory_is_short),
            (IpAddr::V6(address), _, Some(table)) => table.count(up, &address.octets(), minutes_ago, memory_is_short),
            _ => {}
        }
    }

    /// Checks so many networks of each family, and forgets those whose count is 0.
    pub fn expire_step(&mut self, up: Duration, networks: usize) {
        self.v4.iter_mut().for_each(|table| table.expire_step(up, networks));
        self.v6.iter_mut().for_each(|table| table.expire_step(up, networks));
    }

    /// Offers so many networks to a page. Returns whether all have been offered.
    pub fn select(&self, page: &mut WoodpeckerPage, up: Duration, networks: usize) -> bool {
        let is_v4_done = self.v4.as_ref().is_none_or(|table| table.select(&mut page.v4, up, networks));
        is_v4_done && self.v6.as_ref().is_none_or(|table| table.select(&mut page.v6, up, networks))
    }

    /// Writes a page.
    pub fn write(&self, page: &WoodpeckerPage, out: &mut Vec<u8>) {
        self.v4.iter().for_each(|_| page.v4.write(out));
        self.v6.iter().for_each(|_| page.v6.write(out));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page<const N: usize>(woodpeckers: &Table<N>, seconds: u64) -> String {
        let mut made = Busiest::default();
        while !woodpeckers.select(&mut made, Duration::from_secs(seconds), 2) {}
        let mut out = Vec::new();
        made.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn counts_are_halved_every_two_minutes() {
        let mut woodpeckers = Table::<4>::default();
        let at = Duration::from_secs;
        assert_eq!(page(&woodpeckers, 0), "Networks, limit /28:\n\n");
        for minutes in 0..25 {
            woodpeckers.count(at(1), &[10, 0, 0, 1], minutes, false);
        }
        for last in [1, 17, 18, 33] {
            woodpeckers.count(at(1), &[10, 0, 1, last], 5, false);
        }
        let lines = "00000019: 10.0.0.0\n00000002: 10.0.1.16\n00000001: 10.0.1.0\n00000001: 10.0.1.32\n";
        assert_eq!(page(&woodpeckers, 119), format!("Networks, limit /28:\n{lines}\n"));
        assert_eq!(page(&woodpeckers, 120), "Networks, limit /28:\n00000009: 10.0.0.0\n00000001: 10.0.1.16\n\n");
        woodpeckers.count(at(360), &[10, 0, 0, 2], 5, false);
        assert_eq!(page(&woodpeckers, 360), "Networks, limit /28:\n00000003: 10.0.0.0\n\n");
        assert_eq!(page(&woodpeckers, 1 << 40), "Networks, limit /28:\n\n");
    }

    #[test]
    fn networks_whose_count_is_0_are_forgotten() {
        let mut woodpeckers = Table::<16>::default();
        for n in 0..100 {
            let up = Duration::from_secs(if n % 3 == 0 { 130 } else { 0 });
            woodpeckers.count(up, &[n; 16], 5, false);
        }
        for _ in 0..15 {
            woodpeckers.expire_step(Duration::from_secs(140), 7);
        }
        assert_eq!(woodpeckers.networks.len(), 34);
        assert!(woodpeckers.networks.keys().all(|network| network[0] % 3 == 0));
    }
    #[test]
    fn each_family_has_a_table_of_its_own() {
        let mut woodpeckers = Woodpeckers::new(true, true);
        for address in ["10.0.0.1", "2001:db8::1", "10.0.0.2"] {
            woodpeckers.count(Duration::ZERO, address.parse().unwrap(), 5, false);
        }
        let (mut page, mut out) = (WoodpeckerPage::default(), Vec::new());
        while !woodpeckers.select(&mut page, Duration::ZERO, 1) {}
        woodpeckers.write(&page, &mut out);
        let tables = "Networks, limit /28:\n00000002: 10.0.0.0\n\nNetworks, limit /68:\n00000001: 2001:db8::\n\n";
        assert_eq!(String::from_utf8(out).unwrap(), tables);
    }
}
