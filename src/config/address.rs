//! Addresses, ports and numbers as operators write them.
//!
//! Readers here take the longest beginning that makes sense and say how long it was; what may stand behind is the
//! caller's to know. Their leniencies are the original's: any number of leading zeros, IPv6 groups of more than four
//! digits (the last four count), a dotted quad at the end of an IPv6 address. No scope ids: `%` is "something behind".

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::{IpNet, Ipv6Net};

/// Bits of an IPv6 address in front of a mapped IPv4 address.
const MAPPED_BITS: u8 = 96;

/// White space as C's `isspace` has it; `u8::is_ascii_whitespace` lacks the vertical tab.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// Reads leading decimal digits, stopping before the one that would lead above `max`. `None` without any digit.
fn scan_number(text: &[u8], max: u32) -> Option<(u32, usize)> {
    let mut value = 0;
    let mut length = 0;
    for digit in text.iter().take_while(|byte| byte.is_ascii_digit()) {
        let next = u64::from(value) * 10 + u64::from(digit - b'0');
        match u32::try_from(next) {
            Ok(next) if next <= max => value = next,
            _ => break,
        }
        length += 1;
    }
    (length > 0).then_some((value, length))
}

/// A port: leading decimal digits of at most 16 bits, anything behind (`80x` is 80, `65536` is 6553).
pub fn port(text: &[u8]) -> Option<u16> {
    scan_number(text, u16::MAX.into()).and_then(|(value, _)| value.try_into().ok())
}

/// A number of at most 32 bits, read as a port is.
pub fn number(text: &[u8]) -> Option<u32> {
    scan_number(text, u32::MAX).map(|(value, _)| value)
}

/// Reads four decimal numbers up to 255 with dots between.
fn scan_dotted(text: &[u8]) -> Option<(Ipv4Addr, usize)> {
    let mut octets = [0u8; 4];
    let mut at = 0;
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            (text.get(at) == Some(&b'.')).then_some(())?;
            at += 1;
        }
        let (value, length) = scan_number(text.get(at..)?, u32::MAX)?;
        *octet = value.try_into().ok()?;
        at += length;
    }
    Some((octets.into(), at))
}

/// Reads hexadecimal digits, 64 bits at most, of which the last 16 count.
fn scan_group(text: &[u8]) -> Option<(u16, usize)> {
    let mut value = 0u64;
    let mut length = 0;
    while let Some(digit) = text.get(length).and_then(|byte| char::from(*byte).to_digit(16)) {
        if value >> 60 != 0 {
            break;
        }
        value = value << 4 | u64::from(digit);
        length += 1;
    }
    (length > 0).then_some(((value & 0xffff) as u16, length))
}

/// The groups on one side of a `::`, or of an address without one.
#[derive(Default)]
struct Groups {
    values: [u16; 8],
    count: usize,
    /// Bytes read, a colon behind the last group not among them.
    length: usize,
}

impl Groups {
    fn push(&mut self, value: u16) {
        if let Some(place) = self.values.get_mut(self.count) {
            *place = value;
            self.count += 1;
        }
    }
}

/// Which side of a `::` groups stand on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    Behind,
}

/// Reads at most `room` groups with colons between. A dotted quad, two groups long, is the last thing read.
///
/// As in the original, before the `::` a colon is skipped where there is one, in front of the first group too, and
/// missed nowhere; what else could stand between two groups is no digit and ends them.
fn scan_groups(text: &[u8], room: usize, side: Side) -> Groups {
    let mut groups = Groups::default();
    while groups.count < room {
        let mut at = groups.length;
        match text.get(at) {
            _ if side == Side::Behind && groups.count == 0 => {}
            Some(b':') => at += 1,
            _ if side == Side::Behind => break,
            _ => {}
        }
        let rest = text.get(at..).unwrap_or_default();
        let quad_fits = if side == Side::Before { groups.count == 6 } else { groups.count + 2 <= room };
        if quad_fits && let Some((quad, length)) = scan_dotted(rest) {
            groups.push((quad.to_bits() >> 16) as u16);
            groups.push((quad.to_bits() & 0xffff) as u16);
            groups.length = at + length;
            break;
        }
        let Some((group, length)) = scan_group(rest) else { break };
        groups.push(group);
        groups.length = at + length;
    }
    groups
}

