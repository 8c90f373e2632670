//! Ceilings: the most torrents and peers that there may be, and who makes room where there are as many.
//!
//! A new torrent or peer beyond a ceiling takes the place of a torrent that has one peer or none: of the one that was announced to
//! longest ago, as far as it is known. Whoever announces does not search for it. [`Swarms::find_candidates`] does that beforehand, among
//! some torrents at a time, and keeps those that were announced to longest ago. Where none is known, what is new is not stored.
//!
//! Where there is no ceiling an announce compares two numbers, and there is no memory for any of this.

use super::families::Families;
use super::index::Place;
use super::peers::PeerSet;
use super::torrent::Entry;
use super::{InfoHash, Swarms, Tally, Totals};
use crate::limits::{CEILING_CANDIDATES, CEILING_PAGES_A_TURN, CEILING_TRIES};

/// The most that there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Torrents.
    pub torrents: u64,
    /// Peers of all torrents.
    pub peers: u64,
    /// Peers of a torrent.
    pub peers_per_torrent: u64,
}

impl Limits {
    /// As many as memory has room for.
    pub const NONE: Self = Self { torrents: u64::MAX, peers: u64::MAX, peers_per_torrent: u64::MAX };
}

/// What came of the ceilings so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CeilingCounts {
    /// Announces whose torrent was not stored, since there were as many torrents as there may be.
    pub torrents: u64,
    /// Announces whose peer was not stored, since there were as many peers as there may be.
    pub peers: u64,
    /// The same, since the torrent had as many peers as a torrent may have.
    pub peers_per_torrent: u64,
    /// Torrents that made room for others, since there were as many torrents as there may be.
    pub room_for_torrents: u64,
    /// The same, since there were as many peers as there may be.
    pub room_for_peers: u64,
}

/// A torrent that may make room, and the minute of its last announce as far as that is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    hash: InfoHash,
    minute: u32,
}

/// The ceilings, and what is known of torrents that may make room.
#[derive(Debug)]
pub(super) struct Ceilings {
    limits: Limits,
    counts: CeilingCounts,
    /// Those announced to longest ago are last.
    pub(super) candidates: Vec<Candidate>,
    /// Torrents up to this one were searched.
    searched: Option<InfoHash>,
    /// Room was asked for since the last search, or will be soon.
    is_asked: bool,
}

impl Default for Ceilings {
    fn default() -> Self {
        let counts = CeilingCounts::default();
        Self { limits: Limits::NONE, counts, candidates: Vec::new(), searched: None, is_asked: false }
    }
}

impl Ceilings {
    /// Whether one more torrent with a peer would be too many.
    #[inline]
    pub(super) fn are_reached(&self, totals: &Totals) -> bool {
        totals.torrents >= self.limits.torrents || totals.peers >= self.limits.peers
    }

    /// Whether one more peer of a torrent with so many would be too many.
    #[inline]
    pub(super) fn are_reached_by_peers(&self, totals: &Totals, of_torrent: u32) -> bool {
        totals.peers >= self.limits.peers || u64::from(of_torrent) >= self.limits.peers_per_torrent
    }

    /// Whether a torrent of a state file is one too many, which is counted.
    pub(super) fn refuse_restored(&mut self, totals: &Totals) -> bool {
        let is_refused = totals.torrents >= self.limits.torrents;
        self.counts.torrents += u64::from(is_refused);
        is_refused
    }

    /// Takes note of a torrent that may make room, unless better ones are known.
    fn consider(&mut self, candidate: Candidate) {
        let at = self.candidates.partition_point(|other| other.minute > candidate.minute);
        let is_full = self.candidates.len() >= CEILING_CANDIDATES;
        if is_full && at == 0 || self.candidates.iter().any(|other| other.hash == candidate.hash) {
            return;
        }
        self.candidates.insert(at, candidate);
        if is_full {
            self.candidates.remove(0);
        }
    }
}

impl<F: Families> Swarms<F> {
    /// Sets the most that there may be from now on. What is there already stays.
    pub fn set_limits(&mut self, limits: Limits) {
        let candidates = if limits == Limits::NONE { 0 } else { CEILING_CANDIDATES + 1 };
        self.ceilings =
            Ceilings { limits, is_asked: true, candidates: Vec::with_capacity(candidates), ..Ceilings::default() };
    }

    /// The most that there may be.
    pub fn limits(&self) -> Limits {
        self.ceilings.limits
    }

    /// What came of these limits so far.
    pub fn ceiling_counts(&self) -> CeilingCounts {
        self.ceilings.counts
    }

    /// Looks for torrents that may make room, among the next ones of a bounded number. To be called now and then, often where there
    /// are many announces. It does nothing as long as there is room.
    pub fn find_candidates(&mut self) {
        let is_asked = std::mem::take(&mut self.ceilings.is_asked);
        if !self.ceilings.are_reached(&self.totals) {
            self.ceilings.is_asked = true;
        } else if is_asked {
            (0..CEILING_PAGES_A_TURN).for_each(|_| self.search_page());
        }
    }

