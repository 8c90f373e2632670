//! Endpoints and networks as operators write them.

use super::ip::{scan_address, scan_dotted};
use super::number::{is_space, read_port, scan_number};
use ipnet::{IpNet, Ipv6Net};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Bits of an IPv6 address in front of a mapped IPv4 address.
const MAPPED_BITS: u8 = 96;

/// An address and a port after `:`, or after `.` where the address is IPv6; the address may stand in brackets, of
/// which the closing one may be missing. White space ends it. Without a port: `default_port`. `None` where this is no
/// endpoint.
pub fn read_endpoint(text: &[u8], default_port: u16) -> Option<SocketAddr> {
    let (bracketed, text) = match text.strip_prefix(b"[") {
        Some(inside) => (true, inside),
        None => (false, text),
    };
    let (address, length) = scan_address(text)?;
    let mut rest = text.get(length..)?;
    if bracketed {
        rest = rest.strip_prefix(b"]").unwrap_or(rest);
    }
    let port = match rest.split_first() {
        None => default_port,
        Some((b':', digits)) => read_port(digits)?,
        Some((b'.', digits)) if address.is_ipv6() => read_port(digits)?,
        Some((byte, _)) if is_space(*byte) => default_port,
        Some(_) => return None,
    };
    Some(SocketAddr::new(address, port))
}

/// A network: an address with anything after it, which is a network of one, or an address, a slash and a prefix length
/// (an addition: the original ignores what follows the address). Host bits of a network are cleared. `None` where there is
/// no address, or the prefix is no number or too long.
///
/// `v6` builds know peers by IPv6 addresses only, so there IPv4 networks are returned mapped.
pub fn read_network(text: &[u8], v6: bool) -> Option<IpNet> {
    let (address, length) = scan_address(text)?;
    let address = match address {
        IpAddr::V4(quad) => quad.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    // a mapped address written as IPv6 counts its prefix as one, too
    let skipped = if scan_dotted(text).is_some() { MAPPED_BITS } else { 0 };
    let prefix = match text.get(length..)?.strip_prefix(b"/") {
        Some(digits) => u8::try_from(scan_number(digits, u32::MAX)?.0).ok()?.checked_add(skipped)?,
        None => Ipv6Addr::BITS as u8,
    };
    let net = Ipv6Net::new(address, prefix).ok()?.trunc();
    match (net.network().to_ipv4_mapped(), prefix.checked_sub(MAPPED_BITS)) {
        (Some(quad), Some(prefix)) if !v6 => IpNet::new(quad.into(), prefix).ok(),
        _ => Some(net.into()),
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::number::read_number;
    use proptest::prelude::*;

    fn endpoint_at(text: &str) -> Option<String> {
        read_endpoint(text.as_bytes(), 6969).map(|at| at.to_string())
    }

    #[test]
    fn endpoints() {
        let table = [
            ("127.0.0.1", "127.0.0.1:6969"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("127.0.0.1:0 junk", "127.0.0.1:0"),
            ("127.0.0.1:80x", "127.0.0.1:80"),
            ("127.0.0.1:99999", "127.0.0.1:9999"),
            ("127.0.0.1 :1", "127.0.0.1:6969"),
            ("127.0.0.1\x0b:1", "127.0.0.1:6969"),
            ("[127.0.0.1]", "127.0.0.1:6969"),
            ("[127.0.0.1]:80", "127.0.0.1:80"),
            ("[127.0.0.1] 80", "127.0.0.1:6969"),
            ("[127.0.0.1 ]:80", "127.0.0.1:6969"),
            ("[127.0.0.1", "127.0.0.1:6969"),
            ("[127.0.0.1:80", "127.0.0.1:80"),
            ("::ffff:127.0.0.1:80", "127.0.0.1:80"),
            ("[::ffff:7f00:1]:80", "127.0.0.1:80"),
            ("::1", "[::1]:6969"),
            ("::1.80", "[::1]:80"),
            ("[::1]:80", "[::1]:80"),
            ("[::1].80", "[::1]:80"),
            ("[::1]\t.80", "[::1]:6969"),
            ("::1:80", "[::1:80]:6969"),
        ];
        for (text, wanted) in table {
            assert_eq!(endpoint_at(text).as_deref(), Some(wanted), "{text}");
        }
        let errors = [
            "",
            ":80",
            "nonsense",
            "127.0.0.1:",
            "127.0.0.1:x",
            "127.0.0.1: 80",
            "127.0.0.1x",
            "127.0.0.1]",
            "127.0.0.1#x",
            "127.0.0.1]:80",
            "1.2.3.4.80",
            "[1.2.3.4].80",
            "[127.0.0.1]80",
            "[127.0.0.1]:",
            "[ 127.0.0.1]",
            "[::1]80",
            "::1:x",
            "::1]:80",
            "::ffff:7f00:1.80",
            "[::ffff:7f00:1.80",
            "::1%lo",
        ];
        for text in errors {
            assert_eq!(endpoint_at(text), None, "{text}");
        }
    }

    #[test]
    fn blessed_networks() {
        // text, in an IPv4 build, in an IPv6 build
        let table = [
            ("10.1.2.3", "10.1.2.3/32", "::ffff:10.1.2.3/128"),
            ("10.1.2.3 x", "10.1.2.3/32", "::ffff:10.1.2.3/128"),
            ("10.1.2.3:80", "10.1.2.3/32", "::ffff:10.1.2.3/128"),
            ("10.1.2.3 /8", "10.1.2.3/32", "::ffff:10.1.2.3/128"),
            ("10.1.2.3/8", "10.0.0.0/8", "::ffff:10.0.0.0/104"),
            ("10.1.2.3/8x", "10.0.0.0/8", "::ffff:10.0.0.0/104"),
            ("0.0.0.0/0", "0.0.0.0/0", "::ffff:0.0.0.0/96"),
            ("::ffff:10.1.2.3", "10.1.2.3/32", "::ffff:10.1.2.3/128"),
            ("::ffff:10.1.2.3/104", "10.0.0.0/8", "::ffff:10.0.0.0/104"),
            ("::ffff:10.1.2.3/8", "::/8", "::/8"),
            ("2001:db8::1", "2001:db8::1/128", "2001:db8::1/128"),
            ("2001:db8::1/32", "2001:db8::/32", "2001:db8::/32"),
            ("::/0", "::/0", "::/0"),
        ];
        for (text, four, six) in table {
            assert_eq!(read_network(text.as_bytes(), false), Some(four.parse().unwrap()), "{text}");
            assert_eq!(read_network(text.as_bytes(), true), Some(six.parse().unwrap()), "{text}");
        }
        for text in ["1.2.3", "[::1]", "1.2.3.4/", "1.2.3.4/x", "1.2.3.4/33", "::1/129", "::1/256", "::1/4294967296"] {
            assert_eq!(read_network(text.as_bytes(), false), None, "{text}");
            assert_eq!(read_network(text.as_bytes(), true), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(text: Vec<u8>, near in "[0-9a-f:.%/\\[\\] ]{0,60}", v6: bool) {
            for text in [text.as_slice(), near.as_bytes()] {
                if let Some((_, length)) = scan_address(text) {
                    prop_assert!(length <= text.len());
                }
                let _ = (read_port(text), read_number(text), read_endpoint(text, 1), read_network(text, v6));
            }
        }
    }
}
