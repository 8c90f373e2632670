//! Looking up the torrents of a batch of requests together, before the first of them is answered.
//!
//! To find one of ten million torrents takes a handful of reads from memory, each of which waits for the one before. For
//! many together the waits overlap. Nothing hangs on it but time: what was not looked up here is looked up when it is
//! needed.

use super::search::Key;
use super::{Item, Lookup, Place, Tree};
use crate::swarm::InfoHash;
use crate::swarm::memory::Pool;

/// Torrents that were looked up, in the order in which they will be asked for. Some may be left out.
#[derive(Default)]
pub(in crate::swarm) struct Lookups {
    lookups: Vec<Lookup<InfoHash>>,
    /// The first of them that was not asked for yet.
    next: usize,
}

impl Lookups {
    /// Looks up these torrents in place of those before.
    pub(in crate::swarm) fn prepare<I: Item<Key = InfoHash>>(
        &mut self,
        tree: &Tree,
        pool: &Pool<I>,
        hashes: impl Iterator<Item = InfoHash>,
    ) {
        self.lookups.clear();
        self.lookups.extend(hashes.map(Lookup::of));
        self.next = 0;
        tree.locate_each(pool, &mut self.lookups);
    }

    /// Visits those of the torrents that are there.
    pub(in crate::swarm) fn visit<I: Item<Key = InfoHash>>(
        &mut self,
        tree: &Tree,
        pool: &Pool<I>,
        mut visit: impl FnMut(&I),
    ) {
        for lookup in &mut self.lookups {
            if let Ok(at) = tree.search_near(pool, lookup.guess, lookup.place, &lookup.key) {
                lookup.guess = at;
                visit(&tree.items(pool, lookup.place)[at]);
            }
        }
    }

    /// Where a torrent is or would be: its page, and its index there or the one it would get.
    pub(in crate::swarm) fn find<I: Item<Key = InfoHash>>(
        &mut self,
        tree: &Tree,
        pool: &Pool<I>,
        hash: &InfoHash,
    ) -> (Place, Result<usize, usize>) {
        let rest = self.lookups.get(self.next..).unwrap_or_default();
        if let Some(skipped) = rest.iter().position(|lookup| lookup.key == *hash) {
            let Lookup { place, guess, .. } = rest[skipped];
            self.next += skipped + 1;
            // pages may have come and gone since
            if tree.covers(place, hash.rank()) {
                return (place, tree.search_near(pool, guess, place, hash));
            }
        }
        let place = tree.locate(pool, hash);
        (place, tree.search(pool, place, hash))
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::spread;
    use super::super::super::{Swarms, V4};
    use super::*;

    /// Swarms of these torrents.
    fn swarms(mut names: impl Iterator<Item = u64>) -> Swarms<V4> {
        let mut swarms = Swarms::new();
        assert!(names.all(|name| swarms.restore(&spread(name), 0, 0)));
        swarms
    }

    #[test]
    fn what_was_looked_up_is_found_where_it_is_though_some_are_left_out_and_others_come_between() {
        let Swarms { torrents, entries, .. } = swarms((0..5000).step_by(2));
        let mut lookups = Lookups::default();
        lookups.prepare(&torrents, &entries, (1000..1064).map(spread));
        for (name, next) in [(1000, 1), (1003, 4), (1002, 4), (7, 4), (1004, 5), (1063, 64), (1063, 64), (8, 64)] {
            let (place, found) = lookups.find(&torrents, &entries, &spread(name));
            assert_eq!(found.is_ok(), name % 2 == 0);
            assert_eq!(place, torrents.locate(&entries, &spread(name)));
            assert_eq!(found, torrents.search(&entries, place, &spread(name)));
            assert_eq!(lookups.next, next, "{name}");
        }
    }

    #[test]
    fn places_from_before_pages_came_are_not_used() {
        let mut swarms = swarms(0..5000);
        let mut lookups = Lookups::default();
        lookups.prepare(&swarms.torrents, &swarms.entries, (0..64).map(spread));
        assert!((5000..9000).all(|name| swarms.restore(&spread(name), 0, 0)));
        for name in 0..64 {
            let (place, found) = lookups.find(&swarms.torrents, &swarms.entries, &spread(name));
            assert_eq!(*swarms.torrents.items(&swarms.entries, place)[found.unwrap()].key(), spread(name));
        }
    }
}
