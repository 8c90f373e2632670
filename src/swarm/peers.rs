//! The peers of one torrent.
//!
//! Most torrents have a peer or two, which then live in the torrent's own entry; some hundred are a row, and more
//! than that a crowd.

use super::crowd::{Crowd, LEAF_MAX};
use super::directory::Page;
use super::endpoint::{Announce, Endpoint, Stored};
use super::row::{self, Kept};
use super::{Acquaintance, Announced};
use crate::sys::cache::prefetch;
use static_assertions::const_assert;

/// Bytes for peers in a torrent's entry: as many as fit beside the tag.
const FEW_BYTES: usize = 21;

/// Peers that fit there at most, with the shortest of addresses.
const FEW_MAX: usize = 3;

/// Peers of a row at most.
pub(super) const ROW_MAX: usize = 2 * LEAF_MAX;

const_assert!(FEW_BYTES / Stored::<4>::SIZE == FEW_MAX && FEW_BYTES / Stored::<16>::SIZE == 1);
const_assert!(size_of::<Peers<4>>() == 24 && size_of::<Peers<16>>() == 24);

/// How many peers, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Heads {
    pub(super) seeders: u32,
    pub(super) leechers: u32,
}

impl Heads {
    fn of(kept: Kept) -> Self {
        Self { seeders: u32::from(kept.seeders), leechers: u32::from(kept.peers - kept.seeders) }
    }

    pub(super) fn add(&mut self, seeding: bool) {
        let kind = if seeding { &mut self.seeders } else { &mut self.leechers };
        *kind += 1;
    }

    pub(super) fn remove(&mut self, seeding: bool) {
        let kind = if seeding { &mut self.seeders } else { &mut self.leechers };
        *kind -= 1;
    }

    pub(super) fn all(self) -> u32 {
        self.seeders + self.leechers
    }
}

/// The peers of a torrent. The base of their ages is the torrent's stored minute.
pub(super) enum Peers<const N: usize> {
    Few { len: u8, bytes: [u8; FEW_BYTES] },
    Row { slots: Box<[Stored<N>]>, len: u16, seeders: u16 },
    Crowd(Box<Crowd<N>>),
}

/// A copy of the few peers of an entry, to be worked on.
pub(super) struct Few<const N: usize> {
    peers: [Stored<N>; FEW_MAX],
    len: usize,
}

impl<const N: usize> Few<N> {
    const MAX: usize = FEW_BYTES / Stored::<N>::SIZE;

    pub(super) fn read(len: u8, bytes: &[u8; FEW_BYTES]) -> Self {
        let mut few = Self { peers: [Stored::EMPTY; FEW_MAX], len: usize::from(len) };
        let records = bytes.chunks_exact(Stored::<N>::SIZE);
        for (peer, record) in few.peers.iter_mut().zip(records).take(few.len) {
            *peer = Stored::read(record);
        }
        few
    }

    pub(super) fn peers(&self) -> &[Stored<N>] {
        &self.peers[..self.len]
    }
}

impl<const N: usize> Peers<N> {
    pub(super) const NONE: Self = Self::Few { len: 0, bytes: [0; FEW_BYTES] };

    fn few(peers: &[Stored<N>]) -> Self {
        let mut bytes = [0; FEW_BYTES];
        for (record, peer) in bytes.chunks_exact_mut(Stored::<N>::SIZE).zip(peers) {
            peer.write(record);
        }
        let len = peers.len() as u8;
        Self::Few { len, bytes }
    }

    /// The right form for so few peers that they are no crowd.
    fn of(peers: &[Stored<N>]) -> Self {
        if peers.len() <= Few::<N>::MAX {
            return Self::few(peers);
        }
        Self::Row {
            slots: row::of(peers),
            len: peers.len() as u16,
            seeders: peers.iter().filter(|peer| peer.seeding()).count() as u16,
        }
    }

    pub(super) fn heads(&self) -> Heads {
        match self {
            Self::Few { len, bytes } => {
                let mut heads = Heads::default();
                for record in bytes.chunks_exact(Stored::<N>::SIZE).take(usize::from(*len)) {
                    heads.add(Stored::<N>::read(record).seeding());
                }
                heads
            }
            Self::Row { len, seeders, .. } => Heads::of(Kept { peers: *len, seeders: *seeders }),
            Self::Crowd(crowd) => crowd.heads,
        }
    }

