//! Deadlines of many connections, none of which are scanned.
//!
//! All deadlines of a kind have the same length, so they expire in the order in which they were set. Each kind is a list that is linked
//! through the connections' slots, and only the first entry of a list is ever checked.

use std::time::Duration;

/// The end of a list.
const NONE: u32 = u32::MAX;

/// A slot's place in its list.
#[derive(Clone, Copy)]
struct Link {
    due: Duration,
    before: u32,
    after: u32,
    /// Which list; none where no deadline is set.
    kind: Option<usize>,
}

#[derive(Clone, Copy)]
struct List {
    length: Duration,
    first: u32,
    last: u32,
}

/// Deadlines of `KINDS` kinds for slots that are numbered from 0.
pub struct Deadlines<const KINDS: usize> {
    lists: [List; KINDS],
    links: Vec<Link>,
    /// Deadlines of each kind.
    lengths: [usize; KINDS],
}

impl<const KINDS: usize> Deadlines<KINDS> {
    /// No deadlines yet. `lengths`: for each kind, the time from setting a deadline until it expires.
    pub fn new(lengths: [Duration; KINDS]) -> Self {
        Deadlines {
            lists: lengths.map(|length| List { length, first: NONE, last: NONE }),
            links: Vec::new(),
            lengths: [0; KINDS],
        }
    }

    /// Sets the deadline of a slot, in place of the one it had.
    pub fn set(&mut self, slot: u32, kind: usize, now: Duration) {
        self.clear(slot);
        let at = slot as usize;
        if self.links.len() <= at {
            self.links.resize(at + 1, Link { due: Duration::ZERO, before: NONE, after: NONE, kind: None });
        }
        let Some(list) = self.lists.get_mut(kind) else { return };
        self.links[at] = Link { due: now + list.length, before: list.last, after: NONE, kind: Some(kind) };
        match self.links.get_mut(list.last as usize) {
            Some(last) => last.after = slot,
            None => list.first = slot,
        }
        list.last = slot;
        self.lengths[kind] += 1;
    }

    /// Removes the deadline of a slot, if it has one.
    pub fn clear(&mut self, slot: u32) {
        let Some(link) = self.links.get_mut(slot as usize) else { return };
        let Some(kind) = link.kind.take() else { return };
        let Some(list) = self.lists.get_mut(kind) else { return };
        self.lengths[kind] -= 1;
        let Link { before, after, .. } = *link;
        match self.links.get_mut(before as usize) {
            Some(link) => link.after = after,
            None => list.first = after,
        }
        match self.links.get_mut(after as usize) {
            Some(link) => link.before = before,
            None => list.last = before,
        }
    }

    /// How many deadlines of each kind are set.
    pub fn lengths(&self) -> &[usize; KINDS] {
        &self.lengths
    }

    /// The kind of deadline that a slot has.
    pub fn kind(&self, slot: u32) -> Option<usize> {
        self.links.get(slot as usize)?.kind
    }

    /// The slot whose deadline of a kind comes first.
    pub fn first(&self, kind: usize) -> Option<u32> {
        self.lists.get(kind).map(|list| list.first).filter(|first| *first != NONE)
    }

    /// The time of the next deadline.
    pub fn next(&self) -> Option<Duration> {
        self.firsts().map(|(due, _)| due).min()
    }

    /// Returns a slot whose deadline has expired, and removes that deadline.
    pub fn take_due(&mut self, now: Duration) -> Option<u32> {
        let slot = self.firsts().find(|(due, _)| *due <= now)?.1;
        self.clear(slot);
        Some(slot)
    }

    fn firsts(&self) -> impl Iterator<Item = (Duration, u32)> {
        self.lists.iter().filter_map(|list| Some((self.links.get(list.first as usize)?.due, list.first)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LENGTHS: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(30)];

    #[test]
    fn due_in_the_order_set() {
        let mut deadlines = Deadlines::new(LENGTHS);
        let at = Duration::from_secs;
        deadlines.set(3, 1, at(0));
        deadlines.set(0, 0, at(1));
        deadlines.set(1, 0, at(2));
        deadlines.set(2, 0, at(3));
        assert_eq!(deadlines.next(), Some(at(6)));
        deadlines.clear(1);
        assert_eq!(deadlines.take_due(at(5)), None);
        assert_eq!(deadlines.take_due(at(8)), Some(0));
        assert_eq!(deadlines.take_due(at(8)), Some(2));
        assert_eq!(deadlines.take_due(at(8)), None);
        assert_eq!(deadlines.next(), Some(at(30)));
        deadlines.set(3, 0, at(9));
        assert_eq!(deadlines.next(), Some(at(14)));
    }

    proptest! {
        #[test]
        fn as_a_map_that_is_searched(steps in prop::collection::vec((0..20_u32, 0..4_usize, 0..3_u64), 1..200)) {
            let mut deadlines = Deadlines::new(LENGTHS);
            let mut model = std::collections::BTreeMap::new();
            let mut now = Duration::ZERO;
            for (slot, action, seconds) in steps {
                now += Duration::from_secs(seconds);
                match action {
                    kind @ (0 | 1) => {
                        deadlines.set(slot, kind, now);
                        model.insert(slot, now + LENGTHS[kind]);
                    }
                    2 => {
                        deadlines.clear(slot);
                        model.remove(&slot);
                    }
                    _ => {
                        while let Some(slot) = deadlines.take_due(now) {
                            prop_assert!(model.remove(&slot).is_some_and(|due| due <= now));
                        }
                        prop_assert!(model.values().all(|due| *due > now));
                    }
                }
                prop_assert_eq!(deadlines.next(), model.values().min().copied());
            }
        }
    }
}
