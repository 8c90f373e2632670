//! Randomness from the system, for secrets and seeds.

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use std::io;

/// Fills `bytes` with the system's randomness. Waits until the system has gathered enough of it after boot.
pub fn fill(bytes: &mut [u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let filled = match getrandom(&mut *rest, GetRandomFlags::empty()) {
            Ok(filled) => filled,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        rest = rest.get_mut(filled..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_all_of_it_anew() {
        let mut bytes = vec![0u8; 100_000];
        fill(&mut bytes).unwrap();
        // 100 zeros in a row, or two equal halves, would take a miracle.
        assert!(bytes.chunks(100).all(|chunk| chunk.iter().any(|&byte| byte != 0)));
        assert_ne!(bytes[..50_000], bytes[50_000..]);
    }

    #[test]
    fn nothing_is_filled_at_once() {
        fill(&mut []).unwrap();
    }
}