    /// Has them fetched into the cache, for an announce that follows.
    pub(super) fn fetch(&self) {
        match self {
            Self::Few { .. } => {}
            Self::Row { slots, len, .. } => row::fetch(&slots[..usize::from(*len)]),
            Self::Crowd(crowd) => prefetch(&**crowd),
        }
    }

    /// Whether nobody is in the swarm.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Few { len, .. } => *len == 0,
            Self::Row { len, .. } => *len == 0,
            Self::Crowd(crowd) => crowd.heads.all() == 0,
        }
    }

    /// Lets those go who are too old at `now`; the base of the others moves there from `minute`.
    pub(super) fn expire(&mut self, minute: u32, now: u32) {
        match self {
            Self::Few { len, bytes } => {
                let mut few = Few::<N>::read(*len, bytes);
                let kept = row::expire(&mut few.peers[..few.len], minute, now).peers;
                if usize::from(kept) < few.len {
                    *self = Self::few(&few.peers[..usize::from(kept)]);
                }
            }
            Self::Row { slots, len, seeders } => {
                let used = usize::from(*len);
                let kept = row::expire(&mut slots[..used], minute, now);
                (*len, *seeders) = (kept.peers, kept.seeders);
                if usize::from(kept.peers) < used {
                    self.settle(now);
                }
            }
            Self::Crowd(crowd) => crowd.pass(minute, now),
        }
    }

    /// Takes the simplest form that holds the peers, whose ages have the base `minute`.
    pub(super) fn settle(&mut self, minute: u32) {
        match self {
            Self::Few { .. } => {}
            Self::Row { slots, len, .. } if usize::from(*len) > Few::<N>::MAX => {
                row::shrink(slots, *len);
            }
            Self::Row { slots, len, .. } => *self = Self::few(&slots[..usize::from(*len)]),
            Self::Crowd(crowd) => {
                if let Some(peers) = crowd.as_row(minute) {
                    *self = Self::of(&peers);
                }
            }
        }
    }

    /// A peer announces at `now`, which is the base of all ages already.
    pub(super) fn announce(&mut self, now: u32, peer: &Endpoint<N>, what: Announce) -> Announced {
        match self {
            Self::Few { len, bytes } => {
                let mut few = Few::<N>::read(*len, bytes);
                if let Ok(at) = row::find(few.peers(), peer) {
                    let announced = renew(&mut few.peers[at], now, what);
                    let start = at * Stored::<N>::SIZE;
                    few.peers[at].write(&mut bytes[start..]);
                    return announced;
                }
                self.make_room(now);
                self.insert(now, peer, what)
            }
            Self::Row { slots, len, seeders } => {
                // Nobody may have looked ahead.
                row::fetch(&slots[..usize::from(*len)]);
                match row::find(&slots[..usize::from(*len)], peer) {
                    Ok(at) => {
                        *seeders -= u16::from(slots[at].seeding());
                        *seeders += u16::from(what.seeding);
                        renew(&mut slots[at], now, what)
                    }
                    Err(_) => {
                        self.make_room(now);
                        self.insert(now, peer, what)
                    }
                }
            }
            Self::Crowd(crowd) => crowd.announce(now, peer, what),
        }
    }

    /// Takes the next larger form if one more peer would not fit.
    fn make_room(&mut self, now: u32) {
        match self {
            Self::Few { len, bytes } if usize::from(*len) == Few::<N>::MAX => {
                let few = Few::<N>::read(*len, bytes);
                *self = Self::Row {
                    slots: row::of(few.peers()),
                    len: u16::from(*len),
                    seeders: few.peers().iter().filter(|p| p.seeding()).count() as u16,
                };
            }
            Self::Row { slots, len, .. } if usize::from(*len) == ROW_MAX => {
                let crowd = Crowd::new(&slots[..usize::from(*len)], now);
                *self = Self::Crowd(Box::new(crowd));
            }
            _ => {}
        }
    }

    /// Puts in a peer that is not there.
    fn insert(&mut self, now: u32, peer: &Endpoint<N>, what: Announce) -> Announced {
        let (stored, newly_completed) = Stored::new(peer, now, what);
        match self {
            Self::Few { len, bytes } => {
                let few = Few::<N>::read(*len, bytes);
                let at = row::find(few.peers(), peer).unwrap_or_else(|at| at);
                let mut peers = [Stored::EMPTY; FEW_MAX + 1];
                peers[..at].copy_from_slice(&few.peers()[..at]);
                peers[at] = stored;
                peers[at + 1..=few.len].copy_from_slice(&few.peers()[at..]);
                *self = Self::few(&peers[..=few.len]);
            }
            Self::Row { slots, len, seeders } => {
                let found = row::find(&slots[..usize::from(*len)], peer);
                row::insert(slots, len, found.unwrap_or_else(|at| at), stored);
                *seeders += u16::from(what.seeding);
            }
            Self::Crowd(crowd) => return crowd.announce(now, peer, what),
        }
        Announced { peer: Acquaintance::New, newly_completed }
    }

    /// Whether a peer has a place here already, so that its next announce needs no memory.
    pub(super) fn holds(&self, peer: &Endpoint<N>) -> bool {
        match self {
            Self::Few { len, bytes } => row::find(Few::<N>::read(*len, bytes).peers(), peer).is_ok(),
            Self::Row { slots, len, .. } => row::find(&slots[..usize::from(*len)], peer).is_ok(),
            Self::Crowd(crowd) => crowd.pages.search(crowd.pages.locate(peer), peer).is_ok(),
        }
    }

    /// A peer leaves; false if it was not there. `minute` is the base of all ages.
    pub(super) fn remove(&mut self, minute: u32, peer: &Endpoint<N>) -> bool {
        let was_there = match self {
            Self::Few { len, bytes } => {
                let mut few = Few::<N>::read(*len, bytes);
                let Ok(at) = row::find(few.peers(), peer) else {
                    return false;
                };
                few.peers.copy_within(at + 1..few.len, at);
                *self = Self::few(&few.peers[..few.len - 1]);
                true
            }
            Self::Row { slots, len, seeders } => {
                let Ok(at) = row::find(&slots[..usize::from(*len)], peer) else {
                    return false;
                };
                *seeders -= u16::from(slots[at].seeding());
                row::remove(slots, len, at);
                true
            }
            Self::Crowd(crowd) => crowd.remove(minute, peer),
        };
        self.settle(minute);
        was_there
    }

    /// Hands out the peers that come after `after` in order while steps are `left`, one each (there must be one at
    /// least), and gives the last of them; None if nobody comes after that.
    pub(super) fn walk(
        &self,
        minute: u32,
        after: Option<&Endpoint<N>>,
        left: &mut usize,
        visit: impl FnMut(&Endpoint<N>),
    ) -> Option<Endpoint<N>> {
        match self {
            Self::Few { len, bytes } => walk_row(Few::<N>::read(*len, bytes).peers(), after, left, visit),
            Self::Row { slots, len, .. } => walk_row(&slots[..usize::from(*len)], after, left, visit),
            Self::Crowd(crowd) => walk_crowd(crowd, minute, after, left, visit),
        }
    }
}

