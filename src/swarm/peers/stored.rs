//! What is remembered of a peer: its endpoint and one byte more.

use crate::limits::PEER_TIMEOUT_MINUTES;
use crate::swarm::index::Item;
use crate::swarm::{Endpoint, PeerState};
use static_assertions::{const_assert, const_assert_eq};

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
pub(in crate::swarm) struct Stored<const N: usize> {
    pub(in crate::swarm) endpoint: Endpoint<N>,
    mark: u8,
}

const_assert_eq!(size_of::<Stored<4>>(), 7);
const_assert_eq!(size_of::<Stored<16>>(), 19);

impl<const N: usize> Stored<N> {
    /// Bytes of a peer as it is kept.
    pub(in crate::swarm) const SIZE: usize = N + 3;

    pub(in crate::swarm) const EMPTY: Self = Self { endpoint: Endpoint { address: [0; N], port: [0; 2] }, mark: 0 };

    /// A peer that announces for the first time, and whether it completes with that.
    pub(in crate::swarm) fn new(endpoint: &Endpoint<N>, minute: u32, what: PeerState) -> (Self, bool) {
        let mut stored = Self { endpoint: *endpoint, mark: 0 };
        let newly_completed = stored.renew(minute, what);
        (stored, newly_completed)
    }

    /// Takes over what the peer says now; true if it completes for the first time.
    pub(in crate::swarm) fn renew(&mut self, minute: u32, what: PeerState) -> bool {
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

    /// Whether the peer of a record is seeding, see [`Self::write`].
    #[inline]
    pub(in crate::swarm) fn is_seeding(record: &[u8]) -> bool {
        record[N + 2] & SEEDING != 0
    }

    #[inline]
    pub(in crate::swarm) fn seeding(&self) -> bool {
        self.mark & SEEDING != 0
    }

    /// Minutes from the last announce to `base`.
    pub(in crate::swarm) fn age(&self, base: u32) -> u32 {
        u32::from(((base % u32::from(STAMPS)) as u8).wrapping_sub(self.mark) % STAMPS)
    }

    /// Whether the peer is still in the swarm `elapsed` minutes after `base`.
    #[inline]
    pub(in crate::swarm) fn is_alive(&self, base: u32, elapsed: u32) -> bool {
        self.age(base).saturating_add(elapsed) < PEER_TIMEOUT_MINUTES
    }

    pub(in crate::swarm) fn write(&self, out: &mut [u8]) {
        self.endpoint.write(out);
        out[N + 2] = self.mark;
    }

    pub(in crate::swarm) fn read(bytes: &[u8]) -> Self {
        let mut stored = Self::EMPTY;
        stored.endpoint.address.copy_from_slice(&bytes[..N]);
        stored.endpoint.port.copy_from_slice(&bytes[N..N + 2]);
        stored.mark = bytes[N + 2];
        stored
    }
}

impl<const N: usize> Default for Stored<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> Item for Stored<N> {
    type Key = Endpoint<N>;

    #[inline]
    fn key(&self) -> &Endpoint<N> {
        &self.endpoint
    }

    fn retain_alive(peers: &mut [Self], base: u32, now: u32) -> usize {
        let elapsed = now.saturating_sub(base);
        let mut alive = 0;
        for index in 0..peers.len() {
            let stored = peers[index];
            if stored.is_alive(base, elapsed) {
                peers[alive] = stored;
                alive += 1;
            }
        }
        alive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_is_exact_up_to_the_number_of_stamps() {
        let endpoint = Endpoint::<4>::default();
        for minute in [0, 1, 63, 64, 29_000_000, u32::MAX - 63] {
            let what = PeerState { seeding: true, completed: true };
            let (stored, _) = Stored::new(&endpoint, minute, what);
            for age in 0..64 {
                assert_eq!(stored.age(minute + age), age);
            }
        }
    }
}
