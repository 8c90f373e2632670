//! The families of addresses that swarms have peers of: IPv4, IPv6, or both.
//!
//! What a tracker is built for is a type, [`V4`], [`V6`] or [`Dual`], so that a torrent and a peer take no more memory than the families at
//! hand need. The two families share all code, by the bytes of an address; [`Dual`] joins a set of peers of each.

use super::endpoint::DualEndpoint;
use super::peers::{DualPeers, DualStore, PeerSet, PeerStore, Peers, Store};
use crate::address::{Family, from_ip, to_ip};
use crate::types::Endpoint;
use std::fmt::Debug;
use std::net::IpAddr;

/// The families of addresses that swarms have peers of.
pub trait Families: Copy + Debug + Default + PartialEq + 'static {
    /// What peers are told apart by: address and port.
    type Peer: Copy + Debug + Default + PartialEq;
    /// The peers of a torrent.
    type Peers: PeerSet<Peer = Self::Peer, Store = Self::Store>;
    /// Where peers live that do not live in their torrent's entry.
    type Store: PeerStore;

    /// Whether there are peers of IPv4.
    const V4: bool;
    /// Whether there are peers of IPv6. Where there are these alone, IPv4 peers are among them under their mapped addresses.
    const V6: bool;

    /// Whether peers of IPv6 are counted by themselves too, among peers of both families.
    const COUNTS_V6: bool = false;

    /// Whether there are peers of both families. Then some answers are those of the original's 1.0 line.
    const DUAL: bool = Self::V4 && Self::V6;

    /// The peer with this address and port, most significant byte first. None if swarms have no peers of such addresses.
    fn peer(address: IpAddr, port: [u8; 2]) -> Option<Self::Peer>;

    /// A peer's address and port.
    fn endpoint(peer: &Self::Peer) -> (IpAddr, [u8; 2]);

    /// The form of an address that networks are compared with: IPv4 ones are mapped, unless there are no peers of IPv6.
    fn widened(address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(v4) if Self::V6 => v4.to_ipv6_mapped().into(),
            _ => address,
        }
    }

    /// The family whose peers a client with this address can be told of, as far as swarms have any.
    fn family(address: IpAddr) -> Family {
        if Self::V4 && (!Self::V6 || address.to_canonical().is_ipv4()) { Family::V4 } else { Family::V6 }
    }
}

/// Peers of IPv4 alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct V4;

/// Peers of IPv6 alone, IPv4 ones under their mapped addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct V6;

/// Peers of both families. `COUNTS_V6`: see [`Families::COUNTS_V6`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dual<const COUNTS_V6: bool = false>;

impl Families for V4 {
    type Peer = Endpoint<4>;
    type Peers = Peers<4>;
    type Store = Store<4>;
    const V4: bool = true;
    const V6: bool = false;

    fn peer(address: IpAddr, port: [u8; 2]) -> Option<Endpoint<4>> {
        Some(Endpoint { address: from_ip(address)?, port })
    }

    fn endpoint(peer: &Endpoint<4>) -> (IpAddr, [u8; 2]) {
        (to_ip(&peer.address), peer.port)
    }
}

impl Families for V6 {
    type Peer = Endpoint<16>;
    type Peers = Peers<16>;
    type Store = Store<16>;
    const V4: bool = false;
    const V6: bool = true;

    fn peer(address: IpAddr, port: [u8; 2]) -> Option<Endpoint<16>> {
        Some(Endpoint { address: from_ip(address)?, port })
    }

    fn endpoint(peer: &Endpoint<16>) -> (IpAddr, [u8; 2]) {
        (to_ip(&peer.address), peer.port)
    }
}

impl<const COUNTS_V6: bool> Families for Dual<COUNTS_V6> {
    type Peer = DualEndpoint;
    type Peers = DualPeers;
    type Store = DualStore;
    const V4: bool = true;
    const V6: bool = true;
    const COUNTS_V6: bool = COUNTS_V6;

    fn peer(address: IpAddr, port: [u8; 2]) -> Option<DualEndpoint> {
        Some(match address.to_canonical() {
            IpAddr::V4(v4) => DualEndpoint::V4(Endpoint { address: v4.octets(), port }),
            IpAddr::V6(v6) => DualEndpoint::V6(Endpoint { address: v6.octets(), port }),
        })
    }

    fn endpoint(peer: &DualEndpoint) -> (IpAddr, [u8; 2]) {
        match peer {
            DualEndpoint::V4(peer) => V4::endpoint(peer),
            DualEndpoint::V6(peer) => V6::endpoint(peer),
        }
    }
}
