//! IP addresses as operators, proxies and clients write them.
//!
//! Readers here take the longest beginning that makes sense and return how long it was; the caller knows what may follow.
//! Their leniencies are the original's: any number of leading zeros, IPv6 groups of more than four digits (the last four
//! count), a dotted quad at the end of an IPv6 address. No scope ids: `%` ends an address.

use super::number::scan_number;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads four decimal numbers up to 255 with dots between.
pub(super) fn scan_dotted(text: &[u8]) -> Option<(Ipv4Addr, usize)> {
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
    /// Bytes read, a colon after the last group not among them.
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
    After,
}

/// Reads at most `room` groups with colons between. A dotted quad, two groups long, is the last thing read.
///
/// As in the original, a colon before the `::` is optional: it is skipped where there is one, in front of the first group
/// too. Anything else between two groups is no digit and ends them.
fn scan_groups(text: &[u8], room: usize, side: Side) -> Groups {
    let mut groups = Groups::default();
    while groups.count < room {
        let mut at = groups.length;
        match text.get(at) {
            _ if side == Side::After && groups.count == 0 => {}
            Some(b':') => at += 1,
            _ if side == Side::After => break,
            _ => {}
        }
        let rest = text.get(at..).unwrap_or_default();
        let quad_fits = if side == Side::Before { groups.count == 6 } else { groups.count + 2 <= room };
        if let Some((quad, length)) = scan_dotted(rest).filter(|_| quad_fits) {
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
    let rest = text.get(before.length..)?.strip_prefix(b"::")?;
    let room = 8 - before.count;
    let after = scan_groups(rest, room, Side::After);
    let mut values = before.values;
    for (value, group) in values.iter_mut().skip(8 - after.count).zip(after.values) {
        *value = group;
    }
    Some((values.into(), before.length + 2 + after.length))
}

/// Reads an address of either family from the beginning of `text`: the address, a mapped one as the IPv4 address it
/// stands for, and the bytes read. `None` where no address stands there.
pub(super) fn scan_address(text: &[u8]) -> Option<(IpAddr, usize)> {
    if let Some((address, length)) = scan_dotted(text) {
        return Some((address.into(), length));
    }
    scan_v6(text).map(|(address, length)| (IpAddr::V6(address).to_canonical(), length))
}

/// An address of either family with anything after it (as the original). `None` where no address stands there.
pub fn read_ip(text: &[u8]) -> Option<IpAddr> {
    scan_address(text).map(|(address, _)| address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
    }
}