fn renew<const N: usize>(stored: &mut Stored<N>, now: u32, what: Announce) -> Announced {
    let minutes_ago = stored.age(now);
    Announced { peer: Acquaintance::Known { minutes_ago }, newly_completed: stored.renew(now, what) }
}

fn walk_row<const N: usize>(
    peers: &[Stored<N>],
    after: Option<&Endpoint<N>>,
    left: &mut usize,
    mut visit: impl FnMut(&Endpoint<N>),
) -> Option<Endpoint<N>> {
    let start = after.map_or(0, |after| peers.partition_point(|p| p.endpoint <= *after));
    let slice = &peers[start..peers.len().min(start.saturating_add(*left))];
    slice.iter().for_each(|peer| visit(&peer.endpoint));
    *left -= slice.len();
    if start + slice.len() == peers.len() {
        return None;
    }
    slice.last().map(|peer| peer.endpoint)
}

/// Peers that are too old are passed over, but cost a step too.
fn walk_crowd<const N: usize>(
    crowd: &Crowd<N>,
    minute: u32,
    after: Option<&Endpoint<N>>,
    left: &mut usize,
    mut visit: impl FnMut(&Endpoint<N>),
) -> Option<Endpoint<N>> {
    let mut last = after.copied();
    while *left > 0 {
        let (place, index) = crowd.pages.above(last.as_ref())?;
        let page = crowd.pages.page(place);
        for slot in index..page.len().min(index.saturating_add(*left)) {
            last = Some(*page.key(slot));
            if let Some([stored]) = page.alive_run(slot, 1, minute) {
                visit(&stored.endpoint);
            }
            *left -= 1;
        }
    }
    last
}
