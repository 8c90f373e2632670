//! A torrent: its entry in the directory, its pages, and the rules by which it and its peers leave.

use super::choice;
use super::crowd::Crowd;
use super::directory::{Page, grow};
use super::peers::{Heads, Peers};
use super::random::Random;
use super::seek::Key;
use super::{Counts, InfoHash};
use crate::limits::{PEER_TIMEOUT_MINUTES, SWARM_PAGE_MAX, TORRENT_TIMEOUT_MINUTES};
use static_assertions::const_assert;

/// What is known of a torrent.
pub(super) struct Entry<const N: usize> {
    pub(super) hash: InfoHash,
    /// The stored minute: of the last announce or cleaning, and the base of the peers' ages.
    pub(super) minute: u32,
    pub(super) downloaded: u32,
    pub(super) peers: Peers<N>,
}

const_assert!(size_of::<Entry<4>>() == 56 && size_of::<Entry<16>>() == 56);

/// Huge swarms that nobody is in any more, on their way out page by page.
pub(super) type Bin<const N: usize> = Vec<Box<Crowd<N>>>;

impl<const N: usize> Entry<N> {
    pub(super) fn new(hash: InfoHash, minute: u32, downloaded: u32) -> Self {
        Self { hash, minute, downloaded, peers: Peers::NONE }
    }

    pub(super) fn counts(&self) -> Counts {
        let Heads { seeders, leechers } = self.peers.heads();
        Counts { seeders, leechers, downloaded: self.downloaded }
    }

    /// Lets time pass up to `now`, the peers go who are too old then, and stores that minute. Time does not pass backwards.
    pub(super) fn pass(&mut self, now: u32, bin: &mut Bin<N>) {
        if now > self.minute {
            self.peers.expire(self.minute, now);
            self.minute = now;
            if self.peers.is_empty() {
                self.clear(bin);
            }
        }
    }

    /// Forgets all peers.
    pub(super) fn clear(&mut self, bin: &mut Bin<N>) {
        if let Peers::Crowd(crowd) = std::mem::replace(&mut self.peers, Peers::NONE) {
            bin.push(crowd);
        }
    }

    /// Cleans the torrent as a walk or touch does; false if it is to be removed.
    pub(super) fn clean(&mut self, now: u32, bin: &mut Bin<N>) -> bool {
        let elapsed = now.saturating_sub(self.minute);
        if elapsed == 0 {
            return true;
        }
        if elapsed > TORRENT_TIMEOUT_MINUTES {
            return false;
        }
        if self.peers.is_empty() && elapsed > PEER_TIMEOUT_MINUTES {
            return self.downloaded > 0;
        }
        self.pass(now, bin);
        if self.peers.is_empty() {
            self.minute = now.saturating_sub(PEER_TIMEOUT_MINUTES);
        }
        true
    }
}

/// A torrent as an announce left it.
pub struct Torrent<'a, const N: usize> {
    pub(super) entry: &'a Entry<N>,
}

impl<const N: usize> Torrent<'_, N> {
    /// How many are in the swarm.
    pub fn counts(&self) -> Counts {
        self.entry.counts()
    }

    /// Writes `wanted` distinct peers to `out`, or all if there are no more, as address and port each, leechers first,
    /// seeders behind them, and gives the number of bytes. Every peer is equally likely to be among them.
    /// What does not fit into `out` is not wanted.
    pub fn choose(&self, wanted: usize, random: &mut Random, out: &mut [u8]) -> usize {
        choice::choose(&self.entry.peers, self.entry.minute, wanted, random, out)
    }
}

/// A page of torrents.
#[derive(Default)]
pub(super) struct TorrentPage<const N: usize> {
    pub(super) entries: Vec<Entry<N>>,
}

impl<const N: usize> TorrentPage<N> {
    /// Puts an entry in; the page has room for it.
    pub(super) fn insert(&mut self, at: usize, entry: Entry<N>) {
        grow(&mut self.entries);
        self.entries.insert(at, entry);
    }
}

impl<const N: usize> Page for TorrentPage<N> {
    type Key = InfoHash;
    const MAX: usize = SWARM_PAGE_MAX;

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn key(&self, index: usize) -> &InfoHash {
        &self.entries[index].hash
    }

    fn split(&mut self) -> Self {
        let half = self.entries.len() / 2;
        let mut upper = Vec::with_capacity(self.entries.len() - half + 1);
        upper.extend(self.entries.drain(half..));
        self.entries.shrink_to(half + 1);
        Self { entries: upper }
    }

    fn append(&mut self, later: Self) {
        self.entries.reserve_exact(later.entries.len());
        self.entries.extend(later.entries);
    }

    fn shrink(&mut self) {
        let used = self.entries.len();
        if self.entries.capacity() > used + used / 4 + 1 {
            self.entries.shrink_to(used + used / 8);
        }
    }
}

impl Key for InfoHash {
    fn rank(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}
