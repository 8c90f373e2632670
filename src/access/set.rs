//! A set of info hashes that changes one by one, also while it has millions: sorted blocks in order, none of them large, so that a change
//! moves a few kilobytes at most. A hash takes little more than its 20 bytes.

use crate::limits::{ACCESS_BLOCK, ACCESS_BLOCK_STEP};
use crate::types::InfoHash;
use std::collections::TryReserveError;

/// A set.
#[derive(Debug, Default)]
pub(super) struct Set {
    /// The least hash that may be in each block; the first one's is the least there is.
    starts: Vec<InfoHash>,
    /// Hashes in ascending order, in blocks of at most [`ACCESS_BLOCK`].
    blocks: Vec<Vec<InfoHash>>,
    len: usize,
}

impl Set {
    /// How many hashes are in it.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Whether a hash is in it.
    pub(super) fn contains(&self, hash: &InfoHash) -> bool {
        self.len > 0 && self.blocks.get(self.block_of(hash)).is_some_and(|block| block.binary_search(hash).is_ok())
    }

    /// Puts a hash in, if it is not.
    ///
    /// # Errors
    /// There is no memory for it.
    pub(super) fn insert(&mut self, hash: InfoHash) -> Result<(), TryReserveError> {
        if self.blocks.is_empty() {
            self.insert_block(0, InfoHash::default(), Vec::new())?;
        }
        let mut index = self.block_of(&hash);
        if self.blocks.get(index).is_some_and(|block| block.len() >= ACCESS_BLOCK) {
            self.split(index)?;
            index = self.block_of(&hash);
        }
        let Some(block) = self.blocks.get_mut(index) else { return Ok(()) };
        let Err(at) = block.binary_search(&hash) else { return Ok(()) };
        if block.len() == block.capacity() {
            block.try_reserve_exact(ACCESS_BLOCK_STEP)?;
        }
        block.insert(at, hash);
        self.len += 1;
        Ok(())
    }

    /// Takes a hash out, if it is in. Blocks stay where they are: what is taken out of one of two opposite sets goes into the other.
    pub(super) fn remove(&mut self, hash: &InfoHash) {
        let index = self.block_of(hash);
        let Some(block) = self.blocks.get_mut(index) else { return };
        let Ok(at) = block.binary_search(hash) else { return };
        block.remove(at);
        self.len -= 1;
        if block.capacity() - block.len() > 2 * ACCESS_BLOCK_STEP {
            block.shrink_to(block.len() + ACCESS_BLOCK_STEP);
        }
    }

    /// The block that a hash belongs to.
    fn block_of(&self, hash: &InfoHash) -> usize {
        self.starts.partition_point(|start| start <= hash).saturating_sub(1)
    }

    /// Divides a full block in the middle, so that no order of changes leaves many small blocks.
    fn split(&mut self, index: usize) -> Result<(), TryReserveError> {
        let Some(block) = self.blocks.get_mut(index) else { return Ok(()) };
        let at = block.len() / 2;
        let mut upper = Vec::new();
        upper.try_reserve_exact(block.len() - at)?;
        upper.extend(block.iter().skip(at));
        let start = upper.first().copied().unwrap_or_default();
        self.insert_block(index + 1, start, upper)?;
        if let Some(block) = self.blocks.get_mut(index) {
            block.truncate(at);
            block.shrink_to_fit();
        }
        Ok(())
    }

    fn insert_block(&mut self, index: usize, start: InfoHash, block: Vec<InfoHash>) -> Result<(), TryReserveError> {
        self.starts.try_reserve(1)?;
        self.blocks.try_reserve(1)?;
        self.starts.insert(index, start);
        self.blocks.insert(index, block);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn numbered(n: u64) -> InfoHash {
        let mut hash = [0; 20];
        hash[..8].copy_from_slice(&n.to_be_bytes());
        InfoHash(hash)
    }

    fn bytes(set: &Set) -> usize {
        let blocks = set.blocks.iter().map(|block| block.capacity() * size_of::<InfoHash>()).sum::<usize>();
        blocks + set.starts.capacity() * size_of::<InfoHash>() + set.blocks.capacity() * size_of::<Vec<InfoHash>>()
    }

    fn is_sound(set: &Set) -> bool {
        set.blocks.iter().map(Vec::len).sum::<usize>() == set.len
            && set.blocks.iter().all(|block| block.len() <= ACCESS_BLOCK)
            && set.starts.is_sorted()
            && set.blocks.iter().flatten().is_sorted()
    }

    #[test]
    fn a_million_take_little_more_than_their_bytes_in_any_order() {
        let mut random = crate::swarm::Random::new([3, 4]);
        let orders: [&mut dyn FnMut(u64) -> u64; 3] = [&mut |n| n, &mut |n| u64::MAX - n, &mut |_| random.next_u64()];
        for order in orders {
            let mut set = Set::default();
            (0..1_000_000).for_each(|n| set.insert(numbered(order(n))).unwrap());
            assert!(is_sound(&set) && set.len() == 1_000_000);
            assert!(bytes(&set) < 23_000_000, "{}", bytes(&set));
        }
    }

    #[test]
    fn no_order_of_changes_makes_many_small_blocks() {
        let (mut set, top) = (Set::default(), u64::MAX);
        (0..ACCESS_BLOCK as u64).for_each(|n| set.insert(numbered(top / 2 + n)).unwrap());
        let mut low = top / 2;
        for _ in 0..10_000 {
            let highest = *set.blocks.iter().filter_map(|block| block.last()).next().unwrap();
            set.remove(&highest);
            low -= 1;
            set.insert(numbered(low)).unwrap();
            set.insert(highest).unwrap();
        }
        assert!(is_sound(&set) && set.len() == ACCESS_BLOCK + 10_000);
        assert!(set.blocks.len() <= 2 * set.len() / ACCESS_BLOCK + 1, "{} blocks", set.blocks.len());
    }

    #[test]
    fn memory_goes_as_hashes_go() {
        let mut set = Set::default();
        (0..100_000).for_each(|n| set.insert(numbered(n)).unwrap());
        (0..100_000).for_each(|n| set.remove(&numbered(n)));
        assert_eq!(set.len(), 0);
        assert!(is_sound(&set) && !set.contains(&numbered(7)));
        assert!(bytes(&set) < 500_000, "{}", bytes(&set));
    }

    proptest! {
        #[test]
        fn as_the_model(steps in prop::collection::vec((any::<bool>(), 0..3000_u64), 0..4000)) {
            let (mut set, mut model) = (Set::default(), BTreeSet::new());
            for (insert, n) in steps {
                let hash = numbered(n);
                if insert {
                    set.insert(hash).unwrap();
                    model.insert(hash);
                } else {
                    set.remove(&hash);
                    model.remove(&hash);
                }
                prop_assert_eq!(set.contains(&hash), insert);
            }
            prop_assert!(is_sound(&set));
            prop_assert_eq!(set.len(), model.len());
            for hash in (0..3000).map(numbered) {
                prop_assert_eq!(set.contains(&hash), model.contains(&hash));
            }
        }
    }
}
