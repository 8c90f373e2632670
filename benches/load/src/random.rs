//! Repeatable randomness, and the choice of torrents.

/// SplitMix64: fast, and the same in every run.
pub struct Random(u64);

/// One step of SplitMix64 from `seed`.
pub fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        let value = mix(self.0);
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        value
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// From 0 up to, but not, 1.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// How torrents are chosen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    Uniform,
    /// The torrent of rank r with a probability proportional to 1/r.
    Zipf,
}

impl Choice {
    /// One of `torrents` torrents.
    pub fn pick(self, random: &mut Random, torrents: u64) -> u64 {
        match self {
            Choice::Uniform => random.below(torrents),
            // the inverse of the integral of 1/x
            Choice::Zipf => ((((torrents + 1) as f64).ln() * random.unit()).exp() as u64).clamp(1, torrents) - 1,
        }
    }
}
