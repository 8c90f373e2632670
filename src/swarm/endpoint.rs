//! Who a peer is: its endpoint, as it goes over the wire.

use super::index::search::Key;
use std::cmp::Ordering;

/// Where a peer listens: `N` bytes of address (4 or 16) and the port, both in network order, as on the wire (BEP 23, BEP 7).
///
/// They are ordered by a mix of all these bytes, so neighbours in order are none on the network.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint<const N: usize> {
    /// The address, most significant byte first.
    pub address: [u8; N],
    /// The port, most significant byte first.
    pub port: [u8; 2],
}

impl<const N: usize> Endpoint<N> {
    /// Bytes of an endpoint in a reply.
    pub const SIZE: usize = N + 2;

    pub(super) fn write(&self, out: &mut [u8]) {
        let (address, rest) = out.split_at_mut(N);
        address.copy_from_slice(&self.address);
        rest[..2].copy_from_slice(&self.port);
    }
}

impl<const N: usize> Default for Endpoint<N> {
    fn default() -> Self {
        Self { address: [0; N], port: [0; 2] }
    }
}

impl<const N: usize> Ord for Endpoint<N> {
    fn cmp(&self, other: &Self) -> Ordering {
        let ranks = self.rank().cmp(&other.rank());
        ranks.then_with(|| (self.address, self.port).cmp(&(other.address, other.port)))
    }
}

impl<const N: usize> PartialOrd for Endpoint<N> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<const N: usize> Key for Endpoint<N> {
    /// Mixed from all bytes, so that ranks are spread evenly however addresses are, and those next to each other in order are
    /// not neighbours on the network: a reply takes several from one place. The lowest endpoint has rank 0.
    fn rank(&self) -> u64 {
        let mut port = [0; 8];
        port[4..6].copy_from_slice(&self.port);
        let mut rank = u64::from_le_bytes(port);
        for part in self.address.chunks(8) {
            let mut bytes = [0; 8];
            bytes[..part.len()].copy_from_slice(part);
            rank = mix(rank ^ u64::from_le_bytes(bytes));
        }
        rank
    }
}

/// Folds a product of full width, by which every bit depends on all. Zero stays zero.
fn mix(n: u64) -> u64 {
    let product = u128::from(n) * 0x9e37_79b9_7f4a_7c15;
    (product >> 64) as u64 ^ product as u64
}

/// What a peer says of itself in an announce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerState {
    /// It has everything.
    pub seeding: bool,
    /// It has just got everything; counts only if it is seeding too (as the original).
    pub completed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_endpoint_has_the_lowest_rank_and_others_are_spread_evenly() {
        assert_eq!(Endpoint::<4>::default().rank(), 0);
        assert_eq!(Endpoint::<16>::default().rank(), 0);
        // one network, one port: the worst that is common
        let ranks = |make: fn(u32) -> u64| {
            let mut sixteenths = [0; 16];
            (1..=1600).for_each(|n| sixteenths[(make(n) >> 60) as usize] += 1);
            sixteenths
        };
        let four = ranks(|n| Endpoint { address: (0x0a00_0000 + n).to_be_bytes(), port: [26, 225] }.rank());
        let six =
            ranks(|n| Endpoint { address: (0x2001 << 112 | u128::from(n)).to_be_bytes(), port: [26, 225] }.rank());
        let ports = ranks(|n| Endpoint { address: [10, 0, 0, 1], port: (n as u16).to_be_bytes() }.rank());
        for shares in [four, six, ports] {
            assert!(shares.iter().all(|share| (60..140).contains(share)), "{shares:?}");
        }
    }
}
