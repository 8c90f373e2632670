//! A small fast generator of random numbers for the choice of peers.
//!
//! Whoever makes one seeds it from the system's randomness. Nothing secret hangs on it: a choice that could be
//! foretold only says which peers a client is told of. The generator is xoroshiro128++ (Blackman, Vigna).

/// A pseudo random number generator of 16 bytes.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 2],
}

impl Random {
    /// A generator that gives the same numbers for the same seed.
    pub fn new(seed: [u64; 2]) -> Self {
        // The one state that never changes is all zeros.
        let state = if seed == [0, 0] { [0x9e37_79b9_7f4a_7c15, 0x6a09_e667_f3bc_c909] } else { seed };
        Self { state }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let [a, mut b] = self.state;
        let result = a.wrapping_add(b).rotate_left(17).wrapping_add(a);
        b ^= a;
        self.state = [a.rotate_left(49) ^ b ^ (b << 21), b.rotate_left(28)];
        result
    }

    /// A number below `n`, every one equally likely (0 if `n` is 0).
    pub fn below(&mut self, n: u64) -> u64 {
        // The high word of a product is the number; the few low words that would favour some are drawn again.
        let mut product = u128::from(self.next_u64()).wrapping_mul(n.into());
        if (product as u64) < n {
            let unfair = n.wrapping_neg() % n.max(1);
            while (product as u64) < unfair {
                product = u128::from(self.next_u64()).wrapping_mul(n.into());
            }
        }
        (product >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_reaches_every_number_and_none_beyond() {
        let mut random = Random::new([1, 2]);
        let mut seen = [0u32; 7];
        for _ in 0..7000 {
            seen[random.below(7) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| (800..1200).contains(&n)), "{seen:?}");
        assert_eq!(random.below(1), 0);
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn below_is_fair_where_the_range_hardly_fits() {
        // With n = 3 * 2^62 a plain multiplication would give each third number twice.
        let n = 3u64 << 62;
        let mut random = Random::new([3, 4]);
        let mut thirds = [0u32; 3];
        for _ in 0..9000 {
            thirds[(random.below(n) % 3) as usize] += 1;
        }
        assert!(thirds.iter().all(|&t| (2800..3200).contains(&t)), "{thirds:?}");
    }

    #[test]
    fn seeds_give_different_sequences_and_zero_is_no_trap() {
        let first = |seed| Random::new(seed).next_u64();
        assert_ne!(first([1, 2]), first([2, 1]));
        let mut zero = Random::new([0, 0]);
        assert_ne!(zero.next_u64(), zero.next_u64());
    }
}
