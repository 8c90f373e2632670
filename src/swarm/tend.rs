//! The walk that cleans: peers and torrents leave, and memory is given back, a bounded slice at a time.

use super::directory::Page;
use super::endpoint::Endpoint;
use super::peers::Peers;
use super::{InfoHash, Swarms};

/// How far the walk has come.
#[derive(Default)]
pub(super) struct Tending<const N: usize> {
    /// All torrents up to this one are done.
    after: Option<InfoHash>,
    /// The torrent that is being swept, a huge one, and the peer to go on at.
    within: Option<(InfoHash, Endpoint<N>)>,
}

impl<const N: usize> Swarms<N> {
    /// Does a bounded slice of the walk over all torrents in which peers and torrents leave. A step is a torrent, or a
    /// page of peers of a huge swarm. True when a whole walk just ended; the next call begins another.
    pub fn tend(&mut self, now: u32, steps: usize) -> bool {
        let mut left = steps.max(1);
        self.empty_bin(left);
        while left > 0 {
            if let Some((hash, from)) = self.tending.within {
                self.sweep(hash, from, &mut left);
            } else if !self.tend_page(now, &mut left) {
                self.tending.after = None;
                return true;
            }
        }
        false
    }

    /// Frees pages of huge swarms that are gone.
    fn empty_bin(&mut self, steps: usize) {
        for _ in 0..steps {
            let Some(crowd) = self.bin.last_mut() else {
                self.bin.shrink_to_fit();
                return;
            };
            if !crowd.pages.discard_page() {
                self.bin.pop();
            }
        }
    }

    /// Cleans what is left of a page, up to the next huge swarm. False at the end of all torrents.
    fn tend_page(&mut self, now: u32, left: &mut usize) -> bool {
        let Some((place, mut at)) = self.torrents.above(self.tending.after.as_ref()) else {
            return false;
        };
        while *left > 0 && at < self.torrents.page(place).len() {
            let hash = *self.torrents.page(place).key(at);
            *left -= 1;
            self.tending.after = Some(hash);
            if !self.clean(place, at, now) {
                continue;
            }
            let entry = &self.torrents.page(place).entries[at];
            if matches!(entry.peers, Peers::Crowd(_)) {
                self.tending.within = Some((hash, Endpoint::default()));
                break;
            }
            at += 1;
        }
        self.torrents.settle(place);
        true
    }

    /// Rids a huge swarm's pages of peers that are too old.
    fn sweep(&mut self, hash: InfoHash, from: Endpoint<N>, left: &mut usize) {
        self.tending.within = None;
        let place = self.torrents.locate(&hash);
        let Ok(at) = self.torrents.search(place, &hash) else {
            return;
        };
        let entry = &mut self.torrents.page_mut(place).entries[at];
        if let Peers::Crowd(crowd) = &mut entry.peers {
            match crowd.sweep(entry.minute, from, left) {
                Some(next) => self.tending.within = Some((hash, next)),
                None => entry.peers.settle(entry.minute),
            }
        }
    }
}
