//! The choice of peers for a reply: distinct, every one equally likely, drawn anew for each reply. From a crowd they come in runs of
//! neighbours in an order that says nothing of them.

use super::crowd::{Crowd, LEAF_MAX, PeerPage};
use super::directory::Page;
use super::endpoint::{Endpoint, Stored};
use super::peers::{Few, Peers, ROW_MAX};
use super::random::Random;
use crate::limits::NUMWANT_MAX;
use std::hint::select_unpredictable;

/// A crowd is drawn from by lot if it has this many times the peers wanted; below that, repeated lots would be many.
const DRAW_CROWDED: usize = 4;

/// Places for each peer that is there; where more than that are empty, lots would be many, so all pages are looked through.
const DRAW_TRIES: usize = 64;

/// Bits by which pages are told apart that nobody was taken from.
const PAGE_BITS: usize = 1024;

/// Lots drawn at a time at most.
const LOTS: usize = 64;

/// Lots drawn beside those that would suffice on average.
const LOTS_SPARE: usize = 3;

/// Peers that are taken from one place: most of the time goes into memory that is not in the cache.
const RUN: usize = 4;

/// Where chosen peers go: leechers from the front, seeders behind them, in any order.
struct Reply<'a> {
    out: &'a mut [u8],
    front: usize,
    back: usize,
}

impl<'a> Reply<'a> {
    /// A reply that will have exactly so many peers.
    fn new<const N: usize>(out: &'a mut [u8], peers: usize) -> Self {
        let back = peers * Endpoint::<N>::SIZE;
        Self { out, front: 0, back }
    }

    fn put<const N: usize>(&mut self, peer: &Stored<N>) {
        // No processor foresees who is seeding, so there is no branch on it.
        let size = Endpoint::<N>::SIZE;
        let seeding = peer.seeding();
        let back = self.back.wrapping_sub(size);
        let at = select_unpredictable(seeding, back, self.front);
        self.back = select_unpredictable(seeding, back, self.back);
        self.front = select_unpredictable(seeding, self.front, self.front + size);
        peer.endpoint.write(&mut self.out[at..at + size]);
    }
}

/// Writes `wanted` of the peers, or all if there are no more, and gives the number of bytes. `minute` is the base of
/// their ages; those too old at that time are none of them.
pub(super) fn choose<const N: usize>(
    peers: &Peers<N>,
    minute: u32,
    wanted: usize,
    random: &mut Random,
    out: &mut [u8],
) -> usize {
    let wanted = wanted.min(out.len() / Endpoint::<N>::SIZE);
    let wanted = wanted.min(peers.heads().all() as usize);
    if wanted == 0 {
        return 0;
    }
    let mut reply = Reply::new::<N>(out, wanted);
    match peers {
        Peers::Few { len, bytes } => {
            let few = Few::<N>::read(*len, bytes);
            from_row(few.peers(), wanted, random, &mut reply);
        }
        Peers::Row { slots, len, .. } => {
            from_row(&slots[..usize::from(*len)], wanted, random, &mut reply);
        }
        Peers::Crowd(crowd) => from_crowd(crowd, minute, wanted, random, &mut reply),
    }
    wanted * Endpoint::<N>::SIZE
}

/// Shuffles numbers just as far as needed: from the lesser of those chosen and those left out.
fn from_row<const N: usize>(peers: &[Stored<N>], wanted: usize, random: &mut Random, reply: &mut Reply) {
    const IN_ORDER: [u8; ROW_MAX] = {
        let mut numbers = [0; ROW_MAX];
        let mut index = 0;
        while index < ROW_MAX {
            numbers[index] = index as u8;
            index += 1;
        }
        numbers
    };
    if wanted == peers.len() {
        return peers.iter().for_each(|peer| reply.put(peer));
    }
    let mut numbers = IN_ORDER;
    let shuffled = wanted.min(peers.len() - wanted);
    for index in 0..shuffled {
        let other = index + random.below((peers.len() - index) as u64) as usize;
        numbers.swap(index, other);
    }
    let chosen = if shuffled == wanted { &numbers[..wanted] } else { &numbers[shuffled..peers.len()] };
    for &number in chosen {
        reply.put(&peers[usize::from(number)]);
    }
}

fn from_crowd<const N: usize>(crowd: &Crowd<N>, minute: u32, wanted: usize, random: &mut Random, reply: &mut Reply) {
    let there = crowd.heads.all() as usize;
    let places = crowd.pages.places() * LEAF_MAX;
    let crowded = there >= wanted.saturating_mul(DRAW_CROWDED) && places <= there.saturating_mul(DRAW_TRIES);
    match u32::try_from(places) {
        Ok(places) if crowded && wanted <= NUMWANT_MAX => draw(crowd, places, minute, wanted, random, reply),
        _ => pick(crowd, minute, wanted, random, reply),
    }
}

