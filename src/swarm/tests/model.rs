//! The simplest thing that follows the rules of the swarms, and histories that are played to both. The unit tests draw histories at
//! random, and a fuzz target makes them of its bytes.

use super::super::peers::{PeerStore, shares};
use super::super::{
    Announced, Counts, Cursor, InfoHash, Limits, PeerCursor, PeerState, PeerStatus, Random, Sizes, Swarms, Totals,
    Wanted,
};
use super::{Tested, peer, told};
use crate::address::Family;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, PartialEq)]
struct Torrent<F: Tested> {
    minute: u32,
    downloaded: u32,
    peers: BTreeMap<F::Peer, (u32, bool, bool)>,
}

impl<F: Tested> Torrent<F> {
    fn counts(&self) -> Counts {
        let seeders = self.peers.values().filter(|peer| peer.1).count() as u32;
        Counts { seeders, leechers: self.peers.len() as u32 - seeders, downloaded: self.downloaded }
    }

    fn pass(&mut self, now: u32) {
        if now > self.minute {
            self.peers.retain(|_, peer| now - peer.0 < 45);
            self.minute = now;
        }
    }

    fn cleaned(&self, now: u32) -> Option<Self> {
        let elapsed = now.saturating_sub(self.minute);
        let mut clean = self.clone();
        if elapsed == 0 {
            return Some(clean);
        }
        if elapsed > 24 * 60 {
            return None;
        }
        if self.peers.is_empty() && elapsed > 45 {
            return (self.downloaded > 0).then_some(clean);
        }
        clean.pass(now);
        if clean.peers.is_empty() {
            clean.minute = now.saturating_sub(45);
        }
        Some(clean)
    }
}

#[derive(Default)]
struct Model<F: Tested> {
    torrents: BTreeMap<InfoHash, Torrent<F>>,
}

impl<F: Tested> Model<F> {
    fn announce(&mut self, now: u32, hash: InfoHash, peer: F::Peer, what: PeerState) -> Announced {
        let torrent =
            self.torrents.entry(hash).or_insert(Torrent { minute: now, downloaded: 0, peers: BTreeMap::new() });
        torrent.pass(now);
        let minute = torrent.minute;
        let old = torrent.peers.get(&peer).copied();
        let had_completed = old.is_some_and(|old| old.2);
        let completes = what.seeding && what.completed;
        let newly_completed = completes && !had_completed;
        torrent.downloaded += u32::from(newly_completed);
        let new = (minute, what.seeding, completes || had_completed);
        torrent.peers.insert(peer, new);
        let peer = old.map_or(PeerStatus::New, |old| PeerStatus::Known { minutes_ago: minute - old.0 });
        Announced { peer, newly_completed }
    }

    /// Torrents made room for others: they had one peer at most.
    fn make_room(&mut self, swarms: &Swarms<F>, count: u64) {
        let there: BTreeSet<_> = all(swarms).into_iter().map(|torrent| torrent.0).collect();
        let before = self.torrents.len();
        self.torrents.retain(|hash, torrent| {
            assert!(there.contains(hash) || torrent.peers.len() <= 1, "{torrent:?} made room");
            there.contains(hash)
        });
        assert_eq!((before - self.torrents.len()) as u64, count);
    }

    /// There is no room for a peer that announces. Returns its torrent alone.
    fn turn_away(&mut self, now: u32, hash: InfoHash, peer: &F::Peer) -> Self {
        let mut alone = Self::default();
        if let Some(torrent) = self.torrents.get_mut(&hash) {
            torrent.pass(now);
            assert!(!torrent.peers.contains_key(peer), "its place needs no memory");
            alone.torrents.insert(hash, torrent.clone());
        }
        alone
    }

    fn stop(&mut self, hash: InfoHash, peer: F::Peer) -> Option<(bool, Counts)> {
        let torrent = self.torrents.get_mut(&hash)?;
        let was_there = torrent.peers.remove(&peer).is_some();
        Some((was_there, torrent.counts()))
    }

