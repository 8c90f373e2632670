//! The networks that most peers come from.

use super::best::Best;
use crate::limits::NETWORKS_LISTED;
use crate::wire::address::to_ip;
use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Bound;

/// Bits of the narrower and the wider networks, by bytes of an address (as the original).
const fn widths(address: usize) -> (usize, usize) {
    if address == 16 { (68, 48) } else { (28, 24) }
}

/// Counts peers by network: first each peer is shown, then the busiest networks are picked in slices.
#[derive(Debug)]
pub struct Networks<const N: usize> {
    /// In order and growing without a pause, which a hash table does not.
    counted: BTreeMap<[u8; N], u32>,
    picked_to: Option<[u8; N]>,
    narrow: Best<[u8; N]>,
    wide: Best<[u8; N]>,
    widening: ([u8; N], u32),
}

impl<const N: usize> Default for Networks<N> {
    fn default() -> Self {
        Networks {
            counted: BTreeMap::new(),
            picked_to: None,
            narrow: Best::new(NETWORKS_LISTED),
            wide: Best::new(NETWORKS_LISTED),
            widening: ([0; N], 0),
        }
    }
}

impl<const N: usize> Networks<N> {
    /// Counts one peer.
    pub fn peer(&mut self, address: &[u8; N]) {
        *self.counted.entry(network(address, widths(N).0)).or_default() += 1;
    }

    /// Looks at some more of the networks counted; true when all have been.
    pub fn pick(&mut self, networks: usize) -> bool {
        let from = self.picked_to.map_or(Bound::Unbounded, Bound::Excluded);
        let mut left = networks;
        for (address, count) in self.counted.range((from, Bound::Unbounded)).take(networks) {
            left -= 1;
            self.narrow.offer(*count, *address);
            let wide = network(address, widths(N).1);
            if wide == self.widening.0 {
                self.widening.1 = self.widening.1.saturating_add(*count);
            } else {
                self.wide.offer(self.widening.1, self.widening.0);
                self.widening = (wide, *count);
            }
            self.picked_to = Some(*address);
        }
        if left == 0 {
            return false;
        }
        self.wide.offer(self.widening.1, self.widening.0);
        true
    }

    /// The page.
    pub fn write(&self, out: &mut Vec<u8>) {
        for (best, width) in [(&self.narrow, widths(N).0), (&self.wide, widths(N).1)] {
            // writing to memory does not fail
            let _ = writeln!(out, "Networks, limit /{width}:");
            for (count, address) in best.list() {
                let _ = writeln!(out, "{count:08}: {}", to_ip(address));
            }
            out.push(b'\n');
        }
    }
}

/// An address with all bits behind the first `width` cleared.
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
        let mut networks = Networks::default();
        peers.iter().for_each(|peer| networks.peer(peer));
        while !networks.pick(2) {}
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
    fn widths_are_cut_within_bytes() {
        assert_eq!(network(&[255; 4], 28), [255, 255, 255, 240]);
        assert_eq!(network(&[255; 4], 24), [255, 255, 255, 0]);
        assert_eq!(network(&[255; 16], 68)[7..10], [255, 240, 0]);
    }
}
