//! The state of the tracker: all torrents by info hash, the peers of each, the choice of peers, and who leaves when.
//!
//! No I/O, no clock, no source of randomness: time and a [`Random`] are arguments. Time is in whole minutes, or in other ticks where the
//! operator chooses for how long peers stay: see [`PeerTimeout`](crate::types::PeerTimeout).
//! One thread owns it all. Everything here is generic over the families of addresses that there are peers of.
//!
//! - `memory`: the state's own memory: a budget, and pools of equal slots
//! - `index`: pages in order; torrents are found through one, and the peers of large swarms
//! - `torrent`, `peers`: a torrent, its peers in their three forms, and the choice among them
//! - `families`: IPv4, IPv6, or both
//! - `ceilings`: the most torrents and peers that there may be, and who makes room
//! - `expire`, `walk`: slices of the walks over all torrents, to clean and to look

mod ceilings;
mod endpoint;
mod expire;
mod families;
mod index;
mod memory;
mod peers;
mod random;
#[cfg(any(test, fuzzing))]
mod tests;
mod torrent;
mod walk;

use crate::limits::{
    SWARM_CHUNK, SWARM_FILL, SWARM_PAGE, SWARM_PEER_PAGE, SWARM_WINDOW, TORRENT_TIMEOUT_MINUTES, UDP_SCRAPE_MAX,
};
pub use crate::sys::memory::is_short as memory_is_short;
pub use crate::types::{Counts, Endpoint, InfoHash};
pub use ceilings::{CeilingCounts, Limits};
pub use endpoint::{Chosen, DualEndpoint, PeerState, Wanted};
pub use families::{Dual, Families, V4, V6};
pub use random::Random;
#[cfg(fuzzing)]
pub use tests::model;
pub use torrent::Torrent;
pub use walk::{Cursor, PeerCursor};

use ceilings::Ceilings;
use expire::Expiry;
use index::lookup::Lookups;
use index::{Place, Tree};
use memory::{Budget, Pool};
use peers::{ARRAY_MAX, PeerCounts, PeerSet, PeerStore};
use std::alloc::{Layout, handle_alloc_error};
use torrent::Entry;

/// Whether a peer that announces was in the swarm before, and is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerStatus {
    /// It was not in the swarm.
    New,
    /// It was.
    Known {
        /// Whole minutes, or other ticks, since its previous announce.
        minutes_ago: u32,
    },
    /// It was not, and is not now either, for want of memory or because of a ceiling.
    NotStored,
}

/// What an announce changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Whether the peer was there before.
    pub peer: PeerStatus,
    /// It completed its download, for the first time since it joined the swarm.
    pub newly_completed: bool,
}

impl Announced {
    /// There was no room for a new peer.
    const NOT_STORED: Self = Self { peer: PeerStatus::NotStored, newly_completed: false };
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
    /// Peers of IPv6, in swarms that [count them](Families::COUNTS_V6). 0 in others.
    pub v6_peers: u64,
    /// Those of them that are seeding.
    pub v6_seeders: u64,
}

/// The peers of a torrent: all of them, and those of IPv6 where these are counted.
#[derive(Clone, Copy)]
struct Tally {
    all: PeerCounts,
    v6: PeerCounts,
}

impl Tally {
    fn of<F: Families>(peers: &F::Peers, store: &F::Store) -> Self {
        let v6 = if F::COUNTS_V6 { peers.v6_counts(store) } else { PeerCounts::default() };
        Tally { all: peers.counts(store), v6 }
    }
}

impl Totals {
    /// Takes note of a change of one torrent's peers.
    fn shift<F: Families>(&mut self, before: Tally, after: Tally) {
        let change = |total: &mut u64, before: u32, after: u32| {
            *total = *total + u64::from(after) - u64::from(before);
        };
        change(&mut self.peers, before.all.all(), after.all.all());
        change(&mut self.seeders, before.all.seeders, after.all.seeders);
        if F::COUNTS_V6 {
            change(&mut self.v6_peers, before.v6.all(), after.v6.all());
            change(&mut self.v6_seeders, before.v6.seeders, after.v6.seeders);
        }
    }
}

/// Torrents that a scrape looks for at a time: half of the longest, so that what was fetched for the first is still in the
/// nearest cache when the last was looked for.
const SCRAPED_TOGETHER: usize = UDP_SCRAPE_MAX.div_ceil(2);

/// How large the parts of the state are; tests make them small.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Bytes of a chunk of memory, at most [`SWARM_CHUNK`].
    chunk: usize,
    /// Torrents of a page.
    page: usize,
    /// Peers of a page, at most [`SWARM_PEER_PAGE`].
    peer_page: usize,
    /// Peers of an array at most, at most [`ARRAY_MAX`].
    array_max: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { chunk: SWARM_CHUNK, page: SWARM_PAGE, peer_page: SWARM_PEER_PAGE, array_max: ARRAY_MAX }
    }
}

