//! Randomness from the system, for secrets and seeds.

use super::failure::Failure;
use super::native;

/// Fills `bytes` with the system's randomness.
///
/// # Errors
/// The system has none to give. Call it before the root directory changes: some systems have it in a file.
pub fn fill(bytes: &mut [u8]) -> Result<(), Failure> {
    native::fill_with_randomness(bytes).map_err(Failure::of("reading random numbers"))
}

#[cfg(test)]
mod tests {
    use super::super::portable;
    use super::*;

    #[test]
    fn fills_all_of_it_anew() {
        expect_randomness(|bytes| fill(bytes).unwrap());
        expect_randomness(|bytes| portable::fill_with_randomness(bytes).unwrap());
    }

    fn expect_randomness(fill: impl Fn(&mut [u8])) {
        let mut bytes = vec![0u8; 100_000];
        fill(&mut bytes);
        // 100 zeros in a row, or two equal halves, would take a miracle.
        assert!(bytes.chunks(100).all(|chunk| chunk.iter().any(|&byte| byte != 0)));
        assert_ne!(bytes[..50_000], bytes[50_000..]);
        fill(&mut []);
    }
}
