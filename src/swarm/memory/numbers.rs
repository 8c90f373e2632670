//! A set of small numbers of which the lowest is wanted.

use super::Budget;

#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// A bit for each number.
    words: Vec<u64>,
    /// No word before this one has a bit.
    from: usize,
}

impl Numbers {
    /// Makes room for all numbers below `end`, so that inserting them needs no memory. False if the memory is refused.
    pub(super) fn reserve(&mut self, end: usize, budget: &mut Budget) -> bool {
        let words = end.div_ceil(64);
        let more = words.saturating_sub(self.words.len());
        let ahead = more.max(self.words.len() / 8);
        let has_room = more == 0 || budget.reserve(&mut self.words, ahead);
        if has_room && more > 0 {
            self.words.resize(words, 0);
        }
        has_room
    }

    /// Adds a number that there is room for; another one is ignored.
    pub(super) fn insert(&mut self, number: usize) {
        if let Some(word) = self.words.get_mut(number / 64) {
            *word |= 1 << (number % 64);
            self.from = self.from.min(number / 64);
        }
    }

    /// Adds all numbers below `end`, for which there is room.
    pub(super) fn insert_all(&mut self, end: usize) {
        for (index, word) in self.words.iter_mut().enumerate().take(end.div_ceil(64)) {
            let bits = (end - index * 64).min(64);
            *word |= u64::MAX >> (64 - bits);
        }
        self.from = 0;
    }

    pub(super) fn remove(&mut self, number: usize) {
        if let Some(word) = self.words.get_mut(number / 64) {
            *word &= !(1 << (number % 64));
        }
    }

    pub(super) fn lowest(&mut self) -> Option<usize> {
        let ahead = self.words.get(self.from..)?.iter().position(|word| *word != 0);
        self.from = ahead.map_or(self.words.len(), |ahead| self.from + ahead);
        let word = self.words.get(self.from)?;
        Some(self.from * 64 + word.trailing_zeros() as usize)
    }

    /// Gives its memory up.
    pub(super) fn release(&mut self, budget: &mut Budget) {
        budget.release(std::mem::take(&mut self.words));
        self.from = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_comes_first_whatever_came_and_went() {
        let (mut numbers, mut budget) = (Numbers::default(), Budget::default());
        assert_eq!(numbers.lowest(), None);
        numbers.insert(3);
        assert_eq!(numbers.lowest(), None, "there is no room yet");
        assert!(numbers.reserve(1000, &mut budget));
        for number in [700, 64, 999, 0] {
            numbers.insert(number);
        }
        for lowest in [0, 64, 700, 999] {
            assert_eq!(numbers.lowest(), Some(lowest));
            numbers.remove(lowest);
        }
        assert_eq!(numbers.lowest(), None);
        numbers.insert(63);
        assert_eq!(numbers.lowest(), Some(63));
        numbers.release(&mut budget);
        assert_eq!((numbers.lowest(), budget.held()), (None, 0));
    }

    #[test]
    fn all_numbers_below_an_end_are_added_and_no_other() {
        for end in [0, 1, 63, 64, 65, 128, 129] {
            let (mut numbers, mut budget) = (Numbers::default(), Budget::default());
            assert!(numbers.reserve(end, &mut budget));
            numbers.insert_all(end);
            for lowest in 0..end {
                assert_eq!(numbers.lowest(), Some(lowest));
                numbers.remove(lowest);
            }
            assert_eq!(numbers.lowest(), None);
        }
    }
}