/// All torrents and their peers.
pub struct Swarms<F: Families> {
    torrents: Tree,
    entries: Pool<Entry<F>>,
    /// Peers that do not live in their torrent's entry.
    store: F::Store,
    /// The memory of all of it.
    budget: Budget,
    /// Those that will be announced to next.
    announced: Lookups,
    /// Those that will be scraped: by themselves, since a scrape may come between announces that were looked up.
    scraped: Lookups,
    totals: Totals,
    ceilings: Ceilings,
    expiry: Expiry<F>,
    /// After this time a torrent is forgotten, whatever is known of it.
    torrent_timeout: u32,
}

impl<F: Families> Default for Swarms<F> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F: Families> Swarms<F> {
    /// No torrents yet.
    pub fn new() -> Self {
        Self::with_sizes(Sizes::default())
    }

    /// The same, with other sizes. The state does not depend on them.
    fn with_sizes(sizes: Sizes) -> Self {
        let mut entries = Pool::new(sizes.chunk, &[sizes.page], (SWARM_WINDOW + 1) * sizes.page);
        let (store, mut budget) = (F::Store::new(sizes), Budget::default());
        // the first page of all; what is refused from here on is an answer, but without this there is no tracker
        let torrents = Tree::new(&mut entries, 0, SWARM_FILL, 0, &mut budget)
            .unwrap_or_else(|| handle_alloc_error(Layout::new::<Entry<F>>()));
        Self {
            torrents,
            entries,
            store,
            budget,
            announced: Lookups::default(),
            scraped: Lookups::default(),
            totals: Totals::default(),
            ceilings: Ceilings::default(),
            expiry: Expiry::default(),
            torrent_timeout: TORRENT_TIMEOUT_MINUTES,
        }
    }

    /// Sets when a torrent that has only its download count left is forgotten, for swarms whose time runs in other units than minutes.
    pub fn set_torrent_timeout(&mut self, timeout: u32) {
        self.torrent_timeout = timeout;
    }

    /// Bytes of memory that the state holds.
    pub fn bytes_held(&self) -> usize {
        self.budget.held()
    }

    /// Sets how many bytes the state may hold from now on. What it holds already stays, but nothing is added beyond.
    pub fn set_ceiling(&mut self, bytes: usize) {
        self.budget.set_ceiling(bytes);
    }

    /// Bytes that it may hold.
    pub fn ceiling(&self) -> usize {
        self.budget.ceiling()
    }

    /// Slots of torrents and of peers that are taken.
    #[cfg(any(test, fuzzing))]
    fn slots_taken(&self) -> (usize, usize) {
        (self.entries.taken(), self.store.taken())
    }

    /// How often memory for a peer or a torrent was refused, by the ceiling or by the system.
    pub fn refusals(&self) -> u64 {
        self.budget.refusals()
    }

    /// Looks up the torrents that will be announced to next, in this order, and has them fetched into the cache, so that those
    /// announces are quick. Some may be left out, and others come between.
    pub fn prefetch(&mut self, hashes: impl Iterator<Item = InfoHash>) {
        let Self { torrents, entries, store, announced, .. } = self;
        announced.prepare(torrents, entries, hashes);
        announced.visit(torrents, entries, |entry| entry.peers.prefetch(store));
    }

    /// A peer joins a swarm or stays in it. The torrent is made if it is not there, and cleaned if it is, but is not removed.
    /// The peer counts in what the torrent says then, and may be chosen, also if there was no room to store it.
    pub fn announce(
        &mut self,
        now: u32,
        hash: &InfoHash,
        peer: &F::Peer,
        what: PeerState,
    ) -> (Announced, Torrent<'_, F>) {
        let (place, found) = self.announced.find(&self.torrents, &self.entries, hash);
        let found = match found {
            Ok(at) => Some((place, at)),
            Err(_) if self.ceilings.are_reached(&self.totals) => self.insert_at_ceiling(Entry::new(*hash, now, 0)),
            Err(at) => self.insert(place, at, Entry::new(*hash, now, 0)),
        };
        let guest = Some((*peer, what.seeding));
        let Some((mut place, mut at)) = found else {
            return (Announced::NOT_STORED, Torrent { entry: None, store: &self.store, guest });
        };
        let mut before = Tally::of::<F>(&self.torrents.items(&self.entries, place)[at].peers, &self.store);
        if self.ceilings.are_reached_by_peers(&self.totals, before.all.all()) {
            let Some(admitted) = self.admit_at_ceiling(now, (place, at), peer) else {
                let entry = self.torrents.items(&self.entries, place).get(at);
                return (Announced::NOT_STORED, Torrent { entry, store: &self.store, guest });
            };
            (place, at) = admitted;
            before = Tally::of::<F>(&self.torrents.items(&self.entries, place)[at].peers, &self.store);
        }
        let entry = &mut self.torrents.items_mut(&mut self.entries, place)[at];
        entry.pass(now, &mut self.store, &mut self.budget);
        let stored = entry.peers.announce(&mut self.store, &mut self.budget, entry.minute, peer, what);
        let announced = stored.unwrap_or(Announced::NOT_STORED);
        entry.downloaded = entry.downloaded.saturating_add(u32::from(announced.newly_completed));
        self.totals.shift::<F>(before, Tally::of::<F>(&entry.peers, &self.store));
        let guest = guest.filter(|_| stored.is_none());
        (announced, Torrent { entry: Some(entry), store: &self.store, guest })
    }

