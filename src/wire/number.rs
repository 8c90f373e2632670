//! What counts as a number in a parameter.
//!
//! Numbers of any size keep their value: a `left` beyond 32 bits is not zero, and a `numwant` beyond 64 bits is just large.

/// A decimal number of any size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// Whether there is a minus sign.
    pub negative: bool,
    /// The digits' value; the largest one if it does not fit.
    pub magnitude: u64,
    /// The low 16 bits of the number, two's complement.
    pub low_16: u16,
}

impl Number {
    /// Reads an optional `-` and decimal digits, and nothing else. `-` alone is 0; no bytes are no number.
    pub fn parse(text: &[u8]) -> Option<Number> {
        let (negative, digits) = match text {
            [] => return None,
            [b'-', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let (mut magnitude, mut low_16) = (0_u64, 0_u16);
        for digit in digits {
            if !digit.is_ascii_digit() {
                return None;
            }
            let value = digit - b'0';
            magnitude = magnitude.saturating_mul(10).saturating_add(value.into());
            low_16 = low_16.wrapping_mul(10).wrapping_add(value.into());
        }
        if negative {
            low_16 = low_16.wrapping_neg();
        }
        Some(Number { negative, magnitude, low_16 })
    }

    /// Whether it is 0, with or without a sign.
    pub fn is_zero(self) -> bool {
        self.magnitude == 0
    }

    /// The number as a port: at most 65535, or the low 16 bits of a negative one (as the original).
    pub fn as_port(self) -> Option<u16> {
        (self.negative || self.magnitude <= u64::from(u16::MAX)).then_some(self.low_16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_value_at_any_size() {
        let magnitude = |text: &str| Number::parse(text.as_bytes()).map(|n| (n.negative, n.magnitude));
        assert_eq!(magnitude("0"), Some((false, 0)));
        assert_eq!(magnitude("-"), Some((true, 0)));
        assert_eq!(magnitude("-0012"), Some((true, 12)));
        assert_eq!(magnitude("4294967296"), Some((false, 1 << 32)));
        assert_eq!(magnitude("18446744073709551616"), Some((false, u64::MAX)));
        assert_eq!(magnitude("99999999999999999999999999"), Some((false, u64::MAX)));
        for bad in ["", "x", "1x", "--1", "+1", " 1", "1 ", "1.0"] {
            assert_eq!(Number::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn ports_up_to_65535_and_the_low_bits_of_negative_ones() {
        let port = |text: &str| Number::parse(text.as_bytes()).and_then(Number::as_port);
        assert_eq!(port("0"), Some(0));
        assert_eq!(port("65535"), Some(65535));
        assert_eq!(port("65536"), None);
        assert_eq!(port("4294967297"), None);
        assert_eq!(port("-1"), Some(65535));
        assert_eq!(port("-"), Some(0));
        assert_eq!(port("-65537"), Some(65535));
        assert_eq!(port("-18446744073709551617"), Some(65535));
    }
}
