//! The state of the tracker: all torrents by info hash, the peers of each, the choice of peers, and who leaves when.
//!
//! No I/O, no clock, no source of randomness: time, in whole minutes since the epoch, and a [`Random`] are arguments.
//! One thread owns it all. Everything here is generic over `N`, the bytes of an address: 4 or 16.
//!
//! - `directory`, `seek`: pages in order; torrents are found through one, and the peers of huge swarms
//! - `ahead`: the torrents of a batch of requests, found together
//! - `torrent`, `peers`, `row`, `crowd`, `endpoint`: a torrent, and its peers in their three forms
//! - `choice`, `random`: which peers a client is told of
//! - `tend`, `walk`: slices of the walks over all torrents, to clean and to look

mod ahead;
mod choice;
mod crowd;
mod directory;
mod endpoint;
mod peers;
mod random;
mod row;
mod seek;
mod tend;
#[cfg(test)]
mod tests;
mod torrent;
mod walk;

use crate::limits::UDP_SCRAPE_MAX;
pub use crate::types::{Counts, InfoHash};
pub use endpoint::{Announce, Endpoint};
pub use random::Random;
pub use torrent::Torrent;
pub use walk::{Cursor, PeerCursor};

use ahead::Ahead;
use directory::{Directory, Page, Place};
use peers::Heads;
use tend::Tending;
use torrent::{Bin, Entry, TorrentPage};

/// Whether the tracker knew a peer that announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquaintance {
    /// It was not in the swarm.
    New,
    /// It was.
    Known {
        /// Whole minutes since its previous announce.
        minutes_ago: u32,
    },
}

/// What an announce changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Whether the peer was there before.
    pub peer: Acquaintance,
    /// It completed its download, for the first time since it joined the swarm.
    pub newly_completed: bool,
}

/// How many there are in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Torrents, also those without peers.
    pub torrents: u64,
    /// Peers of all torrents.
    pub peers: u64,
    /// Those of them that are seeding.
    pub seeders: u64,
}

impl Totals {
    /// Takes note of a change of one torrent's peers.
    fn shift(&mut self, before: Heads, after: Heads) {
        let change = |total: &mut u64, before: u32, after: u32| {
            *total = *total + u64::from(after) - u64::from(before);
        };
        change(&mut self.peers, before.all(), after.all());
        change(&mut self.seeders, before.seeders, after.seeders);
    }
}

/// Torrents that a scrape looks for at a time: half of the longest, so that what was fetched for the first is still in the
/// nearest cache when the last was looked for.
const SCRAPED_TOGETHER: usize = UDP_SCRAPE_MAX.div_ceil(2);

/// All torrents and their peers.
pub struct Swarms<const N: usize> {
    torrents: Directory<TorrentPage<N>>,
    /// Those that will be announced to next.
    announced: Ahead,
    /// Those that will be scraped: by themselves, since a scrape may come between announces that were looked ahead for.
    scraped: Ahead,
    totals: Totals,
    tending: Tending<N>,
    bin: Bin<N>,
}

impl<const N: usize> Default for Swarms<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Swarms<N> {
    /// No torrents yet.
    pub fn new() -> Self {
        Self {
            torrents: Directory::new(TorrentPage::default()),
            announced: Ahead::default(),
            scraped: Ahead::default(),
            totals: Totals::default(),
            tending: Tending::default(),
            bin: Bin::new(),
        }
    }

    /// Finds the torrents that will be announced to next, in this order, so that those announces are quick. Some may be left
    /// out, and others come between.
    pub fn look_ahead(&mut self, hashes: impl Iterator<Item = InfoHash>) {
        self.announced.look(&self.torrents, hashes);
        self.announced.fetch_peers(&self.torrents);
    }

    /// A peer joins a swarm or stays in it. The torrent is made if it is not there, and cleaned if it is, but is not removed.
    /// The peer counts in what the torrent says then, and may be chosen.
    pub fn announce(
        &mut self,
        now: u32,
        hash: &InfoHash,
        peer: &Endpoint<N>,
        what: Announce,
    ) -> (Announced, Torrent<'_, N>) {
        let (place, at) = match self.announced.find(&self.torrents, hash) {
            (place, Ok(at)) => (place, at),
            (place, Err(at)) => self.insert(place, at, Entry::new(*hash, now, 0)),
        };
        let entry = &mut self.torrents.page_mut(place).entries[at];
        let before = entry.peers.heads();
        entry.pass(now, &mut self.bin);
        let announced = entry.peers.announce(entry.minute, peer, what);
        entry.downloaded = entry.downloaded.saturating_add(u32::from(announced.newly_completed));
        self.totals.shift(before, entry.peers.heads());
        (announced, Torrent { entry })
    }

