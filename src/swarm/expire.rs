//! The walk that expires: peers and torrents leave, and memory is given back, a bounded slice at a time.

use super::families::Families;
use super::index::{Page, Place};
use super::peers::{PeerSet, PeerStore};
use super::{InfoHash, Swarms};
use crate::limits::{SWARM_PEERS_A_STEP, SWARM_RETURNED_A_STEP};

/// How far the walk has come.
#[derive(Default)]
pub(super) struct Expiry<F: Families> {
    /// All torrents up to this one are done.
    after: Option<InfoHash>,
    /// The torrent that is being swept, a large one, and the peer to go on at.
    within: Option<(InfoHash, F::Peer)>,
}

impl<F: Families> Swarms<F> {
    /// Does a bounded slice of the walk over all torrents in which peers and torrents leave. A step is a torrent, [`SWARM_PEERS_A_STEP`]
    /// of its peers, a page of peers of a large swarm, or [`SWARM_RETURNED_A_STEP`] bytes that go back to the system. True when a whole walk just ended; the next call begins another.
    pub fn expire(&mut self, now: u32, steps: usize) -> bool {
        let mut left = steps.max(1);
        self.budget.take_returned();
        self.store.free_some(&mut self.budget, &mut left);
        while left > 0 {
            if let Some((hash, from)) = self.expiry.within {
                self.sweep(hash, from, &mut left);
            } else if !self.expire_page(now, &mut left) {
                self.store.free_some(&mut self.budget, &mut left);
                if left == 0 {
                    return false;
                }
                self.expiry.after = None;
                self.budget.recover();
                self.entries.find_surplus();
                self.store.find_surplus();
                return true;
            }
            left = left.saturating_sub(self.budget.take_returned() / SWARM_RETURNED_A_STEP);
        }
        false
    }

    /// Cleans what is left of a page, up to the next large swarm. False at the end of all torrents.
    fn expire_page(&mut self, now: u32, left: &mut usize) -> bool {
        let Some((place, mut at)) = self.torrents.above(&self.entries, self.expiry.after.as_ref()) else {
            return false;
        };
        self.relocate(place);
        while *left > 0 && at < usize::from(self.torrents.page(place).len) {
            let entry = &self.torrents.items(&self.entries, place)[at];
            let hash = entry.hash;
            let peers = if entry.peers.is_paged(&self.store) { 0 } else { entry.peers.counts(&self.store).all() };
            *left = left.saturating_sub(1 + peers as usize / SWARM_PEERS_A_STEP);
            self.expiry.after = Some(hash);
            if !self.clean(place, at, now) {
                continue;
            }
            let entry = &mut self.torrents.items_mut(&mut self.entries, place)[at];
            entry.peers.relocate(&mut self.store, &mut self.budget);
            if entry.peers.is_paged(&self.store) {
                self.expiry.within = Some((hash, F::Peer::default()));
                break;
            }
            at += 1;
        }
        self.torrents.settle(&mut self.entries, &mut self.budget, place);
        true
    }

    /// Moves a page of torrents to fuller memory, if it is in what could be freed.
    fn relocate(&mut self, place: Place) {
        let Page { slot, len, .. } = *self.torrents.page(place);
        if self.entries.is_surplus(slot) {
            self.torrents.page_mut(place).slot = self.entries.relocate(slot, len.into(), &mut self.budget);
        }
    }

    /// Rids a large swarm's pages of peers that are too old.
    fn sweep(&mut self, hash: InfoHash, from: F::Peer, left: &mut usize) {
        self.expiry.within = None;
        let place = self.torrents.locate(&self.entries, &hash);
        if let Ok(at) = self.torrents.search(&self.entries, place, &hash) {
            let entry = &mut self.torrents.items_mut(&mut self.entries, place)[at];
            let next = entry.peers.sweep(&mut self.store, &mut self.budget, entry.minute, from, left);
            self.expiry.within = next.map(|next| (hash, next));
        }
    }
}
