//! Looking ahead: the torrents that a batch of requests is about are found together, before the first of them is
//! answered.
//!
//! To find one of ten million torrents takes a handful of reads from memory, each of which waits for the one before. For
//! many together the waits overlap. Nothing hangs on it but time: what was not looked for here is looked for when it is
//! needed.

use super::InfoHash;
use super::directory::{Directory, Place, Sight};
use super::torrent::TorrentPage;

/// Torrents that were looked for, in the order in which they will be asked for. Some may be left out.
#[derive(Default)]
pub(super) struct Ahead {
    sights: Vec<Sight<InfoHash>>,
    /// The first of them that was not asked for yet.
    next: usize,
    /// That of the directory, when it was.
    edition: u64,
}

impl Ahead {
    /// Looks for these torrents in place of those before.
    pub(super) fn look<const N: usize>(
        &mut self,
        torrents: &Directory<TorrentPage<N>>,
        hashes: impl Iterator<Item = InfoHash>,
    ) {
        self.sights.clear();
        self.sights.extend(hashes.map(Sight::of));
        (self.next, self.edition) = (0, torrents.edition());
        torrents.locate_each(&mut self.sights);
    }

    /// Has the peers of these torrents on their way into the cache.
    pub(super) fn fetch_peers<const N: usize>(&mut self, torrents: &Directory<TorrentPage<N>>) {
        for sight in &mut self.sights {
            if let Ok(at) = torrents.search_near(sight.guess, sight.place, &sight.key) {
                sight.guess = at;
                torrents.page(sight.place).entries[at].peers.fetch();
            }
        }
    }

    /// Where a torrent is or would be: its page, and its index there or the one it would get.
    pub(super) fn find<const N: usize>(
        &mut self,
        torrents: &Directory<TorrentPage<N>>,
        hash: &InfoHash,
    ) -> (Place, Result<usize, usize>) {
        let rest = self.sights.get(self.next..).filter(|_| self.edition == torrents.edition()).unwrap_or_default();
        if let Some(skipped) = rest.iter().position(|sight| sight.key == *hash) {
            let Sight { place, guess, .. } = rest[skipped];
            self.next += skipped + 1;
            return (place, torrents.search_near(guess, place, hash));
        }
        let place = torrents.locate(hash);
        (place, torrents.search(place, hash))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Swarms;
    use super::super::directory::Page;
    use super::super::tests::spread;
    use super::*;

    /// A directory of these torrents.
    fn torrents(mut names: impl Iterator<Item = u64>) -> Directory<TorrentPage<4>> {
        let mut swarms = Swarms::new();
        assert!(names.all(|name| swarms.restore(&spread(name), 0, 0)));
        swarms.torrents
    }

    #[test]
    fn what_was_looked_for_is_found_where_it_is_though_some_are_left_out_and_others_come_between() {
        let torrents = torrents((0..5000).step_by(2));
        let mut ahead = Ahead::default();
        ahead.look(&torrents, (1000..1064).map(spread));
        for (name, next) in [(1000, 1), (1003, 4), (1002, 4), (7, 4), (1004, 5), (1063, 64), (1063, 64), (8, 64)] {
            let (place, found) = ahead.find(&torrents, &spread(name));
            assert_eq!(found.is_ok(), name % 2 == 0);
            assert_eq!(found, torrents.search(torrents.locate(&spread(name)), &spread(name)));
            assert!(std::ptr::eq(torrents.page(place), torrents.page(torrents.locate(&spread(name)))));
            assert_eq!(ahead.next, next, "{name}");
        }
    }

    #[test]
    fn places_from_before_pages_came_are_not_used() {
        let mut torrents = torrents(0..5000);
        let mut ahead = Ahead::default();
        ahead.look(&torrents, (0..64).map(spread));
        torrents.make_room(torrents.locate(&InfoHash::default()));
        for name in 0..64 {
            let (place, found) = ahead.find(&torrents, &spread(name));
            assert_eq!(*torrents.page(place).key(found.unwrap()), spread(name));
        }
    }
}