    /// Searches the rest of a page, and moves on to the next.
    fn search_page(&mut self) {
        let Some((place, from)) = self.torrents.above(&self.entries, self.ceilings.searched.as_ref()) else {
            self.ceilings.searched = None;
            return;
        };
        let needs_peer = self.totals.peers >= self.ceilings.limits.peers;
        for entry in self.torrents.items(&self.entries, place).iter().skip(from) {
            self.ceilings.searched = Some(entry.hash);
            if let Some(minute) = last_announce(entry, &self.store, needs_peer) {
                self.ceilings.consider(Candidate { hash: entry.hash, minute });
            }
        }
    }

    /// Puts in a torrent that is not there and that will get a peer, where ceilings are reached. None if there is no room.
    #[cold]
    pub(super) fn insert_at_ceiling(&mut self, entry: Entry<F>) -> Option<(Place, usize)> {
        if !self.make_room(&entry.hash) {
            let has_torrents = self.totals.torrents >= self.ceilings.limits.torrents;
            let counts = &mut self.ceilings.counts;
            *(if has_torrents { &mut counts.torrents } else { &mut counts.peers }) += 1;
            return None;
        }
        let place = self.torrents.locate(&self.entries, &entry.hash);
        let at = self.torrents.search(&self.entries, place, &entry.hash).unwrap_or_else(|at| at);
        self.insert(place, at, entry)
    }

    /// A peer announces to a torrent where ceilings are reached. Returns where the torrent is then; None if the peer is not there and
    /// there is no room for it.
    #[cold]
    pub(super) fn admit_at_ceiling(
        &mut self,
        now: u32,
        (place, at): (Place, usize),
        peer: &F::Peer,
    ) -> Option<(Place, usize)> {
        let entry = &mut self.torrents.items_mut(&mut self.entries, place)[at];
        let (hash, before) = (entry.hash, Tally::of::<F>(&entry.peers, &self.store));
        entry.pass(now, &mut self.store, &mut self.budget);
        let after = Tally::of::<F>(&entry.peers, &self.store);
        self.totals.shift::<F>(before, after);
        if entry.peers.has(&self.store, entry.minute, peer) {
            return Some((place, at));
        }
        if u64::from(after.all.all()) >= self.ceilings.limits.peers_per_torrent {
            self.ceilings.counts.peers_per_torrent += 1;
            return None;
        }
        if self.totals.peers < self.ceilings.limits.peers {
            return Some((place, at));
        }
        if !self.make_room(&hash) {
            self.ceilings.counts.peers += 1;
            return None;
        }
        let place = self.torrents.locate(&self.entries, &hash);
        Some((place, self.torrents.search(&self.entries, place, &hash).ok()?))
    }

    /// Removes torrents that have one peer or none until there is room, none of them this one. False if there is still none; then
    /// places are as good as before, unless a torrent made room.
    fn make_room(&mut self, except: &InfoHash) -> bool {
        self.ceilings.is_asked = true;
        for _ in 0..CEILING_TRIES {
            let Some(Candidate { hash, minute }) = self.ceilings.candidates.pop() else { return false };
            let needs_peer = self.totals.peers >= self.ceilings.limits.peers;
            let place = self.torrents.locate(&self.entries, &hash);
            let Ok(at) = self.torrents.search(&self.entries, place, &hash) else { continue };
            let entry = &mut self.torrents.items_mut(&mut self.entries, place)[at];
            if hash == *except || last_announce(entry, &self.store, needs_peer) != Some(minute) {
                continue;
            }
            let before = Tally::of::<F>(&entry.peers, &self.store);
            entry.peers.clear(&mut self.store, &mut self.budget);
            self.totals.shift::<F>(before, Tally::of::<F>(&entry.peers, &self.store));
            self.totals.torrents -= 1;
            self.torrents.remove(&mut self.entries, place, at);
            self.torrents.settle(&mut self.entries, &mut self.budget, place);
            let counts = &mut self.ceilings.counts;
            *(if needs_peer { &mut counts.room_for_peers } else { &mut counts.room_for_torrents }) += 1;
            return true;
        }
        false
    }
}

/// The minute of a torrent's last announce, if it may make room: it has one peer, or none where no peer's place is needed.
fn last_announce<F: Families>(entry: &Entry<F>, store: &F::Store, needs_peer: bool) -> Option<u32> {
    match entry.peers.counts(store).all() {
        0 if !needs_peer => Some(entry.minute),
        1 => entry.peers.age_of_only(store, entry.minute).map(|age| entry.minute.saturating_sub(age)),
        _ => None,
    }
}
