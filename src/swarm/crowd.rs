//! The peers of a huge swarm, in pages.
//!
//! Nothing here may take time in proportion to the swarm, so peers that are too old are not looked for when a minute
//! passes: a count per minute says how many they are, and they leave their page when it is next written to or swept.
//! Until then they are skipped. Each page has its own base for the ages of its peers (see [`Stored`]), so a page that
//! nobody looked at for days is still read right.

use super::directory::{Directory, Page};
use super::endpoint::{Announce, Endpoint, Stored};
use super::peers::Heads;
use super::row;
use super::{Acquaintance, Announced};
use crate::limits::PEER_TIMEOUT_MINUTES;
use crate::sys::cache::prefetch;
use static_assertions::const_assert_eq;

/// Peers of a page at most.
pub(super) const LEAF_MAX: usize = 128;

/// Every age that a peer in the swarm can have has a place in the counts.
const AGES: usize = PEER_TIMEOUT_MINUTES as usize;

/// A page of peers.
#[derive(Default)]
pub(super) struct PeerPage<const N: usize> {
    slots: Box<[Stored<N>]>,
    /// The base of their ages.
    minute: u32,
    len: u16,
}

const_assert_eq!(size_of::<PeerPage<4>>(), 24);

impl<const N: usize> PeerPage<N> {
    fn new(peers: &[Stored<N>], minute: u32) -> Self {
        Self { slots: row::of(peers), minute, len: peers.len() as u16 }
    }

    fn peers(&self) -> &[Stored<N>] {
        &self.slots[..usize::from(self.len)]
    }

    /// Drops the peers that are too old at `now`, and makes that the base.
    fn expire(&mut self, now: u32) {
        if self.minute < now {
            let peers = &mut self.slots[..usize::from(self.len)];
            self.len = row::expire(peers, self.minute, now).peers;
            self.minute = now;
        }
    }

    /// The peers that are still in the swarm at `now`, from a slot on, with their slots.
    pub(super) fn alive(&self, now: u32, from: usize) -> impl Iterator<Item = (usize, &Stored<N>)> {
        let elapsed = now.saturating_sub(self.minute);
        let peers = if elapsed < PEER_TIMEOUT_MINUTES { self.peers() } else { &[] };
        let alive = move |(_, stored): &(usize, &Stored<N>)| row::is_alive(stored, self.minute, elapsed);
        peers.iter().enumerate().skip(from).filter(alive)
    }

    /// So many peers from a slot on, if they are there and all in the swarm at `now`.
    pub(super) fn alive_run(&self, slot: usize, run: usize, now: u32) -> Option<&[Stored<N>]> {
        let elapsed = now.saturating_sub(self.minute);
        let run = self.peers().get(slot..slot + run)?;
        run.iter().all(|stored| row::is_alive(stored, self.minute, elapsed)).then_some(run)
    }

    /// Has the peers from a slot on, which there must be, fetched into the cache.
    pub(super) fn fetch(&self, slot: usize, some: usize) {
        let end = (slot + some).min(self.slots.len());
        row::fetch(&self.slots[slot..end]);
        prefetch(&self.slots[end - 1]);
    }
}

impl<const N: usize> Page for PeerPage<N> {
    type Key = Endpoint<N>;
    const MAX: usize = LEAF_MAX;

    fn len(&self) -> usize {
        usize::from(self.len)
    }

    fn key(&self, index: usize) -> &Endpoint<N> {
        &self.slots[index].endpoint
    }

    fn split(&mut self) -> Self {
        let half = self.len / 2;
        let upper = Self::new(&self.peers()[usize::from(half)..], self.minute);
        self.len = half;
        row::shrink(&mut self.slots, half);
        upper
    }

    fn append(&mut self, mut later: Self) {
        let minute = self.minute.max(later.minute);
        self.expire(minute);
        later.expire(minute);
        let peers = [self.peers(), later.peers()].concat();
        *self = Self::new(&peers, minute);
    }

    fn shrink(&mut self) {
        row::shrink(&mut self.slots, self.len);
    }
}

/// The peers of a huge swarm.
pub(super) struct Crowd<const N: usize> {
    pub(super) pages: Directory<PeerPage<N>>,
    /// Leechers and seeders in the swarm by the minute of their last announce, modulo [`AGES`].
    counts: [[u32; 2]; AGES],
    pub(super) heads: Heads,
}

