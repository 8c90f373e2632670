//! The info hashes of an access list file: a sorted array, 20 bytes each, under a small index, so that a lookup takes a cache miss or
//! two among millions. It never changes.

use crate::limits::{ACCESS_LIST_SHARE, ACCESS_LIST_STEP};
use crate::types::InfoHash;
use std::collections::TryReserveError;

/// The hashes of a file.
#[derive(Debug, Default)]
pub(super) struct Hashes {
    /// In ascending order, none twice.
    hashes: Vec<InfoHash>,
    /// For each value of the first `bits` bits, where its hashes start; one more for the end. Empty: no hashes.
    starts: Vec<u32>,
    bits: u32,
}

impl Hashes {
    /// The set of these hashes, in any order.
    ///
    /// # Errors
    /// There is no memory for the index.
    pub(super) fn new(hashes: Vec<InfoHash>) -> Result<Hashes, TryReserveError> {
        let mut set = Hashes { hashes, starts: Vec::new(), bits: 0 };
        set.arrange()?;
        Ok(set)
    }

    /// Sorts the hashes and makes the index.
    fn arrange(&mut self) -> Result<(), TryReserveError> {
        self.hashes.sort_unstable();
        self.hashes.dedup();
        release(&mut self.hashes);
        if self.hashes.is_empty() {
            return Ok(());
        }
        self.bits = (self.hashes.len() / ACCESS_LIST_SHARE).checked_ilog2().unwrap_or(0).min(u32::BITS - 1);
        self.starts.try_reserve_exact((1 << self.bits) + 1)?;
        for (at, hash) in self.hashes.iter().enumerate() {
            while self.starts.len() <= prefix(hash, self.bits) {
                self.starts.push(at as u32);
            }
        }
        self.starts.resize((1 << self.bits) + 1, self.hashes.len() as u32);
        Ok(())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        self.hashes.capacity() * size_of::<InfoHash>() + self.starts.capacity() * size_of::<u32>()
    }

    /// Whether a hash is among them.
    pub(super) fn contains(&self, hash: &InfoHash) -> bool {
        let at = prefix(hash, self.bits);
        let Some([start, end]) = self.starts.get(at..at + 2) else { return false };
        self.hashes.get(*start as usize..*end as usize).is_some_and(|share| share.binary_search(hash).is_ok())
    }
}

impl Drop for Hashes {
    fn drop(&mut self) {
        self.hashes.clear();
        release(&mut self.hashes);
    }
}

/// Frees the memory that the hashes do not need, in small steps: to free many megabytes at once would not only keep this thread busy,
/// but hold up every thread that touches the memory of the process.
fn release(hashes: &mut Vec<InfoHash>) {
    while hashes.capacity() > hashes.len() {
        let less = hashes.capacity().saturating_sub(ACCESS_LIST_STEP);
        hashes.shrink_to(less.max(hashes.len()));
    }
}

/// The first bits of a hash as a number.
fn prefix(hash: &InfoHash, bits: u32) -> usize {
    let [a, b, c, d, ..] = hash.0;
    (u64::from(u32::from_be_bytes([a, b, c, d])) >> (u32::BITS - bits)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(hashes: Vec<InfoHash>) -> Hashes {
        Hashes::new(hashes).unwrap()
    }

    #[test]
    fn what_is_among_them_is_found() {
        for count in [0_u32, 1, 2, 31, 32, 33, 5000] {
            let make = |n: u32| {
                let mut hash = [7; 20];
                hash[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b9).to_be_bytes());
                InfoHash(hash)
            };
            let known = set((0..count).chain(0..count / 2).map(make).collect());
            assert_eq!(known.hashes.len(), count as usize);
            for n in 0..count {
                assert!(known.contains(&make(n)), "{n} of {count}");
            }
            for n in count..count + 100 {
                assert!(!known.contains(&make(n)), "{n} above {count}");
            }
            for hash in [InfoHash([0; 20]), InfoHash([255; 20])] {
                assert!(!known.contains(&hash) || count > 0 && hash == make(0));
            }
        }
    }

    #[test]
    fn a_million_take_little_more_than_their_bytes() {
        let mut random = crate::swarm::Random::new([3, 4]);
        let hashes = std::iter::repeat_with(|| {
            let mut hash = [0; 20];
            hash[..8].copy_from_slice(&random.next_u64().to_be_bytes());
            InfoHash(hash)
        });
        let known = set(hashes.take(1_000_000).collect());
        assert!(known.bytes() < 20_500_000, "{}", known.bytes());
    }

    proptest! {
        #[test]
        fn as_a_set(hashes in prop::collection::vec(prop::array::uniform20(0..3_u8), 0..300), others in prop::collection::vec(prop::array::uniform20(0..3_u8), 50)) {
            let hashes: Vec<_> = hashes.into_iter().map(InfoHash).collect();
            let others: Vec<_> = others.into_iter().map(InfoHash).collect();
            let model: BTreeSet<_> = hashes.iter().copied().collect();
            let known = set(hashes);
            for hash in model.iter().chain(&others) {
                prop_assert_eq!(known.contains(hash), model.contains(hash));
            }
        }
    }
}