    fn scrape(&mut self, now: u32, hash: InfoHash) -> Option<Counts> {
        let torrent = self.torrents.remove(&hash)?.cleaned(now)?;
        let counts = torrent.counts();
        self.torrents.insert(hash, torrent);
        Some(counts)
    }

    /// A slice of the walk has cleaned some torrents, it does not say which.
    fn take_over(&mut self, now: u32, swarms: &Swarms<F>) {
        let there: BTreeMap<_, _> = all(swarms).into_iter().map(|t| (t.0, (t.1, t.2))).collect();
        self.torrents.retain(|hash, torrent| {
            let clean = torrent.cleaned(now);
            match there.get(hash) {
                None => assert!(clean.is_none(), "{hash:?} left too early: {torrent:?}"),
                Some(found) if *found == (torrent.counts(), torrent.minute) => return true,
                Some(found) => {
                    let clean = clean.expect("should have left");
                    assert_eq!(*found, (clean.counts(), clean.minute));
                    *torrent = clean;
                    return true;
                }
            }
            false
        });
    }

    fn compare(&self, swarms: &Swarms<F>, slice: usize) {
        let expected: Vec<_> = self.torrents.iter().map(|(h, t)| (*h, t.counts(), t.minute)).collect();
        assert_eq!(all(swarms), expected);
        let mut totals = Totals::default();
        let mut addresses = Vec::new();
        for torrent in self.torrents.values() {
            totals.torrents += 1;
            totals.peers += torrent.peers.len() as u64;
            totals.seeders += u64::from(torrent.counts().seeders);
            addresses.extend(torrent.peers.keys().map(|peer| F::endpoint(peer).0));
        }
        assert_eq!(swarms.totals(), totals);
        let (mut cursor, mut found) = (PeerCursor::default(), Vec::new());
        loop {
            let before = found.len();
            let end = swarms.walk_peers(&mut cursor, slice, |address| found.push(address));
            assert!(found.len() - before <= slice && found.len() <= addresses.len());
            if end {
                break;
            }
        }
        assert!(found == addresses);
    }
}

fn all<F: Tested>(swarms: &Swarms<F>) -> Vec<(InfoHash, Counts, u32)> {
    let mut found: Vec<(InfoHash, Counts, u32)> = Vec::new();
    let mut cursor = Cursor::default();
    while !swarms.walk(&mut cursor, 7, |hash, counts, minute| {
        assert!(found.last().is_none_or(|(last, ..)| last < hash), "out of order");
        found.push((*hash, counts, minute));
    }) {}
    found
}

/// One step of a history. Torrents and peers are numbers.
#[derive(Clone, Debug)]
pub enum Step {
    /// A peer announces: torrent, peer.
    Announce(u64, u32, PeerState),
    /// So many peers announce, from this one on: torrent, first peer, how many.
    Burst(u64, u32, u32, PeerState),
    /// A seeder announces to each of so many torrents: first torrent, how many.
    Many(u64, u64),
    /// Torrents are prefetched: first torrent, how many.
    Prefetch(u64, u64),
    /// A peer stops: torrent, peer.
    Stop(u64, u32),
    /// So many peers stop: torrent, first peer, how many.
    StopMany(u64, u32, u32),
    /// A torrent is scraped.
    Scrape(u64),
    /// A torrent of a state file: torrent, how many minutes ago it was last used, downloads.
    Restore(u64, u32, u32),
    /// The walk that expires goes on by so many steps.
    Expire(usize),
    /// The walk that expires ends, and a whole one follows.
    ExpireAll,
    /// So many minutes pass.
    Pass(u32),
    /// The clock goes back by so many minutes.
    Back(u32),
    /// The ceiling is so many bytes more than are held.
    Refuse(usize),
    /// So many torrents, peers, and peers of a torrent may be added.
    Limit(u64, u64, u64),
    /// Torrents that may make room are looked for.
    FindCandidates,
}