    /// A torrent, cleaned, for one who is told of its peers but is none of them. It is not made if it is not there.
    pub fn look(&mut self, now: u32, hash: &InfoHash) -> Torrent<'_, F> {
        let is_there = self.scrape(now, hash).is_some();
        let entry = if is_there { self.entry(hash) } else { None };
        Torrent { entry, store: &self.store, guest: None }
    }

    /// A peer leaves a swarm. Returns whether it was there, and what the torrent counts without it; None if there is no
    /// such torrent. Nothing is cleaned: peers that are due to leave, but were not cleaned yet, are still counted.
    pub fn stop(&mut self, hash: &InfoHash, peer: &F::Peer) -> Option<(bool, Counts)> {
        let (place, found) = self.announced.find(&self.torrents, &self.entries, hash);
        let entry = &mut self.torrents.items_mut(&mut self.entries, place)[found.ok()?];
        let before = Tally::of::<F>(&entry.peers, &self.store);
        let was_there = entry.peers.remove(&mut self.store, &mut self.budget, entry.minute, peer);
        if entry.peers.is_empty(&self.store) {
            entry.peers.clear(&mut self.store, &mut self.budget);
        }
        self.totals.shift::<F>(before, Tally::of::<F>(&entry.peers, &self.store));
        Some((was_there, entry.counts(&self.store)))
    }

    /// What a torrent counts, after it was cleaned; None if there is no such torrent, or no longer.
    pub fn scrape(&mut self, now: u32, hash: &InfoHash) -> Option<Counts> {
        let (place, found) = self.scraped.find(&self.torrents, &self.entries, hash);
        let at = found.ok()?;
        let entry = &self.torrents.items(&self.entries, place)[at];
        if now <= entry.minute {
            return Some(entry.counts(&self.store));
        }
        if self.clean(place, at, now) {
            return Some(self.torrents.items(&self.entries, place)[at].counts(&self.store));
        }
        self.torrents.settle(&mut self.entries, &mut self.budget, place);
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
            self.scraped.prepare(&self.torrents, &self.entries, some.iter().copied().flatten());
            some.iter().for_each(|hash| each(hash.and_then(|hash| self.scrape(now, &hash))));
            if count < SCRAPED_TOGETHER {
                return;
            }
        }
    }

    /// Puts in a torrent without peers from a state file: its stored minute, which should not be in the future, and its
    /// download count. False, and nothing changes, if the torrent is there already or there is no memory for it.
    pub fn restore(&mut self, hash: &InfoHash, minute: u32, downloaded: u32) -> bool {
        let place = self.torrents.locate(&self.entries, hash);
        match self.torrents.search(&self.entries, place, hash) {
            Ok(_) => false,
            Err(_) if self.ceilings.refuse_restored(&self.totals) => false,
            Err(at) => self.insert(place, at, Entry::new(*hash, minute, downloaded)).is_some(),
        }
    }

    /// How many torrents and peers there are, counting as the torrents themselves count.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Puts in a torrent that is not there, and returns its place and index. None if the memory is refused.
    fn insert(&mut self, place: Place, at: usize, entry: Entry<F>) -> Option<(Place, usize)> {
        let found = self.torrents.insert(&mut self.entries, &mut self.budget, place, at, entry)?;
        self.totals.torrents += 1;
        Some(found)
    }

    /// Cleans a torrent; false if it was removed. Then the caller settles the page.
    fn clean(&mut self, place: Place, at: usize, now: u32) -> bool {
        let entry = &mut self.torrents.items_mut(&mut self.entries, place)[at];
        if now <= entry.minute {
            return true;
        }
        let before = Tally::of::<F>(&entry.peers, &self.store);
        let stays = entry.clean(now, self.torrent_timeout, &mut self.store, &mut self.budget);
        if !stays {
            entry.peers.clear(&mut self.store, &mut self.budget);
        }
        self.totals.shift::<F>(before, Tally::of::<F>(&entry.peers, &self.store));
        if !stays {
            self.torrents.remove(&mut self.entries, place, at);
            self.totals.torrents -= 1;
        }
        stays
    }
}