/// Draws places at random, whether somebody is there or not, and takes a run of peers from each until there are enough. As every
/// place is equally likely, every peer is: it has as many others before it that would bring it along.
///
/// Many lots turn out empty and most lie in memory that is not in the cache, so they are drawn by the dozen, sifted
/// without a branch, and fetched before the first is looked at: a processor neither guesses which are empty nor waits for
/// each in turn.
fn draw<const N: usize>(
    crowd: &Crowd<N>,
    places: u32,
    minute: u32,
    wanted: usize,
    random: &mut Random,
    reply: &mut Reply,
) {
    let mut drawn = Drawn::new();
    let mut left = wanted;
    let (page, _) = crowd.pages.page_at(0);
    let mut lots = [(page, 0); LOTS];
    while left > 0 {
        let mut some = 0;
        for _ in 0..lots_for(left, places, crowd.heads.all()) {
            let place = random.below(places.into()) as u32;
            let (page, there) = crowd.pages.page_at(place as usize / LEAF_MAX);
            lots[some] = (page, place);
            some += usize::from(there & (place as usize % LEAF_MAX < page.len()));
        }
        for (page, place) in &lots[..some] {
            page.fetch(*place as usize % LEAF_MAX, RUN);
        }
        for (page, place) in &lots[..some] {
            if left == 0 {
                return;
            }
            let (_, is_alive) = page.peer_at(*place as usize % LEAF_MAX, minute);
            if is_alive {
                run(crowd, page, *place, minute, &mut left, &mut drawn, reply);
            }
        }
    }
}

/// How many lots are likely to suffice for so many peers: now and then some more are needed, and few are drawn in vain.
fn lots_for(wanted: usize, places: u32, there: u32) -> usize {
    let runs = wanted.div_ceil(RUN) as u64;
    LOTS.min((runs * u64::from(places) / u64::from(there.max(1))) as usize + LOTS_SPARE)
}

/// Takes the peer at a place and those who come next, all in a circle, but for those who were taken before.
fn run<'a, const N: usize>(
    crowd: &'a Crowd<N>,
    mut page: &'a PeerPage<N>,
    place: u32,
    minute: u32,
    left: &mut usize,
    drawn: &mut Drawn,
    reply: &mut Reply,
) {
    let (mut number, mut from) = (place as usize / LEAF_MAX, place as usize % LEAF_MAX);
    let mut more = RUN;
    loop {
        let is_new = drawn.enter(number);
        for (slot, stored) in page.alive(minute, from) {
            let place = (number * LEAF_MAX + slot) as u32;
            if is_new || !drawn.has(place) {
                drawn.take(place);
                reply.put(stored);
                *left -= 1;
            }
            more -= 1;
            if more == 0 || *left == 0 {
                return;
            }
        }
        number = crowd.pages.next_number(number);
        page = crowd.pages.page_at(number).0;
        from = 0;
    }
}

/// Looks at all peers in order and takes each with the chance that makes all equally likely (Knuth's algorithm S).
fn pick<const N: usize>(crowd: &Crowd<N>, minute: u32, mut wanted: usize, random: &mut Random, reply: &mut Reply) {
    let mut there = crowd.heads.all() as usize;
    for (_, peer) in crowd.pages.iter().flat_map(|page| page.alive(minute, 0)) {
        if wanted == there || random.below(there as u64) < wanted as u64 {
            reply.put(peer);
            wanted -= 1;
            if wanted == 0 {
                return;
            }
        }
        there -= 1;
    }
}

/// Which peers were taken already, by the numbers of their places. Most are of pages that nobody was taken from before: a bit tells
/// that, for all the pages that share it.
struct Drawn {
    pages: [u64; PAGE_BITS / 64],
    places: [u32; NUMWANT_MAX],
    count: usize,
}

impl Drawn {
    fn new() -> Self {
        Self { pages: [0; PAGE_BITS / 64], places: [0; NUMWANT_MAX], count: 0 }
    }

    /// Whether certainly nobody was taken from that page. Asked before anybody is.
    fn enter(&mut self, page: usize) -> bool {
        let word = &mut self.pages[page / 64 % (PAGE_BITS / 64)];
        let before = *word;
        *word |= 1 << (page % 64);
        *word != before
    }

    fn has(&self, place: u32) -> bool {
        self.places[..self.count].contains(&place)
    }

    fn take(&mut self, place: u32) {
        self.places[self.count] = place;
        self.count += 1;
    }
}