impl<const N: usize> Crowd<N> {
    /// A crowd of the peers of a row, none too old at `minute`, the base of their ages.
    pub(super) fn new(peers: &[Stored<N>], minute: u32) -> Self {
        let mut crowd =
            Self { pages: Directory::new(PeerPage::new(&[], minute)), counts: [[0; 2]; AGES], heads: Heads::default() };
        // Pages are filled from the left, each to three quarters.
        let (first, rest) = peers.split_at(peers.len().min(LEAF_MAX * 3 / 4));
        *crowd.pages.page_mut(crowd.pages.locate(&Endpoint::default())) = PeerPage::new(first, minute);
        for stored in peers {
            let slot = crowd.slot(minute.wrapping_sub(stored.age(minute)), stored.seeding());
            *slot += 1;
            crowd.heads.add(stored.seeding());
        }
        for stored in rest {
            crowd.insert(*stored, minute);
        }
        crowd
    }

    /// The crowd as a row, if it has shrunk to one page.
    pub(super) fn as_row(&self, minute: u32) -> Option<Vec<Stored<N>>> {
        if self.pages.pages() > 1 {
            return None;
        }
        let mut peers = Vec::new();
        for page in self.pages.iter() {
            let mut copy = PeerPage::new(page.peers(), page.minute);
            copy.expire(minute);
            peers.extend_from_slice(copy.peers());
        }
        Some(peers)
    }

    fn slot(&mut self, minute: u32, seeding: bool) -> &mut u32 {
        &mut self.counts[minute as usize % AGES][usize::from(seeding)]
    }

    /// Lets time pass from `minute` to `now`: those who get too old are no longer counted.
    pub(super) fn pass(&mut self, minute: u32, now: u32) {
        for step in 1..=now.saturating_sub(minute).min(PEER_TIMEOUT_MINUTES) {
            let gone = &mut self.counts[(minute + step) as usize % AGES];
            self.heads.leechers -= gone[0];
            self.heads.seeders -= gone[1];
            *gone = [0, 0];
        }
    }

    /// A peer announces at `now`, to which time has passed already.
    pub(super) fn announce(&mut self, now: u32, peer: &Endpoint<N>, what: Announce) -> Announced {
        let place = self.pages.locate(peer);
        let page = self.pages.page_mut(place);
        page.expire(now);
        let announced = match self.pages.search(place, peer) {
            Ok(at) => {
                let stored = &mut self.pages.page_mut(place).slots[at];
                let (age, was_seeding) = (stored.age(now), stored.seeding());
                let newly_completed = stored.renew(now, what);
                *self.slot(now.wrapping_sub(age), was_seeding) -= 1;
                self.heads.remove(was_seeding);
                Announced { peer: Acquaintance::Known { minutes_ago: age }, newly_completed }
            }
            Err(_) => {
                let (stored, newly_completed) = Stored::new(peer, now, what);
                self.insert(stored, now);
                Announced { peer: Acquaintance::New, newly_completed }
            }
        };
        *self.slot(now, what.seeding) += 1;
        self.heads.add(what.seeding);
        announced
    }

    /// Puts in a peer that is not there, its age known at `minute`; the counts know of it already or soon.
    fn insert(&mut self, stored: Stored<N>, minute: u32) {
        let mut place = self.pages.locate(&stored.endpoint);
        if self.pages.page(place).len() >= LEAF_MAX {
            self.pages.make_room(place);
            place = self.pages.locate(&stored.endpoint);
        }
        self.pages.page_mut(place).expire(minute);
        if let Err(at) = self.pages.search(place, &stored.endpoint) {
            let page = self.pages.page_mut(place);
            row::insert(&mut page.slots, &mut page.len, at, stored);
        }
    }

    /// A peer leaves; true if it was in the swarm at `minute`, up to which time has passed.
    pub(super) fn remove(&mut self, minute: u32, peer: &Endpoint<N>) -> bool {
        let place = self.pages.locate(peer);
        let Ok(at) = self.pages.search(place, peer) else {
            return false;
        };
        let page = self.pages.page_mut(place);
        let (stored, elapsed) = (page.slots[at], minute.saturating_sub(page.minute));
        let was_there = row::is_alive(&stored, page.minute, elapsed);
        let announced = page.minute.wrapping_sub(stored.age(page.minute));
        row::remove(&mut page.slots, &mut page.len, at);
        self.pages.settle(place);
        if was_there {
            *self.slot(announced, stored.seeding()) -= 1;
            self.heads.remove(stored.seeding());
        }
        was_there
    }

    /// Rids pages of the peers that are too old at `minute`, from the page of `from` on, one step each.
    /// Gives where to go on, or None when all pages are done.
    pub(super) fn sweep(&mut self, minute: u32, mut from: Endpoint<N>, steps: &mut usize) -> Option<Endpoint<N>> {
        while *steps > 0 {
            *steps -= 1;
            let place = self.pages.locate(&from);
            let next = self.pages.next_first(place);
            self.pages.page_mut(place).expire(minute);
            self.pages.settle(place);
            from = next?;
        }
        Some(from)
    }
}