    /// Whether a peer has a place in a swarm already, so that its next announce needs no memory.
    pub fn holds(&self, hash: &InfoHash, peer: &Endpoint<N>) -> bool {
        let place = self.torrents.locate(hash);
        let found = self.torrents.search(place, hash);
        found.is_ok_and(|at| self.torrents.page(place).entries[at].peers.holds(peer))
    }

    /// A peer leaves a swarm. Gives whether it was there, and what the torrent counts without it; None if there is no
    /// such torrent. Nothing is cleaned: peers that are due to leave, but were not cleaned yet, are still counted.
    pub fn stop(&mut self, hash: &InfoHash, peer: &Endpoint<N>) -> Option<(bool, Counts)> {
        let (place, found) = self.announced.find(&self.torrents, hash);
        let at = found.ok()?;
        let entry = &mut self.torrents.page_mut(place).entries[at];
        let before = entry.peers.heads();
        let was_there = entry.peers.remove(entry.minute, peer);
        if entry.peers.is_empty() {
            entry.clear(&mut self.bin);
        }
        self.totals.shift(before, entry.peers.heads());
        Some((was_there, entry.counts()))
    }

    /// What a torrent counts, after it was cleaned; None if there is no such torrent, or no longer.
    pub fn scrape(&mut self, now: u32, hash: &InfoHash) -> Option<Counts> {
        let (place, found) = self.scraped.find(&self.torrents, hash);
        let at = found.ok()?;
        if self.clean(place, at, now) {
            return Some(self.torrents.page(place).entries[at].counts());
        }
        self.torrents.settle(place);
        None
    }

    /// Like [`Self::scrape`] of one after the other, but quicker. What is None stays None.
    pub fn scrape_each<'a>(
        &mut self,
        now: u32,
        mut hashes: impl Iterator<Item = Option<&'a [u8; 20]>>,
        mut each: impl FnMut(Option<Counts>),
    ) {
        let mut some = [None; SCRAPED_TOGETHER];
        loop {
            let mut count = 0;
            for (slot, hash) in some.iter_mut().zip(&mut hashes) {
                *slot = hash.map(|hash| InfoHash(*hash));
                count += 1;
            }
            let some = &some[..count];
            self.scraped.look(&self.torrents, some.iter().copied().flatten());
            some.iter().for_each(|hash| each(hash.and_then(|hash| self.scrape(now, &hash))));
            if count < SCRAPED_TOGETHER {
                return;
            }
        }
    }

    /// Puts in a torrent without peers from a state file: its stored minute, which should not be in the future, and its
    /// download count. False, and nothing changes, if the torrent is there already.
    pub fn restore(&mut self, hash: &InfoHash, minute: u32, downloaded: u32) -> bool {
        let place = self.torrents.locate(hash);
        match self.torrents.search(place, hash) {
            Ok(_) => false,
            Err(at) => {
                self.insert(place, at, Entry::new(*hash, minute, downloaded));
                true
            }
        }
    }

    /// How many torrents and peers there are, counting as the torrents themselves count.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Puts in a torrent that is not there, and gives its place and index.
    fn insert(&mut self, mut place: Place, mut at: usize, entry: Entry<N>) -> (Place, usize) {
        if self.torrents.page(place).len() >= TorrentPage::<N>::MAX {
            self.torrents.make_room(place);
            place = self.torrents.locate(&entry.hash);
            at = self.torrents.search(place, &entry.hash).unwrap_or_else(|at| at);
        }
        self.torrents.page_mut(place).insert(at, entry);
        self.totals.torrents += 1;
        (place, at)
    }

    /// Cleans a torrent; false if it was removed. Then the caller settles the page.
    fn clean(&mut self, place: Place, at: usize, now: u32) -> bool {
        let page = self.torrents.page_mut(place);
        let entry = &mut page.entries[at];
        if now <= entry.minute {
            return true;
        }
        let before = entry.peers.heads();
        let stays = entry.clean(now, &mut self.bin);
        if !stays {
            entry.clear(&mut self.bin);
        }
        self.totals.shift(before, entry.peers.heads());
        if !stays {
            page.entries.remove(at);
            self.totals.torrents -= 1;
        }
        stays
    }
}