/// Reads an IPv6 address, or the dotted quad of an IPv4 one.
fn scan_v6(text: &[u8]) -> Option<(Ipv6Addr, usize)> {
    let before = scan_groups(text, 8, Side::Before);
    if before.count == 8 {
        return Some((before.values.into(), before.length));
    }
    let behind = text.get(before.length..)?.strip_prefix(b"::")?;
    let room = 8 - before.count;
    let after = scan_groups(behind, room, Side::Behind);
    let mut values = before.values;
    for (value, group) in values.iter_mut().skip(8 - after.count).zip(after.values) {
        *value = group;
    }
    Some((values.into(), before.length + 2 + after.length))
}

/// Reads an address of either family from the beginning of `text`: the address, a mapped one as the IPv4 address it
/// stands for, and the bytes read.
pub fn scan_address(text: &[u8]) -> Option<(IpAddr, usize)> {
    if let Some((address, length)) = scan_dotted(text) {
        return Some((address.into(), length));
    }
    scan_v6(text).map(|(address, length)| (IpAddr::V6(address).to_canonical(), length))
}

/// An address with anything behind it, as `-i` takes it.
pub fn address(text: &[u8]) -> Option<IpAddr> {
    scan_address(text).map(|(address, _)| address)
}

/// An address and a port behind `:`, or behind `.` where the address is IPv6; the address may stand in brackets, of
/// which the closing one may be missing. White space ends it. Without a port: `default_port`.
pub fn endpoint(text: &[u8], default_port: u16) -> Option<SocketAddr> {
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
        Some((b':', digits)) => port(digits)?,
        Some((b'.', digits)) if address.is_ipv6() => port(digits)?,
        Some((byte, _)) if is_space(*byte) => default_port,
        Some(_) => return None,
    };
    Some(SocketAddr::new(address, port))
}