fn check_choice<F: Tested>(
    model: &Torrent<F>,
    torrent: &super::super::Torrent<'_, F>,
    peers: usize,
    random: &mut Random,
) {
    let all_v4 = model.peers.keys().filter(|peer| F::endpoint(peer).0.is_ipv4()).count();
    let all_v6 = model.peers.len() - all_v4;
    for family in [None, Some(Family::V4), Some(Family::V6)] {
        let (expected_v4, expected_v6) = match family {
            Some(Family::V4) if F::V6 && F::V4 => (peers.min(all_v4), 0),
            Some(Family::V6) if F::V6 && F::V4 => (0, peers.min(all_v6)),
            _ => shares(all_v4, all_v6, peers),
        };
        let mut out = vec![0xaa; peers * 18 + 5];
        let used = peers * 18;
        let chosen = torrent.choose(Wanted { peers, family }, random, &mut out[..used]);
        assert_eq!((chosen.v4, chosen.v6), (expected_v4 * 6, expected_v6 * 18), "{peers}, {family:?}");
        check_order(model, &told::<F>(chosen, &out));
        assert!(out[chosen.bytes()..].iter().all(|&byte| byte == 0xaa));
    }
}

/// Of each family leechers are told before seeders, and nobody twice.
fn check_order<F: Tested>(model: &Torrent<F>, told: &[F::Peer]) {
    let mut chosen = BTreeSet::new();
    let mut before: Option<(bool, bool)> = None;
    for peer in told {
        let (is_v4, seeding) = (F::endpoint(peer).0.is_ipv4(), model.peers[peer].1);
        let is_behind_seeder = before.is_some_and(|(was_v4, was_seeding)| was_v4 == is_v4 && was_seeding);
        assert!(seeding || !is_behind_seeder, "a leecher after a seeder");
        before = Some((is_v4, seeding));
        assert!(chosen.insert(*peer), "chosen twice");
    }
}

/// Plays a history where parts of the state have other sizes than usual: bytes of a chunk, torrents of a page, peers of a page, the most
/// peers of an array. Panics where the state and the model differ.
#[cfg(fuzzing)]
pub fn play_small<F: Tested>(steps: &[Step], [chunk, page, peer_page, array_max]: [usize; 4]) {
    play::<F>(steps, Sizes { chunk, page, peer_page, array_max }, super::spread);
}

/// How many torrents made room for others.
fn made_room<F: Tested>(swarms: &Swarms<F>) -> u64 {
    let counts = swarms.ceiling_counts();
    counts.room_for_torrents + counts.room_for_peers
}

/// How often something was not stored.
fn refusals<F: Tested>(swarms: &Swarms<F>) -> u64 {
    let counts = swarms.ceiling_counts();
    swarms.refusals() + counts.torrents + counts.peers + counts.peers_per_torrent
}

