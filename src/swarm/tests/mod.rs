//! Tests of the whole: rule by rule, against a naive model, and of the fairness of choice.

/// Tests of rules that hold for all families of addresses.
#[cfg(test)]
macro_rules! for_all_families {
    ($($rule:ident)*) => { $(
        mod $rule {
            #[test]
            fn ipv4() { super::$rule::<crate::swarm::V4>(); }
            #[test]
            fn ipv6() { super::$rule::<crate::swarm::V6>(); }
            #[test]
            fn both() { super::$rule::<crate::swarm::Dual>(); }
        }
    )* };
}

#[cfg(test)]
mod ceilings;
#[cfg(test)]
mod choice;
#[cfg(test)]
mod histories;
pub mod model;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod walks;

#[cfg(test)]
use super::Wanted;
use super::{Chosen, DualEndpoint, Endpoint, Families, InfoHash, PeerState};

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

/// Families whose peers the tests make and tell apart.
pub trait Tested: Families<Peer: Numbered + Ord> {}

impl<F: Families<Peer: Numbered + Ord>> Tested for F {}

/// A different peer for each number.
pub trait Numbered {
    /// The peer of this number.
    fn of_number(n: u32) -> Self;
}

fn peer<P: Numbered>(n: u32) -> P {
    P::of_number(n)
}

impl<const N: usize> Numbered for Endpoint<N> {
    fn of_number(n: u32) -> Self {
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
}

/// Two of IPv4, one of IPv6, and so on.
impl Numbered for DualEndpoint {
    fn of_number(n: u32) -> Self {
        if n % 3 == 2 { Self::V6(peer(n)) } else { Self::V4(peer(n)) }
    }
}

/// The peers of a reply, those of IPv4 first.
fn told<F: Tested>(chosen: Chosen, out: &[u8]) -> Vec<F::Peer> {
    let (v4, rest) = out.split_at(chosen.v4);
    let port = |record: &[u8], at: usize| [record[at], record[at + 1]];
    let v4 =
        v4.chunks_exact(6).map(|record| F::peer(<[u8; 4]>::try_from(&record[..4]).unwrap().into(), port(record, 4)));
    let v6 = rest[..chosen.v6].chunks_exact(18);
    let v6 = v6.map(|record| F::peer(<[u8; 16]>::try_from(&record[..16]).unwrap().into(), port(record, 16)));
    v4.chain(v6).map(Option::unwrap).collect()
}

/// So many of all families.
#[cfg(test)]
fn wanted(peers: usize) -> Wanted {
    Wanted { peers, family: None }
}
