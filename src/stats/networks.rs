//! The networks with the most peers (`mode=s24s`).
//!
//! Peers come in the order of their torrents, so the count of a network is known only after the last peer. There may be as many networks
//! as peers, and memory is bounded: a pass over all peers counts only so many networks, the lowest addresses first. Where there are
//! more, another pass counts the next ones. Where there are peers of both families, those of IPv4 are counted first, then those of IPv6.

use super::best::Best;
use crate::address::to_ip;
use crate::limits::NETWORKS_LISTED;
use std::collections::BTreeMap;
use std::io::Write;
use std::net::IpAddr;

/// Bits of the narrower and the wider networks, by bytes of an address (as the original).
const fn widths(address: usize) -> (usize, usize) {
    if address == 16 { (68, 48) } else { (28, 24) }
}

/// The narrower network that an address belongs to.
pub(super) fn narrow<const N: usize>(address: &[u8; N]) -> [u8; N] {
    network(address, widths(N).0)
}

/// How far the selection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Counted networks are left to select from.
    Unfinished,
    /// This pass is over, and there are networks that it did not count: all peers have to be counted again.
    NextPass,
    /// The page is complete.
    Done,
}

/// The tables of one family. It counts peers by network: first each peer is counted, then the busiest networks are selected in slices.
#[derive(Debug)]
struct Tables<const N: usize> {
    /// An ordered map: it grows without the pauses of a hash table.
    counted: BTreeMap<[u8; N], u32>,
    /// The lowest network that this pass counts.
    from: [u8; N],
    /// The network that this pass counts up to, exclusive. `None`: all.
    below: Option<[u8; N]>,
    /// How many networks a pass counts.
    per_pass: usize,
    narrow: Best<[u8; N]>,
    wide: Best<[u8; N]>,
    /// The wider network that is being summed up, and its peers so far.
    widening: ([u8; N], u32),
}

impl<const N: usize> Tables<N> {
    /// Bytes that a counted network takes: nodes of eleven entries are two thirds full.
    const NETWORK_BYTES: usize = 2 * N + 16;

    /// Tables that take so many bytes.
    fn within(memory: usize) -> Self {
        Self::counting((memory / Self::NETWORK_BYTES).max(1))
    }

    fn counting(per_pass: usize) -> Self {
        Tables {
            counted: BTreeMap::new(),
            from: [0; N],
            below: None,
            per_pass,
            narrow: Best::new(NETWORKS_LISTED),
            wide: Best::new(NETWORKS_LISTED),
            widening: ([0; N], 0),
        }
    }

    /// Bytes that counting so many peers may take.
    fn memory(&self, peers: u64) -> usize {
        usize::try_from(peers).map_or(self.per_pass, |peers| peers.min(self.per_pass)) * Self::NETWORK_BYTES
    }

    /// Counts one peer.
    fn count(&mut self, address: &[u8; N]) {
        let network = narrow(address);
        if network < self.from || self.below.is_some_and(|below| network >= below) {
            return;
        }
        *self.counted.entry(network).or_default() += 1;
        if self.counted.len() > self.per_pass {
            self.below = self.counted.pop_last().map(|(last, _)| last);
        }
    }

    /// Selects from so many of the counted networks, and forgets these.
    fn select(&mut self, networks: usize) -> Selection {
        for _ in 0..networks {
            let Some((address, count)) = self.counted.pop_first() else { return self.end_pass() };
            self.narrow.offer(count, address);
            let wide = network(&address, widths(N).1);
            if wide == self.widening.0 {
                self.widening.1 = self.widening.1.saturating_add(count);
            } else {
                self.wide.offer(self.widening.1, self.widening.0);
                self.widening = (wide, count);
            }
        }
        Selection::Unfinished
    }

    fn end_pass(&mut self) -> Selection {
        match self.below.take() {
            Some(below) => {
                self.from = below;
                Selection::NextPass
            }
            None => {
                self.wide.offer(self.widening.1, self.widening.0);
                Selection::Done
            }
        }
    }

    /// Forgets so many of the counted networks. Returns whether none are left.
    fn discard(&mut self, networks: usize) -> bool {
        (0..networks).any(|_| self.counted.pop_first().is_none())
    }

    /// Writes the page.
    fn write(&self, out: &mut Vec<u8>) {
        write_table(out, widths(N).0, &self.narrow);
        write_table(out, widths(N).1, &self.wide);
    }
}

