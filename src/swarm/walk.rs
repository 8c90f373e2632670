//! The walks that look: all torrents, or all peers, in order, a bounded slice at a time.
//!
//! A cursor holds the last key that was visited and nothing else, so whatever comes and goes between two slices cannot
//! make a walk visit anything twice or out of order, or miss what was there all the time.

use super::families::Families;
use super::peers::PeerSet;
use super::torrent::Entry;
use super::{Counts, InfoHash, Swarms};
use std::net::IpAddr;

/// How far a walk over the torrents has come.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    after: Option<InfoHash>,
}

/// How far a walk over the peers has come.
#[derive(Clone, Debug)]
pub struct PeerCursor<F: Families> {
    /// All torrents up to this one are done,
    after: Option<InfoHash>,
    /// but for this one, which is the same and done up to that peer.
    within: Option<(InfoHash, F::Peer)>,
}

impl<F: Families> Default for PeerCursor<F> {
    fn default() -> Self {
        Self { after: None, within: None }
    }
}

impl<F: Families> Swarms<F> {
    /// Visits the next torrents, at most so many, ascending by info hash, with what they count and their stored minute.
    /// True at the end. A torrent that is there during the whole walk is visited exactly once.
    pub fn walk(&self, cursor: &mut Cursor, torrents: usize, mut visit: impl FnMut(&InfoHash, Counts, u32)) -> bool {
        let mut left = torrents.max(1);
        while left > 0 {
            let Some((place, at)) = self.torrents.above(&self.entries, cursor.after.as_ref()) else {
                return true;
            };
            let entries = &self.torrents.items(&self.entries, place)[at..];
            for entry in entries.iter().take(left) {
                visit(&entry.hash, entry.counts(&self.store), entry.minute);
                cursor.after = Some(entry.hash);
                left -= 1;
            }
        }
        false
    }

    /// Visits the next peers, torrent by torrent. A step is a peer or a torrent; it takes at most so many. True at the end.
    pub fn walk_peers(&self, cursor: &mut PeerCursor<F>, steps: usize, mut visit: impl FnMut(IpAddr)) -> bool {
        let mut left = steps.max(1);
        if let Some((hash, peer)) = cursor.within.take() {
            let entry = self.entry(&hash);
            let is_done =
                entry.is_none_or(|entry| visit_peers(entry, &self.store, Some(peer), cursor, &mut left, &mut visit));
            if !is_done {
                return false;
            }
        }
        while left > 0 {
            let Some((place, at)) = self.torrents.above(&self.entries, cursor.after.as_ref()) else {
                return true;
            };
            for entry in &self.torrents.items(&self.entries, place)[at..] {
                if left == 0 || !visit_peers(entry, &self.store, None, cursor, &mut left, &mut visit) {
                    return false;
                }
            }
        }
        false
    }

    pub(super) fn entry(&self, hash: &InfoHash) -> Option<&Entry<F>> {
        let place = self.torrents.locate(&self.entries, hash);
        let at = self.torrents.search(&self.entries, place, hash).ok()?;
        self.torrents.items(&self.entries, place).get(at)
    }
}

/// Visits the peers of a torrent behind `from`. False if there are more of them than steps are left.
fn visit_peers<F: Families>(
    entry: &Entry<F>,
    store: &F::Store,
    from: Option<F::Peer>,
    cursor: &mut PeerCursor<F>,
    left: &mut usize,
    visit: &mut impl FnMut(IpAddr),
) -> bool {
    cursor.after = Some(entry.hash);
    let each = |peer: &F::Peer| visit(F::endpoint(peer).0);
    let last = entry.peers.walk(store, entry.minute, from.as_ref(), left, each);
    cursor.within = last.map(|last| (entry.hash, last));
    *left = left.saturating_sub(1);
    last.is_none()
}
