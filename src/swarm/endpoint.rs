//! The order of peers, by their endpoints, and endpoints of either family.

use super::index::search::Key;
use crate::address::Family;
use crate::types::Endpoint;
use std::cmp::Ordering;

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

/// Where a peer of either family listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DualEndpoint {
    /// By IPv4.
    V4(Endpoint<4>),
    /// By IPv6.
    V6(Endpoint<16>),
}

impl DualEndpoint {
    /// The family of its address.
    pub fn family(&self) -> Family {
        match self {
            Self::V4(_) => Family::V4,
            Self::V6(_) => Family::V6,
        }
    }

    /// The same, if it is of IPv6, or the first of IPv6 that there can be.
    pub(super) fn v6_or_lowest(self) -> Endpoint<16> {
        match self {
            Self::V4(_) => Endpoint::default(),
            Self::V6(peer) => peer,
        }
    }
}

impl Default for DualEndpoint {
    fn default() -> Self {
        Self::V4(Endpoint::default())
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

/// How many peers a reply is to have, and of which family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The most that are wanted.
    pub peers: usize,
    /// The one family that they are of, where swarms have peers of both. `None`: both, shared out by how many there are.
    pub family: Option<Family>,
}

/// The peers that a reply has, as bytes: first those of IPv4, then those of IPv6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Bytes of the IPv4 ones, 6 each.
    pub v4: usize,
    /// Bytes of the IPv6 ones, 18 each.
    pub v6: usize,
}

impl Chosen {
    /// Bytes of all.
    pub fn bytes(self) -> usize {
        self.v4 + self.v6
    }
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