/// The page of the busiest networks of the families that there are peers of, while it is built.
#[derive(Debug)]
pub struct Networks {
    v4: Option<Tables<4>>,
    v6: Option<Tables<16>>,
    /// The tables of IPv4 are complete, if there are any.
    is_v4_done: bool,
}

impl Networks {
    /// An empty page, with tables of IPv4, of IPv6, or of both, that counts within so many bytes.
    pub fn new(v4: bool, v6: bool, memory: usize) -> Self {
        Self { v4: v4.then(|| Tables::within(memory)), v6: v6.then(|| Tables::within(memory)), is_v4_done: !v4 }
    }

    /// Bytes that counting so many peers may take: one family is counted at a time.
    pub fn memory(&self, peers: u64) -> usize {
        let v4 = self.v4.as_ref().map_or(0, |tables| tables.memory(peers));
        v4.max(self.v6.as_ref().map_or(0, |tables| tables.memory(peers)))
    }

    /// Counts one peer, if it is of the family that this pass counts.
    pub fn count(&mut self, address: IpAddr) {
        match (address, &mut self.v4, &mut self.v6) {
            (IpAddr::V4(address), Some(tables), _) if !self.is_v4_done => tables.count(&address.octets()),
            (IpAddr::V6(address), _, Some(tables)) if self.is_v4_done => tables.count(&address.octets()),
            _ => {}
        }
    }

    /// Selects from so many of the counted networks, and forgets these.
    pub fn select(&mut self, networks: usize) -> Selection {
        match (&mut self.v4, &mut self.v6) {
            (Some(tables), v6) if !self.is_v4_done => {
                let selection = tables.select(networks);
                self.is_v4_done = selection == Selection::Done;
                if self.is_v4_done && v6.is_some() { Selection::NextPass } else { selection }
            }
            (_, Some(tables)) => tables.select(networks),
            _ => Selection::Done,
        }
    }

    /// Forgets so many of the counted networks. Returns whether none are left.
    pub fn discard(&mut self, networks: usize) -> bool {
        let is_empty = self.v4.as_mut().is_none_or(|tables| tables.discard(networks));
        is_empty && self.v6.as_mut().is_none_or(|tables| tables.discard(networks))
    }

    /// Writes the page.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.v4.iter().for_each(|tables| tables.write(out));
        self.v6.iter().for_each(|tables| tables.write(out));
    }
}

/// Writes a table of narrower networks.
pub(super) fn write_narrow<const N: usize>(out: &mut Vec<u8>, best: &Best<[u8; N]>) {
    write_table(out, widths(N).0, best);
}

fn write_table<const N: usize>(out: &mut Vec<u8>, width: usize, best: &Best<[u8; N]>) {
    // writing to memory does not fail
    let _ = writeln!(out, "Networks, limit /{width}:");
    for (count, address) in best.list() {
        let _ = writeln!(out, "{count:08}: {}", to_ip(address));
    }
    out.push(b'\n');
}

