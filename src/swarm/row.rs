//! A row of peers: a sorted slice with a little room behind it.
//!
//! The length lives beside the slice where its owner has bytes to spare, so these are functions over both.

use super::endpoint::{Endpoint, Stored};
use super::seek::{Key, interpolate, seek};
use crate::limits::PEER_TIMEOUT_MINUTES;
use crate::sys::cache;

/// How many peers of a row stayed, and how many of those are seeding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) peers: u16,
    pub(super) seeders: u16,
}

/// Has a row fetched into the cache, for a search and a choice that follow.
pub(super) fn fetch<const N: usize>(row: &[Stored<N>]) {
    row.iter().step_by(cache::LINE / Stored::<N>::SIZE).for_each(cache::prefetch);
}

/// Where the peer is, or where it would go.
pub(super) fn find<const N: usize>(row: &[Stored<N>], peer: &Endpoint<N>) -> Result<usize, usize> {
    let guess = interpolate(row.len(), (0, u64::MAX), peer.rank());
    seek(row.len(), guess, peer, |at| &row[at].endpoint)
}

/// Drops the peers of a row whose ages are known at `base` and which are too old at `now`.
pub(super) fn expire<const N: usize>(row: &mut [Stored<N>], base: u32, now: u32) -> Kept {
    let elapsed = now.saturating_sub(base);
    let mut kept = Kept { peers: 0, seeders: 0 };
    for index in 0..row.len() {
        let stored = row[index];
        if is_alive(&stored, base, elapsed) {
            row[usize::from(kept.peers)] = stored;
            kept.peers += 1;
            kept.seeders += u16::from(stored.seeding());
        }
    }
    kept
}

/// Whether a peer is still in the swarm `elapsed` minutes after `base`.
pub(super) fn is_alive<const N: usize>(stored: &Stored<N>, base: u32, elapsed: u32) -> bool {
    stored.age(base).saturating_add(elapsed) < PEER_TIMEOUT_MINUTES
}

/// Puts a peer in at `at`; only a full row is copied to a larger one, by an eighth, to waste little.
pub(super) fn insert<const N: usize>(slots: &mut Box<[Stored<N>]>, len: &mut u16, at: usize, stored: Stored<N>) {
    let used = usize::from(*len);
    if used == slots.len() {
        resize(slots, used, room(used + 1));
    }
    slots.copy_within(at..used, at + 1);
    slots[at] = stored;
    *len += 1;
}

/// Takes out the peer at `at`.
pub(super) fn remove<const N: usize>(slots: &mut Box<[Stored<N>]>, len: &mut u16, at: usize) {
    let used = usize::from(*len);
    slots.copy_within(at + 1..used, at);
    *len -= 1;
    shrink(slots, *len);
}

/// Gives back the room of a row that has become much larger than its peers need.
pub(super) fn shrink<const N: usize>(slots: &mut Box<[Stored<N>]>, len: u16) {
    let used = usize::from(len);
    if slots.len() > used + used / 3 + 4 {
        resize(slots, used, room(used));
    }
}

/// A row made of the peers of a slice, with room for one more at least.
pub(super) fn of<const N: usize>(peers: &[Stored<N>]) -> Box<[Stored<N>]> {
    let mut slots = vec![Stored::EMPTY; room(peers.len() + 1)].into_boxed_slice();
    slots[..peers.len()].copy_from_slice(peers);
    slots
}

fn room(len: usize) -> usize {
    len + len / 8
}

fn resize<const N: usize>(slots: &mut Box<[Stored<N>]>, used: usize, capacity: usize) {
    let mut larger = vec![Stored::EMPTY; capacity].into_boxed_slice();
    larger[..used].copy_from_slice(&slots[..used]);
    *slots = larger;
}
