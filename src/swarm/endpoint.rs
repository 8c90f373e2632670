//! Who a peer is, and what is remembered of it: the endpoint as it goes over the wire, and one byte more.

use super::seek::Key;
use crate::limits::PEER_TIMEOUT_MINUTES;
use static_assertions::{const_assert, const_assert_eq};
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
pub struct Announce {
    /// It has everything.
    pub seeding: bool,
    /// It has just got everything; counts only if it is seeding too (as the original).
    pub completed: bool,
}

/// The minute of an announce is kept modulo this: more than [`PEER_TIMEOUT_MINUTES`], so that ages up to that are exact.
const STAMPS: u8 = 64;
const SEEDING: u8 = 0x40;
const COMPLETED: u8 = 0x80;

const_assert!(PEER_TIMEOUT_MINUTES <= STAMPS as u32);

/// A peer as it is kept: endpoint, minute of its last announce (modulo [`STAMPS`]), seeding, completed.
///
/// Its age is only known against a base: a minute, kept beside the peers, at which every one of them was younger
/// than [`PEER_TIMEOUT_MINUTES`]. Whoever moves the base drops the others, so no jump of the clock can make old
/// peers look young.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored<const N: usize> {
    pub(super) endpoint: Endpoint<N>,
    mark: u8,
}

const_assert_eq!(size_of::<Stored<4>>(), 7);
const_assert_eq!(size_of::<Stored<16>>(), 19);

impl<const N: usize> Stored<N> {
    /// Bytes of a peer as it is kept.
    pub(super) const SIZE: usize = N + 3;

    pub(super) const EMPTY: Self = Self { endpoint: Endpoint { address: [0; N], port: [0; 2] }, mark: 0 };

    /// A peer that announces for the first time, and whether it completes with that.
    pub(super) fn new(endpoint: &Endpoint<N>, minute: u32, what: Announce) -> (Self, bool) {
        let mut stored = Self { endpoint: *endpoint, mark: 0 };
        let newly_completed = stored.renew(minute, what);
        (stored, newly_completed)
    }

    /// Takes over what the peer says now; true if it completes for the first time.
    pub(super) fn renew(&mut self, minute: u32, what: Announce) -> bool {
        let before = self.mark & COMPLETED;
        let completes = what.seeding && what.completed;
        self.mark = (minute % u32::from(STAMPS)) as u8 | before;
        if what.seeding {
            self.mark |= SEEDING;
        }
        if completes {
            self.mark |= COMPLETED;
        }
        completes && before == 0
    }

    pub(super) fn seeding(&self) -> bool {
        self.mark & SEEDING != 0
    }

    /// Minutes from the last announce to `base`.
    pub(super) fn age(&self, base: u32) -> u32 {
        u32::from(((base % u32::from(STAMPS)) as u8).wrapping_sub(self.mark) % STAMPS)
    }

    pub(super) fn write(&self, out: &mut [u8]) {
        self.endpoint.write(out);
        out[N + 2] = self.mark;
    }

    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut stored = Self::EMPTY;
        stored.endpoint.address.copy_from_slice(&bytes[..N]);
        stored.endpoint.port.copy_from_slice(&bytes[N..N + 2]);
        stored.mark = bytes[N + 2];
        stored
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

    #[test]
    fn age_is_exact_up_to_the_number_of_stamps() {
        let endpoint = Endpoint::<4>::default();
        for minute in [0, 1, 63, 64, 29_000_000, u32::MAX - 63] {
            let what = Announce { seeding: true, completed: true };
            let (stored, _) = Stored::new(&endpoint, minute, what);
            for age in 0..64 {
                assert_eq!(stored.age(minute + age), age);
            }
        }
    }
}