/// An address with all bits after the first `width` cleared.
fn network<const N: usize>(address: &[u8; N], width: usize) -> [u8; N] {
    let mut network = *address;
    for (at, byte) in network.iter_mut().enumerate() {
        *byte &= match width.saturating_sub(at * 8) {
            0 => 0,
            bits @ 1..8 => 0xff << (8 - bits),
            _ => 0xff,
        };
    }
    network
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page<const N: usize>(peers: &[[u8; N]]) -> String {
        page_counting(usize::MAX, peers)
    }

    fn page_counting<const N: usize>(per_pass: usize, peers: &[[u8; N]]) -> String {
        let mut networks = Tables::counting(per_pass);
        loop {
            peers.iter().for_each(|peer| networks.count(peer));
            assert!(networks.counted.len() <= per_pass);
            let selection =
                (0..).map(|_| networks.select(2)).find(|selection| *selection != Selection::Unfinished).unwrap();
            if selection == Selection::Done {
                break;
            }
        }
        let mut out = Vec::new();
        networks.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_busiest_networks_of_each_width() {
        assert_eq!(page::<4>(&[]), "Networks, limit /28:\n\nNetworks, limit /24:\n\n");
        let peers = [[10, 0, 0, 1], [10, 0, 0, 15], [10, 0, 0, 16], [9, 0, 0, 1], [10, 0, 1, 1], [10, 0, 1, 2]];
        assert_eq!(
            page(&peers),
            "Networks, limit /28:\n00000002: 10.0.0.0\n00000002: 10.0.1.0\n00000001: 9.0.0.0\n00000001: 10.0.0.16\n\n\
             Networks, limit /24:\n00000003: 10.0.0.0\n00000002: 10.0.1.0\n00000001: 9.0.0.0\n\n"
        );
        let mut local = [0; 16];
        local[15] = 1;
        assert_eq!(page(&[local]), "Networks, limit /68:\n00000001: ::\n\nNetworks, limit /48:\n00000001: ::\n\n");
    }

    #[test]
    fn as_busy_when_counted_in_passes() {
        let square = |n: u64| (n * n * 2_654_435 % 40_000 * 8) as u32;
        let mut peers: Vec<[u8; 4]> = (0..3000).map(|n| square(n).to_be_bytes()).collect();
        peers.extend_from_slice(&peers.clone()[..100]);
        let whole = page(&peers);
        assert_eq!(whole.lines().count(), 2 * (128 + 2));
        for per_pass in [1, 7, 500, 10_000] {
            assert_eq!(page_counting(per_pass, &peers), whole, "{per_pass} in a pass");
        }
    }

    #[test]
    fn both_families_are_counted_one_after_the_other() {
        let mut networks = Networks::new(true, true, 1 << 20);
        let peers = ["10.0.0.1", "2001:db8::1", "10.0.0.2", "10.0.1.1"].map(|text| text.parse().unwrap());
        loop {
            peers.iter().for_each(|peer| networks.count(*peer));
            let mut selections = (0..).map(|_| networks.select(2));
            if selections.find(|selection| *selection != Selection::Unfinished) == Some(Selection::Done) {
                break;
            }
        }
        let mut out = Vec::new();
        networks.write(&mut out);
        let v4 = "Networks, limit /28:\n00000002: 10.0.0.0\n00000001: 10.0.1.0\n\n\
                  Networks, limit /24:\n00000002: 10.0.0.0\n00000001: 10.0.1.0\n\n";
        let v6 = "Networks, limit /68:\n00000001: 2001:db8::\n\nNetworks, limit /48:\n00000001: 2001:db8::\n\n";
        assert_eq!(String::from_utf8(out).unwrap(), format!("{v4}{v6}"));
    }

    #[test]
    fn counting_stays_within_its_memory() {
        for memory in [0, 1000, 1 << 20] {
            let mut networks = Networks::new(true, true, memory);
            assert!(networks.memory(u64::MAX) <= memory.max(Tables::<16>::NETWORK_BYTES));
            assert!(networks.memory(3) <= 3 * Tables::<16>::NETWORK_BYTES);
            (0..100_u8).for_each(|n| networks.count(IpAddr::from([10, n, 0, 1])));
            let most = (memory / Tables::<4>::NETWORK_BYTES).clamp(1, 100);
            assert_eq!(networks.v4.as_ref().map(|tables| tables.counted.len()), Some(most));
        }
    }

    #[test]
    fn of_equals_the_last_do_not_fit() {
        let peers: Vec<[u8; 4]> = (0..=255).rev().map(|n| [10, 0, n, n]).collect();
        let page = page(&peers);
        let addresses: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("00000001: ")).collect();
        assert_eq!(addresses.len(), 256);
        assert_eq!((addresses[0], addresses[127], addresses[255]), ("10.0.0.0", "10.0.127.112", "10.0.127.0"));
    }

    #[test]
    fn mapped_addresses_are_of_one_network() {
        let mapped = std::net::Ipv4Addr::new(1, 2, 3, 4).to_ipv6_mapped().octets();
        let documented = "2001:db8:1:2:f000::1".parse::<std::net::Ipv6Addr>().unwrap().octets();
        assert_eq!(
            page(&[documented, mapped]),
            "Networks, limit /68:\n00000001: ::\n00000001: 2001:db8:1:2:f000::\n\n\
             Networks, limit /48:\n00000001: ::\n00000001: 2001:db8:1::\n\n"
        );
    }

    #[test]
    fn widths_are_cut_within_bytes() {
        assert_eq!(network(&[255; 4], 28), [255, 255, 255, 240]);
        assert_eq!(network(&[255; 4], 24), [255, 255, 255, 0]);
        assert_eq!(network(&[255; 16], 68)[7..10], [255, 240, 0]);
    }
}
