//! The choice of peers for a reply: distinct, every one equally likely, drawn anew for each reply. From a crowd they come in runs of
//! neighbours in an order that says nothing of them: ten runs at least, if so many peers are wanted.

use super::crowd::{Crowd, LEAF_MAX, PeerPage};
use super::directory::Page;
use super::endpoint::{Endpoint, Stored};
use super::peers::{Few, Peers, ROW_MAX};
use super::random::Random;
use crate::limits::NUMWANT_MAX;
use smallvec::SmallVec;
use std::hint::select_unpredictable;
use std::ops::Range;

/// A crowd is drawn from by lot if it has this many times the peers wanted; below that, repeated lots would be many.
const DRAW_CROWDED: usize = 4;

/// Places for each peer that is there; where more than that are empty, lots would be many, so all pages are looked through.
const DRAW_TRIES: usize = 64;

/// Lots drawn at a time at most: about as many as the longest reply needs, since memory is only waited for once then.
const LOTS: usize = 40;

/// Lots drawn beside those that would suffice on average.
const LOTS_SPARE: usize = 3;

/// Runs that a reply from a crowd is made of at least, if so many peers are wanted.
const RUNS_MIN: usize = 10;

/// Peers of a run at most: those of IPv4 are no longer than a line of the cache then.
const RUN_MAX: usize = 8;

/// Words of bits that tell which places nobody was taken from yet: in a crowd of up to 4096 places each has a bit of its own.
const WORDS: usize = 64;

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

/// Peers of a run: the more, the less memory has to be fetched into the cache, which is most of the work, and the more often
/// the same peers are told of together.
pub(super) fn run_of(wanted: usize) -> usize {
    (wanted / RUNS_MIN).clamp(1, RUN_MAX)
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
    let mut drawing = Drawing { crowd, minute, run: run_of(wanted), left: wanted, taken: Taken::new() };
    let (page, _) = crowd.pages.page_at(0);
    let mut lots = [(page, 0); LOTS];
    while drawing.left > 0 {
        let mut some = 0;
        for _ in 0..drawing.likely_lots(places) {
            let place = random.below(places.into()) as u32;
            let (page, there) = crowd.pages.page_at(place as usize / LEAF_MAX);
            lots[some] = (page, place);
            some += usize::from(there & (place as usize % LEAF_MAX < page.len()));
        }
        for (page, place) in &lots[..some] {
            page.fetch(*place as usize % LEAF_MAX, drawing.run);
        }
        for (page, place) in &lots[..some] {
            if drawing.left == 0 {
                return;
            }
            drawing.take(page, *place, reply);
        }
    }
}

/// What is known while a reply's peers are drawn from a crowd.
struct Drawing<'a, const N: usize> {
    crowd: &'a Crowd<N>,
    minute: u32,
    /// Peers of a run.
    run: usize,
    left: usize,
    taken: Taken,
}

impl<'a, const N: usize> Drawing<'a, N> {
    /// How many lots are likely to suffice: now and then some more are needed, and few are drawn in vain.
    fn likely_lots(&self, places: u32) -> usize {
        let runs = self.left.div_ceil(self.run) as u64;
        let there = self.crowd.heads.all();
        LOTS.min((runs * u64::from(places) / u64::from(there)) as usize + LOTS_SPARE)
    }

    /// Takes a run of peers from a place on, if the one there is still in the swarm. Nearly always they all are, of one page, and
    /// new: then there is nothing to look out for.
    fn take(&mut self, page: &'a PeerPage<N>, place: u32, reply: &mut Reply) {
        let slot = place as usize % LEAF_MAX;
        let run = self.run.min(self.left);
        if let Some(peers) = page.alive_run(slot, run, self.minute)
            && self.taken.add_run(place, run as u32)
        {
            peers.iter().for_each(|peer| reply.put(peer));
            self.left -= run;
        } else if page.alive_run(slot, 1, self.minute).is_some() {
            self.take_each(page, place, reply);
        }
    }

    /// Takes the peer at a place and those who come next, all in a circle, but for those who were taken before.
    fn take_each(&mut self, mut page: &'a PeerPage<N>, place: u32, reply: &mut Reply) {
        let (mut number, mut from) = (place as usize / LEAF_MAX, place as usize % LEAF_MAX);
        let mut more = self.run;
        loop {
            for (slot, stored) in page.alive(self.minute, from) {
                if self.taken.add((number * LEAF_MAX + slot) as u32) {
                    reply.put(stored);
                    self.left -= 1;
                }
                more -= 1;
                if more == 0 || self.left == 0 {
                    return;
                }
            }
            number = self.crowd.pages.next_number(number);
            page = self.crowd.pages.page_at(number).0;
            from = 0;
        }
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

/// Which peers were taken already, by the numbers of their places.
struct Taken {
    /// A bit that is not set tells that nobody was taken from the places that share it; one that is set tells nothing yet.
    bits: [u64; WORDS],
    /// Not more than peers are wanted, so adding one needs no memory.
    runs: SmallVec<[Range<u32>; NUMWANT_MAX]>,
}

impl Taken {
    fn new() -> Self {
        Self { bits: [0; WORDS], runs: SmallVec::new() }
    }

    /// Adds a run from a place on, if a look at one word shows that none of it was taken.
    fn add_run(&mut self, place: u32, run: u32) -> bool {
        let bits = ((1 << run) - 1) << (place % u64::BITS);
        let word = &mut self.bits[(place / u64::BITS) as usize % WORDS];
        let is_in_word = place % u64::BITS <= u64::BITS - run;
        let is_new = is_in_word && *word & bits == 0;
        if is_new {
            *word |= bits;
            self.runs.push(place..place + run);
        }
        is_new
    }

    /// Adds a place, if it was not taken.
    fn add(&mut self, place: u32) -> bool {
        if self.add_run(place, 1) {
            return true;
        }
        let is_new = !self.runs.iter().any(|run| run.contains(&place));
        if is_new {
            self.runs.push(place..place + 1);
        }
        is_new
    }
}
