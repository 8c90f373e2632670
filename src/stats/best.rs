//! A short list of the largest counts among many that are offered one after the other.

/// The `places` largest counts, in descending order; of equal ones those offered first.
#[derive(Debug)]
pub(super) struct Best<T> {
    places: usize,
    list: Vec<(u32, T)>,
}

impl<T: Copy> Best<T> {
    /// An empty list of at most so many.
    pub(super) fn new(places: usize) -> Self {
        // a page that waits to be built takes no memory for it
        Best { places, list: Vec::new() }
    }

    /// How many there are at most.
    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// The counts so far, and what they belong to.
    pub(super) fn list(&self) -> &[(u32, T)] {
        &self.list
    }

    /// Offers one more. A count of 0 is left out.
    pub(super) fn offer(&mut self, count: u32, what: T) {
        let full = self.list.len() >= self.places;
        if count == 0 || full && self.list.last().is_none_or(|(least, _)| *least >= count) {
            return;
        }
        if full {
            self.list.pop();
        }
        let place = self.list.partition_point(|(other, _)| *other >= count);
        self.list.insert(place, (count, what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_first_and_equals_in_order() {
        let mut best = Best::new(3);
        for (count, what) in [(1, 'a'), (2, 'b'), (0, 'c'), (5, 'd'), (1, 'e'), (2, 'f'), (2, 'g')] {
            best.offer(count, what);
        }
        assert_eq!(best.list(), [(5, 'd'), (2, 'b'), (2, 'f')]);
        let mut none = Best::new(0);
        none.offer(1, 'a');
        assert_eq!(none.list(), []);
    }
}
