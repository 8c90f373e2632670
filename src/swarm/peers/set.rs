//! What a torrent does with its peers, whether they are of one family of addresses or of both.

use super::PeerCounts;
use crate::swarm::memory::Budget;
use crate::swarm::{Announced, Chosen, PeerState, Random, Sizes, Wanted};

/// The peers of a torrent: of one family ([`Peers`](super::Peers)) or of both ([`DualPeers`](super::DualPeers)). The base of their ages
/// is the torrent's stored minute.
pub trait PeerSet: Copy {
    /// What peers are told apart by.
    type Peer: Copy + Default;
    /// Where peers live that do not live in their torrent's entry.
    type Store: PeerStore;

    /// No peers.
    const NONE: Self;

    /// How many there are.
    fn counts(&self, store: &Self::Store) -> PeerCounts;

    /// How many of them are of IPv6, in sets of both families. 0 in others.
    fn v6_counts(&self, _store: &Self::Store) -> PeerCounts {
        PeerCounts::default()
    }

    /// Whether a peer is among them. `minute` is the base of all ages.
    fn has(&self, store: &Self::Store, minute: u32, peer: &Self::Peer) -> bool;

    /// Where there is one peer, minutes from its last announce to `minute`, the base of all ages. None where there are more or none, or
    /// where it takes a search to know.
    fn age_of_only(&self, store: &Self::Store, minute: u32) -> Option<u32>;

    /// Has them fetched into the cache, for an announce that follows.
    fn prefetch(&self, store: &Self::Store);

    /// Whether there are none.
    fn is_empty(&self, store: &Self::Store) -> bool;

    /// Whether there may be pages to sweep, see [`Self::sweep`].
    fn is_paged(&self, store: &Self::Store) -> bool;

    /// Lets those go who are too old at `now`; the base of the others moves there from `minute`.
    fn expire(&mut self, store: &mut Self::Store, budget: &mut Budget, minute: u32, now: u32);

    /// Lets all of them go.
    fn clear(&mut self, store: &mut Self::Store, budget: &mut Budget);

    /// A peer announces at `now`, which is the base of all ages already. None, and nothing changes, if it is not there and the
    /// memory for it is refused.
    fn announce(
        &mut self,
        store: &mut Self::Store,
        budget: &mut Budget,
        now: u32,
        peer: &Self::Peer,
        what: PeerState,
    ) -> Option<Announced>;

    /// A peer leaves; false if it was not there. `minute` is the base of all ages.
    fn remove(&mut self, store: &mut Self::Store, budget: &mut Budget, minute: u32, peer: &Self::Peer) -> bool;

    /// Rids a paged swarm's pages of the peers that are too old at `minute`, from the page of `from` on, at most so many pages.
    /// Returns where to go on; None when all are done, or if there is nothing to do.
    fn sweep(
        &mut self,
        store: &mut Self::Store,
        budget: &mut Budget,
        minute: u32,
        from: Self::Peer,
        pages: &mut usize,
    ) -> Option<Self::Peer>;

    /// Moves them to fuller memory, if they are in what could be freed.
    fn relocate(&mut self, store: &mut Self::Store, budget: &mut Budget);

    /// Visits the peers that come after `after` in order while steps are `left`, one each (there must be one at
    /// least), and returns the last of them; None if no more come after that.
    fn walk(
        &self,
        store: &Self::Store,
        minute: u32,
        after: Option<&Self::Peer>,
        left: &mut usize,
        visit: impl FnMut(&Self::Peer),
    ) -> Option<Self::Peer>;

    /// Chooses among them for a reply, see [`Torrent::choose`](crate::swarm::Torrent::choose). One more, who has no place here, counts
    /// where the reply is shared out, and gets a place in it.
    fn choose(
        &self,
        store: &Self::Store,
        minute: u32,
        guest: Option<(Self::Peer, bool)>,
        wanted: Wanted,
        random: &mut Random,
        out: &mut [u8],
    ) -> Chosen;
}

/// Where the peers of all torrents live that do not live in a torrent's entry.
pub trait PeerStore {
    /// A store that holds nothing yet.
    fn new(sizes: Sizes) -> Self;

    /// Frees pages of swarms that are gone while steps are `left`, see [`Swarms::expire`](crate::swarm::Swarms::expire).
    fn free_some(&mut self, budget: &mut Budget, left: &mut usize);

    /// Looks for memory that is sparse, to be called once in each walk.
    fn find_surplus(&mut self);

    /// Whether all that is gone has left.
    #[cfg(any(test, fuzzing))]
    fn is_settled(&self) -> bool;

    /// Slots that are taken.
    #[cfg(any(test, fuzzing))]
    fn taken(&self) -> usize;
}
