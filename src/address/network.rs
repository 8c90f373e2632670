//! Endpoints and networks as operators write them.

use super::ip::{scan_address, scan_dotted};
use super::number::{is_space, scan_number};
use ipnet::{IpNet, Ipv6Net};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Bits of an IPv6 address in front of a mapped IPv4 address.
const MAPPED_BITS: u8 = 96;

/// An address and a port after `:`, or after `.` where the address is IPv6; the address may stand in brackets, of
/// which the closing one may be missing. White space ends it. Without a port: `default_port`. Returns the bytes read,
/// too. `None` where this is no endpoint.
pub fn scan_endpoint(text: &[u8], default_port: u16) -> Option<(SocketAddr, usize)> {
    let (bracketed, inside) = match text.strip_prefix(b"[") {
        Some(inside) => (true, inside),
        None => (false, text),
    };
    let (address, length) = scan_address(inside)?;
    let mut rest = inside.get(length..)?;
    if bracketed {
        rest = rest.strip_prefix(b"]").unwrap_or(rest);
    }
    let digits = match rest.split_first() {
        Some((b':', digits)) => Some(digits),
        Some((b'.', digits)) if address.is_ipv6() => Some(digits),
        Some((byte, _)) if !is_space(*byte) => return None,
        _ => None,
    };
    let mut port = default_port.into();
    if let Some(digits) = digits {
        let (number, length) = scan_number(digits, u16::MAX.into())?;
        (port, rest) = (number, digits.get(length..)?);
    }
    Some((SocketAddr::new(address, port.try_into().ok()?), text.len() - rest.len()))
}

/// A network, as [`scan_network`] reads it.
pub fn read_network(text: &[u8], v6: bool) -> Option<IpNet> {
    scan_network(text, v6).map(|(network, _)| network)
}

/// A network: an address with anything after it, which is a network of one, or an address, a slash and a prefix length
/// (an addition: the original ignores what follows the address). Host bits of a network are cleared. `None` where there is
/// no address, or the prefix is no number or too long. Returns the bytes read, too.
///
/// `v6` builds know peers by IPv6 addresses only, so there IPv4 networks are returned mapped.
pub fn scan_network(text: &[u8], v6: bool) -> Option<(IpNet, usize)> {
    let (address, mut length) = scan_address(text)?;
    let address = match address {
        IpAddr::V4(quad) => quad.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    // a mapped address written as IPv6 counts its prefix as one, too
    let skipped = if scan_dotted(text).is_some() { MAPPED_BITS } else { 0 };
    let prefix = match text.get(length..)?.strip_prefix(b"/") {
        Some(digits) => {
            let (bits, digits) = scan_number(digits, u32::MAX)?;
            length += 1 + digits;
            u8::try_from(bits).ok()?.checked_add(skipped)?
        }
        None => Ipv6Addr::BITS as u8,
    };
    let net = Ipv6Net::new(address, prefix).ok()?.trunc();
    let net = match (net.network().to_ipv4_mapped(), prefix.checked_sub(MAPPED_BITS)) {
        (Some(quad), Some(prefix)) if !v6 => IpNet::new(quad.into(), prefix).ok()?,
        _ => net.into(),
    };
    Some((net, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::number::read_port;
    use proptest::prelude::*;

    fn endpoint_at(text: &str) -> Option<String> {
        let (at, length) = scan_endpoint(text.as_bytes(), 6969)?;
        assert!(length <= text.len());
        Some(at.to_string())
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
    fn what_is_behind_an_endpoint_or_a_network_is_left() {
        for (text, rest) in [("1.2.3.4:80x", "x"), ("[::1] 80", " 80"), ("1.2.3.4", ""), ("::1.8 5.6.7.8", " 5.6.7.8")]
        {
            assert_eq!(scan_endpoint(text.as_bytes(), 1).map(|(_, length)| &text[length..]), Some(rest), "{text}");
        }
        for (text, rest) in [("1.2.3.4/8x", "x"), ("::1/128", ""), ("1.2.3.4 5.6.7.8", " 5.6.7.8")] {
            assert_eq!(scan_network(text.as_bytes(), true).map(|(_, length)| &text[length..]), Some(rest), "{text}");
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
                prop_assert!(scan_endpoint(text, 1).is_none_or(|(_, length)| length <= text.len()));
                prop_assert!(scan_network(text, v6).is_none_or(|(_, length)| length <= text.len()));
                let _ = read_port(text);
            }
        }
    }
}