/// What a blessing names: an address with anything behind it, or where that is a slash, a network (beyond the original,
/// which blesses the address alone). Host bits of a network are cleared. `None` also for a prefix that is no number or
/// too long.
///
/// `v6` builds know peers by IPv6 addresses only, so there IPv4 networks come back mapped.
pub fn network(text: &[u8], v6: bool) -> Option<IpNet> {
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
    use proptest::prelude::*;

    fn endpoint_at(text: &str) -> Option<String> {
        endpoint(text.as_bytes(), 6969).map(|at| at.to_string())
    }

    #[test]
    fn numbers_stop_before_they_overflow() {
        let table: [(&str, Option<u16>, Option<u32>); 13] = [
            ("80", Some(80), Some(80)),
            ("80x", Some(80), Some(80)),
            ("0", Some(0), Some(0)),
            ("000080", Some(80), Some(80)),
            ("65535", Some(65535), Some(65535)),
            ("65536", Some(6553), Some(65536)),
            ("99999x", Some(9999), Some(99999)),
            ("4294967295", Some(42949), Some(4294967295)),
            ("4294967296", Some(42949), Some(429496729)),
            ("00000000000000065536", Some(6553), Some(65536)),
            ("", None, None),
            ("+8", None, None),
            (" 8", None, None),
        ];
        for (text, wanted_port, wanted_number) in table {
            assert_eq!(port(text.as_bytes()), wanted_port, "{text}");
            assert_eq!(number(text.as_bytes()), wanted_number, "{text}");
        }
    }

    #[test]
    fn addresses_are_read_as_the_original_reads_them() {
        // text, address, bytes read
        let table = [
            ("1.2.3.4", "1.2.3.4", 7),
            ("1.2.3.4x", "1.2.3.4", 7),
            ("1.2.3.4.80", "1.2.3.4", 7),
            ("1.2.3.4%lo", "1.2.3.4", 7),
            ("01.002.3.4", "1.2.3.4", 10),
            ("::1", "::1", 3),
            ("::", "::", 2),
            (":::1", "::", 2),
            ("::ffff:1.2.3.4", "1.2.3.4", 14),
            ("::FFFF:102:304", "1.2.3.4", 14),
            ("::1%eth9", "::1", 3),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", 15),
            ("1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8", 15),
            ("12345::1", "2345::1", 8),
            ("::000001", "::1", 8),
            ("::0000000000000000000123456789abcdef", "::cdef", 36),
            ("::123456789abcdef012345", "::def0", 18),
            ("1::2::3", "1::2", 4),
            ("1:2:::3", "1:2::", 5),
            ("::1:", "::1", 3),
            (":1::2", "1::2", 5),
            ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304", 19),
            ("1:2:3:4:5:6::1.2.3.4", "1:2:3:4:5:6:102:304", 20),
            ("1:2:3:4:5:6:7::1.2.3.4", "1:2:3:4:5:6:7:1", 16),
            ("1:2:3:4:5:6:7:1.2.3.4", "1:2:3:4:5:6:7:1", 15),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", 15),
            ("1:2:3:4:5:6::7:8:9", "1:2:3:4:5:6:7:8", 16),
            ("::1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8", 17),
            ("::1.2.3.4", "::1.2.3.4", 9),
            ("::1.2.3.4:5", "::1.2.3.4", 9),
            ("::1.2.3", "::1", 3),
            ("::1.2.3.256", "::1", 3),
            ("::256.2.3.4", "::256", 5),
            ("::ffff:999.1.1.1", "::ffff:999", 10),
        ];
        for (text, wanted, length) in table {
            let wanted = wanted.parse().unwrap();
            assert_eq!(scan_address(text.as_bytes()), Some((wanted, length)), "{text}");
        }
    }

    #[test]
    fn what_is_no_address() {
        let table = [
            "",
            "1.2.3",
            "1.2.3.",
            "1..2.3",
            "1...",
            "256.1.1.1",
            "1.2.3.256",
            "1.2.3.4294967300",
            "0x1.2.3.4",
            " 1.2.3.4",
            "+1.2.3.4",
            "-1.2.3.4",
            "1.2.3.+4",
            "abc",
            "a",
            ":",
            ":1",
            "1:",
            "1:2",
            "[::1]",
            "[1.2.3.4]",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:",
            "1:2:3:4:5:6:7:g",
            "1:2:3:4:5:1.2.3.4",
            "1:1.2.3.4",
            "1:2:3:4:5:6:999.2.3.4",
            "1:2:3:4:5:6:1.2.3.",
        ];
        for text in table {
            assert_eq!(scan_address(text.as_bytes()), None, "{text}");
        }
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
            assert_eq!(network(text.as_bytes(), false), Some(four.parse().unwrap()), "{text}");
            assert_eq!(network(text.as_bytes(), true), Some(six.parse().unwrap()), "{text}");
        }
        for text in ["1.2.3", "[::1]", "1.2.3.4/", "1.2.3.4/x", "1.2.3.4/33", "::1/129", "::1/256", "::1/4294967296"] {
            assert_eq!(network(text.as_bytes(), false), None, "{text}");
            assert_eq!(network(text.as_bytes(), true), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn standard_forms_agree_with_the_standard_library(bits: u128, four: u32) {
            let six = Ipv6Addr::from_bits(bits);
            let text = six.to_string();
            prop_assert_eq!(scan_address(text.as_bytes()), Some((IpAddr::V6(six).to_canonical(), text.len())));
            let quad = Ipv4Addr::from_bits(four);
            let text = quad.to_string();
            prop_assert_eq!(scan_address(text.as_bytes()), Some((quad.into(), text.len())));
        }

        #[test]
        fn no_bytes_panic(text: Vec<u8>, near in "[0-9a-f:.%/\\[\\] ]{0,60}", v6: bool) {
            for text in [text.as_slice(), near.as_bytes()] {
                if let Some((_, length)) = scan_address(text) {
                    prop_assert!(length <= text.len());
                }
                let _ = (port(text), number(text), endpoint(text, 1), network(text, v6));
            }
        }
    }
}