/// Plays a history to the swarms and to the model. Panics where they differ.
pub(super) fn play<F: Tested>(steps: &[Step], sizes: Sizes, name: fn(u64) -> InfoHash) {
    let mut swarms = Swarms::<F>::with_sizes(sizes);
    let mut may_refuse = false;
    let mut model = Model::<F> { torrents: BTreeMap::new() };
    let mut random = Random::new([5, 6]);
    let mut limits = Limits::NONE;
    let mut now = 29_000_000;
    for (turn, step) in steps.iter().enumerate() {
        let mut announce = |t: u64, p: u32, what: PeerState| {
            let (hash, peer) = (name(t), peer(p));
            let (refusals, room) = (refusals(&swarms), made_room(&swarms));
            let announced = swarms.announce(now, &hash, &peer, what).0;
            model.make_room(&swarms, made_room(&swarms) - room);
            let torrent = super::super::Torrent { entry: swarms.entry(&hash), store: &swarms.store, guest: None };
            if announced.peer == PeerStatus::NotStored {
                let torrent = super::super::Torrent { guest: Some((peer, what.seeding)), ..torrent };
                let counts = torrent.counts();
                assert!(may_refuse && self::refusals(&swarms) > refusals);
                let mut alone = model.turn_away(now, hash, &peer);
                alone.announce(now, hash, peer, what);
                assert_eq!(
                    Counts { downloaded: 0, ..counts },
                    Counts { downloaded: 0, ..alone.torrents[&hash].counts() }
                );
                return;
            }
            assert_eq!(announced, model.announce(now, hash, peer, what));
            let expected = &model.torrents[&hash];
            if p % 16 == 0 {
                assert_eq!(torrent.counts(), expected.counts());
                for wanted in [0, 1, 50, 200, expected.peers.len() / 2] {
                    check_choice(expected, &torrent, wanted, &mut random);
                }
            }
        };
        match *step {
            Step::Announce(t, p, what) => announce(t, p, what),
            Step::Burst(t, p, n, what) => (p..p + n).for_each(|p| announce(t, p, what)),
            Step::Many(t, n) => (t..t + n).for_each(|t| announce(t, (t % 5) as u32, super::SEED)),
            Step::Prefetch(t, n) => swarms.prefetch((t..t + n).map(name)),
            Step::Stop(t, p) => {
                let found = swarms.stop(&name(t), &peer(p));
                assert_eq!(found, model.stop(name(t), peer(p)));
            }
            Step::StopMany(t, p, n) => {
                for p in p..p + n {
                    let found = swarms.stop(&name(t), &peer(p));
                    assert_eq!(found, model.stop(name(t), peer(p)));
                }
            }
            Step::Scrape(t) => {
                assert_eq!(swarms.scrape(now, &name(t)), model.scrape(now, name(t)));
            }
            Step::Restore(t, ago, downloaded) => {
                let torrent = Torrent { minute: now - ago, downloaded, peers: BTreeMap::new() };
                let (is_new, before) = (!model.torrents.contains_key(&name(t)), refusals(&swarms));
                let restored = swarms.restore(&name(t), now - ago, downloaded);
                if refusals(&swarms) > before {
                    assert!(!restored && is_new && may_refuse);
                } else {
                    assert_eq!(restored, is_new);
                    model.torrents.entry(name(t)).or_insert(torrent);
                }
            }
            Step::Expire(steps) => {
                swarms.expire(now, steps);
                model.take_over(now, &swarms);
            }
            Step::ExpireAll => {
                // The end of the walk that is going on, and then a whole one.
                for _ in 0..2 {
                    while !swarms.expire(now, 10) {}
                }
                let torrents = std::mem::take(&mut model.torrents);
                let clean = torrents.into_iter().filter_map(|(h, t)| Some((h, t.cleaned(now)?.cleaned(now)?)));
                model.torrents = clean.collect();
            }
            Step::Pass(minutes) => now += minutes,
            Step::Back(minutes) => now -= minutes,
            Step::Refuse(beyond) => {
                may_refuse = true;
                swarms.set_ceiling(swarms.bytes_held().saturating_add(beyond));
            }
            Step::Limit(torrents, peers, peers_per_torrent) => {
                may_refuse = true;
                let totals = swarms.totals();
                let (torrents, peers) = (totals.torrents.saturating_add(torrents), totals.peers.saturating_add(peers));
                limits = Limits { torrents, peers, peers_per_torrent };
                swarms.set_limits(limits);
            }
            Step::FindCandidates => swarms.find_candidates(),
        }
        assert!(swarms.totals().torrents <= limits.torrents && swarms.totals().peers <= limits.peers);
        model.compare(&swarms, 1 + turn * 7 % 100);
    }
    empty(swarms, now);
}

/// When all have left, no memory is held but for the first page and tables that are small.
fn empty<F: Tested>(mut swarms: Swarms<F>, now: u32) {
    for minutes in [46, 2000, 4000] {
        while !swarms.expire(now + minutes, 100) {}
    }
    swarms.expire(now + 4000, 10_000);
    assert_eq!(swarms.totals(), Totals::default());
    assert!(swarms.store.is_settled());
    assert_eq!(swarms.slots_taken(), (1, 0));
}
