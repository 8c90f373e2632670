//! Numbers as operators write them, and what counts as white space.

/// White space as C's `isspace` has it; `u8::is_ascii_whitespace` lacks the vertical tab.
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// Reads leading decimal digits and stops before the one that exceeds `max`: the number and the bytes read. `None` without
/// any digit.
pub fn scan_number(text: &[u8], max: u32) -> Option<(u32, usize)> {
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

/// A port: leading decimal digits of at most 16 bits, anything may follow (as the original: `80x` is 80, `65536` is 6553).
pub fn read_port(text: &[u8]) -> Option<u16> {
    scan_number(text, u16::MAX.into()).and_then(|(value, _)| value.try_into().ok())
}

/// A number of bytes: decimal digits, and K, M or G after them for powers of 1024. Nothing else may follow: a wrong limit would do harm.
pub fn read_size(text: &[u8]) -> Option<u64> {
    let (digits, shift) = match text.split_last()? {
        (b'K' | b'k', digits) => (digits, 10),
        (b'M' | b'm', digits) => (digits, 20),
        (b'G' | b'g', digits) => (digits, 30),
        _ => (text, 0),
    };
    let is_number = digits.iter().all(u8::is_ascii_digit);
    let value: u64 = std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()?;
    value.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stop_before_they_overflow() {
        let read_number = |text| scan_number(text, u32::MAX).map(|(value, _)| value);
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
            assert_eq!(read_port(text.as_bytes()), wanted_port, "{text}");
            assert_eq!(read_number(text.as_bytes()), wanted_number, "{text}");
        }
    }

    #[test]
    fn sizes_have_a_unit_and_nothing_else() {
        let table = [("0", 0), ("7", 7), ("64K", 64 << 10), ("64k", 64 << 10), ("3M", 3 << 20), ("16G", 16 << 30)];
        for (text, size) in table {
            assert_eq!(read_size(text.as_bytes()), Some(size), "{text}");
        }
        let bad = ["", "K", "-1", "+1", "1 K", "1KB", "1.5G", "x", "99999999999999999999", "18446744073709551615K"];
        for text in bad {
            assert_eq!(read_size(text.as_bytes()), None, "{text}");
        }
    }
}
