//! IP addresses and networks: how they are read ([`read_ip`], [`scan_endpoint`], [`read_network`]) and how they are stored.
//!
//! The tracker stores and sends an address as `N` bytes, most significant byte first: 4, or 16 in a build for IPv6, where
//! IPv4 addresses are mapped (`::ffff:1.2.3.4`).

mod ip;
mod network;
mod number;

pub use ip::read_ip;
pub use network::{read_network, scan_endpoint, scan_network};
pub use number::{is_space, read_port, read_size, scan_number};

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4, addresses of 4 bytes.
    V4,
    /// IPv6, addresses of 16 bytes.
    V6,
}

/// Reads an address that such a build can store, anything behind it. `None` where there is no address, or one of a family that
/// the build has no room for.
pub fn read_storable<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    read_ip(text).and_then(from_ip)
}

/// The bytes of an address in a build whose addresses have `N` bytes. `None` where such a build cannot store it.
pub fn from_ip<const N: usize>(ip: IpAddr) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    match ip {
        IpAddr::V4(v4) if N == 4 => bytes.copy_from_slice(&v4.octets()),
        IpAddr::V4(v4) if N == 16 => bytes.copy_from_slice(&v4.to_ipv6_mapped().octets()),
        IpAddr::V6(v6) if N == 16 => bytes.copy_from_slice(&v6.octets()),
        _ => return None,
    }
    Some(bytes)
}

/// The address that such bytes stand for.
pub fn to_ip<const N: usize>(bytes: &[u8; N]) -> IpAddr {
    let wide: Option<[u8; 16]> = bytes.as_slice().try_into().ok();
    let narrow: Option<[u8; 4]> = bytes.as_slice().try_into().ok();
    match (narrow, wide) {
        (Some(v4), _) => Ipv4Addr::from(v4).into(),
        (_, Some(v6)) => Ipv6Addr::from(v6).into(),
        _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_build_takes_its_family() {
        let v4 = IpAddr::from([1, 2, 3, 4]);
        let v6 = "2001:db8::1".parse().unwrap();
        assert_eq!(from_ip::<4>(v4), Some([1, 2, 3, 4]));
        assert_eq!(from_ip::<4>(v6), None);
        assert_eq!(to_ip(&from_ip::<16>(v6).unwrap()), v6);
        assert_eq!(to_ip(&from_ip::<16>(v4).unwrap()), "::ffff:1.2.3.4".parse::<IpAddr>().unwrap());
        assert_eq!(to_ip(&[1, 2, 3, 4]), v4);
    }
}
