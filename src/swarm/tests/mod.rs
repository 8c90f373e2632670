//! Tests of the whole: rule by rule, against a naive model, and of the fairness of choice.

#[cfg(test)]
mod choice;
#[cfg(test)]
mod histories;
pub mod model;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod walks;

use super::{Endpoint, InfoHash, PeerState};

#[cfg(test)]
const LEECH: PeerState = PeerState { seeding: false, completed: false };
const SEED: PeerState = PeerState { seeding: true, completed: false };
#[cfg(test)]
const DONE: PeerState = PeerState { seeding: true, completed: true };

/// Mixes a number well, one to one.
fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// An info hash as they come: every bit as good as random.
pub(super) fn spread(n: u64) -> InfoHash {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&mix(n).to_be_bytes());
    bytes[8..16].copy_from_slice(&mix(!n).to_be_bytes());
    InfoHash(bytes)
}

/// An info hash that shares its first 8 bytes with all others of the kind.
#[cfg(test)]
fn same_prefix(n: u64) -> InfoHash {
    let mut bytes = [7; 20];
    bytes[12..].copy_from_slice(&mix(n).to_be_bytes());
    InfoHash(bytes)
}

/// A different peer for each number.
fn peer<const N: usize>(n: u32) -> Endpoint<N> {
    let mut endpoint = Endpoint::default();
    let bytes = (mix(u64::from(n >> 4)) as u32).to_be_bytes();
    endpoint.address[N - 4..].copy_from_slice(&bytes);
    endpoint.port = (n as u16).to_be_bytes();
    if N == 16 {
        endpoint.address[8..12].copy_from_slice(&(n >> 4).to_be_bytes());
    } else {
        endpoint.address[..4].copy_from_slice(&(n >> 4).to_le_bytes());
    }
    endpoint
}
