//! Where a key is among sorted ones: a guess by interpolation, and a search from there.

use std::cmp::Ordering;

/// What items are sorted by.
pub(in crate::swarm) trait Key: Ord + Copy + Default {
    /// A number that follows the order: a key of lower rank is less, and the default key has rank 0.
    fn rank(&self) -> u64;
}

/// Ranks that are looked at around a guess.
const WINDOW: usize = 8;

/// Where among `len` ranks that are spread evenly within bounds one is, more or less.
pub(in crate::swarm) fn interpolate(len: usize, bounds: (u64, u64), rank: u64) -> usize {
    part_of(len, share(bounds, rank))
}

/// How far from the lower to the upper of the bounds a rank is: from 0 to 1.
pub(in crate::swarm) fn share((low, high): (u64, u64), rank: u64) -> f32 {
    // Halved, so that they are cheap to convert.
    let way = (rank.saturating_sub(low) >> 1) as i64 as f32;
    let whole = (high.saturating_sub(low) >> 1) as i64 as f32 + 1.0;
    way / whole
}

/// A share of a length.
pub(in crate::swarm) fn part_of(len: usize, share: f32) -> usize {
    // By way of a signed number, to which processors can convert.
    (share * len as f32) as i64 as usize
}

/// How many of the ascending ranks are not above one, by a guess.
pub(in crate::swarm) fn count(ranks: &[u64], guess: usize, rank: u64) -> usize {
    count_near(ranks, guess, rank).unwrap_or_else(|| ranks.partition_point(|other| *other <= rank))
}

/// The same, if it shows in a window around the guess. What costs most in a search is a branch that goes either way: here
/// is none.
fn count_near(ranks: &[u64], guess: usize, rank: u64) -> Option<usize> {
    let last = ranks.len().checked_sub(WINDOW)?;
    let from = guess.saturating_sub(WINDOW / 2).min(last);
    let window: &[u64; WINDOW] = ranks.get(from..)?.first_chunk()?;
    let count = window.partition_point(|other| *other <= rank);
    let found = (count > 0 || from == 0) && (count < WINDOW || from == last);
    found.then_some(from + count)
}

/// Where among `len` ascending keys a key is, or where it would go, with a guess of that.
///
/// From the guess it takes steps of growing width until the place is between two of them, then halves. Keys that are
/// spread evenly are found next to a guess by interpolation; others cost twice a binary search at most.
pub(in crate::swarm) fn seek<'a, K: Key + 'a>(
    len: usize,
    guess: usize,
    key: &K,
    at: impl Fn(usize) -> &'a K,
) -> Result<usize, usize> {
    let rank = key.rank();
    let mut probe = guess.min(len.saturating_sub(1));
    let mut step = (1 << ((len | 1).ilog2() / 2)) / 4;
    let (mut from, mut to) = (0, len);
    while from < to {
        let found = at(probe);
        match found.rank().cmp(&rank) {
            // Nearly always this is it; to ask only that is quicker than for the order.
            Ordering::Equal if found == key => return Ok(probe),
            Ordering::Equal if found < key => from = probe + 1,
            Ordering::Equal => to = probe,
            Ordering::Less => from = probe + 1,
            Ordering::Greater => to = probe,
        }
        if from > 0 && to < len {
            probe = (from + to) / 2;
        } else {
            probe = if to == len { (from + step).min(len - 1) } else { to.saturating_sub(1 + step) };
            step = 2 * step + 1;
        }
    }
    Err(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::Endpoint;

    const BOUNDS: (u64, u64) = (0, u64::MAX);

    #[test]
    fn whatever_the_guess_all_ranks_are_counted_that_are_not_above() {
        for len in [0, 1, 7, 8, 9, 100] {
            // each twice
            let ranks: Vec<u64> = (0..len).map(|n| n / 2 * 10 + 10).collect();
            for rank in (0..len * 5 + 30).chain([u64::MAX]) {
                let expected = ranks.iter().filter(|other| **other <= rank).count();
                for guess in [0, 1, ranks.len() / 2, ranks.len(), usize::MAX] {
                    assert_eq!(count(&ranks, guess, rank), expected, "{rank} of {len}, guess {guess}");
                }
            }
        }
    }

    #[test]
    fn whatever_the_guess_a_key_is_found_where_it_is() {
        let mut keys: Vec<_> =
            (0..200).map(|n: u16| Endpoint { address: [10, 0, 0, 1], port: n.to_be_bytes() }).collect();
        keys.sort();
        for len in [0, 1, 2, 17, 200] {
            let some = &keys[..len];
            for key in &keys {
                let expected = some.binary_search(key);
                for guess in [0, 1, len / 2, len, usize::MAX, interpolate(len, BOUNDS, key.rank())] {
                    assert_eq!(seek(len, guess, key, |at| &some[at]), expected, "of {len}, guess {guess}");
                }
            }
        }
    }

    #[test]
    fn a_guess_is_near_where_ranks_are_spread_evenly_and_never_beyond_the_end() {
        for (rank, expected) in [(0, 0), (u64::MAX / 4, 24), (u64::MAX / 2 + 1, 50), (u64::MAX, 100)] {
            assert!(interpolate(100, BOUNDS, rank).abs_diff(expected) <= 1, "{rank}");
        }
        assert_eq!(interpolate(100, (7, 7), 7), 0);
        assert_eq!(interpolate(100, (50, 60), 10), 0);
    }
}
