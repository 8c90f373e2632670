//! The form of few peers: the bytes of a torrent's own entry.

use super::super::{Announced, Endpoint, PeerState};
use super::{PeerCounts, Stored, array, renew};
use crate::swarm::index::Item;
use static_assertions::const_assert;

/// Bytes for peers in a torrent's entry: as many as fit beside the tag.
const BYTES: usize = 21;

/// Peers that fit there at most, with the shortest of addresses.
const MAX: usize = 3;

const_assert!(BYTES / Stored::<4>::SIZE == MAX && BYTES / Stored::<16>::SIZE == 1);

/// Few peers as they lie in an entry, sorted.
#[derive(Clone, Copy)]
pub struct Inline {
    len: u8,
    bytes: [u8; BYTES],
}

/// A copy of few peers to work on, with room for one more.
pub(super) struct Few<const N: usize> {
    peers: [Stored<N>; MAX + 1],
    len: usize,
}

impl Inline {
    pub(super) const EMPTY: Self = Self { len: 0, bytes: [0; BYTES] };

    /// Peers that fit at most.
    pub(super) const fn max<const N: usize>() -> usize {
        BYTES / Stored::<N>::SIZE
    }

    /// As many of the peers as fit.
    pub(super) fn of<const N: usize>(peers: &[Stored<N>]) -> Self {
        let mut bytes = [0; BYTES];
        for (record, peer) in bytes.chunks_exact_mut(Stored::<N>::SIZE).zip(peers) {
            peer.write(record);
        }
        Self { len: peers.len().min(Self::max::<N>()) as u8, bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn read<const N: usize>(&self) -> Few<N> {
        let mut few = Few { peers: [Stored::EMPTY; MAX + 1], len: usize::from(self.len) };
        let records = self.bytes.chunks_exact(Stored::<N>::SIZE);
        for (peer, record) in few.peers.iter_mut().zip(records).take(few.len) {
            *peer = Stored::read(record);
        }
        few
    }

    /// The records of the peers.
    #[inline]
    fn records<const N: usize>(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact(Stored::<N>::SIZE).take(usize::from(self.len))
    }

    #[inline]
    pub(super) fn counts<const N: usize>(&self) -> PeerCounts {
        let seeders = self.records::<N>().map(|record| u32::from(Stored::<N>::is_seeding(record))).sum();
        PeerCounts { seeders, leechers: u32::from(self.len) - seeders }
    }

    /// A peer that is there announces again; None if it is not there. So few are compared quicker than searched.
    #[inline]
    pub(super) fn renew<const N: usize>(&mut self, peer: &Endpoint<N>, now: u32, what: PeerState) -> Option<Announced> {
        let at = self.records::<N>().position(|record| record[..N] == peer.address && record[N..N + 2] == peer.port)?;
        let record = &mut self.bytes[at * Stored::<N>::SIZE..][..Stored::<N>::SIZE];
        let mut stored = Stored::<N>::read(record);
        let announced = renew(&mut stored, now, what);
        stored.write(record);
        Some(announced)
    }
}

impl<const N: usize> Few<N> {
    pub(super) fn peers(&self) -> &[Stored<N>] {
        &self.peers[..self.len]
    }

    /// The same and one more.
    pub(super) fn with(mut self, stored: Stored<N>) -> Self {
        let at = array::find(self.peers(), &stored.endpoint).unwrap_or_else(|at| at);
        self.peers.copy_within(at..self.len, at + 1);
        self.peers[at] = stored;
        self.len += 1;
        self
    }

    /// Takes a peer out; false if it is not there.
    pub(super) fn remove(&mut self, peer: &Endpoint<N>) -> bool {
        let Ok(at) = array::find(self.peers(), peer) else { return false };
        self.peers.copy_within(at + 1..self.len, at);
        self.len -= 1;
        true
    }

    /// Drops the peers that are too old at `now`, their ages known at `base`; false if none is.
    pub(super) fn expire(&mut self, base: u32, now: u32) -> bool {
        let before = self.len;
        self.len = Stored::retain_alive(&mut self.peers[..before], base, now);
        self.len < before
    }
}
